//! To whom a fetched mail is: the envelope is gone, and what the last servers wrote down of it stands in the header.

use crate::model::Envelope;
use crate::model::address::{fold, is_plain};
use crate::model::envelope::Transport;

/// Octets of a header that are looked at.
const HEADER: usize = 256 << 10;
/// Fields in which servers write an envelope's recipient.
const DELIVERED: [&str; 3] = ["delivered-to", "x-original-to", "envelope-to"];
/// Most addresses that are taken.
const RECIPIENTS: usize = 20;
/// Most addresses that are looked at.
const LOOKED_AT: usize = 1_000;

/// What an address is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// A mailbox or a role address.
    Mailbox,
    /// A signed address.
    Signed,
    /// None of ours, or a signed address that does not verify.
    No,
}

/// Which addresses are ours. Built by the composition root.
pub trait Addresses: Send + Sync + 'static {
    /// What this one is.
    fn ours(&self, address: &str) -> Ours;
}

/// The envelope of a mail that was fetched for `mailbox`. Of what the header claims, only addresses of ours count, and they
/// prove nothing: who wrote the mail is looked at later.
pub(super) fn envelope(raw: &[u8], mailbox: &str, tls: bool, desk: &impl Addresses) -> Envelope {
    let fields = fields(raw);
    let of = |names: &'static [&str]| fields.iter().filter(move |(name, _)| names.contains(&name.as_str())).map(|(_, value)| value);
    let mut recipients = Recipients::default();
    for address in of(&DELIVERED).flat_map(|value| addresses(value)).take(LOOKED_AT) {
        if desk.ours(&address) != Ours::No {
            recipients.add(address);
        }
    }
    if recipients.0.is_empty() {
        recipients.add(mailbox.to_owned());
    }
    // A provider that delivers to its own account's name leaves the signed address in To alone.
    for address in of(&["to"]).flat_map(|value| addresses(value)).take(LOOKED_AT) {
        if desk.ours(&address) == Ours::Signed {
            recipients.add(address);
        }
    }
    let path = of(&["return-path"]).next();
    let sender = path.and_then(|value| addresses(value).next());
    let envelope = Envelope::without_client(Transport::Imap, sender.unwrap_or_default(), recipients.0);
    Envelope { tls, sender_unknown: path.is_none(), account: Some(mailbox.to_owned()), ..envelope }
}

#[derive(Default)]
struct Recipients(Vec<String>);

impl Recipients {
    fn add(&mut self, address: String) {
        if self.0.len() < RECIPIENTS && !self.0.iter().any(|known| fold(known) == fold(&address)) {
            self.0.push(address);
        }
    }
}

/// The header's fields that are needed here, names lower case, values unfolded.
fn fields(raw: &[u8]) -> Vec<(String, String)> {
    let head = String::from_utf8_lossy(raw.get(..HEADER).unwrap_or(raw));
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut kept = false;
    for line in head.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut().filter(|_| kept) {
                value.push_str(line);
            }
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        let name = name.trim_end().to_ascii_lowercase();
        kept = DELIVERED.contains(&name.as_str()) || matches!(name.as_str(), "to" | "return-path");
        if kept {
            fields.push((name, value.to_owned()));
        }
    }
    fields
}

/// The plain addresses of a field: what stands in angle brackets, else what stands alone. Quoted names are no addresses.
fn addresses(value: &str) -> impl Iterator<Item = String> + use<> {
    let (mut plain, mut quoted, mut escaped, mut comment) = (String::new(), false, false, 0usize);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || comment > 0 => escaped = true,
            '"' if comment == 0 => quoted = !quoted,
            _ if quoted => {}
            '(' => comment += 1,
            ')' => comment = comment.saturating_sub(1),
            _ if comment > 0 => {}
            ',' | ';' => plain.push(','),
            _ => plain.push(c),
        }
    }
    let address = |item: &str| {
        let inner = item.rsplit_once('<').map_or(item, |(_, rest)| rest.split('>').next().unwrap_or_default());
        let inner = inner.trim();
        is_plain(inner).then(|| inner.to_owned())
    };
    plain.split(',').filter_map(address).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Desk;

    impl Addresses for Desk {
        fn ours(&self, address: &str) -> Ours {
            match fold(address).as_str() {
                "support@desk.test" | "sales@desk.test" | "postmaster@desk.test" => Ours::Mailbox,
                "support+token@desk.test" => Ours::Signed,
                _ => Ours::No,
            }
        }
    }

    fn read(header: &str) -> (Vec<String>, String) {
        let envelope = envelope(format!("{header}\r\n\r\nDelivered-To: sales@desk.test\r\n").as_bytes(), "support@desk.test", true, &Desk);
        (envelope.recipients, envelope.mail_from)
    }

    #[test]
    fn recipients_are_ours_or_the_mailbox() {
        let to = |header| read(header).0;
        assert_eq!(to("Subject: x"), ["support@desk.test"]);
        assert_eq!(to("Delivered-To: me@provider.test\r\nTo: sales@desk.test"), ["support@desk.test"], "To alone is only shown");
        assert_eq!(to("delivered-to: Sales@desk.test\nX-Original-To: <sales@desk.test>"), ["Sales@desk.test"]);
        assert_eq!(to("Delivered-To: me@provider.test\r\nDelivered-To: sales@desk.test"), ["sales@desk.test"], "of any server on the way");
        assert_eq!(to("Envelope-To:\r\n sales@desk.test,\r\n\tpostmaster@desk.test"), ["sales@desk.test", "postmaster@desk.test"]);
    }

    #[test]
    fn a_signed_address_counts_in_to_as_well() {
        let to = |header| read(header).0;
        let both = ["support@desk.test", "support+token@desk.test"];
        assert_eq!(to("To: \"Acme, Support\" <support+token@desk.test>, ann@x.test"), both);
        assert_eq!(to("X-Original-To: support+token@desk.test\r\nDelivered-To: support@desk.test\r\nTo: a@x.test").len(), 2);
        assert_eq!(to("To: \"support+token@desk.test\" <ann@x.test>"), ["support@desk.test"], "a name is no address");
        assert_eq!(to("Cc: support+token@desk.test\r\nReply-To: support+token@desk.test"), ["support@desk.test"]);
    }

    #[test]
    fn the_first_return_path_is_the_sender() {
        let from = |header| read(header).1;
        assert_eq!(from("Return-Path: <ann@x.test>\r\nReturn-Path: <eve@x.test>"), "ann@x.test");
        assert_eq!(from("Return-Path: <>\r\nReturn-Path: <eve@x.test>"), "");
        assert_eq!(from("From: ann@x.test"), "");
        assert_eq!(from("Return-Path: <a b@x.test>"), "");
    }

    #[test]
    fn a_mail_without_a_return_path_has_an_unknown_sender_and_no_null_one() {
        let is_null = |header: &str| envelope(header.as_bytes(), "support@desk.test", true, &Desk).has_null_sender();
        assert!(is_null("Return-Path: <>\r\nFrom: ann@x.test\r\n\r\n") && is_null("Return-Path: <MAILER-DAEMON>\r\n\r\n"));
        assert!(!is_null("From: ann@x.test\r\n\r\nReturn-Path: <>\r\n") && !is_null("Return-Path: <ann@x.test>\r\n\r\n"));
    }

    #[test]
    fn a_flood_of_addresses_is_bounded() {
        let many = "Delivered-To: sales@desk.test, support@desk.test\r\n".repeat(20_000);
        assert_eq!(read(&many).0.len(), 2);
        assert_eq!(read(&format!("To: {}", "(".repeat(200_000))).0.len(), 1);
    }

    proptest! {
        #[test]
        fn any_octets_have_an_envelope(raw in prop::collection::vec(any::<u8>(), 0..400), names in "(Delivered-To:|To:|Return-Path:|[ <>,;()\"\\\\@a.\r\n]){0,40}") {
            for raw in [raw.as_slice(), names.as_bytes()] {
                let envelope = envelope(raw, "support@desk.test", false, &Desk);
                prop_assert!(!envelope.recipients.is_empty() && envelope.recipients.len() <= RECIPIENTS);
            }
        }
    }
}
