//! Things that happen by themselves: solved tickets close, admins hear of what is held.

use crate::model::InboxId;
use crate::model::TicketId;
use crate::model::changes::{TicketRef, Timer};
use crate::model::facts::{Facts, Keys};
use crate::model::outgoing::{MailKind, Params};
use crate::model::ticket::Status;

use super::ledger::{Ledger, millis};
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
    let mut ledger = Ledger::new(desk, facts, now);
    ledger.changes.timers_done.push((timer.kind.clone(), timer.ticket, timer.key.clone()));
    match timer.kind.as_str() {
        "close" => close(&mut ledger, ticket),
        "digest" => digest(&mut ledger, untold),
        // A kind of a newer program: it is gone, and that program will write it again.
        _ => {}
    }
    Step::Done(Box::new(ledger.changes))
}

fn close(ledger: &mut Ledger<'_>, ticket: TicketId) {
    let Some(t) = ledger.facts.ticket(ticket).filter(|t| t.ticket.status == Status::Solved) else { return };
    let due_at = t.ticket.solved_at.unwrap_or(ledger.now) + millis(ledger.desk.config.desk.close_after);
    if due_at > ledger.now {
        return ledger.timer("close", Some(TicketRef::Id(ticket)), due_at);
    }
    let mut after = t.ticket.clone();
    after.status = Status::Closed;
    ledger.update(&t.ticket, after, "system");
}

/// One mail to each admin about everything that is held and that nobody was told of.
fn digest(ledger: &mut Ledger<'_>, untold: &[InboxId]) {
    let admins = audience::admins(ledger.facts);
    if untold.is_empty() || admins.is_empty() {
        return;
    }
    ledger.changes.told.extend(untold);
    for admin in admins {
        ledger.send(MailKind::Digest, admin, None, None, Params { inbox: untold.to_vec(), ..Params::default() });
    }
}
