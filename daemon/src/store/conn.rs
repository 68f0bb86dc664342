//! One connection: one SQL text, bound over our own values.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, TypeInfo as _, ValueRef as _};

use super::StoreError;
use super::value::{Row, Value};

/// Statements executed by this process; a test counts those of a standard mail.
static STATEMENTS: AtomicU64 = AtomicU64::new(0);

/// Statements executed by this process so far.
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}

/// A connection that statements run on.
pub(super) enum Conn<'c> {
    /// SQLite.
    Lite(&'c mut SqliteConnection),
}

/// SQL text: a constant, or a constant with a number of placeholders. Never made from data.
pub(super) enum Sql {
    /// As written.
    Text(&'static str),
    /// With lists of placeholders.
    Made(String),
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl Sql {
    /// `head ($1, …, $columns), (…) tail` with `rows` groups of placeholders.
    pub(super) fn values(head: &'static str, columns: usize, rows: usize, tail: &'static str) -> Self {
        let group = |r: usize| format!("({})", placeholders(r * columns + 1, columns));
        Self::Made(format!("{head} {} {tail}", (0..rows).map(group).collect::<Vec<_>>().join(", ")))
    }

    /// `head (…) tail` with `n` placeholders counted from `from`.
    pub(super) fn list(head: &'static str, from: usize, n: usize, tail: &'static str) -> Self {
        Self::lists(&[head, tail], from, n)
    }

    /// The parts with the same list of `n` placeholders, counted from `from`, between each two.
    pub(super) fn lists(parts: &[&'static str], from: usize, n: usize) -> Self {
        Self::Made(parts.join(&format!(" ({}) ", placeholders(from, n))))
    }
}

fn placeholders(from: usize, n: usize) -> String {
    (from..from + n).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ")
}

impl Conn<'_> {
    /// Runs a statement; says how many rows it changed.
    pub(super) async fn exec(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::Lite(c) => {
                let done = match sql.into() {
                    Sql::Text(text) => bind(sqlx::query(text), args).execute(&mut **c).await?,
                    Sql::Made(text) => bind(sqlx::query(AssertSqlSafe(text)), args).execute(&mut **c).await?,
                };
                Ok(done.rows_affected())
            }
        }
    }

    /// Begins or ends a transaction; it stands for a whole group of commands and is not counted.
    pub(super) async fn control(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Lite(c) => sqlx::query(sql).execute(&mut **c).await?,
        };
        Ok(())
    }

    /// All rows of a query.
    pub(super) async fn all(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::Lite(c) => {
                let rows = match sql.into() {
                    Sql::Text(text) => bind(sqlx::query(text), args).fetch_all(&mut **c).await?,
                    Sql::Made(text) => bind(sqlx::query(AssertSqlSafe(text)), args).fetch_all(&mut **c).await?,
                };
                rows.iter().map(read).collect()
            }
        }
    }

    /// The first row of a query, if there is one.
    pub(super) async fn opt(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The first row of a query that always has one.
    pub(super) async fn one(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Row, StoreError> {
        self.opt(sql, args).await?.ok_or_else(|| StoreError::Corrupt("a query that always has a row had none".into()))
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

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
