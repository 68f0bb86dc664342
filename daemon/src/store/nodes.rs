//! Processes that work on this database, and what becomes of the claims of dead ones.

use super::StoreError;
use super::cmd::Outcome;
use super::conn::Conn;

/// One start of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub i64);

/// Registers this process. On SQLite there is one daemon (it holds `serve.lock`), so every earlier node is dead and
/// its claims are free: mail is decided again; an answer to a customer waits again with the same bytes; whatever else
/// was on its way is `unknown` and not sent twice.
pub(super) async fn start(conn: &mut Conn<'_>, name: &str, now: i64) -> Result<Outcome, StoreError> {
    let sql =
        "INSERT INTO node(name, started_at, beat_at, dead, config_hash, key_ids, index_seq) VALUES ($1, $2, $2, 0, '', '', 0) RETURNING id";
    let id = conn.one(sql, vec![name.into(), now.into()]).await?.int(0)?;
    conn.exec("UPDATE node SET dead = 1 WHERE dead = 0 AND id <> $1", vec![id.into()]).await?;
    conn.exec("UPDATE inbox SET state = 'waiting', claimed_by = NULL WHERE state = 'claimed' AND claimed_by <> $1", vec![id.into()])
        .await?;
    // A row without composed bytes was claimed but never handed to a server.
    conn.exec(
        "UPDATE outbox SET state = 'waiting', claimed_by = NULL WHERE state = 'claimed' AND claimed_by <> $1 AND (kind = 'answer' OR composed IS NULL)",
        vec![id.into()],
    )
    .await?;
    conn.exec(
        "UPDATE outbox SET state = 'unknown', claimed_by = NULL, settled_at = $2, last_reply = 'the desk stopped while this was being sent' WHERE state = 'claimed' AND claimed_by <> $1",
        vec![id.into(), now.into()],
    )
    .await?;
    Ok(Outcome::Node(NodeId(id)))
}

pub(super) async fn beat(conn: &mut Conn<'_>, node: NodeId, now: i64) -> Result<Outcome, StoreError> {
    match conn.exec("UPDATE node SET beat_at = $1 WHERE id = $2 AND dead = 0", vec![now.into(), node.0.into()]).await? {
        0 => Err(StoreError::Fenced),
        _ => Ok(Outcome::Done),
    }
}
