//! Reports about mail of ours: only a bounce address or one of our signed ids ties them to a mail.

use crate::model::address::fold;
use crate::model::changes::{Changes, Fate, TicketRef};
use crate::model::facts::{Facts, Keys};
use crate::model::outgoing::{OutboxRow, OutboxState};
use crate::model::text::one_line;
use crate::model::understood::Automatic;
use crate::model::{OutboxId, Transport};

use super::author::Author;
use super::draft::Draft;
use super::message_id::OwnId;
use super::recipients::Addressed;
use super::who::{Kind, Proof};
use super::{Desk, Known, Mail, delivery, need, refusal, thread};

/// Outgoing mails that this one may report about.
pub(super) fn reported(desk: &Desk, mail: &Mail<'_>, to: &Addressed) -> Vec<OutboxId> {
    let by_address = to.bounce.map(|t| OutboxId(t.subject()));
    by_address.or_else(|| by_id(desk, mail)).filter(|id| id.0 > 0).into_iter().collect()
}

/// The mail whose signed Message-ID a report names.
pub(super) fn by_id(desk: &Desk, mail: &Mail<'_>) -> Option<OutboxId> {
    let bounced = mail.understood.bounce.as_ref().and_then(|b| b.original_message_id.as_deref());
    let unwanted = mail.understood.facts.complaint.as_ref().and_then(|c| c.original_message_id.as_deref());
    OwnId::verify(desk.book.keys(), &desk.config.desk.hostname, bounced.or(unwanted)?).map(|id| id.outbox)
}

/// Whether a report came to the bounce address of the mail that it is about.
pub(super) fn is_by_address(row: &OutboxRow, to: &Addressed, now: i64) -> bool {
    to.bounce.is_some_and(|t| t.subject() == row.id.0 && t.person() == row.recipient && !t.is_expired(now))
}

/// Decides a report of a delivery; `None` when the mail is none.
pub(super) fn decide(desk: &Desk, mail: &Mail<'_>, facts: &Facts, to: &Addressed, now: i64) -> Known<Option<Changes>> {
    let class = mail.understood.automatic;
    let report = matches!(class, Some(Automatic::Bounce | Automatic::DeliveryReport));
    if !report {
        // A person's or a robot's mail to our envelope sender belongs to that mail's ticket: see `thread`.
        return Ok(None);
    }
    let row = reported(desk, mail, to).first().and_then(|id| facts.outbox.get(id)).and_then(Option::as_ref);
    let draft = Draft::new(desk, mail, facts, now);
    let word = class.map_or("bounce", Automatic::word);
    let Some(row) = row else {
        return Ok(Some(draft.fate(Fate::Automatic, None, word, "a report about no mail of ours")));
    };
    need(facts, Keys { tickets: row.ticket.into_iter().collect(), persons: [row.recipient].into(), ..Keys::default() })?;
    let id = row.ticket.map(TicketRef::Id);
    let told = mail.understood.bounce.as_ref().and_then(|b| refusal::about(&b.recipients, &row.address));
    // Of several recipients of a report another one may have failed.
    let failed = class == Some(Automatic::Bounce) && told.is_none_or(|r| r.action.as_deref() != Some("delayed"));
    if !failed || row.state == OutboxState::Failed {
        return Ok(Some(draft.fate(Fate::Automatic, id, word, "automatic mail about a mail of ours")));
    }
    let reply = told.and_then(|r| r.diagnostic.clone().or_else(|| r.status.clone())).unwrap_or_else(|| "no reason was given".into());
    let reply = one_line(&reply, 500);
    let mut draft = draft;
    draft.changes.bounced.push((row.id, reply.clone()));
    // Our Message-IDs are seen by everybody in the conversation; the bounce address only by who has handled this one mail.
    if is_by_address(row, to, now) {
        refusal::note(&mut draft, row, refusal::of_report(told, &row.address), &reply);
    }
    delivery::tell(&mut draft, row, &reply, Some((mail.id, mail.blob)));
    let fate = if id.is_some() { Fate::Message } else { Fate::Automatic };
    Ok(Some(draft.fate(fate, id, "bounce", "a mail of ours could not be delivered")))
}

/// Whoever writes from an address, provably, reads mail there: what it had refused when the mail came in is forgotten. An address of
/// theirs on a ticket proves it, too, unless their domain denies the mail.
pub(super) fn revive(desk: &Desk, mail: &Mail<'_>, facts: &Facts, changes: &mut Changes, now: i64) {
    let is_report = matches!(mail.understood.automatic, Some(Automatic::Bounce | Automatic::DeliveryReport));
    let is_copy = changes.inbox.as_ref().is_none_or(|inbox| inbox.fate == Fate::Duplicate);
    if is_report || is_copy || mail.envelope.transport == Transport::Import {
        return;
    }
    let author = Author::read(desk, mail);
    let Some(person) = author.person(facts) else { return };
    let is_later = person.refusal.as_ref().is_some_and(|refusal| refusal.has_refused() && mail.received_at > refusal.refused_at);
    let wrote = author.address.as_ref().is_some_and(|address| address.key() == fold(&person.address));
    if !is_later || !wrote {
        return;
    }
    let has_token = || {
        let place = thread::by_token(facts, &Addressed::read(desk, mail, now), now).ok().flatten();
        place.is_some_and(|place| place.kind == Kind::Customer && place.owner == Some(person.id))
    };
    let proof = mail.proof(&author);
    let is_denied = author.unproven || author.contradictory || matches!(proof, Proof::Fail | Proof::FailPolicy | Proof::Permanent);
    if proof.is_proof() || !is_denied && has_token() {
        changes.alive.push(person.id);
    }
}
