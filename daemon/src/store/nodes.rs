//! Processes that work on this database, and what becomes of the claims of dead ones.
//!
//! A node beats; one that was silent for too long is marked dead and what it held is freed in the same commit. So every
//! later write of its own finds that the row is no longer its (`Fenced`).

use crate::model::outgoing::MailKind;
use crate::model::{DeliveryId, InboxId, OutboxId};

use super::StoreError;
use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::value::Value;

/// One start of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub i64);

/// A process that begins.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// Host name and process id, for people.
    pub name: String,
    /// Its data folder, by a mark that lies in it. Whoever holds that folder's lock knows that earlier nodes of it are dead.
    pub place: String,
    /// Fingerprints of its signing keys.
    pub keys: String,
    /// In ms.
    pub now: i64,
}

#[cfg(test)]
impl NewNode {
    /// A node of no place.
    pub(crate) fn of(name: &str, now: i64) -> Box<Self> {
        Box::new(Self { name: name.to_owned(), place: String::new(), keys: String::new(), now })
    }
}

/// Rows that a node says it has in hand; what else it has claimed was claimed by a command whose answer was lost.
#[derive(Clone, Debug)]
pub enum Queue {
    /// Mails that are being decided.
    Inbox(Vec<InboxId>),
    /// Mails that are being sent.
    Outbox(Vec<OutboxId>),
    /// Webhooks that are being delivered.
    Deliveries(Vec<DeliveryId>),
}

/// Registers a process. Earlier nodes of its place are dead, on SQLite all others: mail is decided again; an answer to a
/// customer waits again with the same bytes; whatever else was on its way is `unknown` and not sent twice.
pub(super) async fn start(conn: &mut Conn<'_>, node: &NewNode) -> Result<Outcome, StoreError> {
    // Of two that start at once, the second one sees the first.
    conn.lock("SELECT id FROM meta WHERE id = 1", vec![]).await?;
    let now = conn.time(node.now).await?;
    let others = conn.all("SELECT name, place, key_ids FROM node WHERE dead = 0 ORDER BY id", vec![]).await?;
    for other in &others {
        // Addresses that one node signs must not be refused by another.
        if !conn.is_alone() && other.text(1)? != node.place && other.text(2)? != node.keys {
            let name = other.text(0)?;
            return Err(StoreError::Refused(format!(
                "{name} works on this database with other keys: copy the keys folder from its data folder to this one's"
            )));
        }
    }
    let sql =
        "INSERT INTO node(name, place, started_at, beat_at, dead, config_hash, key_ids, index_seq) VALUES ($1, $2, $3, $3, 0, '', $4, 0)
        RETURNING id";
    let id = conn.one(sql, vec![(&node.name).into(), (&node.place).into(), now.into(), (&node.keys).into()]).await?.int(0)?;
    let earlier = conn
        .lock(
            "SELECT id FROM node WHERE dead = 0 AND id < $1 AND (place = $2 OR $3 = 1) ORDER BY id",
            vec![id.into(), (&node.place).into(), conn.is_alone().into()],
        )
        .await?;
    bury(conn, earlier.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?, now).await?;
    Ok(Outcome::Node(NodeId(id)))
}

/// A sign of life, with how far the node's index has read the log; whoever gave none for `silence` ms is dead. Without
/// `silence` nobody is judged, nor by one that was silent itself.
pub(super) async fn beat(conn: &mut Conn<'_>, node: NodeId, now: i64, silence: Option<i64>, index_seq: i64) -> Result<Outcome, StoreError> {
    let last = conn.lock("SELECT beat_at FROM node WHERE id = $1 AND dead = 0", vec![node.0.into()]).await?;
    let last = last.first().ok_or(StoreError::Fenced)?.int(0)?;
    let now = conn.time(now).await?;
    let sql = "UPDATE node SET beat_at = $1, index_seq = $3 WHERE id = $2";
    conn.exec(sql, vec![now.into(), node.0.into(), index_seq.into()]).await?;
    // After an outage of the database everybody was silent, and whoever is first must not judge the others.
    if let Some(silence) = silence.filter(|silence| now - last < silence / 2) {
        let sql = "SELECT id FROM node WHERE dead = 0 AND beat_at < $1 ORDER BY id";
        let silent = conn.take("node", sql, vec![(now - silence).into()]).await?;
        bury(conn, silent.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?, now).await?;
    }
    Ok(Outcome::Done)
}

/// A node that ends in order leaves nothing behind that others would have to wait for.
pub(super) async fn end(conn: &mut Conn<'_>, node: NodeId, now: i64) -> Result<Outcome, StoreError> {
    let now = conn.time(now).await?;
    bury(conn, vec![node.0], now).await?;
    Ok(Outcome::Done)
}

/// Whether a node may still claim. It stays so until the commit: whoever buries it waits, and finds what it has claimed,
/// even when its process is gone and the database only now gets to its last words.
pub(super) async fn is_alive(conn: &mut Conn<'_>, node: NodeId) -> Result<bool, StoreError> {
    Ok(!conn.share("SELECT id FROM node WHERE id = $1 AND dead = 0", vec![node.0.into()]).await?.is_empty())
}

/// No process that worked on this database lives any more.
pub(super) async fn bury_all(conn: &mut Conn<'_>, now: i64) -> Result<(), StoreError> {
    let nodes = conn.all("SELECT id FROM node WHERE dead = 0 ORDER BY id", vec![]).await?;
    bury(conn, nodes.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?, now).await
}

async fn bury(conn: &mut Conn<'_>, dead: Vec<i64>, now: i64) -> Result<(), StoreError> {
    for node in dead {
        tracing::debug!(node, "a node is gone; what it held is free");
        conn.exec("UPDATE node SET dead = 1 WHERE id = $1", vec![node.into()]).await?;
        // Who was in hand may be why it died, or innocent: more and more time, so that a row of kills makes no poison.
        let sql = "UPDATE inbox SET state = 'waiting', claimed_by = NULL, due_at = $2 + attempts * attempts * 1000
            WHERE state IN ('waiting', 'claimed') AND state = 'claimed' AND claimed_by = $1";
        conn.exec(sql, vec![node.into(), now.into()]).await?;
        // A row without composed bytes was claimed but never handed to a server.
        let repeated: Vec<_> = MailKind::ALL.iter().filter(|kind| kind.is_repeated()).map(|kind| Value::from(kind.word())).collect();
        let sql = Sql::list(
            "UPDATE outbox SET state = 'waiting', claimed_by = NULL
            WHERE state IN ('waiting', 'claimed') AND state = 'claimed' AND claimed_by = $1 AND (composed IS NULL OR kind IN",
            2,
            repeated.len(),
            ")",
        );
        conn.exec(sql, std::iter::once(Value::Int(node)).chain(repeated).collect()).await?;
        let sql = "UPDATE outbox SET state = 'unknown', claimed_by = NULL, settled_at = $2, last_reply = 'the desk stopped while this was being sent'
            WHERE state IN ('waiting', 'claimed') AND state = 'claimed' AND claimed_by = $1";
        conn.exec(sql, vec![node.into(), now.into()]).await?;
        // A webhook comes at least once, and its receiver knows it by its id. It may be why the node died.
        let sql = "UPDATE delivery SET state = 'waiting', claimed_by = NULL, due_at = $2 + attempts * attempts * 1000
            WHERE state = 'claimed' AND claimed_by = $1";
        conn.exec(sql, vec![node.into(), now.into()]).await?;
    }
    Ok(())
}

/// Puts rows back that a node has claimed without knowing it. They were never in anybody's hands: nothing is charged.
pub(super) async fn free(conn: &mut Conn<'_>, node: NodeId, in_hand: &Queue) -> Result<Outcome, StoreError> {
    // A claim whose answer was lost may still be on its way: it holds on to its node, and this waits for its end.
    conn.lock("SELECT id FROM node WHERE id = $1", vec![node.0.into()]).await?;
    let (update, ids): (&'static str, Vec<i64>) = match in_hand {
        Queue::Inbox(ids) => ("UPDATE inbox", ids.iter().map(|id| id.0).collect()),
        Queue::Outbox(ids) => ("UPDATE outbox", ids.iter().map(|id| id.0).collect()),
        Queue::Deliveries(ids) => ("UPDATE delivery", ids.iter().map(|id| id.0).collect()),
    };
    // No row has the id 0: the list is never empty.
    let args: Vec<Value> = [node.0, 0].into_iter().chain(ids).map(Value::Int).collect();
    let set = "SET state = 'waiting', claimed_by = NULL, attempts = attempts - 1
        WHERE state IN ('waiting', 'claimed') AND state = 'claimed' AND claimed_by = $1 AND id NOT IN";
    conn.exec(Sql::list(set, 2, args.len() - 1, "").behind(update), args).await?;
    Ok(Outcome::Done)
}

/// Raises the epoch of the search index: each node notices and builds its own anew.
pub(super) async fn reindex(conn: &mut Conn<'_>) -> Result<Outcome, StoreError> {
    let row = conn.one("UPDATE meta SET index_epoch = index_epoch + 1 WHERE id = 1 RETURNING index_epoch", vec![]).await?;
    Ok(Outcome::Id(row.int(0)?))
}
