//! The outbox: intents that are claimed, composed once, tried, and settled by the node that claimed them.

use crate::model::changes::Changes;
use crate::model::outgoing::{MailKind, OutboxRow, OutboxState};
use crate::model::{MailboxId, MessageId, OutboxId, PersonId, TicketId};

use super::blobs::{self, Prepared};
use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::nodes::{self, NodeId};
use super::value::{Row, Value};
use super::{StoreError, commit, refusals};

/// What became of one claimed mail.
#[derive(Debug)]
pub struct Settlement {
    /// The node that claimed it.
    pub node: NodeId,
    /// Which mail.
    pub id: OutboxId,
    /// What became of it.
    pub settled: Settled,
    /// It was said by a server of the recipient's domain: a relay that takes a mail knows nothing of the mailbox.
    pub straight: bool,
    /// In ms.
    pub now: i64,
    /// What follows on the desk: the event, the news for the author.
    pub changes: Changes,
}

/// Mail that a claim leaves where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Away {
    /// To recipients of this domain (folded).
    Domain(String),
    /// About tickets of this mailbox.
    Mailbox(MailboxId),
    /// About no ticket.
    NoTicket,
}

impl Away {
    /// As the claim compares it: no domain begins with a `#`.
    fn key(&self) -> String {
        match self {
            Self::Domain(domain) => domain.clone(),
            Self::Mailbox(mailbox) => format!("#{}", mailbox.0),
            Self::NoTicket => "#".to_owned(),
        }
    }
}

/// The end of a mail, or of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The next server has it; its words.
    Sent(String),
    /// Refused for now; tried again at a time in ms.
    Retry(String, i64),
    /// The destination is down, which is not this mail's fault: it waits without being charged.
    Postponed(String, i64),
    /// Refused for good, or given up.
    Failed(String),
    /// It may have left, and a second copy would be worse than none.
    Unknown(String),
    /// Nobody wants it any more: it goes, as if it had never been.
    Dropped,
}

/// How long mail waits for the timer of the quiet hours that have ended, in ms: no timer that fails may keep it for ever.
const GATE: i64 = 15 * 60_000;

/// Takes mails that are due, whose lane is free, and which are not `away`. What has waited for the end of quiet hours leaves when its
/// timer has fired, and without it when it could have: a quarter of an hour has passed, of which this node has lived all.
pub(super) async fn claim(conn: &mut Conn<'_>, node: NodeId, now: i64, limit: usize, away: &[Away]) -> Result<Outcome, StoreError> {
    if !nodes::is_alive(conn, node).await? {
        return Ok(Outcome::Outbox(Vec::new()));
    }
    // One that nothing is called keeps the list from being empty.
    let away: Vec<String> = away.iter().map(Away::key).chain(std::iter::once("@".to_owned())).collect();
    let parts = [
        "SELECT o.id FROM outbox o WHERE o.state IN ('waiting', 'claimed') AND o.state = 'waiting' AND o.due_at <= $1 AND o.domain NOT IN",
        "AND '#' || COALESCE((SELECT CAST(t.mailbox AS TEXT) FROM ticket t WHERE t.id = o.ticket), '') NOT IN",
        "AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.lane = o.lane AND p.id < o.id AND p.state IN ('waiting', 'claimed'))
        AND (o.due_at <= $3 AND EXISTS (SELECT 1 FROM node n WHERE n.id = $4 AND n.started_at <= $3)
            OR NOT EXISTS (SELECT 1 FROM timer q WHERE q.kind = 'quiet' AND q.ticket = 0
            AND q.key = CAST(o.due_at AS TEXT) || '/' || CAST(o.recipient AS TEXT)))
        ORDER BY o.due_at, o.id LIMIT $2",
    ];
    let sql = Sql::lists(&parts, 5, away.len());
    let limit = i64::try_from(limit).unwrap_or(1);
    let known = [now, limit, now - GATE, node.0];
    let args = known.into_iter().map(Value::Int).chain(away.into_iter().map(Value::from)).collect();
    let ids = conn.take("o", sql, args).await?;
    let ids = ids.iter().map(|r| r.int(0)).collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return Ok(Outcome::Outbox(Vec::new()));
    }
    let sql = Sql::list(
        "UPDATE outbox SET state = 'claimed', claimed_by = $1, attempts = attempts + 1 WHERE state = 'waiting' AND id IN",
        2,
        ids.len(),
        "",
    );
    conn.exec(sql, std::iter::once(Value::Int(node.0)).chain(ids.iter().map(|id| Value::Int(*id))).collect()).await?;
    let ids: Vec<_> = ids.into_iter().map(OutboxId).collect();
    Ok(Outcome::Outbox(rows(conn, &ids).await?))
}

/// Rows as [`row`] reads them.
pub(super) const SELECT: &str =
    "SELECT id, ticket, recipient, address, kind, message, params, composed, state, due_at, attempts, created_at, last_reply, told_late,
    (SELECT t.mailbox FROM ticket t WHERE t.id = outbox.ticket) FROM outbox";

/// Rows by id, in order.
pub(super) async fn rows(conn: &mut Conn<'_>, ids: &[OutboxId]) -> Result<Vec<OutboxRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = Sql::list("WHERE id IN", 1, ids.len(), "ORDER BY id").behind(SELECT);
    conn.all(sql, ids.iter().map(|id| Value::from(*id)).collect()).await?.iter().map(row).collect()
}

/// Reads a row of [`SELECT`].
pub(super) fn row(row: &Row) -> Result<OutboxRow, StoreError> {
    Ok(OutboxRow {
        id: OutboxId(row.int(0)?),
        ticket: row.opt_int(1)?.map(TicketId),
        recipient: PersonId(row.int(2)?),
        address: row.text(3)?,
        kind: row.word(4, MailKind::of)?,
        message: row.opt_int(5)?.map(MessageId),
        params: row.json(6)?,
        composed: row.opt_bytes(7)?,
        state: row.word(8, OutboxState::of)?,
        due_at: row.int(9)?,
        attempts: row.int(10)?,
        created_at: row.int(11)?,
        last_reply: row.opt_text(12)?,
        told_late: row.flag(13)?,
        mailbox: row.opt_int(14)?.map(MailboxId),
    })
}

/// Keeps the composed bytes, so that every try sends the same.
pub(super) async fn composed(conn: &mut Conn<'_>, node: NodeId, id: OutboxId, blob: &Prepared) -> Result<Outcome, StoreError> {
    fence(conn, node, id).await?;
    blobs::insert(conn, blob).await?;
    conn.exec("UPDATE outbox SET composed = $1 WHERE id = $2", vec![blob.sha.clone().into(), id.into()]).await?;
    Ok(Outcome::Done)
}

async fn fence(conn: &mut Conn<'_>, node: NodeId, id: OutboxId) -> Result<Row, StoreError> {
    let sql = "SELECT lane, composed FROM outbox WHERE id = $1 AND claimed_by = $2 AND state = 'claimed'";
    conn.lock(sql, vec![id.into(), node.0.into()]).await?.pop().ok_or(StoreError::Fenced)
}

pub(super) async fn settle(conn: &mut Conn<'_>, s: &Settlement) -> Result<Outcome, StoreError> {
    let row = fence(conn, s.node, s.id).await?;
    commit::run(conn, &s.changes).await?;
    let end = |state: OutboxState, reply: &str| -> (&'static str, Vec<Value>) {
        (
            "UPDATE outbox SET state = $1, last_reply = $2, settled_at = $3, claimed_by = NULL WHERE id = $4",
            vec![state.word().into(), reply.into(), s.now.into(), s.id.into()],
        )
    };
    let (sql, args) = match &s.settled {
        Settled::Sent(reply) => end(OutboxState::Sent, reply),
        Settled::Failed(reply) => end(OutboxState::Failed, reply),
        Settled::Unknown(reply) => end(OutboxState::Unknown, reply),
        Settled::Dropped => ("DELETE FROM outbox WHERE id = $1", vec![s.id.into()]),
        Settled::Retry(reply, due_at) => (
            "UPDATE outbox SET state = 'waiting', claimed_by = NULL, last_reply = $1, due_at = $2 WHERE id = $3",
            vec![reply.into(), (*due_at).into(), s.id.into()],
        ),
        Settled::Postponed(reply, due_at) => (
            "UPDATE outbox SET state = 'waiting', claimed_by = NULL, last_reply = $1, due_at = $2, attempts = attempts - 1 WHERE id = $3",
            vec![reply.into(), (*due_at).into(), s.id.into()],
        ),
    };
    conn.exec(sql, args).await?;
    if let (Settled::Sent(_), true) = (&s.settled, s.straight) {
        refusals::taken(conn, s.id, s.now).await?;
    }
    if let Settled::Retry(_, due_at) = &s.settled {
        // The followers of the lane wait with it, or every poll would look at them in vain.
        let sql = "UPDATE outbox SET due_at = $1 WHERE lane = $2 AND state IN ('waiting', 'claimed') AND state = 'waiting' AND due_at < $1";
        conn.exec(sql, vec![(*due_at).into(), row.text(0)?.into()]).await?;
    }
    Ok(Outcome::Done)
}

/// A person's word: try again now, with the same bytes as long as they are kept. What was put off with it comes along.
pub(super) async fn retry(conn: &mut Conn<'_>, id: OutboxId, now: i64) -> Result<Outcome, StoreError> {
    let sql = "UPDATE outbox SET due_at = $1 WHERE state IN ('waiting', 'claimed') AND state = 'waiting' AND due_at > $1
        AND EXISTS (SELECT 1 FROM outbox p WHERE p.id = $2 AND p.state = 'waiting' AND p.last_reply IS NOT NULL
        AND p.lane = outbox.lane AND p.id < outbox.id AND p.due_at = outbox.due_at)";
    conn.exec(sql, vec![now.into(), id.into()]).await?;
    let sql = "UPDATE outbox SET state = 'waiting', due_at = $1, created_at = CASE WHEN state = 'waiting' THEN created_at ELSE $1 END, settled_at = NULL
        WHERE id = $2 AND state IN ('waiting', 'failed', 'unknown')";
    match conn.exec(sql, vec![now.into(), id.into()]).await? {
        0 => Err(StoreError::NotFound(format!("mail {id} neither waits nor failed: see `ombud queue list`"))),
        // A daemon whose relay was down does not wait for its next look.
        _ => conn.exec("UPDATE counter SET v = v + 1 WHERE k = 'by_hand'", vec![]).await.map(|_| Outcome::Done),
    }
}

/// The way out is another one, so what the last one has said means nothing: whatever was tried and put off is due now, with what was
/// put off behind it until the same moment. What waits for another reason, say so that it can be taken back, was never tried.
pub(super) async fn retry_all(conn: &mut Conn<'_>, now: i64) -> Result<Outcome, StoreError> {
    let sql = "UPDATE outbox SET due_at = $1 WHERE state IN ('waiting', 'claimed') AND state = 'waiting' AND due_at > $1
        AND (last_reply IS NOT NULL OR EXISTS (SELECT 1 FROM outbox p WHERE p.lane = outbox.lane AND p.id < outbox.id
        AND p.state IN ('waiting', 'claimed') AND p.last_reply IS NOT NULL AND p.due_at = outbox.due_at))";
    conn.exec(sql, vec![now.into()]).await?;
    conn.exec("UPDATE counter SET v = v + 1 WHERE k = 'by_hand'", vec![]).await.map(|_| Outcome::Done)
}

/// A person's word: give it up.
pub(super) async fn drop_row(conn: &mut Conn<'_>, id: OutboxId, now: i64, changes: &Changes) -> Result<Outcome, StoreError> {
    let waits = conn.lock("SELECT id FROM outbox WHERE id = $1 AND state = 'waiting'", vec![id.into()]).await?;
    if waits.is_empty() {
        return Err(StoreError::NotFound(format!("mail {id} does not wait: see `ombud queue list`")));
    }
    commit::run(conn, changes).await?;
    let sql = "UPDATE outbox SET state = 'failed', last_reply = 'dropped by an admin', settled_at = $1 WHERE id = $2";
    conn.exec(sql, vec![now.into(), id.into()]).await?;
    Ok(Outcome::Done)
}

/// Forgets the bytes of mails that were settled before `before` (ms); answers with those that stand in files.
pub(super) async fn sweep(conn: &mut Conn<'_>, before: i64, limit: i64) -> Result<Outcome, StoreError> {
    let sql = "SELECT o.id, o.composed, b.place FROM outbox o LEFT JOIN blob b ON b.sha = o.composed
        WHERE o.composed IS NOT NULL AND o.settled_at IS NOT NULL AND o.settled_at < $1 AND o.state IN ('sent', 'failed', 'unknown')
        ORDER BY o.settled_at LIMIT $2";
    let mut files = Vec::new();
    let found = conn.take("o", sql, vec![before.into(), limit.into()]).await?;
    for row in &found {
        let sha = row.bytes(1)?;
        conn.exec("UPDATE outbox SET composed = NULL WHERE id = $1", vec![row.int(0)?.into()]).await?;
        let gone = forget(conn, &sha).await?;
        if gone && row.opt_int(2)? == Some(blobs::FILE) {
            files.push(sha);
        }
    }
    Ok(Outcome::Swept { rows: found.len(), files })
}

/// Forgets the bytes of a composed mail, unless they are a raw mail, too: one of ours may have come back as it was. Says whether
/// they are gone.
pub(super) async fn forget(conn: &mut Conn<'_>, sha: &[u8]) -> Result<bool, StoreError> {
    // Whoever is about to name it, too, comes before this or after it.
    conn.lock("SELECT sha FROM blob WHERE sha = $1", vec![sha.into()]).await?;
    conn.exec("DELETE FROM blob_part WHERE sha = $1 AND NOT EXISTS (SELECT 1 FROM inbox WHERE blob = $1)", vec![sha.into()]).await?;
    let sql = "DELETE FROM blob WHERE sha = $1 AND NOT EXISTS (SELECT 1 FROM inbox WHERE blob = $1)";
    Ok(conn.exec(sql, vec![sha.into()]).await? > 0)
}
