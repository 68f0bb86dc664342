//! What a header says of where the mail comes from: the one author, and what relays wrote above it.

use crate::model::Address;

use super::limits::Limits;
use super::{addresses, headers, prescan};

/// The fields from which an author is verified, unfolded. Nothing of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The only plain address of the only From field; the same that a mail is filed under.
    pub from: Option<Address>,
    /// The topmost Authentication-Results (RFC 8601).
    pub results: Option<String>,
    /// The topmost Received (RFC 5321 §4.4).
    pub received: Option<String>,
    /// `X-MS-Exchange-Organization-AuthAs`, when there is exactly one.
    pub auth_as: Option<String>,
    /// Where the body begins.
    pub body: usize,
}

/// Reads them; a mail that cannot be taken apart has no author.
pub fn origin(raw: &[u8], limits: &Limits) -> Origin {
    let raw = headers::without_mark(raw);
    let Ok(scan) = prescan(raw, limits) else { return Origin::default() };
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

/// A value without its comments (RFC 5322 §3.2.2); quoted strings keep their quotes.
pub fn without_comments(value: &str) -> String {
    headers::without_comments(value)
}
