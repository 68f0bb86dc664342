//! Which ticket: a signed address, else the last reference that resolves, else a new one.

use crate::model::facts::{Facts, Keys, TicketFacts};
use crate::model::{OutboxId, PersonId, TicketId, Understood};

use super::author::Author;
use super::message_id::{OwnId, hash};
use super::recipients::Addressed;
use super::token::Purpose;
use super::who::Kind;
use super::{Desk, Known, Mail, need};

/// References that are looked at.
const REFERENCES: usize = 20;
/// Longer ids are nobody's (RFC 5322 §2.1.1 allows lines of 998).
const ID_OCTETS: usize = 512;

/// Where a mail belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'f> {
    /// The strongest address it was sent to.
    pub(super) kind: Kind,
    /// Whose address that is.
    pub(super) owner: Option<PersonId>,
    /// The ticket; a new one when there is none.
    pub(super) ticket: Option<&'f TicketFacts>,
    /// A ticket that it may have to do with, for agents to see.
    pub(super) related: Option<TicketId>,
    /// Turn of the ticket when the address was handed out.
    pub(super) turn: i64,
    /// What a mail to the address is.
    pub(super) purpose: Option<Purpose>,
}

/// Own id, In-Reply-To and References of a mail, oldest first and without nonsense.
pub(super) fn named(u: &Understood) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    for id in u.references.iter().chain(&u.in_reply_to) {
        let usable = id.len() <= ID_OCTETS && id.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if usable {
            ids.retain(|known| known != id);
            ids.push(id);
        }
    }
    let skip = ids.len().saturating_sub(REFERENCES);
    ids.split_off(skip)
}

/// Hashes of the ids that are looked up.
pub(super) fn hashes(u: &Understood) -> Vec<String> {
    named(u).into_iter().chain(u.message_id.as_deref().filter(|id| id.len() <= ID_OCTETS)).map(hash).collect()
}

/// Hash of the mail's own id.
pub(super) fn own_hash(u: &Understood) -> Option<String> {
    u.message_id.as_deref().filter(|id| id.len() <= ID_OCTETS).map(hash)
}

/// Hashes of the ids that the mail names, without our own: those are known by their MAC.
pub(super) fn named_hashes(desk: &Desk, u: &Understood) -> Vec<String> {
    named(u).into_iter().filter(|id| own(desk, id).is_none()).map(hash).collect()
}

pub(super) fn own(desk: &Desk, id: &str) -> Option<OwnId> {
    OwnId::verify(desk.book.keys(), &desk.config.desk.hostname, id)
}

/// Tickets whose mails of ours are named.
pub(super) fn own_tickets(desk: &Desk, u: &Understood) -> Vec<TicketId> {
    named(u).into_iter().filter_map(|id| own(desk, id)).map(|id| id.ticket).filter(|t| t.0 > 0).collect()
}

/// Decides where the mail belongs.
pub(super) fn place<'f>(desk: &Desk, mail: &Mail<'_>, facts: &'f Facts, to: &Addressed, author: &Author, now: i64) -> Known<Place<'f>> {
    let mut hits = Keys::default();
    for hash in hashes(mail.understood) {
        hits.tickets.extend(facts.refs.get(&hash).into_iter().flatten().map(|hit| hit.ticket));
    }
    need(facts, hits)?;
    let by_token = by_token(facts, to, now)?;
    if let Some(place) = by_token
        && (place.ticket.is_some() || place.purpose == Some(Purpose::Desk))
        && place.kind != Kind::CustomerExpired
    {
        return with_people(facts, place);
    }
    let plain = by_token.unwrap_or(Place { kind: Kind::Plain, owner: None, ticket: None, related: None, turn: 0, purpose: None });
    let plain = Place { ticket: None, related: plain.ticket.map(|t| t.ticket.id), ..plain };
    by_reference(desk, mail, facts, to, author, plain).and_then(|place| with_people(facts, place))
}

/// What the signed address says that a mail was sent to.
pub(super) fn by_token<'f>(facts: &'f Facts, to: &Addressed, now: i64) -> Known<Option<Place<'f>>> {
    let Some(token) = to.token else { return Ok(None) };
    let person = facts.person(token.person());
    let found = facts.ticket(token.ticket());
    let epoch = person.map_or(-1, |p| p.epoch) + found.and_then(|t| t.participant(token.person())).map_or(0, |p| p.epoch);
    let valid = person.is_some() && token.is_of_epoch(epoch);
    let kind = match token.purpose() {
        Purpose::Customer if !valid => Kind::Plain,
        Purpose::Customer if token.is_expired(now) => Kind::CustomerExpired,
        Purpose::Customer => Kind::Customer,
        _ if !valid || !person.is_some_and(crate::model::people::Person::is_active_agent) => Kind::AgentRevoked,
        _ if token.is_expired(now) => Kind::AgentExpired,
        _ => Kind::Agent,
    };
    let ticket = if kind == Kind::Plain { None } else { found.map(|t| follow(facts, t)).transpose()? };
    let (owner, turn, purpose) = (Some(token.person()), token.turn(), Some(token.purpose()));
    Ok(Some(Place { kind, owner, ticket, related: None, turn, purpose }))
}

/// Follows the pointer of a merge.
pub(super) fn follow<'f>(facts: &'f Facts, ticket: &'f TicketFacts) -> Known<&'f TicketFacts> {
    let mut at = ticket;
    // A chain is as long as somebody made it by hand; a circle would be a bug, and ends here.
    for _ in 0..8 {
        let Some(next) = at.ticket.merged_into else { break };
        need(facts, Keys { tickets: [next].into(), ..Keys::default() })?;
        match facts.ticket(next) {
            Some(found) => at = found,
            None => break,
        }
    }
    Ok(at)
}

/// The last reference that resolves to a ticket on which the author is. An id of ours needs no more than that: who
/// names it has had our mail. Anybody can name a stranger's id, so there the author must be proven.
fn by_reference<'f>(desk: &Desk, mail: &Mail<'_>, facts: &'f Facts, to: &Addressed, author: &Author, plain: Place<'f>) -> Known<Place<'f>> {
    let mut related = plain.related;
    let person = author.person(facts).filter(|_| !author.unproven);
    let proven = mail.proof(author).is_proof();
    let requester = |t: &TicketFacts| proven && person.is_some_and(|p| p.id == t.ticket.requester);
    let on = |t: &TicketFacts| person.is_some_and(|p| t.participant(p.id).is_some_and(|x| x.standing.is_party()) || p.is_active_agent());
    // A mail to our envelope sender names the mail that it came from.
    let bounced = to.bounce.and_then(|t| facts.outbox.get(&OutboxId(t.subject()))).and_then(Option::as_ref).and_then(|row| row.ticket);
    if let Some(ticket) = bounced {
        need(facts, Keys { tickets: [ticket].into(), ..Keys::default() })?;
        if let Some(found) = facts.ticket(ticket) {
            let found = follow(facts, found)?;
            if on(found) {
                return Ok(Place { ticket: Some(found), related: None, ..plain });
            }
            related = related.or(Some(found.ticket.id));
        }
    }
    for id in named(mail.understood).into_iter().rev() {
        let signed = own(desk, id).map(|own| own.ticket);
        let known = facts.refs.get(&hash(id)).into_iter().flatten().filter(|hit| hit.own).map(|hit| hit.ticket);
        for (ticket, ours) in signed.map(|t| (t, true)).into_iter().chain(known.map(|t| (t, false))) {
            let Some(found) = facts.ticket(ticket) else { continue };
            let found = follow(facts, found)?;
            if on(found) && (ours || proven) {
                return Ok(Place { ticket: Some(found), related: None, ..plain });
            }
            related = related.or(Some(found.ticket.id));
        }
        // Two children of a parent that is still on its way.
        for hit in facts.refs.get(&hash(id)).into_iter().flatten().filter(|hit| !hit.own) {
            let Some(found) = facts.ticket(hit.ticket) else { continue };
            let found = follow(facts, found)?;
            if requester(found) {
                return Ok(Place { ticket: Some(found), related: None, ..plain });
            }
        }
    }
    // A parent that arrives after its child joins it when its proven author is that ticket's requester: otherwise
    // whoever plants a victim's Message-ID first would receive the victim's mail.
    let early = own_hash(mail.understood).and_then(|h| facts.refs.get(&h)).into_iter().flatten().find(|hit| !hit.own);
    if let Some(found) = early.and_then(|hit| facts.ticket(hit.ticket)) {
        let found = follow(facts, found)?;
        if requester(found) {
            return Ok(Place { ticket: Some(found), related: None, ..plain });
        }
        related = related.or(Some(found.ticket.id));
    }
    Ok(Place { related, ..plain })
}

fn with_people<'f>(facts: &Facts, place: Place<'f>) -> Known<Place<'f>> {
    if let Some(ticket) = place.ticket {
        people(facts, ticket)?;
    }
    Ok(place)
}

/// Whoever is on the ticket has to be known before anything is sent.
pub(super) fn people(facts: &Facts, ticket: &TicketFacts) -> Known<()> {
    need(facts, people_keys(ticket))
}

/// Whoever is on the ticket.
pub(super) fn people_keys(ticket: &TicketFacts) -> Keys {
    let mut keys = Keys::default();
    keys.persons.extend(ticket.participants.iter().map(|p| p.person));
    keys.persons.insert(ticket.ticket.requester);
    keys.persons.extend(ticket.ticket.assignee);
    keys
}
