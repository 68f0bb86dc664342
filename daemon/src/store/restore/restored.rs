//! What a copy of the database must learn before it is a desk again: that time has passed since it was taken.
//!
//! No `Cmd` and no writer: nobody else has this database open yet.

use std::path::Path;

use sqlx::Connection as _;

use super::Restore;
use crate::store::backup::{Manifest, lite, pg};
use crate::store::conn::Conn;
use crate::store::lite::Lite;
use crate::store::read::left_out_of;
use crate::store::{StoreError, hex, migrate, nodes, random};

/// Tables whose rows have ids that are never used again.
const TABLES: [&str; 11] =
    ["node", "inbox", "person", "message", "event", "outbox", "endpoint", "delivery", "delivery_try", "api_token", "article"];
/// Tables whose highest id says how many there were in all.
const COUNTED: [&str; 2] = ["inbox", "outbox"];
/// Ids of them that are left out: more than any desk has used since a backup.
const LEFT_OUT: i64 = 1_000_000;
/// Tickets that are left out at least.
const TICKETS: i64 = 1_000;

/// What was found and done.
pub(super) struct Done {
    pub(super) log_id: String,
    pub(super) held: i64,
    pub(super) to_send: i64,
    pub(super) undecided: i64,
    pub(super) next_ticket: i64,
}

/// Finishes the copy of a SQLite database, which nobody else knows yet.
pub(super) async fn lite(path: &Path, task: &Restore, manifest: &Manifest) -> Result<Done, StoreError> {
    let mut lite = Lite::alone(path)?;
    migrate::lite(&mut lite).await?;
    let conn = &mut Conn::Lite(&mut lite);
    conn.control("BEGIN IMMEDIATE").await?;
    let done = run(conn, task, manifest).await?;
    conn.control("COMMIT").await?;
    Ok(done)
}

/// Finishes a PostgreSQL database that holds what the dump held.
pub(super) async fn pg(url: &str, task: &Restore, manifest: &Manifest) -> Result<Done, StoreError> {
    let mut connection = crate::store::pg::alone(url).await?;
    migrate::pg(&mut connection).await?;
    let mut tx = connection.begin().await?;
    let done = run(&mut Conn::Pg(&mut tx), task, manifest).await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(done)
}

async fn run(conn: &mut Conn<'_>, task: &Restore, manifest: &Manifest) -> Result<Done, StoreError> {
    let log_id = hex(&random::<16>()?);
    let sql = "UPDATE meta SET log_id = $1, people_version = people_version + 1, index_epoch = index_epoch + 1 WHERE id = 1";
    conn.exec(sql, vec![(&log_id).into()]).await?;
    let held = if task.send { 0 } else { hold(conn, task.now, &manifest.taken_at).await? };
    nodes::bury_all(conn, task.now).await?;
    conn.exec("UPDATE delivery SET state = 'waiting', claimed_by = NULL WHERE state = 'claimed'", vec![]).await?;
    let next_ticket = leave_out(conn, task.now, manifest.taken()).await? + 1;
    let sql = "SELECT (SELECT COUNT(*) FROM outbox WHERE state IN ('waiting', 'claimed')), (SELECT COUNT(*) FROM inbox WHERE state IN ('waiting', 'claimed'))";
    let row = conn.one(sql, vec![]).await?;
    Ok(Done { log_id, held, to_send: row.int(0)?, undecided: row.int(1)?, next_ticket })
}

/// Mail that waited may have left since. A second copy would be worse than a question to a person.
async fn hold(conn: &mut Conn<'_>, now: i64, taken_at: &str) -> Result<i64, StoreError> {
    let sql = "UPDATE outbox SET state = 'unknown', claimed_by = NULL, settled_at = $1, last_reply = $2 || CAST(id AS TEXT) || $3
        WHERE state IN ('waiting', 'claimed')";
    let head = format!("restored from a backup of {taken_at}: whether it left is not known; `ombud queue retry ");
    let held = conn.exec(sql, vec![now.into(), head.into(), "` sends it".into()]).await?;
    Ok(i64::try_from(held).unwrap_or(i64::MAX))
}

/// Ids that were given since the backup stand in signed addresses and Message-IDs that are out there: whoever answers
/// those must not reach the ticket of somebody else. So they are not given again. Answers with the last ticket left out.
async fn leave_out(conn: &mut Conn<'_>, now: i64, taken: i64) -> Result<i64, StoreError> {
    // As many tickets as came in as long a time before the backup, tenfold.
    let before = taken.saturating_sub(now.saturating_sub(taken).max(0));
    let recent = conn.one("SELECT COUNT(*) FROM ticket WHERE created_at > $1", vec![before.into()]).await?.int(0)?;
    for table in TABLES {
        let last = skip(conn, table, LEFT_OUT).await?;
        if COUNTED.contains(&table) {
            let sql = "INSERT INTO counter(k, v) VALUES ($1, $2)";
            conn.exec(sql, vec![format!("{}{last}", left_out_of(table)).into(), LEFT_OUT.into()]).await?;
        }
    }
    skip(conn, "ticket", TICKETS + recent.saturating_mul(10)).await
}

async fn skip(conn: &mut Conn<'_>, table: &'static str, by: i64) -> Result<i64, StoreError> {
    match conn {
        Conn::Lite(_) => lite::skip_ids(conn, table, by).await,
        Conn::Pg(_) => pg::skip_ids(conn, table, by).await,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::TABLES;

    #[test]
    fn every_table_with_ids_is_known() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
        let (mut found, mut table) = (Vec::new(), String::new());
        for entry in std::fs::read_dir(folder).unwrap() {
            for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
                if let Some(name) = line.strip_prefix("CREATE TABLE ") {
                    table = name.split(' ').next().unwrap().to_owned();
                }
                if line.contains("AUTOINCREMENT") {
                    found.push(table.clone());
                }
            }
        }
        let mut known: Vec<_> = TABLES.iter().copied().chain(["ticket"]).collect();
        known.sort_unstable();
        found.sort();
        assert_eq!(found, known, "ids of a table that is left out could be given a second time after a restore");
    }
}
