//! Events on their way to receivers of webhooks: fanned out from the log, claimed, settled, delivered again, swept.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;

use crate::config::Secret;
use crate::model::changes::{Changes, NewTimer, WEBHOOK_DISABLED};
use crate::model::{DeliveryId, EndpointId};

use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::insert::{self, Made};
use super::nodes::{self, NodeId};
use super::value::{Row, Value};
use super::webhooks::{disable, locked};
use super::{StoreError, random, sha256};

/// The reader of the log.
pub(super) const CURSOR: &str = "webhooks";
/// Rows of one statement.
const ROWS: usize = 100;
/// Tries that the log of one delivery keeps.
const TRIES: i64 = 20;

/// Events to deliver, and how far the log was read for them.
#[derive(Clone, Debug)]
pub struct FanOut {
    /// Where the cursor stands.
    pub from: i64,
    /// Where it goes.
    pub to: i64,
    /// What to deliver.
    pub deliveries: Vec<NewDelivery>,
    /// In ms.
    pub now: i64,
}

/// One event for one receiver.
#[derive(Clone)]
pub struct NewDelivery {
    /// To whom.
    pub endpoint: EndpointId,
    /// Place of the event in the log.
    pub seq: i64,
    /// Its type.
    pub kind: String,
    /// What is sent, in every try.
    pub body: Arc<str>,
}

impl fmt::Debug for NewDelivery {
    /// Without the body: it speaks of mail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDelivery").field("endpoint", &self.endpoint).field("seq", &self.seq).finish_non_exhaustive()
    }
}

/// A delivery that this node alone may make now.
#[derive(Clone)]
pub struct ClaimedDelivery {
    /// Row id.
    pub id: DeliveryId,
    /// `webhook-id`.
    pub message: String,
    /// To whom.
    pub endpoint: EndpointId,
    /// Where to.
    pub url: Secret,
    /// What signs it.
    pub secret: Secret,
    /// What is sent.
    pub body: String,
    /// Tries, this one included.
    pub attempts: i64,
    /// When this series was first tried, in ms.
    pub first_at: i64,
}

impl fmt::Debug for ClaimedDelivery {
    /// Without the body: it speaks of mail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedDelivery").field("id", &self.id).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What became of one claimed delivery.
#[derive(Clone, Debug)]
pub struct DeliveryEnd {
    /// The node that claimed it.
    pub node: NodeId,
    /// Which.
    pub id: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// What the try came to; none: nothing was tried, and it is not charged.
    pub tried: Option<Tried>,
    /// When it is due again, in ms; none: it is settled.
    pub due_at: Option<i64>,
    /// Whether its receiver is to be disabled for it.
    pub disable: Option<Disabling>,
    /// In ms.
    pub now: i64,
}

/// One try, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Why it failed; empty when it did not.
    pub reason: String,
    /// How long it took, in ms.
    pub ms: i64,
}

impl Tried {
    /// Whether the receiver has it.
    pub fn is_success(&self) -> bool {
        self.reason.is_empty()
    }
}

/// A receiver that is to be disabled, and what was known of it when that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disabling {
    /// Why, for a person.
    pub why: String,
    /// When it was made or last enabled, in ms.
    pub enabled_at: i64,
    /// When something last got through, in ms.
    pub last_success_at: Option<i64>,
}

/// A try beside the queue: what `ombud webhook test` did.
#[derive(Clone, Debug)]
pub struct TestDelivery {
    /// To whom.
    pub endpoint: EndpointId,
    /// `webhook-id`.
    pub message: String,
    /// Type of the event.
    pub kind: String,
    /// What was sent.
    pub body: String,
    /// What it came to.
    pub tried: Tried,
    /// In ms.
    pub now: i64,
}

/// A `webhook-id` of no event.
pub fn fresh_message() -> Result<String, StoreError> {
    random::<20>().map(|bytes| message(&bytes))
}

fn message(bytes: &[u8]) -> String {
    format!("msg_{}", BASE32_NOPAD.encode(bytes).to_lowercase())
}

/// Moves the cursor and inserts what is to be delivered, once: whoever lost the race inserts nothing.
pub(super) async fn fan(conn: &mut Conn<'_>, fan: &FanOut) -> Result<Outcome, StoreError> {
    let sql = "INSERT INTO cursor(name, seq) VALUES ($1, $3) ON CONFLICT(name) DO UPDATE SET seq = excluded.seq WHERE cursor.seq = $2";
    if conn.exec(sql, vec![CURSOR.into(), fan.from.into(), fan.to.into()]).await? == 0 {
        return Err(StoreError::Conflict("the place in the log"));
    }
    if fan.deliveries.is_empty() {
        return Ok(Outcome::Done);
    }
    let log = conn.one("SELECT log_id FROM meta WHERE id = 1", vec![]).await?.text(0)?;
    for some in fan.deliveries.chunks(ROWS) {
        let mut args: Vec<Value> = Vec::with_capacity(some.len() * 9);
        for new in some {
            // The same event has the same id for its receiver, whoever asks.
            let hash = sha256(format!("{log}/{}/{}", new.endpoint, new.seq).as_bytes());
            args.extend([
                new.endpoint.into(),
                new.seq.into(),
                (&*new.body).into(),
                "waiting".into(),
                fan.now.into(),
                message(hash.get(..20).unwrap_or_default()).into(),
                (&new.kind).into(),
                0.into(),
                fan.now.into(),
            ]);
        }
        const COLUMNS: &str = "INSERT INTO delivery(endpoint, event, body, state, due_at, message, type, attempts, created_at) VALUES";
        let sql = Sql::values(COLUMNS, 9, some.len(), "");
        conn.exec(sql, args).await?;
    }
    Ok(Outcome::Done)
}

/// Takes deliveries that are due, of each receiver as many as leave it with at most `per_endpoint` in anybody's hands. Those
/// who have waited longest come first.
pub(super) async fn claim(conn: &mut Conn<'_>, node: NodeId, now: i64, limit: usize, per_endpoint: usize) -> Result<Outcome, StoreError> {
    if !nodes::is_alive(conn, node).await? {
        return Ok(Outcome::Deliveries(Vec::new()));
    }
    let sql = "SELECT id, url, secret FROM endpoint WHERE disabled_at IS NULL AND removed_at IS NULL
        AND EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint = endpoint.id AND d.state = 'waiting' AND d.due_at <= $1)
        ORDER BY (SELECT MIN(d.due_at) FROM delivery d WHERE d.endpoint = endpoint.id AND d.state = 'waiting'), id";
    let mut claimed = Vec::new();
    // Locked: nobody else counts and claims for it at the same time.
    for endpoint in conn.take("endpoint", sql, vec![now.into()]).await? {
        let room = limit.saturating_sub(claimed.len());
        if room == 0 {
            break;
        }
        let busy = conn.one("SELECT COUNT(*) FROM delivery WHERE endpoint = $1 AND state = 'claimed'", vec![endpoint.int(0)?.into()]);
        let free = per_endpoint.saturating_sub(usize::try_from(busy.await?.int(0)?).unwrap_or(usize::MAX)).min(room);
        if free > 0 {
            claimed.extend(claim_of(conn, node, now, &endpoint, free).await?);
        }
    }
    Ok(Outcome::Deliveries(claimed))
}

async fn claim_of(conn: &mut Conn<'_>, node: NodeId, now: i64, endpoint: &Row, free: usize) -> Result<Vec<ClaimedDelivery>, StoreError> {
    let sql = "SELECT id FROM delivery WHERE endpoint = $1 AND state = 'waiting' AND due_at <= $2 ORDER BY due_at, id LIMIT $3";
    let args = vec![endpoint.int(0)?.into(), now.into(), i64::try_from(free).unwrap_or(1).into()];
    let ids = conn.take("delivery", sql, args).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = Sql::list(
        "UPDATE delivery SET state = 'claimed', claimed_by = $1, attempts = attempts + 1, first_at = COALESCE(first_at, $2) WHERE id IN",
        3,
        ids.len(),
        "RETURNING id, message, body, attempts, first_at",
    );
    let ids = ids.iter().map(|row| row.int(0).map(Value::Int)).collect::<Result<Vec<_>, _>>()?;
    let args = [Value::Int(node.0), now.into()].into_iter().chain(ids).collect();
    let claimed = |row: &Row| {
        Ok(ClaimedDelivery {
            id: DeliveryId(row.int(0)?),
            message: row.text(1)?,
            endpoint: EndpointId(endpoint.int(0)?),
            url: Secret::new(endpoint.text(1)?),
            secret: Secret::new(endpoint.text(2)?),
            body: row.text(2)?,
            attempts: row.int(3)?,
            first_at: row.int(4)?,
        })
    };
    let mut rows = conn.all(sql, args).await?.iter().map(claimed).collect::<Result<Vec<_>, StoreError>>()?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// Says what became of a claimed delivery; its receiver is disabled only if all is still as it was when that was decided.
pub(super) async fn settle(conn: &mut Conn<'_>, end: &DeliveryEnd) -> Result<Outcome, StoreError> {
    let endpoint = match locked(conn, end.endpoint).await {
        Ok(row) => Some(row),
        // Removed while this was on its way: the delivery ends all the same.
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let sql = "SELECT id FROM delivery WHERE id = $1 AND claimed_by = $2 AND state = 'claimed'";
    if conn.lock(sql, vec![end.id.into(), end.node.0.into()]).await?.is_empty() {
        return Err(StoreError::Fenced);
    }
    let mut disabling = None;
    if let (Some(row), Some(wanted)) = (&endpoint, &end.disable)
        && row.opt_int(2)?.is_none()
    {
        if (row.int(0)?, row.opt_int(1)?) != (wanted.enabled_at, wanted.last_success_at) {
            return Err(StoreError::Conflict("the webhook"));
        }
        disabling = Some(wanted);
    }
    let Some(tried) = &end.tried else {
        let sql = "UPDATE delivery SET state = 'waiting', claimed_by = NULL, due_at = $2, attempts = attempts - 1 WHERE id = $1";
        return conn.exec(sql, vec![end.id.into(), end.due_at.unwrap_or(end.now).into()]).await.map(|_| Outcome::Done);
    };
    let state = match end.due_at {
        Some(_) => "waiting",
        None if tried.is_success() => "sent",
        None => "failed",
    };
    let sql = "UPDATE delivery SET state = $2, claimed_by = NULL, due_at = COALESCE($3, due_at), settled_at = $4, last_at = $5,
        last_status = $6, last_reason = $7, last_ms = $8 WHERE id = $1";
    let settled_at = end.due_at.is_none().then_some(end.now);
    let status = tried.status.map(i64::from);
    let args = [end.id.into(), state.into(), end.due_at.into(), settled_at.into(), end.now.into(), status.into()];
    conn.exec(sql, args.into_iter().chain([(&tried.reason).into(), tried.ms.into()]).collect()).await?;
    note(conn, end.id, tried, end.now).await?;
    let sql = match tried.is_success() {
        true => "UPDATE endpoint SET last_success_at = $2, failing_since = NULL WHERE id = $1",
        false => "UPDATE endpoint SET failing_since = COALESCE(failing_since, $2) WHERE id = $1",
    };
    conn.exec(sql, vec![end.endpoint.into(), end.now.into()]).await?;
    if let Some(wanted) = disabling {
        disable(conn, end.endpoint, &wanted.why, end.now).await?;
        let key = end.endpoint.to_string();
        let timer = NewTimer { kind: WEBHOOK_DISABLED, ticket: None, key, due_at: end.now, if_untold: false };
        insert::timers(conn, &Changes { at: end.now, timers: vec![timer], ..Changes::default() }, &Made::default()).await?;
    }
    Ok(Outcome::Done)
}

/// A line of the log, and no more than the newest ones stay.
async fn note(conn: &mut Conn<'_>, id: DeliveryId, tried: &Tried, now: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO delivery_try(delivery, at, status, reason, ms) VALUES ($1, $2, $3, $4, $5)";
    let status = tried.status.map(i64::from);
    conn.exec(sql, vec![id.into(), now.into(), status.into(), (&tried.reason).into(), tried.ms.into()]).await?;
    let sql = "DELETE FROM delivery_try WHERE delivery = $1
        AND id <= (SELECT id FROM delivery_try WHERE delivery = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    conn.exec(sql, vec![id.into(), TRIES.into()]).await.map(drop)
}

/// Keeps what a test came to. It says nothing about the receiver's other deliveries.
pub(super) async fn tested(conn: &mut Conn<'_>, test: &TestDelivery) -> Result<Outcome, StoreError> {
    locked(conn, test.endpoint).await?;
    let sql = "INSERT INTO delivery(endpoint, event, body, state, due_at, attempts, message, type, created_at, first_at, settled_at,
        last_at, last_status, last_reason, last_ms) VALUES ($1, 0, $2, $3, $4, 1, $5, $6, $4, $4, $4, $4, $7, $8, $9) RETURNING id";
    let tried = &test.tried;
    let args = vec![
        test.endpoint.into(),
        (&test.body).into(),
        if tried.is_success() { "sent" } else { "failed" }.into(),
        test.now.into(),
        (&test.message).into(),
        (&test.kind).into(),
        tried.status.map(i64::from).into(),
        (&tried.reason).into(),
        tried.ms.into(),
    ];
    let id = DeliveryId(conn.one(sql, args).await?.int(0)?);
    note(conn, id, tried, test.now).await?;
    Ok(Outcome::Id(id.0))
}

/// Begins a new series of tries with the same `webhook-id` and body, now.
pub(super) async fn redeliver(conn: &mut Conn<'_>, id: DeliveryId, now: i64) -> Result<Outcome, StoreError> {
    let missing = || StoreError::NotFound(format!("there is no delivery {id}: see `ombud webhook deliveries`"));
    let row = conn.opt("SELECT endpoint FROM delivery WHERE id = $1", vec![id.into()]).await?.ok_or_else(missing)?;
    let endpoint = EndpointId(row.int(0)?);
    let row = locked(conn, endpoint).await.map_err(|error| if error.is_temporary() { error } else { missing() })?;
    if row.opt_int(2)?.is_some() {
        return Err(StoreError::Refused(format!("webhook {endpoint} is disabled: `ombud webhook enable {endpoint}` first")));
    }
    let row = conn.lock("SELECT state FROM delivery WHERE id = $1", vec![id.into()]).await?.pop().ok_or_else(missing)?;
    if row.text(0)? == "claimed" {
        return Err(StoreError::Refused(format!("delivery {id} is on its way just now")));
    }
    let sql = "UPDATE delivery SET state = 'waiting', due_at = $2, attempts = 0, first_at = NULL, settled_at = NULL WHERE id = $1";
    conn.exec(sql, vec![id.into(), now.into()]).await?;
    Ok(Outcome::Done)
}

/// Forgets deliveries: those settled before `before` (ms), those that wait since then for a receiver that is disabled, those
/// of removed receivers, and of each receiver all but the newest `keep` that are settled. At most `limit` at once.
pub(super) async fn sweep(conn: &mut Conn<'_>, before: i64, keep: i64, limit: i64) -> Result<Outcome, StoreError> {
    let mut ids = Vec::new();
    for (sql, before) in [
        ("SELECT id FROM delivery WHERE settled_at IS NOT NULL AND settled_at < $1 ORDER BY settled_at LIMIT $2", before),
        (
            "SELECT id FROM delivery WHERE state = 'waiting' AND endpoint IN (SELECT id FROM endpoint WHERE disabled_at < $1) LIMIT $2",
            before,
        ),
        // Nobody misses a removed receiver.
        (
            "SELECT id FROM delivery WHERE state <> 'claimed' AND endpoint IN (SELECT id FROM endpoint WHERE removed_at < $1) LIMIT $2",
            i64::MAX,
        ),
    ] {
        ids.extend(swept(conn, sql, vec![before.into()], limit, ids.len()).await?);
    }
    for endpoint in conn.all("SELECT id FROM endpoint WHERE removed_at IS NULL ORDER BY id", vec![]).await? {
        let sql = "SELECT id FROM delivery WHERE settled_at IS NOT NULL AND endpoint = $1 AND id <= (SELECT id FROM delivery
            WHERE endpoint = $1 AND settled_at IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET $2) ORDER BY id LIMIT $3";
        ids.extend(swept(conn, sql, vec![endpoint.int(0)?.into(), keep.into()], limit, ids.len()).await?);
    }
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() {
        let args: Vec<Value> = ids.iter().map(|id| Value::Int(*id)).collect();
        conn.exec(Sql::list("DELETE FROM delivery_try WHERE delivery IN", 1, args.len(), ""), args.clone()).await?;
        conn.exec(Sql::list("DELETE FROM delivery WHERE id IN", 1, args.len(), ""), args).await?;
    }
    Ok(Outcome::Swept { rows: ids.len(), files: Vec::new() })
}

/// Ids that nobody else has in hand, as long as there is room for them.
async fn swept(conn: &mut Conn<'_>, sql: &'static str, mut args: Vec<Value>, limit: i64, so_far: usize) -> Result<Vec<i64>, StoreError> {
    let room = limit.saturating_sub(i64::try_from(so_far).unwrap_or(i64::MAX)).max(0);
    args.push(room.into());
    conn.take("delivery", sql, args).await?.iter().map(|row| row.int(0)).collect()
}
