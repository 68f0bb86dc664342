//! Carries out the commands of an agent on one ticket.

use crate::clock::millis;
use crate::model::address::fold;
use crate::model::changes::{MessageRef, NewTimer, PersonRef, TicketRef};
use crate::model::facts::{Facts, Keys, TicketFacts};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::ticket::{Standing, Status, Ticket};
use crate::model::{Address, PersonId};

use super::commands::{Assignee, Command};
use super::draft::Draft;
use super::ledger::{Ledger, actor};
use super::timers::SNOOZE;
use super::when::{self, When};
use super::{Known, need};

/// Agents whom the answer to an unknown name names.
const SHOWN: usize = 50;

/// What the commands did, a line each.
pub(super) type Receipt = Vec<String>;

/// What a command line asks that the desk can't do; nothing of the mail is carried out.
pub(super) struct Impossible(pub(super) String);

/// What the commands of an agent need to know: the people whom they name, the answer that they take back.
pub(super) fn keys(commands: &[Command], agent: PersonId, t: &TicketFacts) -> Keys {
    let mut keys = Keys::default();
    for command in commands {
        match command {
            Command::Cc(_, address) | Command::Requester(address) => {
                keys.addresses.insert(fold(address));
            }
            Command::Undo => {
                keys.last_answers.insert((t.ticket.id, agent));
            }
            _ => {}
        }
    }
    keys
}

/// Applies the commands to `after`, which is or becomes the ticket `id`, and says what they did. Everything is checked before anything changes.
pub(super) fn all(
    draft: &mut Draft<'_>,
    commands: &[Command],
    agent: &Person,
    t: &TicketFacts,
    id: TicketRef,
    after: &mut Ticket,
) -> Known<Result<Receipt, Impossible>> {
    need(draft.facts, keys(commands, agent.id, t))?;
    let mut done = Receipt::new();
    for command in commands {
        match one(draft, command, agent, t, id, after) {
            Ok(line) => done.extend(line),
            Err(impossible) => return Ok(Err(impossible)),
        }
    }
    Ok(Ok(done))
}

fn one(
    draft: &mut Draft<'_>,
    command: &Command,
    agent: &Person,
    t: &TicketFacts,
    id: TicketRef,
    after: &mut Ticket,
) -> Result<Option<String>, Impossible> {
    Ok(match command {
        Command::Note => None,
        Command::Assign(who) => {
            let assignee = find(draft, who, agent)?;
            let name = assignee.and_then(|p| draft.facts.person(p)).map_or("nobody".into(), |p| p.shown_name().to_owned());
            assign(after, t, assignee, Some(agent.id));
            Some(format!("assigned to {name}"))
        }
        Command::Team(name) => {
            after.team = Some(name.clone());
            Some(format!("team is {name}"))
        }
        Command::Status(status) => {
            after.status = *status;
            Some(format!("status is {status}"))
        }
        Command::Priority(priority) => {
            after.priority = *priority;
            Some(format!("priority is {priority}"))
        }
        Command::Tag(tags) => {
            for (add, tag) in tags {
                after.tags.retain(|t| t != tag);
                after.tags.extend(add.then(|| tag.clone()));
            }
            after.tags.sort();
            Some(format!("tags are {}", if after.tags.is_empty() { "none".into() } else { after.tags.join(", ") }))
        }
        Command::Cc(true, address) => {
            if draft.desk.book.is_own(address) {
                return Err(Impossible(format!("{address} is an address of this desk")));
            }
            let person = draft.person(&Address::bare(address.clone()));
            draft.join(id, person, Standing::Cc);
            Some(format!("{address} gets answers from the next one on"))
        }
        Command::Cc(false, address) => {
            let person = draft.facts.person_at(&fold(address)).map(|p| p.id);
            let there = person.filter(|p| t.participant(*p).is_some_and(|x| x.standing == Standing::Cc));
            let Some(person) = there else { return Err(Impossible(format!("{address} is no copied person on this ticket"))) };
            draft.changes.leaving.push((t.ticket.id, person));
            Some(format!("{address} gets no more answers"))
        }
        Command::Follow(true) => {
            draft.join(id, PersonRef::Id(agent.id), Standing::Follower);
            Some("you follow it".into())
        }
        Command::Follow(false) => {
            if t.participant(agent.id).is_some_and(|p| p.standing == Standing::Follower) {
                draft.changes.leaving.push((t.ticket.id, agent.id));
            }
            Some("you do not follow it".into())
        }
        Command::Snooze(when) => Some(snooze(draft, *when, agent, id, after)?),
        Command::Requester(address) => Some(requester(draft, address, agent, t, id)?),
        Command::Undo => Some(undo(draft, agent, t)?),
        Command::History | Command::Help | Command::Search(_) => {
            ask(draft, command, agent, Some(id));
            None
        }
    })
}

/// Answers a question by mail.
pub(super) fn ask(draft: &mut Draft<'_>, question: &Command, agent: &Person, ticket: Option<TicketRef>) {
    let (kind, ticket, lines) = match question {
        Command::History => (MailKind::History, ticket, Vec::new()),
        Command::Search(query) => (MailKind::Found, None, vec![query.clone()]),
        _ => (MailKind::Help, None, Vec::new()),
    };
    draft.send(kind, agent, ticket, None, Params { lines, ..Params::default() });
}

/// Puts the ticket off: a timer opens it again.
fn snooze(draft: &mut Draft<'_>, when: When, agent: &Person, id: TicketRef, after: &mut Ticket) -> Result<String, Impossible> {
    let zone = when::zone(agent.settings.timezone.as_deref());
    let due_at = when.at(draft.now, &zone).map_err(|why| Impossible(format!("@snooze: that time {why}")))?;
    after.status = Status::OnHold;
    draft.changes.timers_gone.extend(match id {
        TicketRef::Id(id) => Some((SNOOZE, id)),
        TicketRef::New(_) => None,
    });
    draft.changes.timers.retain(|timer| timer.kind != SNOOZE || timer.ticket != Some(id));
    // The time is in the key: a timer that was on its way when somebody chose another time is not there any more.
    let key = format!("{due_at}/{}", agent.id);
    draft.changes.timers.push(NewTimer { kind: SNOOZE, ticket: Some(id), key, due_at, if_untold: false });
    Ok(format!("on hold until {}", when::shown(due_at, &zone)))
}

/// Makes it somebody else's ticket. Who had it is off it, and their addresses are dead: nothing of what follows is for them.
fn requester(draft: &mut Draft<'_>, address: &str, agent: &Person, t: &TicketFacts, id: TicketRef) -> Result<String, Impossible> {
    if draft.desk.book.is_own(address) {
        return Err(Impossible(format!("{address} is an address of this desk")));
    }
    if draft.changes.requesters.iter().any(|(ticket, _)| *ticket == t.ticket.id) {
        return Err(Impossible("@requester stands twice".into()));
    }
    let person = draft.person(&Address::bare(address.to_owned()));
    let before = t.ticket.requester;
    if person == PersonRef::Id(before) {
        return Ok(format!("it is {address}'s already"));
    }
    draft.changes.leaving.push((t.ticket.id, before));
    draft.changes.requesters.push((t.ticket.id, person));
    draft.join(id, person, Standing::Requester);
    let to = match person {
        PersonRef::Id(id) => Some(id.0),
        PersonRef::New(_) => None,
    };
    draft.event("ticket.updated", &actor(agent.id), Some(id), None, serde_json::json!({ "requester": { "from": before.0, "to": to } }));
    let old = draft.facts.person(before).map_or("whoever had it", |p| p.address.as_str());
    Ok(format!("it is {address}'s now; {old} gets no more answers (@cc add {old} would send them a copy)"))
}

/// Takes the agent's last answer back, to everybody or not at all: what nobody has tried to send has not left.
fn undo(draft: &mut Draft<'_>, agent: &Person, t: &TicketFacts) -> Result<String, Impossible> {
    let last = draft.facts.last_answers.get(&(t.ticket.id, agent.id)).and_then(Option::as_ref);
    let Some(last) = last else { return Err(Impossible("@undo: you have no answer on this ticket".into())) };
    if draft.changes.taken_back.contains(last) {
        return Err(Impossible("@undo stands twice, and takes back one answer".into()));
    }
    if last.left || last.waiting.is_empty() {
        let undo = draft.desk.config.outbound.undo;
        let why = match undo.is_zero() {
            true => "answers leave at once here (`undo` in [outbound] is 0s)".to_owned(),
            false => format!("answers wait for {} s here", undo.as_secs()),
        };
        return Err(Impossible(format!("@undo: your last answer has left, or is just leaving; {why}")));
    }
    draft.changes.taken_back.push(last.clone());
    let (ticket, message) = (TicketRef::Id(t.ticket.id), MessageRef::Id(last.message));
    draft.event("note.added", &actor(agent.id), Some(ticket), Some(message), serde_json::json!({ "taken_back": true }));
    Ok("your last answer was taken back before it left; it stays here as a note, and its text is below".into())
}

/// A ticket whose last answer is taken back stands as if it had not been given: what it solved or closed is not, and it waits for us
/// unless another answer still stands.
pub(super) fn waits_again(facts: &Facts, agent: PersonId, after: &mut Ticket) {
    let Some(last) = facts.last_answers.get(&(after.id, agent)).and_then(Option::as_ref) else { return };
    let ended_by_it = matches!(after.status, Status::Solved | Status::Closed) && after.solved_at == Some(last.at);
    if after.status == Status::Pending || ended_by_it {
        after.status = if last.stands { Status::Pending } else { Status::Open };
    }
}

/// Gives the ticket to somebody. Addresses that were handed out before are older than the assignment.
pub(super) fn assign(after: &mut Ticket, t: &TicketFacts, assignee: Option<PersonId>, by: Option<PersonId>) {
    if after.assignee != assignee {
        after.assignee = assignee;
        after.assigned_by = by;
        after.assigned_turn = t.ticket.turn + 1;
        // Addresses that are handed out from now on are newer than the assignment, also when nobody has said anything.
        after.turn = after.turn.max(after.assigned_turn);
    }
}

/// Holds the mail of a spammer for a while, and no longer when it was none.
pub(super) fn mute(ledger: &mut Ledger<'_>, before: &Ticket, after: &Ticket) {
    let until = match (before.status == Status::Spam, after.status == Status::Spam) {
        (false, true) => ledger.now + millis(ledger.desk.config.desk.spam_hold),
        (true, false) => 0,
        _ => return,
    };
    ledger.changes.spam_until.push((before.requester, until));
}

fn find(draft: &Draft<'_>, who: &Assignee, agent: &Person) -> Result<Option<PersonId>, Impossible> {
    let text = match who {
        Assignee::Me => return Ok(Some(agent.id)),
        Assignee::Nobody => return Ok(None),
        Assignee::Agent(text) => text.trim().to_lowercase(),
    };
    let staff = draft.facts.staff();
    let exact = staff.agent_at(&text);
    let named: Vec<_> = staff.named(&text).filter(|p| p.is_active_agent()).collect();
    match (exact, named.as_slice()) {
        (Some(found), _) => Ok(Some(found.id)),
        (None, [found]) => Ok(Some(found.id)),
        _ => {
            let mut all = staff.active().map(|p| p.address.as_str());
            let shown: Vec<_> = all.by_ref().take(SHOWN).collect();
            let more = if all.next().is_some() { " and others" } else { "" };
            Err(Impossible(format!("{text} is no agent here; agents are {}{more}", shown.join(", "))))
        }
    }
}
