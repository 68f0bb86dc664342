//! Acts that come by the API: a change of a ticket, an answer or a note of an agent.

use crate::model::changes::{Changes, MessageRef, NewMessage, PersonRef, TicketRef};
use crate::model::facts::{Facts, Keys, TicketFacts};
use crate::model::people::Person;
use crate::model::text::clean;
use crate::model::ticket::{MessageKind, Priority, Status};
use crate::model::{MessageId, PersonId, TicketId};

use super::execute::{assign, mute};
use super::inside::Inside;
use super::ledger::{Ledger, actor};
use super::thread::people;
use super::{Desk, Known, Step, audience, hourly, need, tell};

/// What a PATCH changes; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Where it stands.
    pub status: Option<Status>,
    /// How much it hurries.
    pub priority: Option<Priority>,
    /// An agent's address, or nobody.
    pub assignee: Option<Option<String>>,
    /// A team, or none.
    pub team: Option<Option<String>>,
    /// All tags.
    pub tags: Option<Vec<String>>,
}

/// What an agent says over the API.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// Who.
    pub agent: PersonId,
    /// Plain text.
    pub text: &'a str,
    /// An answer; else a note.
    pub public: bool,
    /// What names this call: one with the same key was this one.
    pub key: Option<&'a [u8]>,
}

/// Why an act isn't done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was done before, and made this message.
    Done(MessageId),
    /// There is no such ticket.
    NoTicket,
    /// Nobody active has this address.
    NoAgent(String),
    /// The text can't be sent as it is.
    Text(&'static str),
}

/// An act's decision: a step, or why not.
pub type Decision = Result<Step, Refused>;

/// Changes a ticket. `by` speaks through the token, if somebody does.
///
/// # Errors
/// [`Refused`], once enough is known.
pub fn patch(desk: &Desk, ticket: TicketId, patch: &Patch, by: Option<PersonId>, facts: &Facts, now: i64) -> Decision {
    let decided = on_ticket(facts, ticket).map(|t| {
        let t = t.ok_or(Refused::NoTicket)?;
        let mut ledger = Ledger::new(desk, facts, now);
        let mut after = t.ticket.clone();
        after.status = patch.status.unwrap_or(after.status);
        after.priority = patch.priority.unwrap_or(after.priority);
        after.team = patch.team.clone().unwrap_or(after.team);
        after.tags = patch.tags.clone().unwrap_or(after.tags);
        after.tags.sort();
        after.tags.dedup();
        if let Some(assignee) = &patch.assignee {
            let assignee = assignee.as_deref().map(|address| agent(facts, address)).transpose()?;
            assign(&mut after, t, assignee.map(|p| p.id), by);
        }
        mute(&mut ledger, &t.ticket, &after);
        tell::of_owner(&mut ledger, by.and_then(|id| facts.person(id)), t, &after, None);
        ledger.update(&t.ticket, after, &by.map_or("api".into(), actor));
        Ok(ledger.changes)
    });
    step(desk, facts, now, decided)
}

/// An agent's answer or note.
///
/// # Errors
/// [`Refused`], once enough is known.
pub fn say(desk: &Desk, ticket: TicketId, said: &Said<'_>, facts: &Facts, now: i64) -> Decision {
    let (text, public) = (said.written(), said.public);
    let decided = done(facts, said.key).and_then(|done| Ok((done, on_ticket(facts, ticket)?))).map(|(done, t)| {
        if let Some(message) = done {
            return Err(Refused::Done(message));
        }
        let t = t.ok_or(Refused::NoTicket)?;
        let agent = facts.person(said.agent).filter(|p| p.is_active_agent()).ok_or_else(|| Refused::NoAgent("the token's agent".into()))?;
        if text.is_empty() {
            return Err(Refused::Text("it is empty"));
        }
        let inside = Inside { book: &desk.book, staff: facts.staff() };
        if public && inside.has_address(&text, None) {
            return Err(Refused::Text("a signed address of this desk is left in it"));
        }
        if public && inside.found(&text, "").is_some() {
            return Err(Refused::Text("an agent's own address or a line of a notification is in it"));
        }
        if public && (t.ticket.status == Status::Spam || t.ticket.merged_into.is_some()) {
            return Err(Refused::Text("the ticket is spam or was merged into another"));
        }
        let mut changes = written(Ledger::new(desk, facts, now), t, agent, &text, public);
        changes.said = said.key.map(|key| (key.to_vec(), MessageRef::New(0)));
        Ok(changes)
    });
    step(desk, facts, now, decided)
}

impl Said<'_> {
    /// The text as the message has it.
    pub fn written(&self) -> String {
        clean(self.text.trim(), true)
    }
}

/// The message that a call with this key made before.
fn done(facts: &Facts, key: Option<&[u8]>) -> Known<Option<MessageId>> {
    let Some(key) = key else { return Ok(None) };
    need(facts, Keys { fingerprints: [key.to_vec()].into(), ..Keys::default() })?;
    Ok(facts.fingerprints.get(key).and_then(|filed| filed.first()).map(|(_, message)| MessageId(message.0)))
}

fn written(mut ledger: Ledger<'_>, t: &TicketFacts, agent: &Person, text: &str, public: bool) -> Changes {
    let id = TicketRef::Id(t.ticket.id);
    let mut after = t.ticket.clone();
    after.turn += 1;
    after.messages += 1;
    ledger.changes.messages.push(NewMessage {
        ticket: id,
        turn: after.turn,
        kind: if public { MessageKind::Agent } else { MessageKind::Note },
        public,
        author: Some(PersonRef::Id(agent.id)),
        blob: None,
        inbox: None,
        message_id: None,
        subject: t.ticket.subject.clone(),
        automatic: None,
        flags: Vec::new(),
        verdict: None,
        text: text.to_owned(),
        reply_text: text.to_owned(),
        html: None,
        attachments: "[]".into(),
        created_at: ledger.now,
    });
    let message = MessageRef::New(ledger.changes.messages.len() - 1);
    let kind = if public { "message.received" } else { "note.added" };
    ledger.event(kind, &actor(agent.id), Some(id), Some(message), serde_json::json!({}));
    if !public {
        tell::of_note(&mut ledger, agent, t, message, text);
        ledger.update(&t.ticket, after, &actor(agent.id));
        return ledger.changes;
    }
    if after.status == Status::Open {
        after.status = Status::Pending;
    }
    if after.assignee.is_none() {
        assign(&mut after, t, Some(agent.id), Some(agent.id));
    }
    tell::customers(&mut ledger, agent, t, message);
    let heard = audience::of_ticket(ledger.facts, &TicketFacts { ticket: after.clone(), ..t.clone() });
    tell::agents(&mut ledger, heard, id, message, PersonRef::Id(agent.id));
    tell::of_owner(&mut ledger, Some(agent), t, &after, Some(message));
    ledger.update(&t.ticket, after, &actor(agent.id));
    ledger.changes
}

fn step(desk: &Desk, facts: &Facts, now: i64, decided: Known<Result<Changes, Refused>>) -> Decision {
    match decided {
        Err(keys) => Ok(Step::Need(keys)),
        Ok(Ok(changes)) => Ok(hourly::capped(desk, facts, changes, now)),
        Ok(Err(refused)) => Err(refused),
    }
}

/// The ticket with its people.
fn on_ticket(facts: &Facts, ticket: TicketId) -> Known<Option<&TicketFacts>> {
    need(facts, Keys { staff: true, tickets: [ticket].into(), ..Keys::default() })?;
    let Some(found) = facts.ticket(ticket) else { return Ok(None) };
    people(facts, found)?;
    Ok(Some(found))
}

fn agent<'f>(facts: &'f Facts, address: &str) -> Result<&'f Person, Refused> {
    let key = crate::model::address::fold(address);
    let found = facts.staff().agent_at(&key);
    found.ok_or_else(|| Refused::NoAgent(address.to_owned()))
}
