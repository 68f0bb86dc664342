//! Mail of an archive: what was said, and nothing that follows from it. No command is carried out, nobody is told, nothing
//! leaves and no timer is set.
//!
//! Nothing proves who wrote an old mail: the keys that signed it are gone. The operator vouches for the archive, so its
//! references are believed; every message is marked `imported` and `unverified`, and nobody gets onto a ticket by it but
//! its requester.

use sha2::{Digest as _, Sha256};

use crate::clock::millis;
use crate::model::changes::{Changes, Fate, NewTicket, PersonRef, TicketRef};
use crate::model::facts::{Facts, Keys, TicketFacts};
use crate::model::people::Person;
use crate::model::ticket::{MessageKind, Standing, Status, Ticket};
use crate::model::understood::Automatic;
use crate::model::{Address, MailboxId, PersonId, TicketId};

use super::addresses::Recipient;
use super::author::Author;
use super::customer::copies;
use super::draft::Draft;
use super::message_id::hash;
use super::{Desk, Known, Mail, need, opening, thread};

/// Actor of what an import does.
const ACTOR: &str = "import";
/// Tells what was filed of a held mail of an archive from what is filed of every other.
const MARK: &[u8] = b"ombud import 1";

/// What to know an imported mail by: the fingerprint of what was filed, and the mark of what was held. Only an import
/// looks at the mark, so that nobody's forgery silences the real mail.
fn marks(mail: &Mail<'_>) -> [Vec<u8>; 2] {
    let print = mail.fingerprint();
    let mark = Sha256::new_with_prefix(MARK).chain_update(&print).finalize().to_vec();
    [print, mark]
}

/// The mail at the time of its Date: what was held is received when it was imported.
pub(super) fn dated<'a>(mail: &Mail<'a>) -> Mail<'a> {
    let written = mail.understood.date.as_deref().and_then(|date| date.parse::<jiff::Timestamp>().ok());
    let at = written.map_or(mail.received_at, |at| at.as_millisecond().min(mail.received_at));
    Mail { received_at: at, ..*mail }
}

/// What two mails share that have to do with each other: a Message-ID that both have or name, or all they say.
pub fn ties(mail: &Mail<'_>) -> Vec<u64> {
    let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    let ids = thread::hashes(mail.understood).into_iter().map(|hash| number(&Sha256::digest(hash)));
    ids.chain([number(&mail.fingerprint())]).collect()
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// Somebody who works or worked here, or one of our own addresses.
    Ours(Option<PersonId>),
    /// Anybody else.
    Theirs,
}

/// What a message of an archive is.
struct Line {
    kind: MessageKind,
    public: bool,
    author: Option<PersonRef>,
    third_party: bool,
}

/// Decides.
pub(super) fn decide(draft: Draft<'_>, open: bool) -> Known<Changes> {
    let (desk, mail, facts) = (draft.desk, draft.mail, draft.facts);
    let author = Author::read(desk, &mail);
    need(facts, keys(desk, &mail, &author))?;
    let copy = marks(&mail).iter().filter_map(|print| facts.fingerprints.get(print)).flatten().find(|(_, id)| *id != mail.id);
    if let Some((_, first)) = copy {
        return Ok(draft.fate(Fate::Duplicate, None, "duplicate", &format!("a copy of mail {first}")));
    }
    let own_id = mail.understood.message_id.as_deref().unwrap_or_default();
    if thread::own(desk, own_id).is_some() {
        return Ok(draft.fate(Fate::Automatic, None, "own", "a mail of this desk itself"));
    }
    let mailbox = mail.envelope.recipients.iter().find_map(|r| match desk.book.classify(r) {
        Recipient::Mailbox(id, _) => Some(id),
        _ => None,
    });
    let Some(mailbox) = mailbox.or(desk.book.first().filter(|_| mail.has_passed("mailbox"))) else {
        return Ok(held(draft, "mailbox", "the mailbox that it was imported to is none of this desk any more"));
    };
    if let Some(problem) = mail.envelope.malformed.as_ref().filter(|_| !mail.has_passed("malformed")) {
        return Ok(held(draft, "malformed", problem));
    }
    let Some(address) = author.address.clone().filter(|_| !author.contradictory) else {
        return Ok(held(draft, "author", "its From names nobody that can be told"));
    };
    let voice = voice(facts, &author);
    let ticket = place(desk, &mail, facts, &author, voice)?;
    let outside = outside(desk, &mail, facts);
    match (voice, ticket, mail.understood.automatic) {
        (_, ticket, Some(class)) if class != Automatic::Bulk || voice != Voice::Theirs => Ok(robot(draft, class, &address, ticket)),
        (Voice::Theirs, Some(t), _) => Ok(append(draft, t, &theirs(t, &author, facts), &address, open)),
        (Voice::Theirs, None, _) => Ok(begin(draft, mailbox, &address, None, open)),
        (Voice::Ours(by), Some(t), _) => {
            let public = outside.iter().any(|a| facts.person_at(&a.key()).is_some_and(|p| is_party(t, p.id)));
            let kind = if public { MessageKind::Agent } else { MessageKind::Note };
            let line = Line { kind, public, author: by.map(PersonRef::Id), third_party: false };
            Ok(append(draft, t, &line, &address, open))
        }
        // We wrote first.
        (Voice::Ours(by), None, _) => match outside.first() {
            Some(to) => Ok(begin(draft, mailbox, to, Some(by), open)),
            None if author.own => Ok(held(draft, "own", "its From is an address of this desk, and it is to nobody else")),
            None => Ok(begin(draft, mailbox, &address, None, open)),
        },
    }
}

fn keys(desk: &Desk, mail: &Mail<'_>, author: &Author) -> Keys {
    let mut keys = Keys { staff: true, ..Keys::default() };
    keys.fingerprints.extend(marks(mail));
    keys.refs.extend(thread::hashes(mail.understood));
    keys.addresses.extend(author.address.as_ref().map(Address::key));
    keys.addresses.extend(copies(desk, mail.understood).iter().map(Address::key));
    keys.tickets.extend(thread::own_tickets(desk, mail.understood));
    keys
}

fn voice(facts: &Facts, author: &Author) -> Voice {
    match author.person(facts) {
        _ if author.own && !author.own_passed => Voice::Ours(None),
        Some(person) if person.is_staff() && !author.unproven => Voice::Ours(Some(person.id)),
        _ => Voice::Theirs,
    }
}

/// The people outside whom a mail is visibly sent to.
fn outside(desk: &Desk, mail: &Mail<'_>, facts: &Facts) -> Vec<Address> {
    let is_staff = |a: &Address| facts.person_at(&a.key()).is_some_and(Person::is_staff);
    copies(desk, mail.understood).into_iter().filter(|a| !is_staff(a)).collect()
}

fn is_party(t: &TicketFacts, person: PersonId) -> bool {
    t.ticket.requester == person || t.participant(person).is_some_and(|p| p.standing.is_party())
}

fn theirs(t: &TicketFacts, author: &Author, facts: &Facts) -> Line {
    let party = author.person(facts).filter(|_| !author.unproven).is_some_and(|p| is_party(t, p.id));
    Line { kind: MessageKind::Customer, public: party, author: None, third_party: !party }
}

/// The ticket of the last reference that is known: of the mail that it names, else of one that names the same or names
/// this one, where the author is on that ticket or one of us.
fn place<'f>(desk: &Desk, mail: &Mail<'_>, facts: &'f Facts, author: &Author, voice: Voice) -> Known<Option<&'f TicketFacts>> {
    let mut tickets = Keys::default();
    for hash in thread::hashes(mail.understood) {
        tickets.tickets.extend(facts.refs.get(&hash).into_iter().flatten().map(|hit| hit.ticket));
    }
    need(facts, tickets)?;
    let person = author.person(facts).filter(|_| !author.unproven);
    let belongs = |t: &TicketFacts| voice != Voice::Theirs || person.is_some_and(|p| is_party(t, p.id));
    let hits = |hash: &str, own: bool| -> Vec<TicketId> {
        facts.refs.get(hash).into_iter().flatten().filter(|hit| hit.own == own).map(|hit| hit.ticket).collect()
    };
    let found = |id: TicketId| facts.ticket(id).map(|t| thread::follow(facts, t)).transpose();
    for id in thread::named(mail.understood).into_iter().rev() {
        let signed = thread::own(desk, id).map(|own| own.ticket);
        for ticket in signed.into_iter().chain(hits(&hash(id), true)) {
            if let Some(t) = found(ticket)? {
                return Ok(Some(t));
            }
        }
        for ticket in hits(&hash(id), false) {
            if let Some(t) = found(ticket)?.filter(|t| belongs(t)) {
                return Ok(Some(t));
            }
        }
    }
    for ticket in thread::own_hash(mail.understood).map_or_else(Vec::new, |own| hits(&own, false)) {
        if let Some(t) = found(ticket)?.filter(|t| belongs(t)) {
            return Ok(Some(t));
        }
    }
    Ok(None)
}

/// Mail that no person wrote: shown on the ticket that it names, else only in the inbox.
fn robot(mut draft: Draft<'_>, class: Automatic, author: &Address, ticket: Option<&TicketFacts>) -> Changes {
    let Some(t) = ticket else {
        return draft.fate(Fate::Automatic, None, class.word(), "automatic mail that names no ticket");
    };
    let id = TicketRef::Id(t.ticket.id);
    let sender = sender(&mut draft, author);
    draft.message(id, t.ticket.turn, MessageKind::Customer, false, sender.unwrap_or(PersonRef::Id(t.ticket.requester)));
    mark(&mut draft, sender, false);
    let mut after = t.ticket.clone();
    after.messages += 1;
    draft.changes.updates.push(after);
    draft.fate(Fate::Automatic, Some(id), class.word(), "automatic mail, shown on the ticket")
}

/// The person behind an address; nobody behind one of our own.
fn sender(draft: &mut Draft<'_>, address: &Address) -> Option<PersonRef> {
    if draft.desk.book.is_own(&address.address) { None } else { Some(draft.person(address)) }
}

/// What every message of an archive has.
fn mark(draft: &mut Draft<'_>, author: Option<PersonRef>, third_party: bool) {
    if let Some(message) = draft.last_message() {
        message.author = author;
        message.flags = ["imported", "unverified"].map(str::to_owned).to_vec();
        message.flags.extend(third_party.then(|| "third_party".to_owned()));
    }
}

/// Adds a mail to its ticket.
fn append(mut draft: Draft<'_>, t: &TicketFacts, line: &Line, address: &Address, open: bool) -> Changes {
    let (id, at) = (TicketRef::Id(t.ticket.id), draft.mail.received_at);
    let author = line.author.or_else(|| sender(&mut draft, address));
    let says = line.public && draft.mail.understood.automatic.is_none();
    // What is older than the ticket's last word changes nothing that was said later: it is of no turn.
    let newest = at >= t.ticket.updated_at;
    let mut after = t.ticket.clone();
    after.messages += 1;
    after.turn += i64::from(says && newest);
    let turn = if newest { after.turn } else { 0 };
    let message = draft.message(id, turn, line.kind, line.public, author.unwrap_or(PersonRef::Id(t.ticket.requester)));
    mark(&mut draft, author, line.third_party);
    draft.refs(id);
    let kind = if line.kind == MessageKind::Note { "note.added" } else { "message.received" };
    draft.event(kind, ACTOR, Some(id), Some(message), serde_json::json!({}));
    after.updated_at = after.updated_at.max(at);
    if says && newest && open && matches!(after.status, Status::Closed | Status::Open | Status::Pending) {
        after.status = status(&draft, line.kind, open);
        after.solved_at = (after.status == Status::Closed).then_some(at);
    }
    if after.status != t.ticket.status {
        let data = serde_json::json!({ "from": t.ticket.status.word(), "to": after.status.word() });
        draft.event("ticket.status_changed", ACTOR, Some(id), None, data);
    }
    draft.changes.updates.push(after);
    let reason = match (line.third_party, line.kind) {
        (true, _) => "third_party",
        (_, MessageKind::Agent) => "answer",
        (_, MessageKind::Note) => "note",
        _ => "message",
    };
    draft.fate(Fate::Message, Some(id), reason, "")
}

/// What a ticket is after a mail of its time.
fn status(draft: &Draft<'_>, kind: MessageKind, open: bool) -> Status {
    let lately = draft.now - draft.mail.received_at <= millis(draft.desk.config.desk.reopen_within);
    match (open && lately, kind) {
        (false, _) => Status::Closed,
        (true, MessageKind::Agent) => Status::Pending,
        (true, _) => Status::Open,
    }
}

/// Opens a ticket of `requester`: by their own mail, or (`ours`) by the first that somebody here wrote to them.
fn begin(mut draft: Draft<'_>, mailbox: MailboxId, requester: &Address, ours: Option<Option<PersonId>>, open: bool) -> Changes {
    let (u, at) = (draft.mail.understood, draft.mail.received_at);
    let kind = if ours.is_some() { MessageKind::Agent } else { MessageKind::Customer };
    let person = draft.person(requester);
    let status = status(&draft, kind, open);
    let row = Ticket {
        status,
        team: draft.desk.book.mailbox(mailbox).and_then(|m| m.team.clone()),
        solved_at: (status == Status::Closed).then_some(at),
        ..opening::blank(u, mailbox, None, at)
    };
    let id = TicketRef::New(draft.changes.tickets.len());
    draft.changes.tickets.push(NewTicket { row, requester: person });
    let message = draft.message(id, 1, kind, true, person);
    let author = ours.map_or(Some(person), |by| by.map(PersonRef::Id));
    mark(&mut draft, author, false);
    draft.refs(id);
    draft.join(id, person, Standing::Requester);
    draft.event("ticket.created", ACTOR, Some(id), None, serde_json::json!({}));
    draft.event("message.received", ACTOR, Some(id), Some(message), serde_json::json!({}));
    draft.fate(Fate::Ticket, Some(id), "ticket", "")
}

/// Keeps the mail for a person to look at. Nobody is told: whoever imports is told how many there are.
fn held(mut draft: Draft<'_>, reason: &str, detail: &str) -> Changes {
    let (id, [_, mark]) = (draft.mail.id, marks(&draft.mail));
    draft.changes.told.push(id);
    let mut changes = draft.fate(Fate::Held, None, reason, detail);
    if let Some(fate) = &mut changes.inbox {
        fate.fingerprints.push((mark, 0));
    }
    changes
}
