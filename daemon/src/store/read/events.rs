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

impl Store {
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
