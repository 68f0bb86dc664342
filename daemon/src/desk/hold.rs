//! What waits for a person, and who is told.

use crate::model::changes::{Changes, Fate, TicketRef};
use crate::model::outgoing::MailKind;
use crate::model::people::Person;

use super::draft::Draft;
use super::ledger::{about, actor, millis};
use super::thread::Place;

/// Key of the timer that mails the digest of held mail to the admins.
pub(super) const DIGEST: &str = "digest";

/// Holds the mail; the admins hear of it in their next digest.
pub(super) fn for_admins(mut draft: Draft<'_>, reason: &str, detail: &str) -> Changes {
    let due_at = draft.now + millis(draft.desk.config.desk.digest_every);
    draft.timer(DIGEST, None, due_at);
    let data = serde_json::json!({ "inbox": draft.mail.id.0, "reason": reason });
    draft.event("message.held", "system", None, None, data);
    draft.fate(Fate::Held, None, reason, detail)
}

/// Holds the mail of the agent whose address it was sent to, and tells that agent at once, at the address that an
/// admin has registered.
pub(super) fn for_owner(draft: Draft<'_>, place: &Place<'_>, reason: &str, detail: &str) -> Changes {
    match place.owner.and_then(|owner| draft.facts.person(owner)) {
        Some(owner) => for_agent(draft, owner, place.ticket.map(|t| TicketRef::Id(t.ticket.id)), reason, detail),
        None => for_admins(draft, reason, detail),
    }
}

/// Holds an agent's mail and tells them at once.
pub(super) fn for_agent(mut draft: Draft<'_>, agent: &Person, ticket: Option<TicketRef>, reason: &str, detail: &str) -> Changes {
    let id = draft.mail.id;
    draft.changes.told.push(id);
    draft.send(MailKind::Held, agent, ticket, None, about(id));
    draft.event("message.held", &actor(agent.id), ticket, None, serde_json::json!({ "inbox": id.0, "reason": reason }));
    draft.fate(Fate::Held, ticket, reason, detail)
}
