//! What waits for a person, and who is told.

use crate::clock::millis;
use crate::model::changes::{Changes, Fate, TicketRef};
use crate::model::facts::{CountKey, Keys};
use crate::model::outgoing::MailKind;
use crate::model::people::Person;

use super::author::Author;
use super::draft::Draft;
use super::ledger::{about, actor};
use super::thread::Place;
use super::who::Proof;
use super::{Known, brake, need};

/// Notices to one agent about mail that nothing proves.
const CONFIRMS_AN_HOUR: i64 = 30;
const CONFIRMS_A_DAY: i64 = 200;
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

/// Holds a mail until the agent whose address it was sent to has confirmed it, and tells that agent at once, at the
/// address that an admin has registered. Nothing proves who wrote it, so notices are capped: beyond that the admins hear
/// of it.
pub(super) fn for_owner(mut draft: Draft<'_>, place: &Place<'_>, detail: &str) -> Known<Changes> {
    let Some(owner) = place.owner.and_then(|owner| draft.facts.person(owner)) else {
        return Ok(for_admins(draft, "confirm", detail));
    };
    let hour = (CountKey::HoldsOf(owner.id, draft.now - 3_600_000), CONFIRMS_AN_HOUR);
    let day = (CountKey::HoldsOf(owner.id, draft.now - 86_400_000), CONFIRMS_A_DAY);
    need(draft.facts, Keys { counts: [hour.0.clone(), day.0.clone()].into(), ..Keys::default() })?;
    let count = |key: &CountKey| draft.facts.counts.get(key).copied().unwrap_or(0);
    if count(&hour.0) >= hour.1 || count(&day.0) >= day.1 {
        return Ok(for_admins(draft, "confirm", detail));
    }
    draft.changes.guard.below.extend([hour, day]);
    Ok(for_agent(draft, owner, place.ticket.map(|t| TicketRef::Id(t.ticket.id)), "confirm", detail))
}

/// Holds a mail for what is in it: an agent who has proven to have written it hears of it at once, else the admins do.
pub(super) fn for_author(draft: Draft<'_>, author: &Author, reason: &str, detail: &str) -> Changes {
    let facts = draft.facts;
    let agent = author.person(facts).filter(|person| person.is_active_agent() && draft.mail.proof(author) == Proof::Aligned);
    match agent {
        Some(agent) => for_agent(draft, agent, None, reason, detail),
        None => for_admins(draft, reason, detail),
    }
}

/// Holds an agent's mail and tells them at once; of answers that are too many once for all of them.
pub(super) fn for_agent(mut draft: Draft<'_>, agent: &Person, ticket: Option<TicketRef>, reason: &str, detail: &str) -> Changes {
    if reason == brake::REASON {
        return brake::hold(draft, agent, ticket, detail);
    }
    let id = draft.mail.id;
    draft.changes.told.push(id);
    draft.send(MailKind::Held, agent, ticket, None, about(id));
    draft.event("message.held", &actor(agent.id), ticket, None, serde_json::json!({ "inbox": id.0, "reason": reason }));
    draft.fate(Fate::Held, ticket, reason, detail)
}
