//! A person's mail from outside: onto its ticket, or a new one.

use crate::clock::millis;
use crate::config::{Mailbox, Reopen};
use crate::model::address::is_plain;
use crate::model::changes::{Changes, Fate, PersonRef, TicketRef};
use crate::model::facts::{Keys, TicketFacts};
use crate::model::people::Person;
use crate::model::ticket::{MessageKind, Standing, Status};
use crate::model::{Address, PersonId, TicketId, Understood};

use super::author::Author;
use super::draft::Draft;
use super::ledger::actor;
use super::loops::Level;
use super::recipients::Addressed;
use super::thread::{self, Place};
use super::who::Kind;
use super::{Desk, Known, audience, hold, loops, need, opening, tell};

/// People whom one mail may add to a ticket.
const COPIES: usize = 10;
/// People on a ticket.
const PEOPLE: usize = 20;

/// In what role the mail was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct As {
    /// The author is proven.
    pub(super) verified: bool,
    /// They are not on the ticket: agents alone see it.
    pub(super) third_party: bool,
    /// A new ticket may be acknowledged.
    pub(super) acknowledge: bool,
}

/// Everybody else whom a mail is visibly sent to and who could join: no address of ours, nothing that is no address.
pub(super) fn copies(desk: &Desk, u: &Understood) -> Vec<Address> {
    let others = u.to.iter().chain(&u.cc).filter(|a| is_plain(&a.address) && !desk.book.is_own(&a.address));
    others.take(COPIES).cloned().collect()
}

/// Files the mail.
pub(super) fn write(mut draft: Draft<'_>, to: &Addressed, author: &Author, place: &Place<'_>, role: As) -> Known<Changes> {
    let Some(address) = author.address.clone() else {
        return Ok(hold::for_admins(draft, "author", "its From names nobody that can be told"));
    };
    let sender = draft.person(&address);
    if let PersonRef::Id(id) = sender
        && place.kind == Kind::Customer
        && place.owner == Some(id)
    {
        draft.changes.answered.push(id);
    }
    let Some(ticket) = place.ticket else { return opening::open(draft, to, author, place, sender, role) };
    // Whoever is not on the ticket opens none in its name.
    let newest = if role.third_party { Some(ticket) } else { still_open(&draft, to, ticket)? };
    match newest {
        Some(ticket) => append(draft, ticket, sender, role),
        None => opening::open(draft, to, author, place, sender, role),
    }
}

/// The ticket, or the newest one that continues it, unless that is over, too.
fn still_open<'a>(draft: &Draft<'a>, to: &Addressed, ticket: &'a TicketFacts) -> Known<Option<&'a TicketFacts>> {
    let mut at = ticket;
    while is_over(draft, to, at) {
        let Some(next) = at.continued_by else { return Ok(None) };
        need(draft.facts, Keys { tickets: [next].into(), ..Keys::default() })?;
        let Some(found) = draft.facts.ticket(next) else { return Ok(None) };
        at = found;
    }
    thread::people(draft.facts, at)?;
    Ok(Some(at))
}

/// Whether a mail on this ticket begins a new one.
fn is_over(draft: &Draft<'_>, to: &Addressed, t: &TicketFacts) -> bool {
    let reopen = mailbox(draft, to).map_or(Reopen::New, |m| m.reopen);
    let solved_long_ago = t.ticket.status == Status::Solved
        && t.ticket.solved_at.is_some_and(|at| draft.now - at > millis(draft.desk.config.desk.reopen_within));
    (t.ticket.status == Status::Closed || solved_long_ago) && reopen != Reopen::Reopen
}

pub(super) fn mailbox<'a>(draft: &Draft<'a>, to: &Addressed) -> Option<&'a Mailbox> {
    to.mailbox.and_then(|id| draft.desk.book.mailbox(id))
}

fn append(mut draft: Draft<'_>, t: &TicketFacts, sender: PersonRef, role: As) -> Known<Changes> {
    let pace = loops::pace(&draft, t.ticket.id, sender, role)?;
    let id = TicketRef::Id(t.ticket.id);
    // No person writes with the null reverse-path (RFC 3834 §2).
    let is_automatic = draft.mail.understood.automatic.is_some() || draft.mail.envelope.has_null_sender();
    let person_says = !is_automatic && !role.third_party;
    let mut after = t.ticket.clone();
    after.messages += 1;
    if person_says {
        after.turn += 1;
        if matches!(after.status, Status::Pending | Status::OnHold | Status::Solved | Status::Closed) {
            after.status = Status::Open;
        }
    }
    let message = draft.message(id, after.turn, MessageKind::Customer, !role.third_party, sender);
    flags(&mut draft, role, None, None);
    if let Some(message) = draft.last_message() {
        message.flags.extend(pace.flags());
    }
    draft.refs(id);
    let who = name(sender);
    draft.event("message.received", &who, Some(id), Some(message), serde_json::json!({}));
    if role.verified && !role.third_party && sender == PersonRef::Id(t.ticket.requester) {
        join_copies(&mut draft, id, &t.participants.iter().map(|p| p.person).collect::<Vec<_>>());
    }
    draft.update(&t.ticket, after, &who);
    let heard = match (pace.author, pace.automatic) {
        _ if t.ticket.status == Status::Spam => Vec::new(),
        (Level::First, _) => audience::of_loop(draft.facts, t, draft.now),
        (Level::Usual, Level::Usual) | (_, Level::First) => audience::of_ticket(draft.facts, t),
        (Level::Further, _) | (_, Level::Further) => Vec::new(),
    };
    tell::agents(&mut draft, heard, id, message, sender);
    let reason = if role.third_party { "third_party" } else { "message" };
    Ok(draft.fate(Fate::Message, Some(id), reason, ""))
}

pub(super) fn flags(draft: &mut Draft<'_>, role: As, continues: Option<TicketId>, related: Option<TicketId>) {
    if let Some(message) = draft.last_message() {
        if !role.verified {
            message.flags.push("unverified".into());
        }
        if role.third_party {
            message.flags.push("third_party".into());
        }
        message.flags.extend(continues.map(|id| format!("continues:{id}")));
        message.flags.extend(related.map(|id| format!("related:{id}")));
    }
}

/// Adds those whom the proven requester has copied. They hear from the next mail on and get no history.
pub(super) fn join_copies(draft: &mut Draft<'_>, ticket: TicketRef, known: &[PersonId]) {
    let room = PEOPLE.saturating_sub(known.len());
    for address in copies(draft.desk, draft.mail.understood).into_iter().take(room) {
        let staff = draft.facts.person_at(&address.key()).is_some_and(Person::is_staff);
        let person = draft.person(&address);
        let there =
            matches!(person, PersonRef::Id(id) if known.contains(&id)) || draft.changes.participants.iter().any(|p| p.person == person);
        if !staff && !there {
            draft.join(ticket, person, Standing::Cc);
        }
    }
}

pub(super) fn name(person: PersonRef) -> String {
    match person {
        PersonRef::Id(id) => actor(id),
        PersonRef::New(_) => "customer".into(),
    }
}
