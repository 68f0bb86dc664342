//! Receivers of webhooks: made, changed, removed. How deliveries to them go stands in `deliveries`.

use crate::config::Secret;
use crate::model::EndpointId;

use super::cmd::Outcome;
use super::conn::Conn;
use super::value::{Row, json};
use super::{StoreError, sequencer};

/// Most receivers of a desk.
pub(super) const MOST: i64 = 100;

/// A receiver as it stands, without its secret.
#[derive(Clone)]
pub struct Endpoint {
    /// Row id.
    pub id: EndpointId,
    /// Where to. People put tokens there.
    pub url: String,
    /// Types of event that it hears of; `*` is all.
    pub events: Vec<String>,
    /// Place in the log: it hears of what is behind.
    pub from_seq: i64,
    /// In ms.
    pub created_at: i64,
    /// When it was made or last enabled, in ms.
    pub enabled_at: i64,
    /// Since when nothing is sent to it, in ms.
    pub disabled_at: Option<i64>,
    /// Why, for a person.
    pub disabled_why: String,
    /// In ms.
    pub last_success_at: Option<i64>,
    /// First failure since the last success, in ms.
    pub failing_since: Option<i64>,
}

impl std::fmt::Debug for Endpoint {
    /// Without the URL.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("id", &self.id).field("events", &self.events).finish_non_exhaustive()
    }
}

/// A receiver to be made.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// Where to, checked and in its normal form.
    pub url: Secret,
    /// What signs its deliveries.
    pub secret: Secret,
    /// Types of event, or `*`.
    pub events: Vec<String>,
    /// In ms.
    pub now: i64,
}

/// What shall be another with a receiver.
#[derive(Clone, Debug)]
pub struct EndpointChange {
    /// Which.
    pub id: EndpointId,
    /// Where to, checked and in its normal form.
    pub url: Option<Secret>,
    /// Types of event, or `*`.
    pub events: Option<Vec<String>>,
    /// Whether anything is sent to it.
    pub enabled: Option<bool>,
    /// In ms.
    pub now: i64,
}

/// The columns that [`endpoint`] reads.
pub(super) const COLUMNS: &str =
    "id, url, events, from_seq, created_at, enabled_at, disabled_at, disabled_why, last_success_at, failing_since";

pub(super) fn endpoint(row: &Row) -> Result<Endpoint, StoreError> {
    Ok(Endpoint {
        id: EndpointId(row.int(0)?),
        url: row.text(1)?,
        events: row.json(2)?,
        from_seq: row.int(3)?,
        created_at: row.int(4)?,
        enabled_at: row.int(5)?,
        disabled_at: row.opt_int(6)?,
        disabled_why: row.text(7)?,
        last_success_at: row.opt_int(8)?,
        failing_since: row.opt_int(9)?,
    })
}

pub(super) fn missing(id: EndpointId) -> StoreError {
    StoreError::NotFound(format!("there is no webhook {id}: see `ombud webhook list`"))
}

/// A new receiver hears of what happens from now on.
pub(super) async fn add(conn: &mut Conn<'_>, new: &NewEndpoint) -> Result<Outcome, StoreError> {
    let count = conn.one("SELECT COUNT(*) FROM endpoint WHERE removed_at IS NULL", vec![]).await?.int(0)?;
    if count >= MOST {
        return Err(StoreError::Refused(format!("there are {MOST} webhooks already: remove one first")));
    }
    let from = log_end(conn).await?;
    let sql = "INSERT INTO endpoint(url, secret, events, from_seq, created_at, enabled_at) VALUES ($1, $2, $3, $4, $5, $5) RETURNING id";
    let args = vec![new.url.reveal().into(), new.secret.reveal().into(), json(&new.events)?, from.into(), new.now.into()];
    Ok(Outcome::Id(conn.one(sql, args).await?.int(0)?))
}

/// The last place of the log. Where events wait for their numbers, they get them first: they have happened.
async fn log_end(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    if !conn.is_alone() {
        sequencer::run(conn, i64::MAX).await?;
    }
    conn.one("SELECT COALESCE(MAX(seq), 0) FROM event", vec![]).await?.int(0)
}

/// The row of a receiver that is there; it stays as it is until the commit. Whoever wants one of its deliveries, too, locks
/// that after it.
pub(super) async fn locked(conn: &mut Conn<'_>, id: EndpointId) -> Result<Row, StoreError> {
    let sql = "SELECT enabled_at, last_success_at, disabled_at FROM endpoint WHERE id = $1 AND removed_at IS NULL";
    conn.lock(sql, vec![id.into()]).await?.pop().ok_or_else(|| missing(id))
}

/// One that is enabled again hears of what happens from then on; what waited for it goes on.
pub(super) async fn change(conn: &mut Conn<'_>, change: &EndpointChange) -> Result<Outcome, StoreError> {
    let id = change.id;
    let is_enabled = locked(conn, id).await?.opt_int(2)?.is_none();
    if let Some(url) = &change.url {
        conn.exec("UPDATE endpoint SET url = $2 WHERE id = $1", vec![id.into(), url.reveal().into()]).await?;
    }
    if let Some(events) = &change.events {
        conn.exec("UPDATE endpoint SET events = $2 WHERE id = $1", vec![id.into(), json(events)?]).await?;
    }
    match change.enabled {
        Some(true) if !is_enabled => {
            let from = log_end(conn).await?;
            let sql = "UPDATE endpoint SET disabled_at = NULL, disabled_why = '', enabled_at = $2, from_seq = $3, failing_since = NULL
                WHERE id = $1";
            conn.exec(sql, vec![id.into(), change.now.into(), from.into()]).await?;
        }
        Some(false) if is_enabled => disable(conn, id, "disabled by an admin", change.now).await?,
        _ => {}
    }
    Ok(Outcome::Done)
}

/// Nothing is sent to it until it is enabled; what waits goes on waiting.
pub(super) async fn disable(conn: &mut Conn<'_>, id: EndpointId, why: &str, now: i64) -> Result<(), StoreError> {
    let sql = "UPDATE endpoint SET disabled_at = $2, disabled_why = $3 WHERE id = $1";
    conn.exec(sql, vec![id.into(), now.into(), why.into()]).await.map(drop)
}

/// Forgets where it is and its secret. Its deliveries go with the next sweeps.
pub(super) async fn remove(conn: &mut Conn<'_>, id: EndpointId, now: i64) -> Result<Outcome, StoreError> {
    let sql = "UPDATE endpoint SET removed_at = $2, url = '', secret = '' WHERE id = $1 AND removed_at IS NULL";
    match conn.exec(sql, vec![id.into(), now.into()]).await? {
        0 => Err(missing(id)),
        _ => Ok(Outcome::Done),
    }
}
