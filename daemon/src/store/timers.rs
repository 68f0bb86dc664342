//! Things to do later, and what waits to be told.

use std::collections::BTreeMap;

use crate::model::InboxId;
use crate::model::changes::Timer;

use super::conn::{Conn, Sql};
use super::value::Value;
use super::{Store, StoreError};

/// Times that a timer is added which fires each time before it can be held on to.
const TRIES: usize = 10;

/// What tells a timer from all others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: String,
    /// 0 for none.
    pub(super) ticket: i64,
    pub(super) key: String,
}

impl Key {
    /// As a statement takes them, in this order.
    pub(super) fn args(&self) -> impl Iterator<Item = Value> {
        [(&self.kind).into(), self.ticket.into(), (&self.key).into()].into_iter()
    }
}

/// Adds timers, each with when it is due, in ms. What is there stays, and stays until the commit: whoever is about to take it away
/// must see what this commit brings. Many may hold on to the same ones at a time, for they tell the same agents of different tickets;
/// they come in one order, so that two who add the same ones never wait for each other.
pub(super) async fn add(conn: &mut Conn<'_>, timers: Vec<(Key, i64)>) -> Result<(), StoreError> {
    let mut missing = BTreeMap::new();
    for (key, due_at) in timers {
        missing.entry(key).or_insert(due_at);
    }
    for _ in 0..TRIES {
        if missing.is_empty() {
            return Ok(());
        }
        let sql = Sql::values(
            "INSERT INTO timer(kind, ticket, key, due_at) VALUES",
            4,
            missing.len(),
            "ON CONFLICT(kind, ticket, key) DO NOTHING",
        );
        let args = missing.iter().flat_map(|(key, due_at)| key.args().chain(std::iter::once((*due_at).into()))).collect();
        let added = conn.exec(sql, args).await?;
        if conn.is_alone() || usize::try_from(added).is_ok_and(|added| added == missing.len()) {
            return Ok(());
        }
        // One that has fired meanwhile is added again.
        for row in conn.keep_timers(missing.len(), missing.keys().flat_map(Key::args).collect()).await? {
            missing.remove(&Key { kind: row.text(0)?, ticket: row.int(1)?, key: row.text(2)? });
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(StoreError::Conflict("a timer")),
    }
}

impl Store {
    /// Timers that are due at `now` (ms), oldest first: up to `limit` ends of quiet hours, for which mail waits, and behind them as
    /// many others.
    pub async fn due_timers(&self, now: i64, limit: i64) -> Result<Vec<Timer>, StoreError> {
        let mut read = self.read().await?;
        let mut due = Vec::new();
        for sql in [
            "SELECT kind, ticket, key FROM timer WHERE kind = 'quiet' AND due_at <= $1 ORDER BY due_at LIMIT $2",
            "SELECT kind, ticket, key FROM timer WHERE kind <> 'quiet' AND due_at <= $1 ORDER BY due_at LIMIT $2",
        ] {
            let rows = read.conn().all(sql, vec![now.into(), limit.into()]).await?;
            let timers = rows.iter().map(|r| Ok(Timer { kind: r.text(0)?, ticket: r.int(1)?, key: r.text(2)? }));
            due.extend(timers.collect::<Result<Vec<_>, StoreError>>()?);
        }
        Ok(due)
    }

    /// Held mails that nobody was told of, oldest first.
    pub async fn untold(&self, limit: i64) -> Result<Vec<InboxId>, StoreError> {
        let sql = "SELECT id FROM inbox WHERE state = 'held' AND told = 0 ORDER BY id LIMIT $1";
        let mut read = self.read().await?;
        read.conn().all(sql, vec![limit.into()]).await?.iter().map(|r| Ok(InboxId(r.int(0)?))).collect()
    }
}
