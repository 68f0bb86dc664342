//! Claims of accepted mail: `attempts` is counted in the claim's own commit, before anything looks at the bytes.

use crate::model::changes::{Changes, Fate, NewEvent};
use crate::model::{Envelope, Finding, InboxId, PersonId};

use super::StoreError;
use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::insert::{self, Made};
use super::nodes::{self, NodeId};
use super::read::findings;
use super::value::{Row, Value};

/// A mail that this node is to decide.
#[derive(Clone, Debug)]
pub struct ClaimedMail {
    /// Row id.
    pub id: InboxId,
    /// When it came in, in ms.
    pub received_at: i64,
    /// Its envelope.
    pub envelope: Envelope,
    /// SHA-256 of its bytes.
    pub blob: Vec<u8>,
    /// How many there are.
    pub octets: u64,
    /// Tries, this one included.
    pub attempts: i64,
    /// Reasons for which it was held and that a person has let pass.
    pub passed: Vec<String>,
    /// What content filters have said of it before.
    pub findings: Vec<Finding>,
}

/// Takes mails that wait; one who is taken for dead gets none. One that was tried before is taken alone, so that a poison mail can't take others with it.
pub(super) async fn run(conn: &mut Conn<'_>, node: NodeId, now: i64, limit: usize) -> Result<Outcome, StoreError> {
    if !nodes::is_alive(conn, node).await? {
        return Ok(Outcome::Mails(Vec::new()));
    }
    // SQLite takes an index of some rows where it reads the index's own condition, and never infers it.
    // No answer that was held with others comes before an older one to the same ticket.
    let sql = "SELECT id, attempts FROM inbox WHERE state IN ('waiting', 'claimed') AND state = 'waiting' AND due_at <= $1
        AND (braked IS NULL OR NOT EXISTS (SELECT 1 FROM inbox p WHERE p.braked = inbox.braked AND p.braked IS NOT NULL
            AND p.state IN ('waiting', 'claimed', 'held') AND p.state <> 'held' AND p.ticket = inbox.ticket AND p.id < inbox.id))
        ORDER BY due_at, id LIMIT $2";
    let waiting = conn.take("inbox", sql, vec![now.into(), i64::try_from(limit).unwrap_or(16).into()]).await?;
    let mut ids = Vec::new();
    for row in &waiting {
        if row.int(1)? > 0 {
            if ids.is_empty() {
                ids.push(row.int(0)?);
            }
            break;
        }
        ids.push(row.int(0)?);
    }
    if ids.is_empty() {
        return Ok(Outcome::Mails(Vec::new()));
    }
    let sql = Sql::list(
        "UPDATE inbox SET state = 'claimed', claimed_by = $1, attempts = attempts + 1 WHERE state = 'waiting' AND id IN",
        2,
        ids.len(),
        "RETURNING id, received_at, envelope, blob, attempts, passed, decided_from, (SELECT size FROM blob WHERE sha = inbox.blob)",
    );
    let args = std::iter::once(Value::Int(node.0)).chain(ids.into_iter().map(Value::Int)).collect();
    let mut mails = conn.all(sql, args).await?.iter().map(mail).collect::<Result<Vec<_>, _>>()?;
    mails.sort_by_key(|m| m.id);
    Ok(Outcome::Mails(mails))
}

fn mail(row: &Row) -> Result<ClaimedMail, StoreError> {
    let envelope = row.json(2)?;
    Ok(ClaimedMail {
        id: InboxId(row.int(0)?),
        received_at: row.int(1)?,
        findings: findings(&row.text(6)?, &envelope),
        envelope,
        blob: row.bytes(3)?,
        octets: u64::try_from(row.int(7)?).unwrap_or(0),
        attempts: row.int(4)?,
        passed: row.text(5)?.split_whitespace().map(str::to_owned).collect(),
    })
}

/// Puts a claimed mail back.
pub(super) async fn defer(
    conn: &mut Conn<'_>,
    node: NodeId,
    id: InboxId,
    due_at: i64,
    reason: &str,
    charge: bool,
) -> Result<Outcome, StoreError> {
    let sql = "UPDATE inbox SET state = 'waiting', claimed_by = NULL, due_at = $1, reason = $2, attempts = attempts - $3
        WHERE id = $4 AND claimed_by = $5";
    let forgiven = i64::from(!charge);
    match conn.exec(sql, vec![due_at.into(), reason.into(), forgiven.into(), id.into(), node.0.into()]).await? {
        0 => Err(StoreError::Fenced),
        _ => Ok(Outcome::Done),
    }
}

/// Lets a held mail through, or drops it. A person's word resets the count of its tries.
pub(super) async fn release(
    conn: &mut Conn<'_>,
    id: InboxId,
    pass: bool,
    by: Option<PersonId>,
    door: &str,
    now: i64,
) -> Result<Outcome, StoreError> {
    let held = conn.lock("SELECT state, passed, ticket FROM inbox WHERE id = $1", vec![id.into()]).await?;
    let held = held.first().ok_or_else(|| StoreError::NotFound(format!("there is no mail {id} in the inbox")))?;
    if held.text(0)? != "held" {
        let before = if held.text(1)?.is_empty() { "" } else { "; it was released before" };
        let ticket = held.opt_int(2)?.map_or_else(String::new, |ticket| format!(" and is on ticket #{ticket}"));
        return Err(StoreError::Refused(format!("mail {id} is not held{before}{ticket}")));
    }
    let by_id = by.map_or(0, |p| p.0).into();
    if pass {
        let sql = "UPDATE inbox SET state = 'waiting', fate = $1, due_at = $2, attempts = 0, released_by = $3,
            passed = TRIM(passed || ' ' || reason) WHERE id = $4";
        conn.exec(sql, vec![Fate::Waiting.word().into(), now.into(), by_id, id.into()]).await?;
    } else {
        let sql = "UPDATE inbox SET state = 'done', fate = $1, reason = 'dropped', released_by = $2 WHERE id = $3";
        conn.exec(sql, vec![Fate::Automatic.word().into(), by_id, id.into()]).await?;
    }
    let actor = by.map_or(door.into(), |p| format!("person:{p}"));
    let changes = Changes { at: now, events: vec![ended(&actor, id.0, pass)], ..Changes::default() };
    insert::events(conn, &changes, &Made::default()).await?;
    Ok(Outcome::Done)
}

/// The fact that a held mail was let through or dropped.
pub(super) fn ended(actor: &str, id: i64, pass: bool) -> NewEvent {
    let data = serde_json::Map::from_iter([("inbox".into(), id.into()), ("passed".into(), pass.into())]);
    NewEvent { kind: "message.released", actor: actor.to_owned(), ticket: None, message: None, data }
}
