//! A mail to a one-use address: lets a held mail through, or drops it.

use crate::model::InboxId;
use crate::model::changes::{Changes, Fate, Release};
use crate::model::facts::Facts;
use crate::model::outgoing::{MailKind, Params};

use super::author::Author;
use super::draft::Draft;
use super::ledger::actor;
use super::token::{Purpose, Token};
use super::{Known, brake, hold};

/// The address was mailed to one person's registered address, so having it proves that they read mail there; it must
/// come from an address of theirs, and by their own hand. It works once: a mail that is not held any more stays as it is.
pub(super) fn decide(mut draft: Draft<'_>, facts: &Facts, author: &Author, token: Token) -> Known<Changes> {
    let person = facts.person(token.person()).filter(|p| p.is_active_agent());
    let theirs = !author.unproven && !author.contradictory && author.id(facts) == Some(token.person());
    let valid = person.is_some_and(|p| token.is_of_epoch(p.epoch)) && !token.is_expired(draft.now);
    let Some(person) = person.filter(|_| theirs && valid && draft.mail.understood.automatic.is_none()) else {
        return Ok(hold::for_admins(draft, "author", "it was sent to a release address by somebody else, or the address has expired"));
    };
    if matches!(token.purpose(), Purpose::Lot | Purpose::LotDrop) {
        return brake::end(draft, person, token);
    }
    let inbox = InboxId(token.subject());
    let pass = token.purpose() == Purpose::Release;
    if facts.inbox.get(&inbox).and_then(Option::as_ref).is_some_and(|held| held.held) {
        draft.changes.guard.held.push(inbox);
        draft.changes.released.push(Release { inbox, by: Some(person.id), pass });
        draft.event("message.released", &actor(person.id), None, None, serde_json::json!({ "inbox": inbox.0, "passed": pass }));
        let what = if pass { "let a held mail through" } else { "dropped a held mail" };
        return Ok(draft.fate(Fate::Message, None, "release", &format!("{what} (mail {inbox})")));
    }
    let lines = vec![format!("Mail {inbox} does not wait any more: it was let through or dropped before. Nothing has changed.")];
    draft.send(MailKind::Receipt, person, None, None, Params { lines, ..Params::default() });
    Ok(draft.fate(Fate::Message, None, "release", &format!("mail {inbox} was not held any more")))
}
