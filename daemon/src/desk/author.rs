//! The author: From and nothing else.

use crate::model::address::is_plain;
use crate::model::facts::Facts;
use crate::model::people::Person;
use crate::model::{Address, PersonId};

use super::thread::Place;
use super::who::{From, Kind, Proof};
use super::{Desk, Mail};

/// Requester of a mail that names nobody and that a person has let through (RFC 2606 §2: no mail can get there).
const NOBODY: &str = "nobody@unknown.invalid";

/// Who a mail says it is from.
#[derive(Clone, Debug)]
pub(super) struct Author {
    /// Their address; `None` when nobody can tell.
    pub(super) address: Option<Address>,
    /// Taken from the envelope because From can't be read: never an agent, never proven.
    pub(super) unproven: bool,
    /// Two From fields: two readers would see two authors.
    pub(super) contradictory: bool,
    /// One of our own addresses.
    pub(super) own: bool,
    /// And a person has let it through.
    pub(super) own_passed: bool,
    /// Whoever filled in a contact form.
    pub(super) form: bool,
}

impl Author {
    pub(super) fn read(desk: &Desk, mail: &Mail<'_>) -> Self {
        let u = mail.understood;
        let released = mail.has_passed("author") || mail.has_passed("malformed");
        let several = u.facts.from_fields > 1;
        let readable = u.facts.from_problem.is_none() && !several;
        let from = u.from.clone().filter(|a| readable && is_plain(&a.address));
        let unproven = from.is_none();
        let sender = || Some(Address::bare(mail.envelope.mail_from.clone())).filter(|a| is_plain(&a.address));
        let address = from.or_else(|| if several && !released { None } else { sender() });
        // A person has seen it and wants it as a ticket, whoever it is from.
        let address = address.or_else(|| released.then(|| Address::bare(NOBODY)));
        let own = address.as_ref().is_some_and(|a| desk.book.is_own(&a.address));
        let own_passed = mail.has_passed("own");
        Self { address, unproven, contradictory: several && !released, own, own_passed, form: false }
    }

    /// Nobody that could be written to.
    pub(super) fn nobody(&self) -> bool {
        self.address.as_ref().is_none_or(|a| a.address == NOBODY)
    }

    /// The person, if they are known.
    pub(super) fn person<'f>(&self, facts: &'f Facts) -> Option<&'f Person> {
        facts.person_at(&self.address.as_ref()?.key())
    }

    /// The id of the person, if they are known.
    pub(super) fn id(&self, facts: &Facts) -> Option<PersonId> {
        self.person(facts).map(|p| p.id)
    }
}

/// How the author stands to the address that the mail was sent to.
pub(super) fn class(facts: &Facts, author: &Author, place: &Place<'_>) -> From {
    if author.contradictory || author.address.is_none() {
        return From::Malformed;
    }
    if author.own && !author.own_passed {
        return From::Own;
    }
    let Some(person) = author.person(facts) else { return From::Stranger };
    let working = person.is_active_agent() && !author.unproven;
    let owner = place.owner == Some(person.id) && matches!(place.kind, Kind::Agent | Kind::AgentExpired | Kind::AgentRevoked);
    let party = place.ticket.and_then(|t| t.participant(person.id)).is_some_and(|p| p.standing.is_party());
    match () {
        () if working && owner => From::Owner,
        () if working => From::Agent,
        () if person.is_staff() && person.disabled => From::FormerAgent,
        () if party && !author.unproven => From::Party,
        () => From::Stranger,
    }
}

/// Why a mail that may be an agent's waits for a word of theirs.
pub(super) fn confirm_reason(place: &Place<'_>) -> &'static str {
    match place.kind {
        Kind::AgentExpired => "the address it was sent to has expired",
        _ => "nothing proves that it is from you (no aligned DKIM signature or SPF)",
    }
}

/// The reason of RULES for a mail whose author may not do what it asks.
pub(super) fn hold_reason(from: From) -> &'static str {
    match from {
        From::Own => "own",
        _ => "author",
    }
}

/// The same as a sentence.
pub(super) fn hold_detail(from: From, kind: Kind, proof: Proof) -> &'static str {
    match (from, kind) {
        (From::Owner | From::Agent | From::FormerAgent | From::Party | From::Stranger, _)
            if matches!(proof, Proof::Fail | Proof::FailPolicy) =>
        {
            "the domain of its author says that it is not from there (DMARC)"
        }
        (From::Malformed, _) => "its From names nobody that can be told",
        (From::Own, _) => "its From is an address of this desk",
        (From::FormerAgent, _) => "its author does not work here any more",
        (_, Kind::AgentRevoked) => "the address it was sent to was revoked",
        (From::Agent | From::Owner, _) => "it is from an agent, and nothing proves that",
        _ => "nothing proves its author",
    }
}
