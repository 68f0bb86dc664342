//! The sections of the file, in its order.

use super::problems::Origin;
use super::raw::Table;
use super::reader::{Notes, Section};
use super::types::{Config, Webhooks};
use super::{read_desk, read_filters, read_limits, read_listen, read_mailboxes, read_outbound, values};

/// Reads the whole tree. What comes out is a configuration only if no problem was noted.
pub(super) fn config(root: Table, local: bool, notes: &mut Notes) -> Config {
    notes.section("", (root, Origin::File), |s| {
        let desk = s.section_or_empty("desk", "[desk]", read_desk::desk);
        let smtp = s.section("smtp", "[smtp]", read_listen::smtp);
        let smtp_tls = smtp.as_ref().and_then(|smtp| smtp.tls.as_ref());
        Config {
            database: s.section_or_empty("database", "[database]", |s| read_desk::database(s, &desk)),
            submission: s.section("submission", "[submission]", |s| read_listen::submission(s, smtp_tls)),
            smtp,
            lmtp: s.section("lmtp", "[lmtp]", read_listen::lmtp),
            http: s.section("http", "[http]", read_listen::http),
            outbound: s.section_or_empty("outbound", "[outbound]", read_outbound::outbound),
            authentication: s.section_or_empty("authentication", "[authentication]", read_outbound::authentication),
            filters: read_filters::filters(s),
            mailboxes: read_mailboxes::mailboxes(s, &desk.name),
            webhooks: s.section_or_empty("webhooks", "[webhooks]", webhooks),
            limits: s.section_or_empty("limits", "[limits]", read_limits::limits),
            local,
            warnings: Vec::new(),
            desk,
        }
    })
}

fn webhooks(s: &mut Section<'_>) -> Webhooks {
    Webhooks {
        allow_http: s.boolean("allow_http").unwrap_or(false),
        allow_networks: s.list("allow_networks", values::net).unwrap_or_default().into_iter().map(|(net, _)| net).collect(),
    }
}
