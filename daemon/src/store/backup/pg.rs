//! The dump of a PostgreSQL database by its own programs, and what only PostgreSQL says.

use std::path::Path;
use std::process::Stdio;
use std::thread;

use sqlx::Connection as _;

use super::files::{self, Print};
use super::manifest::{About, Kind};
use super::{BackupError, about, blocking, programs};
use crate::store::conn::{Conn, Sql};
use crate::store::restore::TABLES;
use crate::store::{Reading, StoreError, pg};

/// A table that says that a restore has begun to fill this database and has not come to its end, whatever data folder it
/// was begun from.
const UNFINISHED: &str = "restore_unfinished";

/// Dumps the database as it is at one moment into a new file; what is counted is of that moment, too.
pub(in crate::store) async fn dump(mut read: Reading, url: &str, path: &Path) -> Result<(About, Print), BackupError> {
    let (url, path) = (url.to_owned(), path.to_owned());
    let dumped = read.snapshot(async move |conn| {
        // It waits for as long as the dump takes.
        conn.control("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
        conn.control("SET LOCAL statement_timeout = 0").await?;
        let snapshot = conn.one("SELECT pg_export_snapshot()", vec![]).await?.text(0)?;
        let about = about(conn, Kind::Postgres).await?;
        let print = blocking(move || run_dump(&url, &snapshot, &path)).await;
        Ok(print.map(|print| (about, print)))
    });
    dumped.await?
}

fn run_dump(url: &str, snapshot: &str, path: &Path) -> Result<Print, BackupError> {
    let mut command = programs::command("pg_dump", url)?;
    // Bodies are compressed already.
    command.args(["--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--no-comments", "--no-password"]);
    command.arg(format!("--snapshot={snapshot}")).stdout(Stdio::piped());
    let target = files::create(path)?;
    let program = Path::new(command.get_program()).to_owned();
    let mut child = command.spawn().map_err(|e| programs::not_started(&program, &e))?;
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(BackupError::Program("pg_dump has no output".into()));
    };
    let said = thread::spawn(move || {
        let mut said = Vec::new();
        // Whatever came until it broke off is told.
        let _ = std::io::Read::read_to_end(&mut stderr, &mut said);
        said
    });
    let poured = files::pour(stdout, path, target, path);
    if poured.is_err() {
        // Nobody reads what it has to say any more.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| programs::not_started(&program, &e))?;
    let said = said.join().unwrap_or_default();
    let print = poured?;
    match status.success() {
        true => Ok(print),
        false => Err(BackupError::Store(StoreError::Away(programs::complaint(&said)))),
    }
}

/// Brings a dump back, all or nothing, into a database that [`clear`] has emptied.
pub(in crate::store) fn restore(url: &str, path: &Path) -> Result<(), BackupError> {
    let mut command = programs::command("pg_restore", url)?;
    let name = command.get_envs().find(|(name, _)| *name == "PGDATABASE").and_then(|(_, value)| value).unwrap_or_default().to_owned();
    command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments", "--no-password"]);
    command.arg("--dbname").arg(name).arg(path);
    let program = Path::new(command.get_program()).to_owned();
    let ended = command.output().map_err(|e| programs::not_started(&program, &e))?;
    match ended.status.success() {
        true => Ok(()),
        false if programs::is_full(&ended.stderr) => Err(BackupError::Store(StoreError::Full)),
        false => Err(BackupError::Store(StoreError::Away(programs::complaint(&ended.stderr)))),
    }
}

/// Whether a restore may empty a database: it has no tables, or is a desk without mail on which no daemon works, or what a
/// restore has left half done, which nobody could open.
pub(in crate::store) async fn is_fresh(url: &str) -> Result<bool, StoreError> {
    let mut connection = pg::alone(url).await?;
    let conn = &mut Conn::Pg(&mut connection);
    let tables = tables_of(conn).await?;
    let ours = |table: &String| table == UNFINISHED || TABLES.contains(&table.as_str());
    let left = tables.iter().any(|table| table == UNFINISHED) && tables.iter().all(ours);
    let mut fresh = left || super::super::restore::is_fresh(conn, &tables).await?;
    if fresh && !left && !tables.is_empty() {
        let minute_ago = conn.time(0).await? - 60_000;
        let alive = conn.all("SELECT id FROM node WHERE dead = 0 AND beat_at > $1", vec![minute_ago.into()]).await?;
        fresh = alive.is_empty();
    }
    connection.close().await?;
    Ok(fresh)
}

/// Whether a restore into this database has not come to its end.
pub(in crate::store) async fn is_unfinished(conn: &mut Conn<'_>) -> Result<bool, StoreError> {
    Ok(tables_of(conn).await?.iter().any(|table| table == UNFINISHED))
}

/// Takes away the tables of a database that [`is_fresh`]; from here on it is a restore's that has not come to its end.
pub(in crate::store) async fn clear(url: &str) -> Result<(), StoreError> {
    let mut connection = pg::alone(url).await?;
    let mut tx = connection.begin().await?;
    let conn = &mut Conn::Pg(&mut tx);
    // Whoever works with them is not waited for.
    conn.control("SET LOCAL lock_timeout = '10s'").await?;
    conn.exec(Sql::Made(format!("CREATE TABLE IF NOT EXISTS {UNFINISHED} ()")), vec![]).await?;
    // Together, so that they may refer to each other; what refers to them from outside keeps them.
    conn.exec(Sql::Made(format!("DROP TABLE IF EXISTS {}", TABLES.join(", "))), vec![]).await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

/// The restore has come to its end.
pub(in crate::store) async fn finish(url: &str) -> Result<(), StoreError> {
    let mut connection = pg::alone(url).await?;
    Conn::Pg(&mut connection).exec(Sql::Made(format!("DROP TABLE IF EXISTS {UNFINISHED}")), vec![]).await?;
    connection.close().await?;
    Ok(())
}

/// A restore has failed: if the database is empty for certain, it is as before. Says whether it is.
pub(in crate::store) async fn undo(url: &str) -> Result<bool, StoreError> {
    let empty = tables(url).await? == [UNFINISHED];
    if empty {
        finish(url).await?;
    }
    Ok(empty)
}

/// The tables of a database.
pub(in crate::store) async fn tables(url: &str) -> Result<Vec<String>, StoreError> {
    let mut connection = pg::alone(url).await?;
    let tables = tables_of(&mut Conn::Pg(&mut connection)).await?;
    connection.close().await?;
    Ok(tables)
}

async fn tables_of(conn: &mut Conn<'_>) -> Result<Vec<String>, StoreError> {
    let tables = conn.all("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()", vec![]).await?;
    tables.iter().map(|row| row.text(0)).collect()
}

/// Leaves out so many ids of a table; answers with the last of them.
pub(in crate::store) async fn skip_ids(conn: &mut Conn<'_>, table: &'static str, by: i64) -> Result<i64, StoreError> {
    let sql = "SELECT setval(CAST(pg_get_serial_sequence($1, 'id') AS regclass),
        nextval(CAST(pg_get_serial_sequence($1, 'id') AS regclass)) + $2 - 1)";
    conn.one(sql, vec![table.into(), by.into()]).await?.int(0)
}
