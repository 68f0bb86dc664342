//! Things that happen by themselves: solved tickets close, quiet hours end, who was asked about held answers is asked again,
//! admins hear of what is held, of webhooks that were disabled and of mailboxes that can't be fetched.

use crate::clock::millis;
use crate::model::changes::{LOGIN_REFUSED, NewTimer, QUIET, TicketRef, Timer, WEBHOOK_DISABLED};
use crate::model::facts::{Facts, Keys};
use crate::model::outgoing::{MailKind, Params};
use crate::model::ticket::Status;
use crate::model::{EndpointId, InboxId, PersonId, TicketId};

use super::hold::DIGEST;
use super::ledger::Ledger;
use super::{Desk, Step, audience, brake, digest, hourly, need};

/// Kind of the timer that opens a ticket again that was put off; its key is when, in ms, and by whom: `1796117400000/7`.
pub(super) const SNOOZE: &str = "snooze";

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
    if timer.kind == QUIET {
        keys.news.extend(digest::of(&timer.key));
    }
    if timer.kind == brake::TIMER {
        keys.brakes.extend(brake::of(&timer.key));
    }
    if let Err(keys) = need(facts, keys) {
        return Step::Need(keys);
    }
    let mut ledger = Ledger::new(desk, facts, now);
    ledger.changes.timers_done.push((timer.kind.clone(), timer.ticket, timer.key.clone()));
    match timer.kind.as_str() {
        "close" => close(&mut ledger, ticket),
        SNOOZE => wake(&mut ledger, ticket, &timer.key),
        DIGEST => held(&mut ledger, untold),
        QUIET => digest::fire(&mut ledger, &timer.key),
        brake::TIMER => brake::remind(&mut ledger, &timer.key),
        WEBHOOK_DISABLED => webhook(&mut ledger, &timer.key),
        LOGIN_REFUSED => login_refused(&mut ledger, &timer.key),
        // A kind of a newer program: it is gone, and that program will write it again.
        _ => {}
    }
    hourly::capped(desk, facts, ledger.changes, now)
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

/// Opens a ticket again that was put off and nothing else has happened to; whoever works it and whoever put it off hear of it.
fn wake(ledger: &mut Ledger<'_>, ticket: TicketId, key: &str) {
    let Some(t) = ledger.facts.ticket(ticket).filter(|t| t.ticket.status == Status::OnHold) else { return };
    let mut after = t.ticket.clone();
    after.status = Status::Open;
    ledger.update(&t.ticket, after, "system");
    let by = key.split_once('/').and_then(|(_, by)| by.parse().ok()).and_then(|by| ledger.facts.person(PersonId(by)));
    let mut heard = audience::of_ticket(ledger.facts, t);
    heard.extend(by.filter(|by| by.is_active_agent() && !heard.iter().any(|p| p.id == by.id)));
    for agent in heard {
        ledger.send(MailKind::Woken, agent, Some(TicketRef::Id(ticket)), None, Params::default());
    }
}

/// One mail to each admin about what is held and nobody was told of. What does not fit, comes meanwhile or finds no
/// admin is told of next time.
fn held(ledger: &mut Ledger<'_>, untold: &[InboxId]) {
    let due_at = ledger.now + millis(ledger.desk.config.desk.digest_every);
    ledger.changes.timers.push(NewTimer { kind: DIGEST, ticket: None, key: String::new(), due_at, if_untold: true });
    let admins = audience::admins(ledger.facts, ledger.now);
    if untold.is_empty() || admins.is_empty() {
        return;
    }
    ledger.changes.told.extend(untold);
    ledger.changes.guard.held.extend(untold);
    for admin in admins {
        ledger.send(MailKind::Digest, admin, None, None, Params { inbox: untold.to_vec(), ..Params::default() });
    }
}

/// One mail to each admin; what it says is read when it is composed.
fn webhook(ledger: &mut Ledger<'_>, key: &str) {
    let endpoint = key.parse().ok().map(EndpointId);
    for admin in audience::admins(ledger.facts, ledger.now) {
        ledger.send(MailKind::Webhook, admin, None, None, Params { endpoint, ..Params::default() });
    }
}

/// The same; `mailbox` is the address of the one that can't be fetched.
fn login_refused(ledger: &mut Ledger<'_>, mailbox: &str) {
    for admin in audience::admins(ledger.facts, ledger.now) {
        ledger.send(MailKind::Imap, admin, None, None, Params { mailbox: Some(mailbox.to_owned()), ..Params::default() });
    }
}
