//! Things to do later, and what waits to be told.

use crate::model::InboxId;
use crate::model::changes::Timer;

use super::{Store, StoreError};

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
