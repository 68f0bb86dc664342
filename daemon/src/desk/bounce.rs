//! Reports about mail of ours: only a bounce address or one of our signed ids ties them to a mail.

use crate::model::OutboxId;
use crate::model::changes::{Changes, Fate, TicketRef};
use crate::model::facts::{Facts, Keys};
use crate::model::text::one_line;
use crate::model::understood::Automatic;

use super::draft::Draft;
use super::message_id::OwnId;
use super::recipients::Addressed;
use super::{Desk, Known, Mail, delivery, need};

/// Outgoing mails that this one may report about.
pub(super) fn reported(desk: &Desk, mail: &Mail<'_>, to: &Addressed) -> Vec<OutboxId> {
    let by_address = to.bounce.map(|t| OutboxId(t.subject()));
    let original = mail.understood.bounce.as_ref().and_then(|b| b.original_message_id.as_deref());
    let by_id = original.and_then(|id| OwnId::verify(desk.book.keys(), &desk.config.desk.hostname, id)).map(|id| id.outbox);
    by_address.or(by_id).filter(|id| id.0 > 0).into_iter().collect()
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
    let Some((row, ticket)) = row.and_then(|row| Some((row, row.ticket?))) else {
        let word = class.map_or("bounce", Automatic::word);
        return Ok(Some(draft.fate(Fate::Automatic, None, word, "a report about no mail of a ticket")));
    };
    need(facts, Keys { tickets: [ticket].into(), ..Keys::default() })?;
    let id = TicketRef::Id(ticket);
    if class != Some(Automatic::Bounce) || row.state == crate::model::outgoing::OutboxState::Failed {
        let word = class.map_or("bounce", Automatic::word);
        return Ok(Some(draft.fate(Fate::Automatic, Some(id), word, "automatic mail about a mail of this ticket")));
    }
    let told = mail.understood.bounce.as_ref().and_then(|b| b.recipients.first());
    let reply = told.and_then(|r| r.diagnostic.clone().or_else(|| r.status.clone())).unwrap_or_else(|| "no reason was given".into());
    let reply = one_line(&reply, 500);
    let mut draft = draft;
    draft.changes.bounced.push((row.id, reply.clone()));
    delivery::tell(&mut draft, row, &reply, Some((mail.id, mail.blob)));
    Ok(Some(draft.fate(Fate::Message, Some(id), "bounce", "a mail of this ticket could not be delivered")))
}
