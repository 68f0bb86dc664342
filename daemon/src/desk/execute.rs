//! Carries out the commands of an agent on one ticket.

use crate::clock::millis;
use crate::model::changes::{PersonRef, TicketRef};
use crate::model::facts::{Keys, TicketFacts};
use crate::model::people::Person;
use crate::model::ticket::{Standing, Status, Ticket};
use crate::model::{Address, PersonId};

use super::commands::{Assignee, Command};
use super::draft::Draft;
use super::ledger::Ledger;
use super::{Known, need};

/// What the commands did, a line each.
pub(super) type Receipt = Vec<String>;

/// What a command line asks that the desk can't do; nothing of the mail is carried out.
pub(super) struct Impossible(pub(super) String);

/// Addresses that the commands name.
pub(super) fn keys(commands: &[Command]) -> Keys {
    let mut keys = Keys::default();
    for command in commands {
        if let Command::Cc(_, address) = command {
            keys.addresses.insert(crate::model::address::fold(address));
        }
    }
    keys
}

/// Applies the commands to `after` and says what they did. Everything is checked before anything changes.
pub(super) fn all(
    draft: &mut Draft<'_>,
    commands: &[Command],
    agent: &Person,
    t: &TicketFacts,
    after: &mut Ticket,
) -> Known<Result<Receipt, Impossible>> {
    need(draft.facts, keys(commands))?;
    let mut done = Receipt::new();
    for command in commands {
        match one(draft, command, agent, t, after) {
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
    after: &mut Ticket,
) -> Result<Option<String>, Impossible> {
    let id = TicketRef::Id(t.ticket.id);
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
            let person = draft.facts.person_at(&crate::model::address::fold(address)).map(|p| p.id);
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
    })
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
    let active = || draft.facts.staff().iter().filter(|p| p.is_active_agent());
    let exact = active().find(|p| p.has_address(&text));
    let named: Vec<_> = active()
        .filter(|p| p.shown_name().to_lowercase().split_whitespace().any(|w| w == text) || p.shown_name().to_lowercase() == text)
        .collect();
    match (exact, named.as_slice()) {
        (Some(found), _) => Ok(Some(found.id)),
        (None, [found]) => Ok(Some(found.id)),
        _ => {
            let all: Vec<_> = active().map(|p| p.address.as_str()).collect();
            Err(Impossible(format!("{text} is no agent here; agents are {}", all.join(", "))))
        }
    }
}
