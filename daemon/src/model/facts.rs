//! What a decision asks for and what it is told: `Keys` and `Facts`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::ids::{InboxId, MessageId, OutboxId, PersonId, TicketId};
use super::outgoing::{MailKind, OutboxRow};
use super::people::Person;
use super::staff::Staff;
use super::ticket::{Participant, Ticket};

/// What a decision needs to know before it can go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// People by id.
    pub persons: BTreeSet<PersonId>,
    /// People by folded address.
    pub addresses: BTreeSet<String>,
    /// Tickets with their people and answers.
    pub tickets: BTreeSet<TicketId>,
    /// Which tickets hold or name a Message-ID, by its hash.
    pub refs: BTreeSet<String>,
    /// Whether a mail with this fingerprint was filed, or a call of the API with this key was done.
    pub fingerprints: BTreeSet<Vec<u8>>,
    /// All staff.
    pub staff: bool,
    /// Held mails.
    pub inbox: BTreeSet<InboxId>,
    /// Outgoing mails.
    pub outbox: BTreeSet<OutboxId>,
    /// How much was sent to this address and its domain lately.
    pub counts: BTreeSet<CountKey>,
    /// The last words of a customer on a ticket at a turn.
    pub last_words: BTreeSet<(TicketId, i64)>,
    /// The last public answer of an agent on a ticket.
    pub last_answers: BTreeSet<(TicketId, PersonId)>,
    /// The newest notes of a ticket.
    pub notes: BTreeSet<TicketId>,
    /// The brake on an agent's answers.
    pub brakes: BTreeSet<PersonId>,
    /// News for a person that wait until a time in ms, the end of their quiet hours.
    pub news: BTreeSet<(PersonId, i64)>,
    /// What was said lately on a ticket.
    pub recent: BTreeSet<RecentKey>,
}

impl Keys {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Asks for all that `other` asks for, too.
    pub fn add(&mut self, other: Self) {
        let Self {
            persons,
            addresses,
            tickets,
            refs,
            fingerprints,
            staff,
            inbox,
            outbox,
            counts,
            last_words,
            last_answers,
            notes,
            brakes,
            news,
            recent,
        } = other;
        self.persons.extend(persons);
        self.addresses.extend(addresses);
        self.tickets.extend(tickets);
        self.refs.extend(refs);
        self.fingerprints.extend(fingerprints);
        self.staff |= staff;
        self.inbox.extend(inbox);
        self.outbox.extend(outbox);
        self.counts.extend(counts);
        self.last_words.extend(last_words);
        self.last_answers.extend(last_answers);
        self.notes.extend(notes);
        self.brakes.extend(brakes);
        self.news.extend(news);
        self.recent.extend(recent);
    }
}

/// A question of "what was said lately", and whether it was said in the same words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecentKey {
    /// The ticket.
    pub ticket: TicketId,
    /// What somebody writes now, without quotes.
    pub words: String,
    /// Words are compared with those of messages after this time, in ms.
    pub since: i64,
}

/// A question of "how many lately".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountKey {
    /// Acknowledgements to an address (folded) since a time in ms.
    AcksToAddress(String, i64),
    /// Acknowledgements to a domain since a time in ms.
    AcksToDomain(String, i64),
    /// Tickets that a person opened since a time in ms.
    TicketsOf(PersonId, i64),
    /// Answers that a person published by mail since a time in ms.
    AnswersOf(PersonId, i64),
    /// Answers of a person that the brake holds now.
    BrakedOf(PersonId),
    /// Hold notices to a person since a time in ms.
    HoldsOf(PersonId, i64),
    /// Notifications to a person since a time in ms, of which no more than so many are counted.
    NewsOf(PersonId, i64, i64),
}

impl CountKey {
    /// The same without its time: what two counts of it have in common.
    pub fn subject(&self) -> Self {
        match self.clone() {
            Self::AcksToAddress(address, _) => Self::AcksToAddress(address, 0),
            Self::AcksToDomain(domain, _) => Self::AcksToDomain(domain, 0),
            Self::TicketsOf(person, _) => Self::TicketsOf(person, 0),
            Self::AnswersOf(person, _) => Self::AnswersOf(person, 0),
            Self::BrakedOf(person) => Self::BrakedOf(person),
            Self::HoldsOf(person, _) => Self::HoldsOf(person, 0),
            Self::NewsOf(person, ..) => Self::NewsOf(person, 0, 0),
        }
    }
}

/// What a decision says.
#[derive(Clone, Debug)]
pub enum Step {
    /// It has to know this first.
    Need(Box<Keys>),
    /// This is what happens.
    Done(Box<super::changes::Changes>),
}

/// Where a Message-ID was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefHit {
    /// The ticket.
    pub ticket: TicketId,
    /// It is the id of a mail on that ticket; else a mail there only names it.
    pub own: bool,
}

/// Scopes in which a fingerprint was filed, with the mail of each; of a call of the API, the message that it made.
pub type Filed = Vec<(i64, InboxId)>;

/// A ticket and what deciding about it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketFacts {
    /// The row.
    pub ticket: Ticket,
    /// Its people.
    pub participants: Vec<Participant>,
    /// Turn of the last public answer of each agent.
    pub answers: Vec<(PersonId, i64)>,
    /// Turn of the last public message of a customer.
    pub customer_turn: i64,
    /// The newest ticket that continues this one.
    pub continued_by: Option<TicketId>,
    /// Agents who were notified of it.
    pub told: Vec<PersonId>,
}

impl TicketFacts {
    /// How `person` stands to the ticket.
    pub fn participant(&self, person: PersonId) -> Option<&Participant> {
        self.participants.iter().find(|p| p.person == person)
    }
}

/// A mail that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFacts {
    /// Whether it is still held.
    pub held: bool,
    /// Why.
    pub reason: String,
}

/// The brake on an agent's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brake {
    /// The held mail about which the agent was asked last.
    pub lot: Option<InboxId>,
    /// When that was, in ms.
    pub told_at: i64,
    /// Until when nothing is held, in ms.
    pub lifted_until: i64,
    /// Answers of theirs are held.
    pub holds: bool,
    /// The oldest answer to each ticket that was let go and is yet to be decided.
    pub queued: BTreeMap<TicketId, InboxId>,
}

/// A notification about a ticket that waits for the end of quiet hours, and that nobody has tried to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingNews {
    /// The outgoing mail.
    pub id: OutboxId,
    /// What it is.
    pub kind: MailKind,
    /// What it is about.
    pub ticket: TicketId,
    /// The message that it carries or reports.
    pub message: Option<MessageId>,
    /// When it was written, in ms.
    pub created_at: i64,
}

/// An agent's last public answer on a ticket, and whether it still waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAnswer {
    /// The message.
    pub message: MessageId,
    /// Its mails that nobody has tried to send.
    pub waiting: Vec<OutboxId>,
    /// One of its mails was tried, or has left.
    pub left: bool,
    /// When it was decided, in ms; 0 when it made no mail.
    pub at: i64,
    /// Without it the last word that is public is an answer, too.
    pub stands: bool,
}

/// One of the newest messages of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentMessage {
    /// Who wrote it; `None`: the desk.
    pub author: Option<PersonId>,
    /// When it was received, in ms.
    pub created_at: i64,
    /// No person wrote it just then.
    pub automatic: bool,
    /// What agents are to know about it: `unverified`, `loop`, ...
    pub flags: Vec<String>,
    /// It says the same as the words that were asked with, and is not older than that question looks back.
    pub same_words: bool,
}

/// What a customer has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// This time.
    pub own: String,
    /// With what they quote, and their signature.
    pub whole: String,
}

/// Everything that was read for one decision, "none" included. The commit reads it again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Changes when staff changes, or what the address of one of them has refused.
    pub people_version: i64,
    /// Answers to `Keys::persons`.
    pub persons: BTreeMap<PersonId, Option<Person>>,
    /// Answers to `Keys::addresses`.
    pub addresses: BTreeMap<String, Option<PersonId>>,
    /// Answers to `Keys::tickets`.
    pub tickets: BTreeMap<TicketId, Option<TicketFacts>>,
    /// Answers to `Keys::refs`; empty for an unknown id.
    pub refs: BTreeMap<String, Vec<RefHit>>,
    /// Answers to `Keys::fingerprints`: the scopes in which such a mail was filed, with that mail.
    pub fingerprints: BTreeMap<Vec<u8>, Filed>,
    /// Answer to `Keys::staff`; everyone who is no customer.
    pub staff: Option<Arc<Staff>>,
    /// Answers to `Keys::inbox`.
    pub inbox: BTreeMap<InboxId, Option<HeldFacts>>,
    /// Answers to `Keys::outbox`.
    pub outbox: BTreeMap<OutboxId, Option<OutboxRow>>,
    /// Answers to `Keys::counts`.
    pub counts: BTreeMap<CountKey, i64>,
    /// Answers to `Keys::last_words`; empty when there are none.
    pub last_words: BTreeMap<(TicketId, i64), Words>,
    /// Answers to `Keys::last_answers`.
    pub last_answers: BTreeMap<(TicketId, PersonId), Option<LastAnswer>>,
    /// Answers to `Keys::notes`, one after the other; empty when there are none.
    pub notes: BTreeMap<TicketId, String>,
    /// Answers to `Keys::brakes`.
    pub brakes: BTreeMap<PersonId, Brake>,
    /// Answers to `Keys::news`, oldest first; empty when there are none.
    pub news: BTreeMap<(PersonId, i64), Vec<WaitingNews>>,
    /// Answers to `Keys::recent`: the newest messages, at most 64, newest first.
    pub recent: BTreeMap<RecentKey, Vec<RecentMessage>>,
}

impl Facts {
    /// What of `keys` has not been answered yet.
    pub fn missing(&self, keys: &Keys) -> Keys {
        fn lack<K: Ord + Clone, V>(asked: &BTreeSet<K>, known: &BTreeMap<K, V>) -> BTreeSet<K> {
            asked.iter().filter(|k| !known.contains_key(*k)).cloned().collect()
        }
        Keys {
            persons: lack(&keys.persons, &self.persons).into_iter().filter(|id| self.staff().person(*id).is_none()).collect(),
            addresses: lack(&keys.addresses, &self.addresses),
            tickets: lack(&keys.tickets, &self.tickets),
            refs: lack(&keys.refs, &self.refs),
            fingerprints: lack(&keys.fingerprints, &self.fingerprints),
            staff: keys.staff && self.staff.is_none(),
            inbox: lack(&keys.inbox, &self.inbox),
            outbox: lack(&keys.outbox, &self.outbox),
            counts: lack(&keys.counts, &self.counts),
            last_words: lack(&keys.last_words, &self.last_words),
            last_answers: lack(&keys.last_answers, &self.last_answers),
            notes: lack(&keys.notes, &self.notes),
            brakes: lack(&keys.brakes, &self.brakes),
            news: lack(&keys.news, &self.news),
            recent: lack(&keys.recent, &self.recent),
        }
    }

    /// The person with this folded address, if one is known.
    pub fn person_at(&self, address: &str) -> Option<&Person> {
        let id = (*self.addresses.get(address)?)?;
        self.person(id)
    }

    /// The person with this id, if there is one.
    pub fn person(&self, id: PersonId) -> Option<&Person> {
        self.persons.get(&id).map_or_else(|| self.staff().person(id), Option::as_ref)
    }

    /// The ticket with this number, if there is one.
    pub fn ticket(&self, id: TicketId) -> Option<&TicketFacts> {
        self.tickets.get(&id)?.as_ref()
    }

    /// All who work here; nobody before they were asked for.
    pub fn staff(&self) -> &Staff {
        static NOBODY: LazyLock<Staff> = LazyLock::new(Staff::default);
        self.staff.as_deref().unwrap_or(&NOBODY)
    }
}
