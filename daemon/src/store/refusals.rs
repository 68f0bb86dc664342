//! Addresses that refuse mail: counted where they refuse, forgotten where they write, or a person says so, or it was long ago.

use crate::model::changes::Changes;
use crate::model::refusal::{Refusal, UNTRIED};
use crate::model::{OutboxId, PersonId};

use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::value::{Row, Value};
use super::{StoreError, people};

const DAY: i64 = 86_400_000;
/// How long after the end of a suppression it still counts for the length of the next one, in ms.
const REMEMBERED: i64 = 180 * DAY;

/// Reads what is known of an address from column `i` on: version, hard, soft, soft_since, refused_at, reply, until, tried, tried_at, told,
/// complained_at.
pub(super) fn refusal(row: &Row, i: usize) -> Result<Option<Refusal>, StoreError> {
    let Some(version) = row.opt_int(i)? else { return Ok(None) };
    Ok(Some(Refusal {
        hard: row.int(i + 1)?,
        soft: row.int(i + 2)?,
        soft_since: row.int(i + 3)?,
        refused_at: row.int(i + 4)?,
        reply: row.text(i + 5)?,
        until: row.int(i + 6)?,
        tried: row.opt_int(i + 7)?.map(OutboxId).zip(row.opt_int(i + 8)?),
        told: row.flag(i + 9)?,
        complained_at: row.opt_int(i + 10)?,
        version,
    }))
}

/// What no two decisions may be made from at the same time.
pub(super) fn keys(changes: &Changes) -> impl Iterator<Item = Vec<u8>> {
    changes.refusals.iter().map(|(person, _)| format!("refusal/{person}").into_bytes())
}

/// Whether what is written was decided from what is there.
pub(super) async fn check(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for (person, refusal) in &changes.refusals {
        let found = conn.lock("SELECT version FROM refusal WHERE person = $1", vec![(*person).into()]).await?.pop();
        if found.map_or(Ok(0), |row| row.int(0))? != refusal.version {
            return Err(StoreError::Conflict("what an address has refused"));
        }
    }
    Ok(())
}

pub(super) async fn write(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for (person, r) in &changes.refusals {
        let sql = "INSERT INTO refusal(person, hard, soft, soft_since, refused_at, reply, until, told, complained_at, version)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) ON CONFLICT(person) DO UPDATE SET hard = excluded.hard, soft = excluded.soft,
            soft_since = excluded.soft_since, refused_at = excluded.refused_at, reply = excluded.reply, until = excluded.until,
            told = excluded.told, complained_at = excluded.complained_at, version = refusal.version + 1";
        let args = vec![
            (*person).into(),
            r.hard.into(),
            r.soft.into(),
            r.soft_since.into(),
            r.refused_at.into(),
            (&r.reply).into(),
            r.until.into(),
            r.told.into(),
            r.complained_at.into(),
        ];
        conn.exec(sql, args).await?;
    }
    if !changes.alive.is_empty() {
        let persons = || changes.alive.iter().map(|person| Value::from(*person)).collect::<Vec<_>>();
        let sql = Sql::list("DELETE FROM refusal WHERE complained_at IS NULL AND person IN", 1, changes.alive.len(), "");
        conn.exec(sql, persons()).await?;
        // Who writes from an address reads mail there; that does not say that they want what they called unwanted.
        const TAKES: &str = "UPDATE refusal SET hard = 0, soft = 0, soft_since = 0, refused_at = 0, reply = '', until = 0, tried = NULL,
            tried_at = NULL, version = version + 1 WHERE person IN";
        conn.exec(Sql::list(TAKES, 1, changes.alive.len(), ""), persons()).await?;
        for person in &changes.alive {
            wake(conn, *person, changes.at).await?;
        }
    }
    let touched: Vec<_> = changes.refusals.iter().map(|(person, _)| *person).chain(changes.alive.iter().copied()).collect();
    people::changed(conn, &touched).await
}

/// A person's word: mail goes there again. `key` is the folded address.
pub(super) async fn lift(conn: &mut Conn<'_>, key: &str, now: i64) -> Result<Outcome, StoreError> {
    let sql = "DELETE FROM refusal WHERE person IN (SELECT id FROM person WHERE key = $1) RETURNING person";
    let Some(row) = conn.opt(sql, vec![key.into()]).await? else {
        return Err(StoreError::NotFound(format!(
            "{key} has refused nothing, and no mail was unwanted there: see `ombud queue suppressed`"
        )));
    };
    let person = PersonId(row.int(0)?);
    wake(conn, person, now).await?;
    people::changed(conn, &[person]).await?;
    Ok(Outcome::Done)
}

/// What waits for an address to take mail again goes now.
async fn wake(conn: &mut Conn<'_>, person: PersonId, now: i64) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET due_at = $1 WHERE state IN ('waiting', 'claimed') AND state = 'waiting' AND recipient = $2
        AND due_at > $1 AND last_reply LIKE $3";
    conn.exec(sql, vec![now.into(), person.into(), format!("{UNTRIED}%").into()]).await.map(|_| ())
}

/// Notes the mail that is let through to an address that nothing else is sent to; none when another one was a moment ago.
pub(super) async fn tried(conn: &mut Conn<'_>, person: PersonId, mail: OutboxId, now: i64) -> Result<Outcome, StoreError> {
    let sql = "UPDATE refusal SET tried = $2, tried_at = $3, version = version + 1
        WHERE person = $1 AND (tried IS NULL OR tried = $2 OR tried_at <= $4)";
    match conn.exec(sql, vec![person.into(), mail.into(), now.into(), (now - DAY).into()]).await? {
        0 => Err(StoreError::Conflict("what an address has refused")),
        _ => people::changed(conn, &[person]).await.map(|()| Outcome::Done),
    }
}

/// A mail has left. When it was the one that was tried at the address of somebody who works here, mail goes there again: what
/// waits for them is not tried one a day. What was refused before still counts for the length of a next time.
pub(super) async fn taken(conn: &mut Conn<'_>, mail: OutboxId, now: i64) -> Result<(), StoreError> {
    let sql = "UPDATE refusal SET until = $2, version = version + 1 WHERE tried = $1 AND until > $2
        AND person = (SELECT p.id FROM outbox o JOIN person p ON p.id = o.recipient WHERE o.id = $1 AND p.role <> 'customer') RETURNING person";
    if let Some(row) = conn.opt(sql, vec![mail.into(), now.into()]).await? {
        let person = PersonId(row.int(0)?);
        wake(conn, person, now).await?;
        people::changed(conn, &[person]).await?;
    }
    Ok(())
}

/// Forgets what was refused long ago.
pub(super) async fn sweep(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Outcome, StoreError> {
    let sql = "DELETE FROM refusal WHERE person IN (SELECT person FROM refusal WHERE until < $1 AND complained_at IS NULL
        ORDER BY until LIMIT $2) RETURNING person";
    let rows = conn.all(sql, vec![(now - REMEMBERED).into(), limit.into()]).await?;
    let forgotten = rows.iter().map(|row| row.int(0).map(PersonId)).collect::<Result<Vec<_>, _>>()?;
    people::changed(conn, &forgotten).await?;
    Ok(Outcome::Swept { rows: rows.len(), files: Vec::new() })
}
