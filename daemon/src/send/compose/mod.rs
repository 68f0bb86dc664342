//! Composes a mail when its intent is first claimed: loads what it is about, grants the addresses, writes the letter.

mod agent;
mod asked;
mod brake;
mod customer;
mod digest;
mod guard;
mod html_of;
mod imap;
mod links;
mod reason;
mod refused;
mod webhook;

use std::sync::Arc;

use ombud_indexer::Searcher;

use crate::clock::millis;
use crate::desk::Desk;
use crate::desk::delivery::STOPPED;
use crate::desk::inside::Inside;
use crate::desk::message_id::OwnId;
use crate::desk::token::{Grant, Purpose};
use crate::large;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::people::Person;
use crate::model::staff::Staff;
use crate::model::ticket::MessageKind;
use crate::model::{Address, MailboxId, OutboxId, TicketId};
use crate::store::read::{EarlierTicket, Material, MessageItem, TicketItem};
use crate::store::{Store, StoreError};
use crate::understand::{Limits, Part, parts};

use super::letter::Letter;
use super::wording;
use reason::{list_id, reason};

/// A time (ms) as it stands in mails.
fn minute(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

/// A composed mail.
pub(super) struct Composed {
    /// The address of its From.
    pub(super) from: String,
    /// Its envelope sender: a bounce address of exactly this mail.
    pub(super) sender: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComposeError {
    /// Something internal would leave with it.
    #[error("{STOPPED} {0}")]
    Internal(String),
    /// The address has refused mail.
    #[error("{0}")]
    Refused(String),
    /// The same, and it waits until a time in ms.
    #[error("{0}")]
    Later(String, i64),
    /// It is for somebody who does not work here any more.
    #[error("its recipient does not work here any more")]
    Gone,
    /// What it is made from could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Composes mails of one desk at one time.
pub(super) struct Composer<'a> {
    pub(super) store: &'a Store,
    pub(super) desk: &'a Arc<Desk>,
    pub(super) searcher: &'a Searcher,
    pub(super) now: i64,
}

/// Tickets of the same requester that a notification names.
const EARLIER: usize = 3;

/// What every kind of mail is made from.
struct Matter {
    ticket: Option<TicketItem>,
    mailbox: MailboxId,
    message: Option<MessageItem>,
    recipient: Person,
    epoch: i64,
    turn: i64,
    /// Read for a notification.
    earlier: Vec<EarlierTicket>,
}

/// The mailbox in whose name a mail leaves: that of its ticket, else the first.
pub(super) fn mailbox(desk: &Desk, row: &OutboxRow) -> Option<MailboxId> {
    row.mailbox.or(desk.book.first())
}

impl Composer<'_> {
    /// The bounce address of a mail: the same in every try of it.
    pub(super) fn sender(&self, row: &OutboxRow, mailbox: MailboxId) -> String {
        let expires_at = row.created_at + millis(self.desk.config.limits.bounce_token_life);
        let grant = Grant { purpose: Purpose::Bounce, subject: row.id.0, person: row.recipient, epoch: 0, expires_at, turn: 0 };
        self.desk.book.sign(mailbox, grant)
    }

    /// The mailbox in whose name a mail leaves.
    pub(super) fn mailbox(&self, row: &OutboxRow) -> Result<MailboxId, StoreError> {
        mailbox(self.desk, row).ok_or_else(|| StoreError::NotFound("no mailbox is configured".into()))
    }

    pub(super) async fn compose(&self, row: &OutboxRow) -> Result<Composed, ComposeError> {
        let (matter, staff) = self.matter(row).await?;
        self.pass(row, &matter).await?;
        let outsider = !matter.recipient.is_staff() || matter.recipient.disabled;
        if outsider && !guard::is_for_customers(row.kind) {
            if matter.recipient.is_staff() {
                return Err(ComposeError::Gone);
            }
            return Err(ComposeError::Internal("it is for those who work here alone".into()));
        }
        let mut letter = self.letter(row, &matter);
        match row.kind {
            MailKind::Ack => self.ack(&mut letter, &matter),
            MailKind::Answer => self.answer(&mut letter, &matter).await?,
            MailKind::Notify => self.notify(&mut letter, &matter).await?,
            MailKind::Taken => self.taken(&mut letter, row, &matter).await?,
            MailKind::Held => self.held(&mut letter, row, &matter).await?,
            MailKind::Digest => self.digest(&mut letter, row, &matter).await?,
            MailKind::Failed => self.undelivered(&mut letter, row, &matter, wording::failed).await?,
            MailKind::Receipt => self.receipt(&mut letter, row, &matter),
            MailKind::Woken => self.woken(&mut letter, &matter).await?,
            MailKind::News => self.news(&mut letter, row, &matter).await?,
            MailKind::History => self.history(&mut letter, &matter).await?,
            MailKind::Found => self.found(&mut letter, row, &matter).await?,
            MailKind::Help => self.help(&mut letter, &matter),
            MailKind::Late => self.undelivered(&mut letter, row, &matter, wording::late).await?,
            MailKind::Imap => self.imap(&mut letter, row, &matter).await?,
            MailKind::Undeliverable => self.undeliverable(&mut letter, row, &matter).await?,
            MailKind::Braked => self.braked(&mut letter, row, &matter).await?,
            MailKind::Webhook => self.webhook(&mut letter, row, &matter).await?,
        }
        if guard::is_for_customers(row.kind) && letter.text.len() <= html_of::MOST {
            let pictures: Vec<_> = letter.pictures.iter().map(|p| (p.placeholder.clone(), p.id.clone())).collect();
            let (octets, text) = (letter.text.len(), std::mem::take(&mut letter.text));
            let twin = move || (html_of::html_of(&text, &pictures), text);
            (letter.html, letter.text) = large::beside(octets, twin).await.map_err(StoreError::from)?;
        }
        if outsider {
            self.guard(&mut letter, row, &matter, staff).await?;
        } else {
            letter.list_id = Some(list_id(&letter.from.address));
            letter.reason = Some(reason(row, &matter));
        }
        let bytes = letter.bytes().map_err(StoreError::from)?;
        Ok(Composed { from: letter.from.address, sender: self.sender(row, matter.mailbox), bytes })
    }

    /// Nothing internal leaves: the last look at what goes to somebody who does not work here.
    async fn guard(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter, staff: Arc<Staff>) -> Result<(), ComposeError> {
        let (desk, reader, vouched) = (self.desk.clone(), Some(row.recipient), row.params.vouched);
        let (number, mut looked) = (Self::number(matter), std::mem::take(letter));
        let files = looked.attachments.iter().chain(looked.pictures.iter().map(|picture| &picture.part));
        let octets = looked.text.len() + looked.html.as_ref().map_or(0, String::len) + files.map(|part| part.bytes.len()).sum::<usize>();
        // Attachments are large, and mails among them are understood.
        let work = move || {
            let inside = Inside { book: &desk.book, staff: &staff };
            guard::scrub(&mut looked, &inside, reader, number);
            let found = guard::objection(&looked, &inside, reader, vouched, &looked.published);
            (looked, found)
        };
        let (looked, found) = large::beside(octets, work).await.map_err(StoreError::from)?;
        *letter = looked;
        found.map_or(Ok(()), |why| Err(ComposeError::Internal(why)))
    }

    /// What a mail is made from, and for whoever does not work here all those of whom nothing must reach them.
    async fn matter(&self, row: &OutboxRow) -> Result<(Matter, Arc<Staff>), StoreError> {
        let mailbox = self.mailbox(row)?;
        let Material { ticket, message, recipient, epoch, turn, staff, earlier } = self.store.material(row, EARLIER + 1).await?;
        let recipient = recipient.ok_or_else(|| StoreError::NotFound("the recipient is gone".into()))?;
        Ok((Matter { ticket, mailbox, message, recipient, epoch, turn, earlier }, staff))
    }

    /// What all letters share.
    fn letter(&self, row: &OutboxRow, matter: &Matter) -> Letter {
        let hostname = &self.desk.config.desk.hostname;
        let keys = self.desk.book.keys();
        let ticket = row.ticket.unwrap_or(TicketId(0));
        let own = |outbox: OutboxId| OwnId { ticket, outbox }.sign(keys, hostname);
        let mailbox = self.desk.book.mailbox(matter.mailbox);
        let address = mailbox.map_or(String::new(), |m| m.address.clone());
        let name = mailbox.map_or(self.desk.config.desk.name.clone(), |m| m.name.clone());
        Letter {
            from: Address { name: Some(name), address },
            to: Address { name: matter.recipient.name.clone(), address: row.address.clone() },
            message_id: own(row.id),
            references: row.ticket.map(|_| own(OutboxId(0))).into_iter().collect(),
            date: row.created_at.div_euclid(1000),
            auto_submitted: Some("auto-generated"),
            suppress: Some("All"),
            ..Letter::default()
        }
    }

    fn grant(&self, matter: &Matter, purpose: Purpose, subject: i64, life: std::time::Duration) -> String {
        let expires_at = self.now + millis(life);
        let turn = matter.turn;
        self.desk.book.sign(matter.mailbox, Grant { purpose, subject, person: matter.recipient.id, epoch: matter.epoch, expires_at, turn })
    }

    fn number(matter: &Matter) -> i64 {
        matter.ticket.as_ref().map_or(0, |t| t.number.0)
    }

    /// The attachments of a message with their bytes.
    async fn attachments(&self, message: &MessageItem) -> Result<Vec<Part>, StoreError> {
        let (Some(blob), false) = (&message.blob, message.attachments.is_empty()) else { return Ok(Vec::new()) };
        let raw = self.store.blob(blob).await?;
        let limits = Limits::from(&self.desk.config.limits);
        let found = large::beside(raw.len(), move || parts(&raw, &limits)).await?;
        // A message's list may leave some out, and may name two that are alike.
        let mut wanted = message.attachments.clone();
        let chosen = found.into_iter().filter(|part| {
            let at = wanted.iter().position(|a| *a == part.meta);
            at.map(|i| wanted.swap_remove(i)).is_some()
        });
        let chosen: Vec<_> = chosen.collect();
        if message.public && message.kind == MessageKind::Agent && chosen.len() < message.attachments.len() {
            return Err(StoreError::Corrupt("an attachment of an answer is not in its raw mail".into()));
        }
        Ok(chosen)
    }
}
