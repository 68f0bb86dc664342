//! The brake on an agent's answers: what it holds, and the word that lets all of it go.

use std::collections::BTreeMap;

use crate::model::changes::{Braking, Changes, Fate};
use crate::model::facts::{Brake, Facts, Keys};
use crate::model::{InboxId, PersonId, TicketId};

use super::cmd::Outcome;
use super::conn::Conn;
use super::insert::{self, Made};
use super::{StoreError, claim};

/// Events that are written at once.
const EVENTS: usize = 500;
/// How long a word at the command line lifts a brake, in ms: as long as the agent's.
const LIFTED: i64 = 3_600_000;

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
        if (now.lot, now.told_at, now.lifted_until, now.holds) != (read.lot, read.told_at, read.lifted_until, read.holds) {
            return Err(StoreError::Conflict("the brake"));
        }
    }
    Ok(())
}

/// What nobody else may decide from meanwhile.
pub(super) fn key(agent: PersonId) -> Vec<u8> {
    format!("brake/{agent}").into_bytes()
}

/// Notes the question, or lets all go, or drops it.
pub(super) async fn write(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    let (agent, pass) = match changes.brake {
        None => return Ok(()),
        Some(Braking::Asked(agent, lot)) => {
            let sql = "INSERT INTO brake(agent, lot, told_at, lifted_until) VALUES ($1, $2, $3, 0)
                ON CONFLICT(agent) DO UPDATE SET lot = excluded.lot, told_at = excluded.told_at, lifted_until = 0";
            conn.exec(sql, vec![agent.into(), lot.into(), changes.at.into()]).await?;
            return Ok(());
        }
        Some(Braking::Lifted(agent, until)) => {
            lift(conn, agent, until).await?;
            (agent, true)
        }
        Some(Braking::Dropped(agent)) => (agent, false),
    };
    end(conn, agent, pass, agent.0, &format!("person:{agent}"), changes.at, made).await.map(|_| ())
}

async fn lift(conn: &mut Conn<'_>, agent: PersonId, until: i64) -> Result<(), StoreError> {
    conn.exec("UPDATE brake SET lifted_until = $1 WHERE agent = $2", vec![until.into(), agent.into()]).await.map(|_| ())
}

/// Lets all go that is held of an agent, or drops it, with an event for each; says how many there were.
async fn end(conn: &mut Conn<'_>, agent: PersonId, pass: bool, by: i64, actor: &str, now: i64, made: &Made) -> Result<usize, StoreError> {
    let (sql, fate) = match pass {
        true => (
            "UPDATE inbox SET state = 'waiting', fate = $1, passed = TRIM(passed || ' ' || reason), attempts = 0, due_at = 0,
            released_by = $3 WHERE braked = $2 AND braked IS NOT NULL AND state IN ('waiting', 'claimed', 'held')
            AND state = 'held' AND reason = 'rate' RETURNING id",
            Fate::Waiting,
        ),
        false => (
            "UPDATE inbox SET state = 'done', fate = $1, reason = 'dropped', released_by = $3
            WHERE braked = $2 AND braked IS NOT NULL AND state IN ('waiting', 'claimed', 'held')
            AND state = 'held' AND reason = 'rate' RETURNING id",
            Fate::Automatic,
        ),
    };
    let rows = conn.all(sql, vec![fate.word().into(), agent.into(), by.into()]).await?;
    let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    for some in ids.chunks(EVENTS) {
        let events = some.iter().map(|id| claim::ended(actor, *id, pass)).collect();
        insert::events(conn, &Changes { at: now, events, ..Changes::default() }, made).await?;
    }
    Ok(ids.len())
}

/// A person's word at the command line about all that is held of an agent (folded address); answers with how many there were.
pub(super) async fn by_hand(conn: &mut Conn<'_>, address: &str, pass: bool, now: i64) -> Result<Outcome, StoreError> {
    let sql = "SELECT id FROM person WHERE role <> 'customer' AND (key = $1 OR id IN (SELECT person FROM alias WHERE key = $1))";
    let row = conn.opt(sql, vec![address.into()]).await?;
    let agent = PersonId(row.ok_or_else(|| StoreError::NotFound(format!("nobody with the address {address} works here")))?.int(0)?);
    // What is decided from the same brake meanwhile waits for this, and sees it.
    conn.lock_keys(std::iter::once(key(agent))).await?;
    if !one(conn, agent).await?.holds {
        return Err(StoreError::NotFound(format!("no answers of {address} are held for being too many")));
    }
    if pass {
        lift(conn, agent, now + LIFTED).await?;
    }
    let ended = end(conn, agent, pass, 0, "cli", now, &Made::default()).await?;
    Ok(Outcome::Id(i64::try_from(ended).unwrap_or(i64::MAX)))
}
