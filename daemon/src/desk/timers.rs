//! Things that happen by themselves: solved tickets close, admins hear of what is held.

use crate::model::InboxId;
use crate::model::TicketId;
use crate::model::changes::{Changes, NewEvent, NewOutbox, NewTimer, PersonRef, TicketRef, Timer};
use crate::model::facts::{Facts, Keys};
use crate::model::outgoing::{MailKind, Params};
use crate::model::ticket::Status;

use super::draft::{guard, millis};
use super::{Desk, Step, audience, need};

/// Held mails that one digest tells of.
pub const DIGEST_LINES: i64 = 100;

/// Decides what a due timer does. `untold` are held mails that nobody was told of. A timer whose ticket has changed
/// decides nothing.
pub fn fire(desk: &Desk, timer: &Timer, untold: &[InboxId], facts: &Facts, now: i64) -> Step {
    let ticket = TicketId(timer.ticket);
    let mut keys = Keys { staff: true, ..Keys::default() };
    if timer.ticket > 0 {
        keys.tickets.insert(ticket);
    }
    if let Err(keys) = need(facts, keys) {
        return Step::Need(keys);
    }
    let mut changes = Changes { at: now, guard: guard(facts), ..Changes::default() };
    changes.timers_done.push((timer.kind.clone(), timer.ticket, timer.key.clone()));
    match timer.kind.as_str() {
        "close" => close(desk, &mut changes, ticket, facts, now),
        "digest" => digest(&mut changes, untold, facts, now),
        // A kind of a newer program: it is gone, and that program will write it again.
        _ => {}
    }
    Step::Done(Box::new(changes))
}

fn close(desk: &Desk, changes: &mut Changes, ticket: TicketId, facts: &Facts, now: i64) {
    let Some(t) = facts.ticket(ticket).filter(|t| t.ticket.status == Status::Solved) else { return };
    let id = TicketRef::Id(ticket);
    let due_at = t.ticket.solved_at.unwrap_or(now) + millis(desk.config.desk.close_after);
    if due_at > now {
        changes.timers.push(NewTimer { kind: "close", ticket: Some(id), key: String::new(), due_at });
        return;
    }
    let mut after = t.ticket.clone();
    after.status = Status::Closed;
    after.updated_at = now;
    changes.updates.push(after);
    let mut data = serde_json::Map::new();
    data.insert("from".into(), Status::Solved.word().into());
    data.insert("to".into(), Status::Closed.word().into());
    changes.events.push(NewEvent { kind: "ticket.status_changed", actor: "system".into(), ticket: Some(id), message: None, data });
}

/// One mail to each admin about everything that is held and that nobody was told of.
fn digest(changes: &mut Changes, untold: &[InboxId], facts: &Facts, now: i64) {
    if untold.is_empty() {
        return;
    }
    let admins = audience::admins(facts);
    if admins.is_empty() {
        return;
    }
    changes.told.extend(untold);
    for admin in admins {
        changes.outbox.push(NewOutbox {
            ticket: None,
            recipient: PersonRef::Id(admin.id),
            address: admin.address.clone(),
            kind: MailKind::Digest,
            message: None,
            params: Params { inbox: untold.to_vec(), ..Params::default() },
            due_at: now,
            created_at: now,
        });
    }
}
