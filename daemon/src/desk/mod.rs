//! Decisions, pure and without async: who acts, which ticket, what happens, who hears of it.
//!
//! [`decide`] is a step: it either needs to know more or is done. Nothing in this room reads a clock, a database or a
//! random number, so every rule of the desk can be tried with values alone.

pub mod act;
pub mod addresses;
mod agent;
pub mod answer;
pub mod audience;
mod author;
mod automatic;
mod batch;
mod bounce;
mod brake;
mod collision;
pub mod commands;
mod complaint;
mod customer;
pub mod delivery;
mod digest;
mod draft;
mod execute;
mod form;
mod history;
mod hold;
mod hourly;
pub mod inside;
mod ledger;
mod lookup;
mod loops;
mod mail;
pub mod message_id;
mod opening;
mod orders;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod pictures;
pub mod probe;
pub mod quiet;
mod recipients;
pub mod refusal;
mod release;
mod risk;
mod tell;
mod thread;
pub mod timers;
pub mod token;
mod when;
pub mod who;
pub mod words;

use std::sync::Arc;

use crate::config::Config;
use crate::model::changes::{Changes, Fate};
pub use crate::model::facts::Step;
use crate::model::facts::{CountKey, Facts, Keys};
use crate::model::{InboxId, Transport};

pub use history::ties;
pub use ledger::guard;
pub use mail::Mail;

use addresses::Book;
use author::Author;
use customer::As;
use draft::Draft;
use recipients::Addressed;
use who::{Decision, Kind, Outcome};

/// One snapshot of what the desk is: a decision takes it and keeps it.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The configuration.
    pub config: Arc<Config>,
    /// Our addresses.
    pub book: Book,
}

/// A value, or what is missing for it.
type Known<T> = Result<T, Box<Keys>>;

/// Decides one mail at `now` (ms) from what is known so far.
pub fn decide(desk: &Desk, mail: &Mail<'_>, facts: &Facts, now: i64) -> Step {
    match run(desk, mail, facts, now) {
        Ok(mut changes) => {
            bounce::revive(desk, mail, facts, &mut changes, now);
            hourly::capped(desk, facts, changes, now)
        }
        Err(keys) => Step::Need(keys),
    }
}

/// Decides one mail of an archive that is imported, before it has a row in the inbox: nothing that was read is guarded,
/// see [`guard`]. `open`: what happened lately waits for an answer; else every ticket that it opens is closed.
pub fn recount(desk: &Desk, mail: &Mail<'_>, facts: &Facts, now: i64, open: bool) -> Step {
    match history::decide(Draft::unclaimed(desk, mail, facts, now), open) {
        Ok(changes) => Step::Done(Box::new(changes)),
        Err(keys) => Step::Need(keys),
    }
}

/// A mail that was tried three times and took the desk down or failed each time: held without a look at it.
pub fn poison(desk: &Desk, mail: &Mail<'_>, facts: &Facts, now: i64) -> Step {
    let result = need(facts, Keys { staff: true, ..Keys::default() }).map(|()| {
        let detail = "understanding it failed three times; the raw mail is kept";
        hold::for_admins(Draft::new(desk, mail, facts, now), "poison", detail)
    });
    match result {
        Ok(changes) => Step::Done(Box::new(changes)),
        Err(keys) => Step::Need(keys),
    }
}

fn need(facts: &Facts, keys: Keys) -> Known<()> {
    let missing = facts.missing(&keys);
    if missing.is_empty() { Ok(()) } else { Err(Box::new(missing)) }
}

fn run(desk: &Desk, mail: &Mail<'_>, facts: &Facts, now: i64) -> Known<Changes> {
    if mail.envelope.transport == Transport::Import {
        return history::decide(Draft::new(desk, &history::dated(mail), facts, now), false);
    }
    let to = Addressed::read(desk, mail, now);
    let visitor = form::as_visitor(desk, mail, &to);
    let mail = &visitor.as_ref().map_or(*mail, |understood| Mail { understood, ..*mail });
    let author = Author::read(desk, mail);
    let author = if visitor.is_some() { Author { form: true, unproven: true, ..author } } else { author };
    need(facts, first_keys(desk, mail, &to, &author, now))?;
    let draft = Draft::new(desk, mail, facts, now).addressed(to.scope());
    if probe::is_one(desk, mail.understood, now) {
        return Ok(draft.fate(Fate::Automatic, None, "probe", "a mail of `ombud check --probe`, or an answer to it"));
    }
    if let Some(first) = duplicate(mail, facts, &to) {
        return Ok(draft.fate(Fate::Duplicate, None, "duplicate", &format!("a copy of mail {first}")));
    }
    let own_id = mail.understood.message_id.as_deref().unwrap_or_default();
    if message_id::OwnId::verify(desk.book.keys(), &desk.config.desk.hostname, own_id).is_some() {
        return Ok(draft.fate(Fate::Automatic, None, "own", "our own mail came back"));
    }
    if to.mailbox.is_none() && !mail.has_passed("mailbox") {
        return Ok(hold::for_admins(draft, "mailbox", "no recipient of it is a mailbox of this desk any more"));
    }
    if let Some(problem) = mail.envelope.malformed.as_ref().filter(|_| !mail.has_passed("malformed")) {
        return Ok(hold::for_admins(draft, "malformed", problem));
    }
    if let Some(finding) = mail.findings.iter().find(|finding| finding.holds() && !mail.has_passed("filter")) {
        return Ok(hold::for_author(draft, &author, "filter", &finding.in_words()));
    }
    if let Some(changes) = bounce::decide(desk, mail, facts, &to, now)? {
        return Ok(changes);
    }
    if let Some(changes) = complaint::decide(desk, mail, facts, &to, now)? {
        return Ok(changes);
    }
    match to.decision {
        Some(token) => release::decide(draft, facts, &author, token),
        None => by_author(draft, &to, &author),
    }
}

/// Decides by who wrote it and to which address.
fn by_author(draft: Draft<'_>, to: &Addressed, author: &Author) -> Known<Changes> {
    let (mail, facts) = (draft.mail, draft.facts);
    let place = thread::place(draft.desk, &mail, facts, to, author, draft.now)?;
    let person = author.person(facts);
    let muted = person.is_some_and(|p| !p.is_staff() && p.spam_until.is_some_and(|until| until > draft.now));
    if muted && !mail.has_passed("spam") {
        return Ok(hold::for_admins(draft, "spam", "mail of this sender is held because an agent marked their ticket as spam"));
    }
    let proof = mail.proof(author);
    let automatic = mail.understood.automatic.is_some();
    let from = author::class(facts, author, &place);
    // Whoever has confirmed it has said yes to the old address, too.
    let kind = if mail.has_passed("confirm") && place.kind == Kind::AgentExpired { Kind::Agent } else { place.kind };
    let allow_spf = person.is_some_and(|p| p.settings.allow_spf);
    let channel = mail.channel(from, person);
    let ruled = who::decide(channel, proof, kind, from, automatic, allow_spf);
    let outcome = who::on_ticket(ruled.outcome, from, place.ticket.is_some(), mail.has_passed("author"));
    let draft = draft.decided_from(Decision { outcome, ..ruled });
    match outcome {
        Outcome::Act => agent::act(draft, to, &place),
        // A client that lost the Reply-To: the agent's words must neither be lost nor open a ticket of their own.
        Outcome::Note | Outcome::OnBehalf if place.ticket.is_some() => agent::note_by(draft, author, &place),
        Outcome::Confirm => hold::for_owner(draft, &place, author::confirm_reason(&place)),
        Outcome::Hold => Ok(hold::for_admins(draft, author::hold_reason(from), author::hold_detail(from, kind, proof))),
        Outcome::Automatic => automatic::decide(draft, to, author, &place),
        outcome => {
            let acknowledge = matches!(outcome, Outcome::Customer | Outcome::CustomerUnverified);
            let third_party = outcome == Outcome::ThirdParty;
            customer::write(draft, to, author, &place, As { verified: proof.is_proof(), third_party, acknowledge })
        }
    }
}

/// What every decision needs: the author, our people, the thread, copies of this mail.
fn first_keys(desk: &Desk, mail: &Mail<'_>, to: &Addressed, author: &Author, now: i64) -> Keys {
    let mut keys = Keys { staff: true, ..Keys::default() };
    keys.fingerprints.insert(mail.fingerprint());
    keys.refs.extend(thread::hashes(mail.understood));
    if let Some(address) = &author.address {
        keys.addresses.insert(address.key());
        let day = 86_400_000;
        keys.counts.insert(CountKey::AcksToAddress(address.key(), now - 600_000));
        keys.counts.insert(CountKey::AcksToAddress(address.key(), now - day));
        let domain = address.key().rsplit_once('@').map_or(String::new(), |(_, d)| d.to_owned());
        keys.counts.insert(CountKey::AcksToDomain(domain, now - 3_600_000));
    }
    keys.addresses.extend(customer::copies(desk, mail.understood).iter().map(crate::model::Address::key));
    if let Some(token) = to.token {
        keys.tickets.insert(token.ticket());
        keys.persons.insert(token.person());
    }
    if let Some(token) = to.decision {
        keys.persons.insert(token.person());
        match token.purpose() {
            token::Purpose::Lot | token::Purpose::LotDrop => keys.brakes.insert(token.person()),
            _ => keys.inbox.insert(InboxId(token.subject())),
        };
    }
    keys.outbox.extend(bounce::reported(desk, mail, to));
    keys.tickets.extend(thread::own_tickets(desk, mail.understood));
    keys
}

/// The mail of which this one is a copy. A mail with the address of one ticket is no copy of one that was filed for
/// another: an agent's mail to two tickets, split by a relay, must reach both.
fn duplicate(mail: &Mail<'_>, facts: &Facts, to: &Addressed) -> Option<InboxId> {
    let filed = facts.fingerprints.get(&mail.fingerprint())?;
    let scope = to.scope();
    filed.iter().find(|(s, id)| *id != mail.id && (scope == 0 || *s == scope)).map(|(_, id)| *id)
}
