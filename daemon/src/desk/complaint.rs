//! Complaints about mail of ours: only a bounce address or one of our signed ids ties them to a mail, and they are believed of whom
//! that was sent to. What a report says of its recipient is shown and no more.

use crate::model::address::fold;
use crate::model::changes::{Changes, Fate, MessageRef, TicketRef};
use crate::model::facts::{Facts, Keys};
use crate::model::outgoing::OutboxRow;
use crate::model::people::Person;
use crate::model::refusal::Refusal;
use crate::model::text::one_line;
use crate::model::understood::{Automatic, Complaint};

use super::draft::Draft;
use super::recipients::Addressed;
use super::{Desk, Known, Mail, bounce, delivery, need};

/// Decides a complaint; `None` when the mail is none, or about none of ours: then it is automatic mail like any other.
pub(super) fn decide(desk: &Desk, mail: &Mail<'_>, facts: &Facts, to: &Addressed, now: i64) -> Known<Option<Changes>> {
    let Some(complaint) = &mail.understood.facts.complaint else { return Ok(None) };
    let named = bounce::by_id(desk, mail);
    let is_about = |row: &&OutboxRow| bounce::is_by_address(row, to, now) || named == Some(row.id);
    let reported = bounce::reported(desk, mail, to);
    let row = reported.first().and_then(|id| facts.outbox.get(id)).and_then(Option::as_ref).filter(is_about);
    let Some(row) = row else { return Ok(None) };
    need(facts, Keys { tickets: row.ticket.into_iter().collect(), persons: [row.recipient].into(), ..Keys::default() })?;
    let draft = Draft::new(desk, mail, facts, now);
    let id = row.ticket.map(TicketRef::Id);
    let said = |draft: Draft<'_>, detail: &str| draft.fate(Fate::Automatic, id, Automatic::FeedbackReport.word(), detail);
    let Some(person) = facts.person(row.recipient) else { return Ok(Some(said(draft, "a complaint about a mail to nobody any more"))) };
    Ok(Some(if person.is_staff() {
        // One wrong click must not keep a colleague from hearing of customers, with nobody the wiser.
        said(draft, "somebody who works here called a mail of the desk unwanted: they still get it, unless `ombud agent set` says other")
    } else if fold(&row.address) != fold(&person.address) {
        said(draft, "a complaint of an address that its owner has no more")
    } else if person.complained(&row.address).is_some() {
        said(draft, "one more complaint of an address that nothing automatic is sent to")
    } else {
        complained(draft, row, person, complaint)
    }))
}

/// Nothing automatic is sent to the address from now on, and the ticket says so.
fn complained(mut draft: Draft<'_>, row: &OutboxRow, person: &Person, complaint: &Complaint) -> Changes {
    let now = draft.now;
    let known = person.refusal.as_deref().cloned().unwrap_or_default();
    draft.changes.refusals.push((person.id, Refusal { complained_at: Some(now), ..known }));
    let id = row.ticket.map(TicketRef::Id);
    if let Some(t) = row.ticket.and_then(|id| draft.facts.ticket(id)) {
        let report = Some((draft.mail.id, draft.mail.blob));
        let text = words(row, complaint);
        draft.changes.messages.push(delivery::system_message(t, "Reported as unwanted", text, now, report));
        let message = MessageRef::New(draft.changes.messages.len() - 1);
        let mut after = t.ticket.clone();
        after.messages += 1;
        draft.update(&t.ticket, after, "system");
        let data = serde_json::json!({ "outbox": row.id.0, "kind": row.kind.word() });
        draft.event("message.complained", "system", id, Some(message), data);
    }
    let fate = if id.is_some() { Fate::Message } else { Fate::Automatic };
    draft.fate(fate, id, "complaint", "a mail of ours was reported as unwanted: nothing automatic is sent to that address")
}

fn words(row: &OutboxRow, complaint: &Complaint) -> String {
    let (address, what) = (&row.address, delivery::what(row.kind).to_lowercase());
    let named = complaint.recipient.as_deref().filter(|named| !named.eq_ignore_ascii_case(address));
    let named = named.map_or_else(String::new, |named| format!(" The report itself names {}.", one_line(named, 254)));
    format!(
        "{address} reported {what} as unwanted.{named} No acknowledgement is sent there any more; what agents write is. \
         `ombud queue suppressed --lift {address}` ends that."
    )
}
