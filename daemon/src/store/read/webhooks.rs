//! Receivers of webhooks and their deliveries, for lists and for the reader of the log.

use crate::config::Secret;
use crate::model::ticket::words;
use crate::model::{DeliveryId, EndpointId};

use super::Page;
use crate::store::conn::{Conn, Sql};
use crate::store::deliveries::{CURSOR, Tried};
use crate::store::value::{Row, Value};
use crate::store::webhooks::{COLUMNS, Endpoint, endpoint};
use crate::store::{Store, StoreError};

words!(
    /// Where a delivery stands, as people see it: one in the hands of a worker still waits.
    DeliveryState {
        /// Waits for its turn, or is on its way.
        Waiting = "waiting",
        /// The receiver has it.
        Sent = "sent",
        /// Given up.
        Failed = "failed",
    }
);

/// One event on its way to one receiver.
#[derive(Clone, Debug)]
pub struct DeliveryItem {
    /// Row id.
    pub id: DeliveryId,
    /// `webhook-id`.
    pub message: String,
    /// To whom.
    pub endpoint: EndpointId,
    /// Place of the event in the log; 0 for a test.
    pub seq: i64,
    /// Type of the event.
    pub kind: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// In ms.
    pub created_at: i64,
    /// When it is due, in ms.
    pub due_at: i64,
    /// Tries of this series.
    pub attempts: i64,
    /// When it was last tried, in ms, and what that came to.
    pub last: Option<(i64, Tried)>,
    /// Its newest tries, oldest first: when (ms), and what each came to.
    pub tries: Vec<(i64, Tried)>,
}

const SELECT: &str = "SELECT id, message, endpoint, event, type, state, created_at, due_at, attempts, last_at, last_status, last_reason, last_ms FROM delivery";

impl Store {
    /// The receivers, oldest first.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let sql = Sql::Made(format!("SELECT {COLUMNS} FROM endpoint WHERE removed_at IS NULL ORDER BY id"));
        let mut read = self.read().await?;
        read.conn().all(sql, vec![]).await?.iter().map(endpoint).collect()
    }

    /// One receiver.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let sql = Sql::Made(format!("SELECT {COLUMNS} FROM endpoint WHERE removed_at IS NULL AND id = $1"));
        let mut read = self.read().await?;
        read.conn().opt(sql, vec![id.into()]).await?.as_ref().map(endpoint).transpose()
    }

    /// What signs the deliveries of a receiver.
    pub async fn endpoint_secret(&self, id: EndpointId) -> Result<Option<Secret>, StoreError> {
        let mut read = self.read().await?;
        let row = read.conn().opt("SELECT secret FROM endpoint WHERE removed_at IS NULL AND id = $1", vec![id.into()]).await?;
        row.map(|row| row.text(0).map(Secret::new)).transpose()
    }

    /// How far the log was read for webhooks, and how far it reaches.
    pub async fn webhooks_place(&self) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT COALESCE((SELECT seq FROM cursor WHERE name = $1), 0), (SELECT COALESCE(MAX(seq), 0) FROM event)";
        let mut read = self.read().await?;
        let row = read.conn().one(sql, vec![CURSOR.into()]).await?;
        Ok((row.int(0)?, row.int(1)?))
    }

    /// Deliveries of a receiver, newest first.
    pub async fn deliveries(&self, endpoint: EndpointId, cursor: Option<&str>, limit: usize) -> Result<Page<DeliveryItem>, StoreError> {
        let before = cursor.and_then(|c| c.parse().ok()).unwrap_or(i64::MAX);
        let more = i64::try_from(limit).unwrap_or(200).saturating_add(1);
        let sql = Sql::Made(format!("{SELECT} WHERE endpoint = $1 AND id < $2 ORDER BY id DESC LIMIT $3"));
        let items = self.with_tries(sql, vec![endpoint.into(), i64::into(before), more.into()]).await?;
        Ok(Page::cut(items, limit, |delivery| delivery.id.to_string()))
    }

    /// One delivery.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryItem>, StoreError> {
        Ok(self.with_tries(Sql::Made(format!("{SELECT} WHERE id = $1")), vec![id.into()]).await?.pop())
    }

    /// Deliveries and what became of each, as both stood at one moment.
    async fn with_tries(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<DeliveryItem>, StoreError> {
        let found = async |conn: &mut Conn<'_>| {
            let mut items = conn.all(sql, values).await?.iter().map(item).collect::<Result<Vec<_>, _>>()?;
            if !items.is_empty() {
                let ids = items.iter().map(|item| item.id.into()).collect();
                let sql =
                    Sql::list("SELECT delivery, at, status, reason, ms FROM delivery_try WHERE delivery IN", 1, items.len(), "ORDER BY id");
                for row in conn.all(sql, ids).await? {
                    let (of, one) = (DeliveryId(row.int(0)?), (row.int(1)?, tried(&row, 2)?));
                    items.iter_mut().filter(|item| item.id == of).for_each(|item| item.tries.push(one.clone()));
                }
            }
            Ok(items)
        };
        self.read().await?.snapshot(found).await
    }
}

fn item(row: &Row) -> Result<DeliveryItem, StoreError> {
    let state = |word: &str| if word == "claimed" { Some(DeliveryState::Waiting) } else { DeliveryState::of(word) };
    Ok(DeliveryItem {
        id: DeliveryId(row.int(0)?),
        message: row.text(1)?,
        endpoint: EndpointId(row.int(2)?),
        seq: row.int(3)?,
        kind: row.text(4)?,
        state: row.word(5, state)?,
        created_at: row.int(6)?,
        due_at: row.int(7)?,
        attempts: row.int(8)?,
        last: row.opt_int(9)?.map(|at| Ok::<_, StoreError>((at, tried(row, 10)?))).transpose()?,
        tries: Vec::new(),
    })
}

fn tried(row: &Row, from: usize) -> Result<Tried, StoreError> {
    let status = row.opt_int(from)?.and_then(|status| u16::try_from(status).ok());
    Ok(Tried { status, reason: row.text(from + 1)?, ms: row.int(from + 2)? })
}
