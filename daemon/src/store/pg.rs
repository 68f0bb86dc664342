//! PostgreSQL: every command in a transaction of its own on a pool; the database groups commits itself.

use std::str::FromStr as _;
use std::sync::Weak;
use std::time::Duration;

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, PgTypeInfo};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::cmd::{Cmd, Outcome};
use super::conn::{Conn, Sql};
use super::value::{Row, Value};
use super::{Inner, StoreError, backup, migrate, restore};
use crate::failpoint;

/// Connections for commands, and for reading.
const WRITERS: u32 = 16;
const READERS: u32 = 8;
/// How long a command waits for a connection, and for its answer. Longer than any lock or statement may take.
const PATIENCE: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(40);
/// Times that a command is run which lost against another in the database itself.
const TRIES: u32 = 5;
/// A connection that rested this long is tried before it is used.
const RESTED: Duration = Duration::from_secs(1);
/// How often changes by other processes are looked for.
const WATCH: Duration = Duration::from_millis(500);
/// Per session: an answer that was given is on disk, and nothing waits for ever. A process that stops in the middle of a
/// transaction holds its locks no longer than others wait for them.
const SESSION: [(&str, &str); 5] = [
    ("synchronous_commit", "on"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("client_min_messages", "warning"),
];
/// The lock of a database that is held by a restore, and shared by those who open it.
const RESTORE: i64 = 0x6f6d_6275_6472_7374;
/// The oldest server whose SQL we speak.
const OLDEST: i64 = 130_000;

/// The pools.
pub(super) struct Pg {
    writers: PgPool,
    /// Connections for reading.
    pub(super) readers: PgPool,
    ended: CancellationToken,
}

/// Connects, migrates.
pub(super) async fn open(url: &str) -> Result<Pg, StoreError> {
    let options = options(url)?;
    let mut conn = alone(url).await?;
    agree(&mut conn, "SELECT pg_advisory_lock_shared($1)", "a restore into it is under way").await?;
    if backup::pg::is_unfinished(&mut Conn::Pg(&mut conn)).await? {
        return Err(restore::unfinished());
    }
    migrate::pg(&mut conn).await?;
    conn.close().await?;
    let pool = |size| {
        PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if meta.idle_for > RESTED {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.clone())
    };
    Ok(Pg { writers: pool(WRITERS), readers: pool(READERS), ended: CancellationToken::new() })
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let unreadable = |_| StoreError::Refused("[database] url is no PostgreSQL address: like postgres://user@host/database".into());
    Ok(PgConnectOptions::from_str(url).map_err(unreadable)?.application_name("ombud").options(SESSION).disable_statement_logging())
}

/// Connects for work that may be long, and neither makes nor migrates a table.
pub(super) async fn alone(url: &str) -> Result<PgConnection, StoreError> {
    let mut conn = options(url)?.connect().await?;
    check_server(&mut conn).await?;
    for sql in ["SET statement_timeout = 0", "SET lock_timeout = 0"] {
        Conn::Pg(&mut conn).control(sql).await?;
    }
    Ok(conn)
}

/// As [`alone`]; nobody opens this database until the connection is dropped.
pub(super) async fn alone_with_it(url: &str) -> Result<PgConnection, StoreError> {
    let mut conn = alone(url).await?;
    agree(&mut conn, "SELECT pg_advisory_lock($1)", "somebody opens it, or brings a backup back").await?;
    Ok(conn)
}

/// Takes the lock of restores, for as long as the connection lives. The server lets go of it a moment after the last one ended.
async fn agree(conn: &mut PgConnection, sql: &'static str, why: &str) -> Result<(), StoreError> {
    let conn = &mut Conn::Pg(conn);
    conn.control("SET lock_timeout = '5s'").await?;
    match conn.all(sql, vec![RESTORE.into()]).await {
        Err(StoreError::Busy) => Err(StoreError::Away(why.into())),
        Err(error) => Err(error),
        Ok(_) => conn.control("SET lock_timeout = 0").await,
    }
}

async fn check_server(conn: &mut PgConnection) -> Result<(), StoreError> {
    let sql = "SELECT CAST(current_setting('server_version_num') AS BIGINT), current_setting('server_encoding'), current_setting('fsync'),
        current_setting('transaction_read_only')";
    let row = Conn::Pg(conn).one(sql, vec![]).await?;
    let (version, encoding) = (row.int(0)?, row.text(1)?);
    if version < OLDEST {
        return Err(StoreError::Refused(format!("PostgreSQL {} is too old: 13 or later is needed", version / 10_000)));
    }
    if encoding != "UTF8" {
        return Err(StoreError::Refused(format!("the database is in {encoding}: make it with ENCODING 'UTF8'")));
    }
    if row.text(3)? == "on" {
        return Err(StoreError::Away("this PostgreSQL server only reads: is it a standby?".into()));
    }
    if row.text(2)? == "off" {
        tracing::warn!("PostgreSQL runs with fsync off: a power cut loses mail that was accepted");
    }
    Ok(())
}

impl Pg {
    /// Runs a command; it is on disk when this returns. A caller that goes away does not cancel it.
    pub(super) async fn run(&self, cmd: Cmd, store: Weak<Inner>) -> Result<Outcome, StoreError> {
        let pool = self.writers.clone();
        let task = tokio::spawn(async move {
            let outcome = Box::pin(tried(&pool, &cmd)).await;
            if outcome.is_ok()
                && let Some(store) = store.upgrade()
            {
                store.nudges.wrote(&cmd);
            }
            outcome
        });
        task.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes what was asked and closes the connections.
    pub(super) async fn close(&self) {
        self.ended.cancel();
        self.writers.close().await;
        self.readers.close().await;
    }

    /// Tells the rest of the program when another process has changed something that nobody polls for.
    pub(super) fn watch(&self, store: Weak<Inner>) {
        let (pool, ended) = (self.readers.clone(), self.ended.clone());
        tokio::spawn(async move {
            let mut seen = None;
            loop {
                tokio::select! {
                    () = ended.cancelled() => return,
                    () = tokio::time::sleep(WATCH) => {}
                }
                let Some(store) = store.upgrade() else { return };
                match changes(&pool).await {
                    Ok(found) => {
                        if seen.replace(found).is_some_and(|before| before != found) {
                            store.nudges.foreign();
                        }
                    }
                    Err(error) => tracing::debug!(%error, "could not look for changes of other processes"),
                }
            }
        });
    }
}

async fn changes(pool: &PgPool) -> Result<i64, StoreError> {
    let mut conn = pool.acquire().await?;
    Conn::Pg(&mut conn).one("SELECT v FROM counter WHERE k = 'by_hand'", vec![]).await?.int(0)
}

/// Deadlocks and the like are nobody's fault, and the database has undone the command: it is run again.
async fn tried(pool: &PgPool, cmd: &Cmd) -> Result<Outcome, StoreError> {
    for try_number in 1..TRIES {
        match once(pool, cmd).await {
            Err(StoreError::Busy) => tokio::time::sleep(Duration::from_millis(u64::from(5 * try_number))).await,
            outcome => return outcome,
        }
    }
    once(pool, cmd).await
}

async fn once(pool: &PgPool, cmd: &Cmd) -> Result<Outcome, StoreError> {
    let mut conn = pool.acquire().await?;
    match timeout(LIMIT, in_transaction(&mut conn, cmd)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            // Nobody knows in what state it is: the server ends what it was doing when it is gone.
            drop(conn.detach());
            Err(StoreError::Away("no answer".into()))
        }
    }
}

async fn in_transaction(conn: &mut PgConnection, cmd: &Cmd) -> Result<Outcome, StoreError> {
    let mut tx = conn.begin().await?;
    match cmd.run(&mut Conn::Pg(&mut tx)).await {
        Ok(_) if cmd.points().is_some_and(|points| failpoint::fails(points[0])) => Err(StoreError::Busy),
        Ok(outcome) => {
            tx.commit().await?;
            cmd.points().into_iter().for_each(|points| failpoint::reached(points[1]));
            Ok(outcome)
        }
        Err(error) => {
            // It fails when the connection is gone, and then the server rolls back.
            let _ = tx.rollback().await;
            Err(error)
        }
    }
}

/// Runs a statement; says how many rows it changed.
pub(super) async fn exec(conn: &mut PgConnection, sql: Sql, args: Vec<Value>) -> Result<u64, StoreError> {
    let done = match sql {
        Sql::Text(text) => bind(sqlx::query(text), args).execute(conn).await?,
        Sql::Made(text) => bind(sqlx::query(AssertSqlSafe(text)), args).execute(conn).await?,
    };
    Ok(done.rows_affected())
}

/// All rows of a query.
pub(super) async fn all(conn: &mut PgConnection, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
    let rows = match sql {
        Sql::Text(text) => bind(sqlx::query(text), args).fetch_all(conn).await?,
        Sql::Made(text) => bind(sqlx::query(AssertSqlSafe(text)), args).fetch_all(conn).await?,
    };
    rows.iter().map(read).collect()
}

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

fn bind(mut query: Query<'_>, args: Vec<Value>) -> Query<'_> {
    for arg in args {
        query = match arg {
            Value::Null => query.bind(Nothing),
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Bytes(v) => query.bind(v),
        };
    }
    query
}

/// NULL of whatever type the statement wants there.
struct Nothing;

impl Type<Postgres> for Nothing {
    fn type_info() -> PgTypeInfo {
        // "unknown": the server finds the type out.
        PgTypeInfo::with_oid(Oid(705))
    }
}

impl Encode<'_, Postgres> for Nothing {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

fn read(row: &PgRow) -> Result<Row, StoreError> {
    (0..row.len())
        .map(|i| {
            let raw = row.try_get_raw(i)?;
            if raw.is_null() {
                return Ok(Value::Null);
            }
            Ok(match raw.type_info().name() {
                "INT8" => Value::Int(row.try_get(i)?),
                "INT4" => Value::Int(row.try_get::<i32, _>(i)?.into()),
                "BOOL" => Value::Int(row.try_get::<bool, _>(i)?.into()),
                "BYTEA" => Value::Bytes(row.try_get(i)?),
                "TEXT" | "VARCHAR" | "NAME" => Value::Text(row.try_get(i)?),
                "VOID" => Value::Null,
                other => return Err(StoreError::Corrupt(format!("a column of type {other}"))),
            })
        })
        .collect::<Result<_, _>>()
        .map(Row)
}

/// What an error of the server says.
pub(super) fn error(code: &str, message: &str) -> StoreError {
    match code {
        "53100" => StoreError::Full,
        // Serialization, deadlock, a lock that was not to be had, too many connections.
        "40001" | "40P01" | "55P03" | "53300" => StoreError::Busy,
        // Only reading; asleep in a transaction.
        "25006" | "25P03" => StoreError::Away(message.to_owned()),
        // The connection, who may have one, the database's name; out of something; ended, starting, a limit; the system.
        _ if ["08", "28", "3D", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => StoreError::Away(message.to_owned()),
        _ => StoreError::Database(message.to_owned()),
    }
}
