//! The brake on an agent's answers: what it holds, and the word that lets all of it go.

use std::collections::BTreeMap;

use crate::model::changes::{Braking, Changes, Fate, NewEvent};
use crate::model::facts::{Brake, Facts, Keys};
use crate::model::{InboxId, PersonId, TicketId};

use super::StoreError;
use super::conn::Conn;
use super::insert::{self, Made};

/// Events that are written at once.
const EVENTS: usize = 500;

/// The brakes of agents.
pub(super) async fn load(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    for agent in &keys.brakes {
        let brake = one(conn, *agent).await?;
        facts.brakes.insert(*agent, brake);
    }
    Ok(())
}

async fn one(conn: &mut Conn<'_>, agent: PersonId) -> Result<Brake, StoreError> {
    // SQLite takes an index of some rows where it reads the index's own condition.
    let sql = "SELECT lot, told_at, lifted_until, EXISTS (SELECT 1 FROM inbox WHERE braked = $1 AND braked IS NOT NULL
            AND state IN ('waiting', 'claimed', 'held') AND state = 'held' AND reason = 'rate') FROM brake WHERE agent = $1";
    let Some(row) = conn.opt(sql, vec![agent.into()]).await? else { return Ok(Brake::default()) };
    let sql = "SELECT ticket, MIN(id) FROM inbox WHERE braked = $1 AND braked IS NOT NULL AND state IN ('waiting', 'claimed', 'held')
        AND state <> 'held' AND ticket IS NOT NULL GROUP BY ticket";
    let queued = conn.all(sql, vec![agent.into()]).await?;
    let queued = queued.iter().map(|row| Ok((TicketId(row.int(0)?), InboxId(row.int(1)?))));
    Ok(Brake {
        lot: Some(InboxId(row.int(0)?)),
        told_at: row.int(1)?,
        lifted_until: row.int(2)?,
        holds: row.flag(3)?,
        queued: queued.collect::<Result<BTreeMap<_, _>, StoreError>>()?,
    })
}

/// Whether brakes stand as they were read. What is queued can only become less: that is no reason to decide anew.
pub(super) async fn check(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for (agent, read) in &changes.guard.brakes {
        let now = one(conn, *agent).await?;
        if (now.lot, now.lifted_until, now.holds) != (read.lot, read.lifted_until, read.holds) {
            return Err(StoreError::Conflict("the brake"));
        }
    }
    Ok(())
}

/// What nobody else may decide from meanwhile.
pub(super) fn key(agent: PersonId) -> Vec<u8> {
    format!("brake/{agent}").into_bytes()
}

/// Notes the question, or lets all go. `decided` is the mail of this commit.
pub(super) async fn write(conn: &mut Conn<'_>, changes: &Changes, made: &Made, decided: InboxId) -> Result<(), StoreError> {
    match changes.brake {
        None => {}
        Some(Braking::Asked(agent)) => {
            let sql = "INSERT INTO brake(agent, lot, told_at, lifted_until) VALUES ($1, $2, $3, 0)
                ON CONFLICT(agent) DO UPDATE SET lot = excluded.lot, told_at = excluded.told_at, lifted_until = 0";
            conn.exec(sql, vec![agent.into(), decided.into(), changes.at.into()]).await?;
        }
        Some(Braking::Lifted(agent, until)) => {
            conn.exec("UPDATE brake SET lifted_until = $1 WHERE agent = $2", vec![until.into(), agent.into()]).await?;
            let sql = "UPDATE inbox SET state = 'waiting', fate = $1, passed = TRIM(passed || ' ' || reason), attempts = 0, due_at = 0,
                released_by = $2 WHERE braked = $2 AND braked IS NOT NULL AND state IN ('waiting', 'claimed', 'held')
                AND state = 'held' AND reason = 'rate' RETURNING id";
            let rows = conn.all(sql, vec![Fate::Waiting.word().into(), agent.into()]).await?;
            let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
            for some in ids.chunks(EVENTS) {
                let events = some.iter().map(|id| released(agent, *id)).collect();
                insert::events(conn, &Changes { at: changes.at, events, ..Changes::default() }, made).await?;
            }
        }
    }
    Ok(())
}

fn released(agent: PersonId, id: i64) -> NewEvent {
    let data = serde_json::Map::from_iter([("inbox".into(), id.into()), ("passed".into(), true.into())]);
    NewEvent { kind: "message.released", actor: format!("person:{agent}"), ticket: None, message: None, data }
}
