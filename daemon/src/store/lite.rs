//! SQLite: one file, one connection that writes, and some beside it that only read.
//!
//! A statement runs on the thread that asks for it: handing each one to a thread of its own, as sqlx does, costs more
//! than most of them take.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement, config::DbConfig};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::conn::Sql;
use super::readers::Readers;
use super::value::{Row, Value};
use super::{StoreError, migrate};

/// The oldest SQLite without the bug that could corrupt a WAL at its reset.
const SAFE: (u32, u32, u32) = (3, 51, 3);
/// How long a statement waits for another process before it fails as temporary.
const BUSY: Duration = Duration::from_secs(5);
/// Octets to which the write-ahead log shrinks again after a burst.
const LOG_LIMIT: i64 = 64 << 20;
/// Pages of the log after which they are written to their places. A page that has changed many times by then is written once.
const LOG_PAGES: i64 = 4_000;
/// KiB that the writer keeps in memory: the inner pages of all indexes of a large desk.
const KEPT: i64 = 16 << 10;
/// Statements that a connection keeps prepared.
const PREPARED: usize = 256;
/// How long a query may take, in ms.
const LONGEST: u64 = 30_000;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 100_000;

/// A connection.
pub(super) struct Lite {
    inner: Connection,
    /// Its statements may take long: the runtime is told, so that others go on meanwhile.
    may_block: bool,
    clock: Option<Arc<Clock>>,
}

/// When the query that runs has to be over.
struct Clock {
    born: Instant,
    /// In ms after `born`.
    until: AtomicU64,
}

impl Clock {
    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Opens (makes, migrates) a database; answers with the connection of the writer and those of readers.
pub(super) async fn open(path: &Path, data: &Path) -> Result<(Lite, Readers), StoreError> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    // Two programs may start at once.
    let lock = std::fs::File::create(data.join("migrate.lock"))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await.map_err(|e| StoreError::Io(e.to_string()))??;
    let mut lite = Lite::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    lite.inner.pragma_update(None, "journal_mode", "WAL")?;
    lite.inner.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    lite.inner.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    lite.inner.pragma_update(None, "cache_size", -KEPT)?;
    migrate::lite(&mut lite).await?;
    drop(lock);
    lite.check_version()?;
    Ok((lite, Readers::open(path)?))
}

impl Lite {
    fn open(path: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let inner = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        inner.busy_timeout(BUSY)?;
        inner.pragma_update(None, "foreign_keys", true)?;
        inner.pragma_update(None, "synchronous", "FULL")?;
        inner.set_prepared_statement_cache_capacity(PREPARED);
        // Else a statement whose plan a value might better is prepared anew each time that another value is bound.
        inner.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // SQLite's own folds ASCII alone.
        inner.create_scalar_function("lower", 1, FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC, |call| {
            Ok(call.get_raw(0).as_str_or_null()?.map(str::to_lowercase))
        })?;
        Ok(Self { inner, may_block: false, clock: None })
    }

    /// Opens a database that nobody else knows; it is in its one file when the connection is closed.
    pub(super) fn alone(path: &Path) -> Result<Self, StoreError> {
        let lite = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        lite.inner.pragma_update(None, "journal_mode", "DELETE")?;
        Ok(lite)
    }

    /// Opens a database to look at it, for as long as it takes, and neither makes nor migrates it.
    pub(super) fn read_alone(path: &Path) -> Result<Self, StoreError> {
        let lite = Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self { may_block: true, ..lite })
    }

    /// Opens a database to read from it; no query takes longer than [`LONGEST`].
    pub(super) fn reader(path: &Path) -> Result<Self, StoreError> {
        let lite = Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let clock = Arc::new(Clock { born: Instant::now(), until: AtomicU64::new(0) });
        let asked = Arc::clone(&clock);
        lite.inner.progress_handler(STEPS, Some(move || asked.now() > asked.until.load(Ordering::Relaxed)))?;
        Ok(Self { clock: Some(clock), ..lite })
    }

    /// Whether its next statements may take long.
    pub(super) fn may_block(&mut self, may_block: bool) {
        self.may_block = may_block;
    }

    /// Ends a transaction that was left open.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        match self.inner.is_autocommit() {
            true => Ok(()),
            false => Ok(self.inner.execute_batch("ROLLBACK")?),
        }
    }

    fn check_version(&self) -> Result<(), StoreError> {
        let version = rusqlite::version();
        let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if found < SAFE {
            return Err(StoreError::Refused(format!("SQLite {version} can corrupt its log: 3.51.3 or later is needed")));
        }
        Ok(())
    }

    /// Runs one of the few statements around a transaction.
    pub(super) fn control(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.inner.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Runs statements that take no values.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.inner.execute_batch(sql)?)
    }

    /// Runs a statement; says how many rows it changed.
    pub(super) fn exec(&mut self, sql: &Sql, args: &[Value]) -> Result<u64, StoreError> {
        self.run(|conn| {
            let mut statement = conn.prepare_cached(sql.as_str())?;
            bind(&mut statement, args)?;
            Ok(u64::try_from(statement.raw_execute()?).unwrap_or(0))
        })
    }

    /// All rows of a query.
    pub(super) fn all(&mut self, sql: &Sql, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.run(|conn| {
            let mut statement = conn.prepare_cached(sql.as_str())?;
            let columns = statement.column_count();
            bind(&mut statement, args)?;
            let (mut found, mut rows) = (Vec::new(), statement.raw_query());
            while let Some(row) = rows.next()? {
                let values = (0..columns).map(|i| value(row.get_ref(i)?)).collect::<Result<_, _>>()?;
                found.push(Row(values));
            }
            Ok(found)
        })
    }

    fn run<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(clock) = &self.clock {
            clock.until.store(clock.now() + LONGEST, Ordering::Relaxed);
        }
        let is_on_many = || Handle::try_current().is_ok_and(|on| on.runtime_flavor() == RuntimeFlavor::MultiThread);
        match self.may_block && is_on_many() {
            true => tokio::task::block_in_place(|| work(&self.inner)),
            false => work(&self.inner),
        }
    }
}

/// Binds `$5` to the fifth value, wherever it stands: for SQLite it is a name, and names are counted as they come.
fn bind(statement: &mut Statement<'_>, args: &[Value]) -> Result<(), StoreError> {
    for i in 1..=statement.parameter_count() {
        let place = statement.parameter_name(i).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let arg = place.and_then(|place| args.get(place.checked_sub(1)?));
        let arg = arg.ok_or_else(|| StoreError::Database(format!("parameter {i} of a statement has no value")))?;
        statement.raw_bind_parameter(i, arg)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(v) => ValueRef::Integer(*v),
            Self::Text(v) => ValueRef::Text(v.as_bytes()),
            Self::Bytes(v) => ValueRef::Blob(v),
        }))
    }
}

fn value(found: ValueRef<'_>) -> Result<Value, StoreError> {
    Ok(match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(v) => Value::Int(v),
        ValueRef::Text(v) => Value::Text(String::from_utf8(v.to_vec()).map_err(|_| StoreError::Corrupt("a text is not UTF-8".into()))?),
        ValueRef::Blob(v) => Value::Bytes(v.to_vec()),
        ValueRef::Real(_) => return Err(StoreError::Corrupt("a column of type REAL".into())),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn memory() -> Lite {
        Lite::open(Path::new(":memory:"), OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).unwrap()
    }

    #[test]
    fn values_go_where_their_numbers_stand() {
        let mut lite = memory();
        let args = [Value::Int(1), Value::Text("two".into()), Value::Bytes(vec![3]), Value::Null];
        let rows = lite.all(&"SELECT $3, $1, $4, $2, $1".into(), &args).unwrap();
        assert_eq!(rows[0].0, [args[2].clone(), args[0].clone(), args[3].clone(), args[1].clone(), args[0].clone()]);
        assert!(lite.all(&"SELECT $2".into(), &args[..1]).is_err());
    }

    #[test]
    fn every_script_is_folded() {
        let rows = memory().all(&"SELECT LOWER($1), LOWER(NULL)".into(), &["ÖFFNUNGSZEITEN ПРИВЕТ".into()]).unwrap();
        assert_eq!(rows[0].0, ["öffnungszeiten привет".into(), Value::Null]);
    }

    #[test]
    fn what_is_left_open_is_undone() {
        let mut lite = memory();
        lite.batch("CREATE TABLE t(v INTEGER); BEGIN").unwrap();
        assert_eq!(lite.exec(&"INSERT INTO t(v) VALUES ($1), ($2)".into(), &[1.into(), 2.into()]).unwrap(), 2);
        lite.settle().unwrap();
        lite.settle().unwrap();
        assert_eq!(lite.all(&"SELECT COUNT(*) FROM t".into(), &[]).unwrap()[0].0, [Value::Int(0)]);
    }

    #[test]
    fn a_query_without_end_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        Lite::open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).unwrap().batch("CREATE TABLE t(v)").unwrap();
        let lite = Lite::reader(&path).unwrap();
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
        // Its time was over before it began.
        let stopped = lite.inner.query_row(endless, [], |row| row.get::<_, i64>(0)).map_err(StoreError::from);
        assert!(matches!(stopped, Err(StoreError::Away(_))), "{stopped:?}");
    }
}
