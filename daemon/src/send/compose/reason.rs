//! Why an agent gets a mail, and of which list it is, for the filters of their mail client.

use crate::model::Address;
use crate::model::address::written;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::people::Notify;
use crate::model::staff::is_called;
use crate::model::ticket::{MessageKind, Role};

use super::Matter;

/// The words of X-Ombud-Reason.
pub(super) fn reason(row: &OutboxRow, matter: &Matter) -> &'static str {
    match row.kind {
        MailKind::Notify => of_notification(matter),
        MailKind::Taken if row.params.actor == Some(row.recipient) => "assigned",
        MailKind::Taken => "taken",
        MailKind::Held => "held",
        MailKind::Digest => "digest",
        MailKind::Failed => "failed",
        MailKind::Late => "late",
        MailKind::Receipt => "receipt",
        MailKind::Woken => "snooze",
        MailKind::News => "quiet",
        MailKind::History | MailKind::Found | MailKind::Help => "asked",
        MailKind::Webhook | MailKind::Imap | MailKind::Undeliverable | MailKind::Braked => "alarm",
        // To somebody who works here and is on the ticket as anybody else.
        MailKind::Ack | MailKind::Answer => "customer",
    }
}

fn of_notification(matter: &Matter) -> &'static str {
    let (agent, assignee) = (&matter.recipient, matter.ticket.as_ref().and_then(|t| t.assignee.as_ref()));
    let note = matter.message.as_ref().filter(|m| m.kind == MessageKind::Note && !m.public);
    match assignee.map(Address::key) {
        Some(key) if agent.has_address(&key) => "assigned",
        _ if note.is_some_and(|note| is_called(agent, &note.text)) => "mentioned",
        None if note.is_none() => "unassigned",
        _ if agent.settings.notify == Notify::All => "all",
        _ if agent.role == Role::Admin && matter.message.as_ref().is_some_and(|m| m.flags.iter().any(|f| f == "loop")) => "alarm",
        _ => "following",
    }
}

/// A mailbox's address as the id of a list (RFC 2919 §2): `support.example.com`, a domain beyond ASCII as A-labels.
pub(super) fn list_id(address: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '.' };
    written(address).to_ascii_lowercase().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_name_of_its_mailbox() {
        assert_eq!(list_id("Support@Desk.test"), "support.desk.test");
        assert_eq!(list_id("Hilfe@Bücher.test"), "hilfe.xn--bcher-kva.test");
        assert_eq!(list_id("hilfe+ö>\r\n@desk.test"), "hilfe......desk.test");
    }
}
