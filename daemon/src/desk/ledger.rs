//! Changes in the making: what a mail, a person at the API and a timer have in common.

use serde_json::{Map, Value};

use crate::clock::millis;
use crate::model::changes::{
    Changes, Guard, MessageRef, NewEvent, NewOutbox, NewParticipant, NewPerson, NewTimer, PersonRef, QUIET, TicketRef, quiet_key,
};
use crate::model::facts::{Facts, TicketFacts};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::text::one_line;
use crate::model::ticket::{Standing, Status, Ticket};
use crate::model::{Address, InboxId, PersonId};

use super::timers::SNOOZE;
use super::{Desk, quiet};

/// Collects changes; guards everything that was read.
pub(super) struct Ledger<'a> {
    pub(super) desk: &'a Desk,
    pub(super) facts: &'a Facts,
    pub(super) now: i64,
    pub(super) changes: Changes,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(desk: &'a Desk, facts: &'a Facts, now: i64) -> Self {
        Self { desk, facts, now, changes: Changes { at: now, guard: guard(facts), ..Changes::default() } }
    }

    /// The same for whoever guards what was read by themselves: for many decisions at once.
    pub(super) fn unguarded(desk: &'a Desk, facts: &'a Facts, now: i64) -> Self {
        Self { desk, facts, now, changes: Changes { at: now, ..Changes::default() } }
    }

    /// A person who is known, or a new one.
    pub(super) fn person(&mut self, address: &Address) -> PersonRef {
        if let Some(known) = self.facts.person_at(&address.key()) {
            return PersonRef::Id(known.id);
        }
        let at = self.changes.persons.iter().position(|p| crate::model::address::fold(&p.address) == address.key());
        PersonRef::New(at.unwrap_or_else(|| {
            let name = address.name.as_deref().map(|n| one_line(n, 128)).filter(|n| !n.is_empty());
            self.changes.persons.push(NewPerson { address: address.address.clone(), name });
            self.changes.persons.len() - 1
        }))
    }

    /// Somebody joins, once.
    pub(super) fn join(&mut self, ticket: TicketRef, person: PersonRef, standing: Standing) {
        let again = self.changes.participants.iter_mut().find(|p| p.ticket == ticket && p.person == person);
        if let Some(there) = again {
            if standing == Standing::Requester {
                there.standing = standing;
            }
            return;
        }
        self.changes.participants.push(NewParticipant { ticket, person, standing });
    }

    /// A fact for the log.
    pub(super) fn event(&mut self, kind: &'static str, actor: &str, ticket: Option<TicketRef>, message: Option<MessageRef>, data: Value) {
        let data = match data {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        self.changes.events.push(NewEvent { kind, actor: actor.to_owned(), ticket, message, data });
    }

    /// Mail that must leave, now.
    pub(super) fn send(&mut self, kind: MailKind, to: &Person, ticket: Option<TicketRef>, message: Option<MessageRef>, params: Params) {
        self.send_to(kind, PersonRef::Id(to.id), &to.address, ticket, message, params);
    }

    /// Mail that must leave, to somebody who may be new.
    pub(super) fn send_to(
        &mut self,
        kind: MailKind,
        recipient: PersonRef,
        address: &str,
        ticket: Option<TicketRef>,
        message: Option<MessageRef>,
        params: Params,
    ) {
        let address = address.to_owned();
        let due_at = match kind {
            MailKind::Answer => self.now + millis(self.desk.config.outbound.undo),
            // Whoever has just written is awake.
            MailKind::Ack | MailKind::Held | MailKind::Failed | MailKind::Late | MailKind::Receipt | MailKind::Braked => self.now,
            MailKind::History | MailKind::Found | MailKind::Help => self.now,
            MailKind::Notify | MailKind::Taken | MailKind::Woken => self.put_off(recipient),
            MailKind::News | MailKind::Digest | MailKind::Webhook | MailKind::Imap | MailKind::Undeliverable => self.awake(recipient),
        };
        let created_at = self.now;
        self.changes.outbox.push(NewOutbox { ticket, recipient, address, kind, message, params, due_at, created_at });
    }

    /// The same for what is new on a ticket. What waits is looked at when it may leave: all of it together may be one mail.
    fn put_off(&mut self, recipient: PersonRef) -> i64 {
        let due_at = self.awake(recipient);
        if let (PersonRef::Id(person), true) = (recipient, due_at > self.now) {
            let timer = NewTimer { kind: QUIET, ticket: None, key: quiet_key(person, due_at), due_at, if_untold: false };
            if !self.changes.timers.contains(&timer) {
                self.changes.timers.push(timer);
            }
        }
        due_at
    }

    /// When an agent may be mailed: now, or when their quiet hours end.
    fn awake(&self, recipient: PersonRef) -> i64 {
        let known = match recipient {
            PersonRef::Id(id) => self.facts.person(id).filter(|p| p.is_staff()),
            PersonRef::New(_) => None,
        };
        let until = known.and_then(|p| quiet::until(&p.settings, self.now));
        until.unwrap_or(self.now)
    }

    /// What was sent so far leaves when its readers' quiet hours end, whatever it is.
    pub(super) fn wake_nobody(&mut self) {
        let mut outbox = std::mem::take(&mut self.changes.outbox);
        for mail in &mut outbox {
            mail.due_at = mail.due_at.max(self.awake(mail.recipient));
        }
        self.changes.outbox = outbox;
    }

    /// Something to do later.
    pub(super) fn timer(&mut self, kind: &'static str, ticket: Option<TicketRef>, due_at: i64) {
        self.changes.timers.push(NewTimer { kind, ticket, key: String::new(), due_at, if_untold: false });
    }

    /// The ticket as it shall be; its status change is logged.
    pub(super) fn update(&mut self, before: &Ticket, mut after: Ticket, actor: &str) {
        let ticket = Some(TicketRef::Id(before.id));
        after.updated_at = self.now.max(before.updated_at);
        if after.status != before.status {
            after.solved_at = match after.status {
                Status::Solved => Some(self.now),
                Status::Closed => before.solved_at.or(Some(self.now)),
                _ => None,
            };
            if after.status == Status::Solved {
                self.timer("close", ticket, self.now + millis(self.desk.config.desk.close_after));
            }
            if before.status == Status::OnHold {
                self.changes.timers_gone.push((SNOOZE, before.id));
            }
            let data = serde_json::json!({ "from": before.status.word(), "to": after.status.word() });
            self.event("ticket.status_changed", actor, ticket, None, data);
        }
        if after.assignee != before.assignee {
            let id = |p: Option<PersonId>| p.map(|p| p.0);
            self.event(
                "ticket.assigned",
                actor,
                ticket,
                None,
                serde_json::json!({ "from": id(before.assignee), "to": id(after.assignee) }),
            );
        }
        let same = (after.priority, &after.team, &after.tags) == (before.priority, &before.team, &before.tags);
        if !same {
            let data = serde_json::json!({ "priority": after.priority.word(), "team": after.team, "tags": after.tags });
            self.event("ticket.updated", actor, ticket, None, data);
        }
        self.changes.updates.push(after);
    }
}

/// Everything that was read and must still be so.
pub fn guard(facts: &Facts) -> Guard {
    Guard {
        inbox: None,
        people_version: Some(facts.people_version),
        tickets: facts.tickets.values().flatten().map(|t: &TicketFacts| (t.ticket.id, t.ticket.version)).collect(),
        refs: facts.refs.iter().map(|(hash, hits)| (hash.clone(), hits.clone())).collect(),
        fingerprints: facts.fingerprints.iter().map(|(print, filed)| (print.clone(), filed.clone())).collect(),
        held: Vec::new(),
        below: Vec::new(),
        brakes: Vec::new(),
        news: Vec::new(),
    }
}

/// `person:7`.
pub(super) fn actor(person: PersonId) -> String {
    format!("person:{person}")
}

/// The held mails that are told of.
pub(super) fn about(inbox: InboxId) -> Params {
    Params { inbox: vec![inbox], ..Params::default() }
}
