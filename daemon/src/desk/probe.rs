//! Mails by which the desk tries its own way out and in: `ombud check --probe`.
//!
//! A token stands in the subject, which no relay changes, so a probe is known when it comes back, whatever else was done to it. It
//! is filed and shown, and nothing follows from it.

use crate::model::understood::Understood;
use crate::model::{MailboxId, OutboxId, PersonId, TicketId};

use super::Desk;
use super::message_id::OwnId;
use super::token::{Grant, LETTERS, Purpose, Token};

/// Begins the subject.
const SUBJECT: &str = "Ombud probe";
/// How long one is known, in ms.
const LIFE: i64 = 86_400_000;

/// Where a probe goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The signed address of a mailbox.
    Signed = 1,
    /// The mailbox's own address, or one elsewhere.
    Plain = 2,
    /// The address for answers, in either.
    Reply = 3,
}

/// What of a probe is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Its Message-ID, without angle brackets.
    pub message_id: String,
    /// The signed address that it may go to.
    pub address: String,
    /// Its Reply-To.
    pub reply_to: String,
    /// Its envelope sender.
    pub sender: String,
    /// Its subject.
    pub subject: String,
}

/// The marks of the probe with a number, made at `now` (ms).
pub fn marks(desk: &Desk, mailbox: MailboxId, number: i64, leg: Leg, now: i64) -> Marks {
    let grant =
        |purpose, subject, leg: Leg| Grant { purpose, subject, person: PersonId(0), epoch: 0, expires_at: now + LIFE, turn: leg as i64 };
    // Told apart by relays that look for copies.
    let id = OwnId { ticket: TicketId(0), outbox: OutboxId(number * 4 + leg as i64) };
    Marks {
        message_id: id.sign(desk.book.keys(), &desk.config.desk.hostname),
        address: desk.book.sign(mailbox, grant(Purpose::Probe, number, leg)),
        reply_to: desk.book.sign(mailbox, grant(Purpose::Probe, number, Leg::Reply)),
        // Of no mail of the outbox.
        sender: desk.book.sign(mailbox, grant(Purpose::Bounce, 0, leg)),
        subject: format!("{SUBJECT} {}", desk.book.keys().sign(grant(Purpose::Probe, number, leg))),
    }
}

/// The number of the probe that this subject names, and where that went to.
pub fn of_subject(desk: &Desk, subject: &str) -> Option<(i64, bool)> {
    named(desk, subject).map(|token| (token.subject(), token.turn() == Leg::Signed as i64))
}

/// Whether a mail is a probe of this desk, or an answer to one, while it is known.
pub(super) fn is_one(desk: &Desk, mail: &Understood, now: i64) -> bool {
    named(desk, &mail.subject).is_some_and(|token| !token.is_expired(now))
}

fn named(desk: &Desk, subject: &str) -> Option<Token> {
    let (_, rest) = subject.split_once(SUBJECT)?;
    let text = rest.trim_start().get(..LETTERS)?;
    desk.book.keys().verify(text).filter(|token| token.purpose() == Purpose::Probe)
}
