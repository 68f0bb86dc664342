//! The fields of a header from which an author is verified.

use crate::model::Origin;

use super::addresses;
use crate::understand::limits::Limits;
use crate::understand::mime::headers;
use crate::understand::{Scan, prescan};

/// Reads them; a mail that cannot be taken apart has no author.
pub fn origin(raw: &[u8], limits: &Limits) -> Origin {
    prescan(raw, limits).map_or_else(|_| Origin::default(), |scan| scanned_origin(raw, limits, &scan))
}

/// The same for a mail of which this was seen.
pub fn scanned_origin(raw: &[u8], limits: &Limits, scan: &Scan) -> Origin {
    let raw = headers::without_mark(raw);
    let (fields, body) = headers::parse(raw, limits.header_size, limits.header_fields);
    let (from, problem) = addresses::author(&fields, limits.addresses);
    let text = |name: &str| fields.text(name);
    let only = |name: &str| text(name).filter(|_| fields.all(name).count() == 1);
    Origin {
        from: from.filter(|_| problem.is_none() && scan.from_fields == 1),
        results: text("authentication-results"),
        received: text("received"),
        auth_as: only("x-ms-exchange-organization-authas"),
        body,
    }
}
