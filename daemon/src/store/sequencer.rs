//! The order of the log on PostgreSQL: committed events are numbered by whoever comes first.
//!
//! Events are inserted without a number, so that no writer waits for another. A reader asks for numbers above its own;
//! numbers are given after the commit, dense, under one lock: nothing can appear below what a reader has seen.

use super::StoreError;
use super::cmd::Outcome;
use super::conn::Conn;

/// Numbers events that have none, the oldest first, at most `limit`.
///
/// The lock is a statement of its own: with the numbering in it, the second of two sequencers would number by what it saw
/// before it waited, and number again what the first has numbered.
pub(super) async fn run(conn: &mut Conn<'_>, limit: i64) -> Result<Outcome, StoreError> {
    // Each daemon asks several times a second: at rest nobody waits for anybody.
    let rest = conn.one("SELECT v, EXISTS (SELECT 1 FROM event WHERE seq IS NULL) FROM counter WHERE k = 'event'", vec![]).await?;
    if !rest.flag(1)? {
        return Ok(Outcome::Numbered { events: 0, last: rest.int(0)? });
    }
    let last = conn.lock("SELECT v FROM counter WHERE k = 'event'", vec![]).await?;
    let last = last.first().ok_or_else(|| StoreError::Corrupt("the counter of events is gone".into()))?.int(0)?;
    let sql = "UPDATE event SET seq = $1 + n.place
        FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM event WHERE seq IS NULL ORDER BY id LIMIT $2) AS n WHERE event.id = n.id";
    let numbered = i64::try_from(conn.exec(sql, vec![last.into(), limit.into()]).await?).unwrap_or(0);
    if numbered > 0 {
        conn.exec("UPDATE counter SET v = v + $1 WHERE k = 'event'", vec![numbered.into()]).await?;
    }
    Ok(Outcome::Numbered { events: numbered, last: last + numbered })
}
