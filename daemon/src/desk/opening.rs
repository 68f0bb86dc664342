//! A new ticket: who is on it, who hears of it, whether it is acknowledged.

use crate::config::{AutoAck, Mailbox, Reopen};
use crate::model::changes::{Changes, Fate, NewTicket, PersonRef, TicketRef};
use crate::model::facts::{CountKey, Keys};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::text::{bare_subject, one_line};
use crate::model::ticket::{MessageKind, Priority, Standing, Status, Ticket};
use crate::model::understood::Automatic;
use crate::model::{MailboxId, PersonId, TicketId, Understood};

use super::author::Author;
use super::customer::{As, flags, join_copies, mailbox as settings_of, name};
use super::draft::Draft;
use super::recipients::Addressed;
use super::thread::Place;
use super::{Known, audience, hold, need, tell};

/// Tag of tickets that came too fast to tell of each.
const FLOOD: &str = "flood";

/// Opens a ticket.
pub(super) fn open(
    mut draft: Draft<'_>,
    to: &Addressed,
    author: &Author,
    place: &Place<'_>,
    sender: PersonRef,
    role: As,
) -> Known<Changes> {
    let before = place.ticket.map(|t| t.ticket.id);
    let settings = settings_of(&draft, to);
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
    flags(&mut draft, role, before, place.related);
    draft.refs(id);
    draft.join(id, sender, Standing::Requester);
    let mut known: Vec<_> = match sender {
        PersonRef::Id(id) => vec![id],
        PersonRef::New(_) => Vec::new(),
    };
    // The same people as on the ticket that it continues.
    let others = place.ticket.into_iter().flat_map(|t| &t.participants).filter(|p| PersonRef::Id(p.person) != sender);
    for person in others.filter(|p| p.standing != Standing::Left) {
        let standing = if person.standing == Standing::Requester { Standing::Cc } else { person.standing };
        draft.join(id, PersonRef::Id(person.person), standing);
        known.push(person.person);
    }
    if role.verified {
        join_copies(&mut draft, id, &known);
    }
    let who = name(sender);
    draft.event("ticket.created", &who, Some(id), None, serde_json::json!({}));
    draft.event("message.received", &who, Some(id), Some(message), serde_json::json!({}));
    let heard = if to.role { audience::admins(draft.facts, draft.now) } else { audience::of_team(draft.facts, team.as_deref()) };
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
    let mut tags: Vec<String> = to.tag.iter().map(|t| one_line(t, 40)).collect();
    tags.extend(flood.then(|| FLOOD.to_owned()));
    tags.sort();
    Ticket { team, tags, ..blank(draft.mail.understood, mailbox, continues, draft.now) }
}

/// An open ticket with this as its first message, of nobody yet. `at` in ms.
pub(super) fn blank(u: &Understood, mailbox: MailboxId, continues: Option<TicketId>, at: i64) -> Ticket {
    let subject = one_line(&u.subject, 250);
    let subject = if continues.is_some() { bare_subject(&subject).to_owned() } else { subject };
    Ticket {
        id: TicketId(0),
        version: 1,
        turn: 1,
        status: Status::Open,
        priority: if u.automatic == Some(Automatic::Bulk) { Priority::Low } else { Priority::Normal },
        subject: if subject.is_empty() { "(no subject)".into() } else { subject },
        mailbox,
        requester: PersonId(0),
        assignee: None,
        assigned_turn: 0,
        assigned_by: None,
        team: None,
        tags: Vec::new(),
        merged_into: None,
        continues,
        messages: 1,
        solved_at: None,
        created_at: at,
        updated_at: at,
    }
}

/// Whether a new ticket is acknowledged: to a person, who asked for no silence, whose address is proven, within the caps.
fn may_acknowledge(draft: &Draft<'_>, mailbox: Option<&Mailbox>, author: &Author, role: As, person: Option<&Person>) -> bool {
    let u = draft.mail.understood;
    let proven = role.verified && !author.unproven;
    let allowed = match mailbox.map(|m| m.auto_ack) {
        Some(AutoAck::Never) | None => false,
        Some(_) if author.form => mailbox.is_some_and(|m| m.forms_ack),
        Some(AutoAck::Always) => true,
        Some(AutoAck::Aligned) => proven || person.is_some_and(|p| p.answered && !p.is_staff()),
    };
    let within = caps(draft).iter().all(|(key, cap)| draft.facts.counts.get(key).is_some_and(|count| count < cap));
    let no_ack = u.facts.no_ack || draft.mail.envelope.has_null_sender();
    let person_wrote = u.automatic.is_none() && (author.form || !no_ack);
    let unwanted = person.zip(author.address.as_ref()).is_some_and(|(p, at)| p.complained(&at.address).is_some());
    allowed && within && person_wrote && !unwanted && !author.own && !author.nobody() && !person.is_some_and(Person::is_staff)
}

/// How many acknowledgements the author's address and its domain may have had.
fn caps(draft: &Draft<'_>) -> Vec<(CountKey, i64)> {
    let limits = &draft.desk.config.limits;
    let cap = |key: &CountKey| match key {
        CountKey::AcksToAddress(_, since) if draft.now - since <= 600_000 => Some(limits.acks_per_10min),
        CountKey::AcksToAddress(..) => Some(limits.acks_per_day),
        CountKey::AcksToDomain(..) => Some(limits.acks_per_domain_hour),
        CountKey::TicketsOf(..) | CountKey::AnswersOf(..) | CountKey::BrakedOf(_) | CountKey::HoldsOf(..) | CountKey::NewsOf(..) => None,
    };
    draft.facts.counts.keys().filter_map(|key| Some((key.clone(), i64::from(cap(key)?)))).collect()
}
