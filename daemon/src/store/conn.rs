//! One connection: one SQL text, bound over our own values.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::PgConnection;

use super::lite::Lite;
use super::value::{Row, Value};
use super::{StoreError, pg};

/// Statements executed by this process; a test counts those of a standard mail.
static STATEMENTS: AtomicU64 = AtomicU64::new(0);

/// Statements executed by this process so far.
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}

/// A connection that statements run on.
pub(super) enum Conn<'c> {
    /// SQLite.
    Lite(&'c mut Lite),
    /// PostgreSQL.
    Pg(&'c mut PgConnection),
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
    /// Its text.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Made(text) => text,
        }
    }

    /// The same with a few words behind it.
    pub(super) fn and(self, tail: &'static str) -> Self {
        match (self, tail) {
            (sql, "") => sql,
            (Self::Text(text), _) => Self::Made(format!("{text} {tail}")),
            (Self::Made(text), _) => Self::Made(format!("{text} {tail}")),
        }
    }

    /// The same with a few words before it.
    pub(super) fn behind(self, head: &'static str) -> Self {
        match self {
            Self::Text(text) => Self::Made(format!("{head} {text}")),
            Self::Made(text) => Self::Made(format!("{head} {text}")),
        }
    }

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
        let sql = self.counted(sql);
        match self {
            Self::Lite(c) => c.exec(&sql, &args),
            Self::Pg(c) => pg::exec(c, sql, args).await,
        }
    }

    /// Begins or ends a transaction; it stands for a whole group of commands and is not counted.
    pub(super) async fn control(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Lite(c) => c.control(sql),
            Self::Pg(c) => Ok(sqlx::query(sql).execute(&mut **c).await.map(drop)?),
        }
    }

    /// All rows of a query.
    pub(super) async fn all(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = self.counted(sql);
        match self {
            Self::Lite(c) => c.all(&sql, &args),
            Self::Pg(c) => pg::all(c, sql, args).await,
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

    fn counted(&self, sql: impl Into<Sql>) -> Sql {
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
        let sql = sql.into();
        #[cfg(test)]
        super::tests::record(matches!(self, Self::Pg(_)), sql.as_str());
        sql
    }
}
