//! The event log, in order.

use crate::model::TicketId;

use crate::store::{Store, StoreError};

/// One fact of the log.
#[derive(Clone, Debug)]
pub struct EventItem {
    /// Its place, dense from 1.
    pub seq: i64,
    /// What happened.
    pub kind: String,
    /// In ms.
    pub at: i64,
    /// Who did it.
    pub actor: String,
    /// About which ticket.
    pub ticket: Option<TicketId>,
    /// Small values, JSON; `null` once erased.
    pub data: String,
}

/// How far the log reaches, and which log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Changes when a copy is brought back: a place in the log before means nothing after.
    pub log: String,
    /// The last place; 0 when nothing has happened.
    pub last: i64,
}

impl Store {
    /// Which log this is and where it ends.
    pub async fn log_head(&self) -> Result<LogHead, StoreError> {
        let sql = "SELECT log_id, (SELECT COALESCE(MAX(seq), 0) FROM event) FROM meta WHERE id = 1";
        let mut read = self.read().await?;
        let row = read.conn().one(sql, vec![]).await?;
        Ok(LogHead { log: row.text(0)?, last: row.int(1)? })
    }

    /// Events after a place in the log, at most `limit`.
    pub async fn events_after(&self, seq: i64, limit: i64) -> Result<Vec<EventItem>, StoreError> {
        let sql = "SELECT seq, type, at, actor, ticket, data FROM event WHERE seq > $1 ORDER BY seq LIMIT $2";
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![seq.into(), limit.into()]).await?;
        rows.iter()
            .map(|r| {
                Ok(EventItem {
                    seq: r.int(0)?,
                    kind: r.text(1)?,
                    at: r.int(2)?,
                    actor: r.text(3)?,
                    ticket: r.opt_int(4)?.map(TicketId),
                    data: r.opt_text(5)?.unwrap_or_else(|| "null".into()),
                })
            })
            .collect()
    }
}
