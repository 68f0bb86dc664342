//! A person's mail from outside: a new ticket, or a message on one.

use crate::config::{AutoAck, Mailbox, Reopen};
use crate::model::address::is_plain;
use crate::model::changes::{Changes, Fate, NewTicket, PersonRef, TicketRef};
use crate::model::facts::{CountKey, Keys, TicketFacts};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::text::one_line;
use crate::model::ticket::{MessageKind, Priority, Standing, Status, Ticket};
use crate::model::understood::Automatic;
use crate::model::{Address, MailboxId, PersonId, TicketId, Understood};

use super::author::Author;
use super::draft::Draft;
use super::ledger::{actor, millis};
use super::recipients::Addressed;
use super::thread::Place;
use super::token::Purpose;
use super::{Desk, Known, audience, hold, need, tell};

/// People whom one mail may add to a ticket.
const COPIES: usize = 10;
/// People on a ticket.
const PEOPLE: usize = 20;
/// Tag of tickets that came too fast to tell of each.
const FLOOD: &str = "flood";

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
    if place.purpose == Some(Purpose::Customer)
        && !role.third_party
        && let PersonRef::Id(id) = sender
    {
        draft.changes.answered.push(id);
    }
    match place.ticket.filter(|t| !is_over(&draft, to, t)) {
        Some(ticket) => Ok(append(draft, ticket, sender, role)),
        None => open(draft, to, author, place, sender, role),
    }
}

/// Whether a mail on this ticket begins a new one.
fn is_over(draft: &Draft<'_>, to: &Addressed, t: &TicketFacts) -> bool {
    let reopen = mailbox(draft, to).map_or(Reopen::New, |m| m.reopen);
    let solved_long_ago = t.ticket.status == Status::Solved
        && t.ticket.solved_at.is_some_and(|at| draft.now - at > millis(draft.desk.config.desk.reopen_within));
    (t.ticket.status == Status::Closed || solved_long_ago) && reopen != Reopen::Reopen
}

fn mailbox<'a>(draft: &Draft<'a>, to: &Addressed) -> Option<&'a Mailbox> {
    to.mailbox.and_then(|id| draft.desk.book.mailbox(id))
}

fn append(mut draft: Draft<'_>, t: &TicketFacts, sender: PersonRef, role: As) -> Changes {
    let id = TicketRef::Id(t.ticket.id);
    let person_says = draft.mail.understood.automatic.is_none() && !role.third_party;
    let mut after = t.ticket.clone();
    after.messages += 1;
    if person_says {
        after.turn += 1;
        if matches!(after.status, Status::Pending | Status::OnHold | Status::Solved | Status::Closed) {
            after.status = Status::Open;
        }
    }
    let message = draft.message(id, after.turn, MessageKind::Customer, !role.third_party, sender);
    flags(&mut draft, role, None);
    draft.refs(id);
    let who = name(sender);
    draft.event("message.received", &who, Some(id), Some(message), serde_json::json!({}));
    if role.verified && !role.third_party && sender == PersonRef::Id(t.ticket.requester) {
        join_copies(&mut draft, id, &t.participants.iter().map(|p| p.person).collect::<Vec<_>>());
    }
    draft.update(&t.ticket, after, &who);
    if t.ticket.status != Status::Spam {
        let heard = audience::of_ticket(draft.facts, t);
        tell::agents(&mut draft, heard, id, message, sender);
    }
    let reason = if role.third_party { "third_party" } else { "message" };
    draft.fate(Fate::Message, Some(id), reason, "")
}

fn open(mut draft: Draft<'_>, to: &Addressed, author: &Author, place: &Place<'_>, sender: PersonRef, role: As) -> Known<Changes> {
    let before = place.ticket.map(|t| t.ticket.id);
    let settings = mailbox(&draft, to);
    if before.is_some() && settings.is_some_and(|m| m.reopen == Reopen::Refuse) && !draft.mail.has_passed("closed") {
        return Ok(hold::for_admins(draft, "closed", "it continues a closed ticket, and this mailbox opens none again"));
    }
    let since = draft.now - 3_600_000;
    let key = match sender {
        PersonRef::Id(id) => Some(CountKey::TicketsOf(id, since)),
        PersonRef::New(_) => None,
    };
    need(draft.facts, Keys { counts: key.iter().cloned().collect(), ..Keys::default() })?;
    let recent = key.as_ref().and_then(|key| draft.facts.counts.get(key)).copied().unwrap_or(0);
    let limit = i64::from(draft.desk.config.limits.tickets_per_sender_hour);
    let mailbox = to.mailbox.or(draft.desk.book.first()).unwrap_or(MailboxId(0));
    let team = settings.and_then(|m| m.team.clone()).filter(|_| !to.role);
    let row = row(&draft, to, team.clone(), mailbox, before, recent >= limit);
    let id = TicketRef::New(draft.changes.tickets.len());
    draft.changes.tickets.push(NewTicket { row, requester: sender });
    let message = draft.message(id, 1, MessageKind::Customer, true, sender);
    flags(&mut draft, role, place.related);
    draft.refs(id);
    draft.join(id, sender, Standing::Requester);
    let mut known: Vec<_> = match sender {
        PersonRef::Id(id) => vec![id],
        PersonRef::New(_) => Vec::new(),
    };
    for person in place.ticket.into_iter().flat_map(|t| &t.participants).filter(|p| p.standing != Standing::Requester) {
        draft.join(id, PersonRef::Id(person.person), person.standing);
        known.push(person.person);
    }
    if role.verified {
        join_copies(&mut draft, id, &known);
    }
    let who = name(sender);
    draft.event("ticket.created", &who, Some(id), None, serde_json::json!({}));
    draft.event("message.received", &who, Some(id), Some(message), serde_json::json!({}));
    let heard = if to.role { audience::admins(draft.facts) } else { audience::of_team(draft.facts, team.as_deref()) };
    // The first ticket over the limit is told of; it stands for those that follow within the hour.
    if recent <= limit {
        draft.changes.guard.below.extend(key.map(|key| (key, limit + 1)));
        tell::agents(&mut draft, heard, id, message, sender);
    }
    if role.acknowledge && !to.role && may_acknowledge(&draft, settings, author, role, author.person(draft.facts)) {
        let caps = caps(&draft);
        draft.changes.guard.below.extend(caps);
        draft.send_to(
            MailKind::Ack,
            sender,
            author.address.as_ref().map_or("", |a| &a.address),
            Some(id),
            Some(message),
            Params::default(),
        );
    }
    Ok(draft.fate(Fate::Ticket, Some(id), "ticket", ""))
}

fn row(draft: &Draft<'_>, to: &Addressed, team: Option<String>, mailbox: MailboxId, continues: Option<TicketId>, flood: bool) -> Ticket {
    let bulk = draft.mail.understood.automatic == Some(Automatic::Bulk);
    let mut tags: Vec<String> = to.tag.iter().map(|t| one_line(t, 40)).collect();
    tags.extend(flood.then(|| FLOOD.to_owned()));
    tags.sort();
    let subject = one_line(&draft.mail.understood.subject, 250);
    Ticket {
        id: TicketId(0),
        version: 1,
        turn: 1,
        status: Status::Open,
        priority: if bulk { Priority::Low } else { Priority::Normal },
        subject: if subject.is_empty() { "(no subject)".into() } else { subject },
        mailbox,
        requester: PersonId(0),
        assignee: None,
        assigned_turn: 0,
        team,
        tags,
        merged_into: None,
        continues,
        messages: 1,
        solved_at: None,
        created_at: draft.now,
        updated_at: draft.now,
    }
}

fn flags(draft: &mut Draft<'_>, role: As, related: Option<TicketId>) {
    if let Some(message) = draft.last_message() {
        if !role.verified {
            message.flags.push("unverified".into());
        }
        if role.third_party {
            message.flags.push("third_party".into());
        }
        message.flags.extend(related.map(|id| format!("related:{id}")));
    }
}

/// Adds those whom the proven requester has copied. They hear from the next mail on and get no history.
fn join_copies(draft: &mut Draft<'_>, ticket: TicketRef, known: &[PersonId]) {
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

/// Whether a new ticket is acknowledged: to a person, who asked for no silence, whose address is proven, within the caps.
fn may_acknowledge(draft: &Draft<'_>, mailbox: Option<&Mailbox>, author: &Author, role: As, person: Option<&Person>) -> bool {
    let u = draft.mail.understood;
    let proven = role.verified && !author.unproven;
    let allowed = match mailbox.map(|m| m.auto_ack) {
        Some(AutoAck::Always) => true,
        Some(AutoAck::Aligned) => proven || person.is_some_and(|p| p.answered && !p.is_staff()),
        Some(AutoAck::Never) | None => false,
    };
    let within = caps(draft).iter().all(|(key, cap)| draft.facts.counts.get(key).is_some_and(|count| count < cap));
    let person_wrote = u.automatic.is_none() && !u.facts.no_ack && !draft.mail.envelope.mail_from.is_empty();
    allowed && within && person_wrote && !person.is_some_and(Person::is_staff)
}

/// How many acknowledgements the author's address and its domain may have had.
fn caps(draft: &Draft<'_>) -> Vec<(CountKey, i64)> {
    let limits = &draft.desk.config.limits;
    let cap = |key: &CountKey| match key {
        CountKey::AcksToAddress(_, since) if draft.now - since <= 600_000 => Some(limits.acks_per_10min),
        CountKey::AcksToAddress(..) => Some(limits.acks_per_day),
        CountKey::AcksToDomain(..) => Some(limits.acks_per_domain_hour),
        CountKey::TicketsOf(..) | CountKey::AnswersOf(..) => None,
    };
    draft.facts.counts.keys().filter_map(|key| Some((key.clone(), i64::from(cap(key)?)))).collect()
}

fn name(person: PersonRef) -> String {
    match person {
        PersonRef::Id(id) => actor(id),
        PersonRef::New(_) => "customer".into(),
    }
}
