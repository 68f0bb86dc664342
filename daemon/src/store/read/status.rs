//! The numbers of the status page and of `/metrics`.

use crate::model::people::Person;
use crate::model::ticket::Status;
use crate::model::{PersonId, TicketId};

use crate::store::{Store, StoreError, facts};

/// How many, and since when (ms).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oldest {
    /// How many.
    pub count: i64,
    /// The oldest of them.
    pub since: Option<i64>,
}

/// The desk in numbers.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Mails accepted in all, with the newest.
    pub accepted: Oldest,
    /// Mails not yet understood.
    pub inbox_waiting: Oldest,
    /// Mails that wait for a person.
    pub held: Oldest,
    /// Mails that wait to leave.
    pub outbox_waiting: Oldest,
    /// Mails that left, with the newest.
    pub sent: Oldest,
    /// Mails that could not be delivered.
    pub failed: Oldest,
    /// Mails of which nobody knows whether they left.
    pub unknown: Oldest,
    /// Tickets by status.
    pub tickets: Vec<(Status, i64)>,
    /// Customers' mails by mailbox address: count and newest (ms).
    pub mailboxes: Vec<(String, i64, Option<i64>)>,
    /// What the destination said last when it failed, of the oldest mail that waits.
    pub last_trouble: Option<String>,
}

impl Store {
    /// Counts everything the status page shows.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts {
            accepted: self.oldest("SELECT COUNT(*), MAX(received_at) FROM inbox").await?,
            inbox_waiting: self.oldest("SELECT COUNT(*), MIN(received_at) FROM inbox WHERE state IN ('waiting', 'claimed')").await?,
            held: self.oldest("SELECT COUNT(*), MIN(received_at) FROM inbox WHERE state = 'held'").await?,
            outbox_waiting: self.oldest("SELECT COUNT(*), MIN(created_at) FROM outbox WHERE state IN ('waiting', 'claimed')").await?,
            sent: self.oldest("SELECT COUNT(*), MAX(settled_at) FROM outbox WHERE state = 'sent'").await?,
            failed: self.oldest("SELECT COUNT(*), MIN(settled_at) FROM outbox WHERE state = 'failed'").await?,
            unknown: self.oldest("SELECT COUNT(*), MIN(settled_at) FROM outbox WHERE state = 'unknown'").await?,
            ..Counts::default()
        };
        let mut read = self.read().await?;
        for row in read.conn().all("SELECT status, COUNT(*) FROM ticket WHERE merged_into IS NULL GROUP BY status", vec![]).await? {
            counts.tickets.push((row.word(0, Status::of)?, row.int(1)?));
        }
        counts.tickets.sort();
        let sql = "SELECT m.address, COUNT(x.id), MAX(x.created_at) FROM mailbox m LEFT JOIN ticket t ON t.mailbox = m.id
            LEFT JOIN message x ON x.ticket = t.id AND x.kind = 'customer' WHERE m.retired_at IS NULL GROUP BY m.id, m.address ORDER BY m.id";
        for row in read.conn().all(sql, vec![]).await? {
            counts.mailboxes.push((row.text(0)?, row.int(1)?, row.opt_int(2)?));
        }
        let sql = "SELECT last_reply FROM outbox WHERE state = 'waiting' AND last_reply IS NOT NULL ORDER BY id LIMIT 1";
        counts.last_trouble = read.conn().opt(sql, vec![]).await?.map(|r| r.text(0)).transpose()?;
        Ok(counts)
    }

    async fn oldest(&self, sql: &'static str) -> Result<Oldest, StoreError> {
        let mut read = self.read().await?;
        let row = read.conn().one(sql, vec![]).await?;
        Ok(Oldest { count: row.int(0)?, since: row.opt_int(1)? })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut read = self.read().await?;
        read.conn().one("SELECT 1", vec![]).await?;
        Ok(())
    }

    /// Everyone who works here or did.
    pub async fn staff(&self) -> Result<Vec<Person>, StoreError> {
        let mut read = self.read().await?;
        facts::load_staff(&mut read.conn()).await
    }

    /// People by id; unknown ones are left out.
    pub async fn persons(&self, ids: &[PersonId]) -> Result<Vec<Person>, StoreError> {
        let mut read = self.read().await?;
        facts::load_persons(&mut read.conn(), ids).await
    }

    /// The epoch of a person, and of their place on a ticket (0 when they have none).
    pub async fn epochs(&self, person: PersonId, ticket: TicketId) -> Result<Option<Epochs>, StoreError> {
        let sql = "SELECT p.epoch, p.disabled, COALESCE(x.epoch, 0) FROM person p
            LEFT JOIN participant x ON x.person = p.id AND x.ticket = $2 WHERE p.id = $1";
        let mut read = self.read().await?;
        let row = read.conn().opt(sql, vec![person.into(), ticket.into()]).await?;
        row.map(|r| Ok(Epochs { sum: r.int(0)? + r.int(2)?, disabled: r.flag(1)? })).transpose()
    }
}

/// What revokes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epochs {
    /// Epoch of the person plus that of their place on the ticket.
    pub sum: i64,
    /// Works here no more.
    pub disabled: bool,
}
