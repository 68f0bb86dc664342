//! The brake on an agent's answers: when more are published within an hour than one person writes, somebody else may be using
//! their mailbox. Then all further ones are held, the agent is asked once for the lot, and the admins are told.

use crate::clock::millis;
use crate::model::changes::{Braking, Changes, Fate, NewTimer, TicketRef};
use crate::model::facts::{Brake, CountKey, Keys};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::{InboxId, PersonId, TicketId};

use super::agent::Objection;
use super::draft::Draft;
use super::ledger::{Ledger, actor};
use super::token::{Purpose, Token};
use super::{Known, audience, need};

/// The reason of RULES for what it holds.
pub(super) const REASON: &str = "rate";
/// What is counted, and for how long a word of the agent's lifts it, in ms.
const HOUR: i64 = 3_600_000;
/// While something is held, and more comes, the question comes again after this, in ms.
const AGAIN: i64 = 24 * HOUR;

/// Kind of the timer that asks again while something is held; its key is the agent.
pub(super) const TIMER: &str = "brake";

/// Why a public answer to a ticket, or to nobody's ticket yet, must wait. While something is held everything is: an answer
/// must not overtake an older one.
pub(super) fn objection(draft: &mut Draft<'_>, agent: &Person, ticket: Option<TicketId>) -> Known<Option<Objection>> {
    if draft.mail.has_passed(REASON) {
        return Ok(None);
    }
    let since = draft.now - HOUR;
    let lately = CountKey::AnswersOf(agent.id, since);
    need(draft.facts, Keys { brakes: [agent.id].into(), counts: [lately].into(), ..Keys::default() })?;
    let brake = known(draft, agent.id);
    // What was published while it was lifted is accounted for.
    let key = CountKey::AnswersOf(agent.id, since.max(brake.lifted_until));
    need(draft.facts, Keys { counts: [key.clone()].into(), ..Keys::default() })?;
    let sent = draft.facts.counts.get(&key).copied().unwrap_or(0);
    let cap = i64::from(draft.desk.config.limits.answers_per_agent_hour);
    draft.changes.guard.brakes.push((agent.id, brake.clone()));
    let why = match () {
        () if brake.holds => "answers of yours before it are held, because they were too many within an hour".to_owned(),
        () if waits_behind(draft, &brake, ticket) => "answers of yours to this ticket are on their way before it".to_owned(),
        () if draft.now < brake.lifted_until => return Ok(None),
        () if sent >= cap => format!("you have published {sent} answers within an hour"),
        () => {
            draft.changes.guard.below.push((key, cap));
            return Ok(None);
        }
    };
    Ok(Some((REASON, why)))
}

/// Holds an answer that [`objection`] has objected to. The first of a lot makes the question, and one that comes a day later, or
/// when the address in that question does not work any more.
pub(super) fn hold(mut draft: Draft<'_>, agent: &Person, ticket: Option<TicketRef>, detail: &str) -> Changes {
    let (id, brake) = (draft.mail.id, known(&draft, agent.id));
    draft.changes.braked = Some(agent.id);
    let number = match ticket {
        Some(TicketRef::Id(id)) => Some(id),
        _ => None,
    };
    if !brake.holds && waits_behind(&draft, &brake, number) {
        return draft.fate(Fate::Waiting, ticket, REASON, detail);
    }
    draft.changes.told.push(id);
    let life = millis(draft.desk.config.limits.confirm_token_life);
    if !brake.holds || draft.now - brake.told_at > life.min(AGAIN) {
        // While the same answers are held, the address in an older question works, too.
        let lot = brake.lot.filter(|_| brake.holds).unwrap_or(id);
        ask(&mut draft, agent, lot, detail);
    }
    draft.event("message.held", &actor(agent.id), ticket, None, serde_json::json!({ "inbox": id.0, "reason": REASON }));
    draft.fate(Fate::Held, ticket, REASON, detail)
}

/// Asks the agent about a lot, tells the admins, and sees to it that the question comes again.
fn ask(ledger: &mut Ledger<'_>, agent: &Person, lot: InboxId, why: &str) {
    ledger.changes.brake = Some(Braking::Asked(agent.id, lot));
    let params = Params { actor: Some(agent.id), inbox: vec![lot], lines: vec![why.to_owned()], ..Params::default() };
    ledger.send(MailKind::Braked, agent, None, None, params.clone());
    for admin in audience::admins_but(Some(agent.id), ledger.facts, ledger.now) {
        ledger.send(MailKind::Braked, admin, None, None, params.clone());
    }
    look_again(ledger, agent.id, ledger.now + AGAIN);
}

fn look_again(ledger: &mut Ledger<'_>, agent: PersonId, due_at: i64) {
    ledger.changes.timers.push(NewTimer { kind: TIMER, ticket: None, key: agent.to_string(), due_at, if_untold: false });
}

/// What a timer of this kind has to know, by its key.
pub(super) fn of(key: &str) -> Option<PersonId> {
    key.parse().ok().map(PersonId)
}

/// A day after the question: while something is still held it is asked again, with addresses that work, and nobody is woken by it.
/// Who is disabled is asked within a day of being back.
pub(super) fn remind(ledger: &mut Ledger<'_>, key: &str) {
    let facts = ledger.facts;
    let Some((agent, brake)) = of(key).and_then(|agent| Some((agent, facts.brakes.get(&agent)?))) else { return };
    let Some(lot) = brake.lot.filter(|_| brake.holds) else { return };
    ledger.changes.guard.brakes.push((agent, brake.clone()));
    let asked = brake.told_at + AGAIN;
    match facts.person(agent).filter(|agent| agent.is_active_agent()) {
        Some(agent) if asked <= ledger.now => {
            ask(ledger, agent, lot, "answers of yours are still held, because they were too many within an hour");
            ledger.wake_nobody();
        }
        Some(_) => look_again(ledger, agent, asked),
        None => look_again(ledger, agent, ledger.now + AGAIN),
    }
}

/// Lets all go that is held, or drops it, on a word to an address of the question about it; a word that comes again changes
/// nothing. The admins hear of it: whoever holds the mailbox can say it.
pub(super) fn end(mut draft: Draft<'_>, agent: &Person, token: Token) -> Known<Changes> {
    let (brake, lets_go) = (known(&draft, agent.id), token.purpose() == Purpose::Lot);
    if !brake.holds || brake.lot != Some(InboxId(token.subject())) {
        let lines = vec!["None of your answers waits for this word any more. Nothing has changed.".to_owned()];
        draft.send(MailKind::Receipt, agent, None, None, Params { lines, ..Params::default() });
        return Ok(draft.fate(Fate::Message, None, "release", "no answers waited for it any more"));
    }
    let key = CountKey::BrakedOf(agent.id);
    need(draft.facts, Keys { counts: [key.clone()].into(), staff: true, ..Keys::default() })?;
    let held = draft.facts.counts.get(&key).copied().unwrap_or(0);
    draft.changes.guard.below.push((key, held + 1));
    draft.changes.guard.brakes.push((agent.id, brake));
    let answers = if held == 1 { "1 answer".to_owned() } else { format!("{held} answers") };
    let (braking, done) = match lets_go {
        true => (Braking::Lifted(agent.id, draft.now + HOUR), format!("{answers} let go; nothing more is held for an hour")),
        false => (Braking::Dropped(agent.id), format!("{answers} dropped; further ones are held as before")),
    };
    draft.changes.brake = Some(braking);
    draft.send(MailKind::Receipt, agent, None, None, Params { lines: vec![done.clone()], ..Params::default() });
    let params = Params { actor: Some(agent.id), lines: vec![done], ..Params::default() };
    for admin in audience::admins_but(Some(agent.id), draft.facts, draft.now) {
        draft.send(MailKind::Braked, admin, None, None, params.clone());
    }
    let what = if lets_go {
        "let all answers go that were too many within an hour"
    } else {
        "dropped all answers that were too many within an hour"
    };
    Ok(draft.fate(Fate::Message, None, "release", what))
}

fn known(draft: &Draft<'_>, agent: PersonId) -> Brake {
    draft.facts.brakes.get(&agent).cloned().unwrap_or_default()
}

/// Whether older answers to its ticket were let go and are yet to be decided.
fn waits_behind(draft: &Draft<'_>, brake: &Brake, ticket: Option<TicketId>) -> bool {
    ticket.and_then(|ticket| brake.queued.get(&ticket)).is_some_and(|first| *first < draft.mail.id)
}
