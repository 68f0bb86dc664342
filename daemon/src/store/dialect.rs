//! What the two databases say differently.
//!
//! On SQLite the one writer is the lock of everything; on PostgreSQL commands run side by side, and what a command has
//! read must be locked until its commit.

use crate::model::InboxId;

use super::conn::{Conn, Sql};
use super::value::{Row, Value};
use super::{StoreError, sha256};

impl Conn<'_> {
    /// Rows that stay as they are until the commit.
    pub(super) async fn lock(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let tail = if self.is_alone() { "" } else { "FOR UPDATE" };
        self.all(sql.into().and(tail), args).await
    }

    /// Rows that nobody changes until the commit; others may hold on to them, too.
    pub(super) async fn share(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let tail = if self.is_alone() { "" } else { "FOR SHARE" };
        self.all(sql.into().and(tail), args).await
    }

    /// Rows that nobody else is taking at this moment, and that nobody else takes until the commit. `table` is the name
    /// under which the query reads them.
    pub(super) async fn take(&mut self, table: &'static str, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let tail = match (self.is_alone(), table) {
            (true, _) => "",
            (false, "o") => "FOR UPDATE OF o SKIP LOCKED",
            (false, _) => "FOR UPDATE SKIP LOCKED",
        };
        self.all(sql.into().and(tail), args).await
    }

    /// Waits until nobody else decides from these keys, and keeps others from it until the commit. Sorted, so that two
    /// who want the same keys never wait for each other.
    pub(super) async fn lock_keys(&mut self, keys: impl Iterator<Item = Vec<u8>>) -> Result<(), StoreError> {
        if self.is_alone() {
            return Ok(());
        }
        let mut numbers: Vec<i64> = keys.map(|key| number(&key)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.is_empty() {
            return Ok(());
        }
        let n = numbers.len();
        let sql = Sql::values("SELECT pg_advisory_xact_lock(k) FROM (VALUES", 1, n, ") AS v(k)");
        self.all(sql, numbers.into_iter().map(Value::Int).collect()).await?;
        Ok(())
    }

    /// Keeps mails of the inbox as they are until the commit.
    pub(super) async fn lock_mails(&mut self, ids: impl Iterator<Item = InboxId>) -> Result<(), StoreError> {
        if self.is_alone() {
            return Ok(());
        }
        let ids: Vec<_> = ids.map(Value::from).collect();
        if !ids.is_empty() {
            let sql = Sql::list("SELECT id FROM inbox WHERE id IN", 1, ids.len(), "ORDER BY id FOR UPDATE");
            self.all(sql, ids).await?;
        }
        Ok(())
    }

    /// Those of `n` timers (kind, ticket and key of each, sorted) that are there: nobody takes them away until the commit. Others may
    /// hold on to them, too.
    pub(super) async fn keep_timers(&mut self, n: usize, keys: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = Sql::values(
            "SELECT kind, ticket, key FROM timer WHERE (kind, ticket, key) IN (VALUES",
            3,
            n,
            ") ORDER BY kind, ticket, key FOR KEY SHARE",
        );
        self.all(sql, keys).await
    }

    /// The time that all processes on this database share, in ms: its own where several may run, else `now`.
    pub(super) async fn time(&mut self, now: i64) -> Result<i64, StoreError> {
        if self.is_alone() {
            return Ok(now);
        }
        self.one("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)", vec![]).await?.int(0)
    }

    /// Whether commands run one after the other, by one process that holds the lock of the desk.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Lite(_))
    }
}

fn number(key: &[u8]) -> i64 {
    let mut octets = [0; 8];
    octets.iter_mut().zip(sha256(key)).for_each(|(to, from)| *to = from);
    i64::from_be_bytes(octets)
}
