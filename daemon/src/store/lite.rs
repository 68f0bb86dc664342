//! SQLite: one file, one writer, read-only connections beside it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _};

use super::conn::{Conn, Sql};
use super::value::{Row, Value};
use super::{StoreError, migrate};

/// The oldest SQLite without the bug that could corrupt a WAL at its reset.
const SAFE: (u32, u32, u32) = (3, 51, 3);
/// How long a statement waits for another process before it fails as temporary.
const BUSY: Duration = Duration::from_secs(5);
/// Octets to which the write-ahead log shrinks again after a burst.
const LOG_LIMIT: &str = "67108864";
/// Connections for reading.
const READERS: u32 = 4;

/// Opens (makes, migrates) a database; answers with the connection of the writer and those of readers.
pub(super) async fn open(path: &Path, data: &Path) -> Result<(SqliteConnection, SqlitePool), StoreError> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let options = options(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal).pragma("journal_size_limit", LOG_LIMIT);
    // SQLite's migrator takes no lock of its own, and two programs may start at once.
    let lock = std::fs::File::create(data.join("migrate.lock"))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await.map_err(|e| StoreError::Io(e.to_string()))??;
    let mut conn = options.connect().await?;
    migrate::lite(&mut conn).await?;
    drop(lock);
    check_version(&mut conn).await?;
    let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await?;
    Ok((conn, readers))
}

fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).synchronous(SqliteSynchronous::Full);
    options.foreign_keys(true).busy_timeout(BUSY).disable_statement_logging()
}

/// Opens a database that nobody else knows; it is in its one file when the connection is closed.
pub(super) async fn alone(path: &Path) -> Result<SqliteConnection, StoreError> {
    Ok(options(path).journal_mode(SqliteJournalMode::Delete).connect().await?)
}

/// Opens a database to look at it, and neither makes nor migrates it.
pub(super) async fn read_alone(path: &Path) -> Result<SqliteConnection, StoreError> {
    Ok(options(path).read_only(true).connect().await?)
}

async fn check_version(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let row = Conn::Lite(conn).one("SELECT sqlite_version()", vec![]).await?;
    let version = row.text(0)?;
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < SAFE {
        return Err(StoreError::Refused(format!("SQLite {version} can corrupt its log: 3.51.3 or later is needed")));
    }
    Ok(())
}

/// Closes the writer's connection.
pub(super) async fn close(conn: SqliteConnection) {
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}

/// Runs a statement; says how many rows it changed.
pub(super) async fn exec(conn: &mut SqliteConnection, sql: Sql, args: Vec<Value>) -> Result<u64, StoreError> {
    let done = match sql {
        Sql::Text(text) => bind(sqlx::query(text), args).execute(conn).await?,
        Sql::Made(text) => bind(sqlx::query(AssertSqlSafe(text)), args).execute(conn).await?,
    };
    Ok(done.rows_affected())
}

/// All rows of a query.
pub(super) async fn all(conn: &mut SqliteConnection, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
    let rows = match sql {
        Sql::Text(text) => bind(sqlx::query(text), args).fetch_all(conn).await?,
        Sql::Made(text) => bind(sqlx::query(AssertSqlSafe(text)), args).fetch_all(conn).await?,
    };
    rows.iter().map(read).collect()
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

fn bind(mut query: Query<'_>, args: Vec<Value>) -> Query<'_> {
    for arg in args {
        query = match arg {
            Value::Null => query.bind(None::<i64>),
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Bytes(v) => query.bind(v),
        };
    }
    query
}

fn read(row: &SqliteRow) -> Result<Row, StoreError> {
    (0..row.len())
        .map(|i| {
            let raw = row.try_get_raw(i)?;
            if raw.is_null() {
                return Ok(Value::Null);
            }
            Ok(match raw.type_info().name() {
                "INTEGER" | "BOOLEAN" => Value::Int(row.try_get(i)?),
                "BLOB" => Value::Bytes(row.try_get(i)?),
                "TEXT" => Value::Text(row.try_get(i)?),
                other => return Err(StoreError::Corrupt(format!("a column of type {other}"))),
            })
        })
        .collect::<Result<_, _>>()
        .map(Row)
}
