//! What follows when a mail of ours has left, or could not be delivered: then the ticket shows it and its author
//! hears of it.

use crate::model::InboxId;
use crate::model::changes::{Changes, MessageRef, NewEvent, NewMessage, TicketRef};
use crate::model::facts::{Facts, Keys, TicketFacts};
use crate::model::outgoing::{MailKind, OutboxRow, Params};
use crate::model::people::Person;
use crate::model::refusal::UNTRIED;
use crate::model::text::one_line;
use crate::model::ticket::MessageKind;

use super::ledger::Ledger;
use super::{Desk, Step, audience, need, refusal};

/// Begins the reason of a mail that the desk itself has stopped, where else a server's reply stands.
pub const STOPPED: &str = "stopped by the desk:";

/// Characters of a server's reply in one line.
const REPLY: usize = 300;

/// Decides what follows when the relay has refused a mail for good, or it was given up.
pub fn failed(desk: &Desk, row: &OutboxRow, reply: &str, facts: &Facts, now: i64) -> Step {
    let (tickets, persons) = (row.ticket.into_iter().collect(), [row.recipient].into());
    if let Err(keys) = need(facts, Keys { staff: true, tickets, persons, ..Keys::default() }) {
        return Step::Need(keys);
    }
    let mut ledger = Ledger::new(desk, facts, now);
    let weight = refusal::of_reply(reply, &row.address);
    refusal::note(&mut ledger, row, weight, reply);
    // Of what nobody has tried to deliver only a person's words are missed.
    if row.kind == MailKind::Answer || !reply.starts_with(UNTRIED) {
        tell(&mut ledger, row, reply, None);
    }
    if weight.is_none() && reply.starts_with('5') {
        without_words(&mut ledger, row, reply);
    }
    Step::Done(Box::new(ledger.changes))
}

/// A server that refuses a mail for what people wrote in it will refuse the notification that shows it, and the report that
/// quotes it. Whoever works here hears at least that there is something: in a mail that holds nothing but this, and is not
/// followed by another.
fn without_words(ledger: &mut Ledger<'_>, row: &OutboxRow, reply: &str) {
    let reply = one_line(reply, REPLY);
    let lines = match row.kind {
        MailKind::Failed => vec![
            format!("Your answer was not delivered. The server said: {}", row.params.lines.first().map_or("", String::as_str)),
            format!("The mail that showed it to you was refused, too: {reply}"),
        ],
        MailKind::Notify | MailKind::Late | MailKind::Woken | MailKind::History => vec![
            "There is something new on this ticket".to_owned(),
            format!("The mail that showed it to you was refused by a server on its way, perhaps for what stands in it: {reply}"),
        ],
        _ => return,
    };
    let (Some(ticket), Some(person)) = (row.ticket, ledger.facts.person(row.recipient).filter(|p| p.is_active_agent())) else { return };
    ledger.send(MailKind::Receipt, person, Some(TicketRef::Id(ticket)), None, Params { lines, ..Params::default() });
}

/// Decides what follows when an answer still waits after hours: whoever wrote it hears of it.
pub fn late(desk: &Desk, row: &OutboxRow, reply: &str, facts: &Facts, now: i64) -> Step {
    let keys = Keys { staff: true, tickets: row.ticket.into_iter().collect(), ..Keys::default() };
    if let Err(keys) = need(facts, keys) {
        return Step::Need(keys);
    }
    let mut ledger = Ledger::new(desk, facts, now);
    ledger.changes.late.push(row.id);
    if let Some(t) = row.ticket.and_then(|id| facts.ticket(id)) {
        for person in told(facts, row, t, now) {
            let params = Params { outbox: Some(row.id), lines: vec![reply.to_owned()], ..Params::default() };
            ledger.send(MailKind::Late, person, Some(TicketRef::Id(t.ticket.id)), row.message.map(MessageRef::Id), params);
        }
    }
    Step::Done(Box::new(ledger.changes))
}

/// What follows when an answer has left: the fact, for the log.
pub fn sent(row: &OutboxRow, now: i64) -> Changes {
    let mut data = serde_json::Map::new();
    data.insert("outbox".into(), row.id.0.into());
    let (ticket, message) = (row.ticket.map(TicketRef::Id), row.message.map(MessageRef::Id));
    let event = NewEvent { kind: "message.sent", actor: "system".into(), ticket, message, data };
    Changes { at: now, events: vec![event], ..Changes::default() }
}

/// A `system` message on the ticket, the event, and for an answer a mail to whoever wrote it (else to the admins), with
/// the server's words.
pub(super) fn tell(ledger: &mut Ledger<'_>, row: &OutboxRow, reply: &str, report: Option<(InboxId, &[u8])>) {
    let Some(t) = row.ticket.and_then(|id| ledger.facts.ticket(id)) else { return };
    let id = TicketRef::Id(t.ticket.id);
    ledger.changes.messages.push(system_message(t, "Delivery failed", failure(row, reply), ledger.now, report));
    let message = MessageRef::New(ledger.changes.messages.len() - 1);
    let mut after = t.ticket.clone();
    after.messages += 1;
    ledger.update(&t.ticket, after, "system");
    let data = serde_json::json!({ "outbox": row.id.0, "kind": row.kind.word() });
    ledger.event("message.failed", "system", Some(id), Some(message), data);
    if row.kind != MailKind::Answer {
        return;
    }
    for person in told(ledger.facts, row, t, ledger.now) {
        let params = Params { outbox: Some(row.id), lines: vec![reply.to_owned()], ..Params::default() };
        ledger.send(MailKind::Failed, person, Some(id), row.message.map(MessageRef::Id), params);
    }
}

fn told<'f>(facts: &'f Facts, row: &OutboxRow, t: &TicketFacts, now: i64) -> Vec<&'f Person> {
    let author = row.params.actor.or(t.ticket.assignee).and_then(|id| facts.person(id)).filter(|p| p.is_active_agent());
    author.map_or_else(|| audience::admins(facts, now), |p| vec![p])
}

/// What a mail was, at the beginning of a sentence.
pub(super) fn what(kind: MailKind) -> &'static str {
    match kind {
        MailKind::Answer => "The answer",
        MailKind::Ack => "The acknowledgement",
        _ => "A notification",
    }
}

fn failure(row: &OutboxRow, reply: &str) -> String {
    let what = what(row.kind);
    match reply.strip_prefix(STOPPED).or_else(|| reply.strip_prefix(UNTRIED)) {
        Some(why) => format!("{what} to {} was not sent:{why}", row.address),
        None => format!("{what} to {} could not be delivered. The server said:\n{reply}", row.address),
    }
}

/// What the desk itself says on a ticket, inside, with the mail that it heard it from.
pub(super) fn system_message(t: &TicketFacts, subject: &str, text: String, now: i64, report: Option<(InboxId, &[u8])>) -> NewMessage {
    NewMessage {
        ticket: TicketRef::Id(t.ticket.id),
        turn: t.ticket.turn,
        kind: MessageKind::System,
        public: false,
        author: None,
        blob: report.map(|(_, blob)| blob.to_vec()),
        inbox: report.map(|(id, _)| id),
        message_id: None,
        subject: subject.to_owned(),
        automatic: None,
        flags: Vec::new(),
        verdict: None,
        text: text.clone(),
        reply_text: text,
        html: None,
        attachments: "[]".into(),
        created_at: now,
    }
}
