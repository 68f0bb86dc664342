//! A decision while it is being made: collects changes and what they were made from.

use serde_json::{Map, Value};

use crate::model::changes::{
    Changes, Fate, Guard, InboxFate, Label, MessageRef, NewEvent, NewMessage, NewOutbox, NewParticipant, NewPerson, NewRef, NewTimer,
    PersonRef, TicketRef,
};
use crate::model::facts::{Facts, TicketFacts};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::text::one_line;
use crate::model::ticket::{MessageKind, Standing, Status, Ticket};
use crate::model::{Address, InboxId, PersonId};

use super::{Desk, Mail, thread};

/// Longest subject that is kept, in characters.
const SUBJECT: usize = 250;

/// Changes in the making.
pub(super) struct Draft<'a> {
    pub(super) desk: &'a Desk,
    pub(super) mail: Mail<'a>,
    pub(super) facts: &'a Facts,
    pub(super) now: i64,
    pub(super) changes: Changes,
    decided_from: String,
}

impl<'a> Draft<'a> {
    pub(super) fn new(desk: &'a Desk, mail: &Mail<'a>, facts: &'a Facts, now: i64) -> Self {
        let mut changes = Changes { at: now, guard: guard(facts), ..Changes::default() };
        changes.guard.inbox = Some((mail.id, mail.node));
        Self { desk, mail: *mail, facts, now, changes, decided_from: String::new() }
    }

    /// Notes what the decision was made from, for the audit.
    pub(super) fn decided_from(mut self, what: &str) -> Self {
        what.clone_into(&mut self.decided_from);
        self
    }

    /// Ends the decision with the fate of the mail.
    pub(super) fn fate(mut self, fate: Fate, ticket: Option<TicketRef>, reason: &str, detail: &str) -> Changes {
        let u = self.mail.understood;
        let filed = matches!(fate, Fate::Ticket | Fate::Message | Fate::Automatic);
        let scope = match ticket {
            Some(TicketRef::Id(id)) => id.0,
            _ => 0,
        };
        self.changes.inbox = Some(InboxFate {
            id: self.mail.id,
            fate,
            ticket,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            label: Label {
                message_id: u.message_id.clone(),
                sender: u.from.as_ref().map(|f| f.address.clone()).or_else(|| Some(self.mail.envelope.mail_from.clone())),
                subject: one_line(&u.subject, SUBJECT),
            },
            decided_from: serde_json::json!({ "rule": self.decided_from, "released_by": self.mail.released_by }).to_string(),
            // A held mail is no copy's original: whoever plants a forged copy first must not silence the real one.
            fingerprint: filed.then(|| (u.facts.fingerprint.to_vec(), scope)),
        });
        self.changes
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

    /// Adds this mail as a message.
    pub(super) fn message(&mut self, ticket: TicketRef, turn: i64, kind: MessageKind, public: bool, author: PersonRef) -> MessageRef {
        let u = self.mail.understood;
        self.changes.messages.push(NewMessage {
            ticket,
            turn,
            kind,
            public,
            author: Some(author),
            blob: Some(self.mail.blob.to_vec()),
            inbox: Some(self.mail.id),
            message_id: u.message_id.clone(),
            subject: one_line(&u.subject, SUBJECT),
            automatic: u.automatic.map(|a| a.word().to_owned()),
            flags: Vec::new(),
            verdict: Some(self.mail.verdict.clone()),
            text: u.text.clone(),
            reply_text: u.reply_text.clone(),
            html: u.html.clone(),
            attachments: serde_json::to_string(&u.attachments).unwrap_or_else(|_| "[]".into()),
            created_at: self.mail.received_at,
        });
        MessageRef::New(self.changes.messages.len() - 1)
    }

    /// The message that was added last.
    pub(super) fn last_message(&mut self) -> Option<&mut NewMessage> {
        self.changes.messages.last_mut()
    }

    /// Remembers the Message-IDs of this mail for the thread.
    pub(super) fn refs(&mut self, ticket: TicketRef) {
        let own = thread::own_hash(self.mail.understood).map(|hash| NewRef { hash, ticket, own: true });
        let named = thread::named_hashes(self.desk, self.mail.understood).into_iter().map(|hash| NewRef { hash, ticket, own: false });
        self.changes.refs.extend(own.into_iter().chain(named));
    }

    /// Somebody joins.
    pub(super) fn join(&mut self, ticket: TicketRef, person: PersonRef, standing: Standing) {
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
        let wait = if kind == MailKind::Answer { millis(self.desk.config.outbound.undo) } else { 0 };
        let (due_at, created_at) = (self.now + wait, self.now);
        self.changes.outbox.push(NewOutbox { ticket, recipient, address, kind, message, params, due_at, created_at });
    }

    /// Something to do later.
    pub(super) fn timer(&mut self, kind: &'static str, ticket: Option<TicketRef>, due_at: i64) {
        self.changes.timers.push(NewTimer { kind, ticket, key: String::new(), due_at });
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
pub(super) fn guard(facts: &Facts) -> Guard {
    Guard {
        inbox: None,
        people_version: Some(facts.people_version),
        tickets: facts.tickets.values().flatten().map(|t: &TicketFacts| (t.ticket.id, t.ticket.version)).collect(),
        refs: facts.refs.iter().map(|(hash, hits)| (hash.clone(), hits.clone())).collect(),
        fingerprints: facts.fingerprints.iter().map(|(print, filed)| (print.clone(), filed.clone())).collect(),
        held: Vec::new(),
    }
}

/// `person:7`.
pub(super) fn actor(person: PersonId) -> String {
    format!("person:{person}")
}

/// A span of the configuration in ms.
pub(super) fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}

/// The held mails that are told of.
pub(super) fn about(inbox: InboxId) -> Params {
    Params { inbox: vec![inbox], ..Params::default() }
}
