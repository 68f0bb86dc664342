//! What can go wrong between us and the database, and whether trying again helps.

use rusqlite::ErrorCode;
use sqlx::postgres::PgDatabaseError;

use super::pg;

/// An error of the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// What a decision was made from has changed; nothing was written.
    #[error("the desk changed meanwhile ({0})")]
    Conflict(&'static str),
    /// The row is no longer this node's to settle; nothing was written.
    #[error("another node has taken it over")]
    Fenced,
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It exists already, or the request contradicts itself.
    #[error("{0}")]
    Refused(String),
    /// The disk is full.
    #[error("the disk of the database is full")]
    Full,
    /// Another process holds the database.
    #[error("the database is locked by another process")]
    Busy,
    /// The database server can't be reached, or does not answer; what was asked of it may or may not have been done.
    #[error("the database does not answer: {0}")]
    Away(String),
    /// A row does not hold what the schema promises.
    #[error("the database holds a row that this version can't read: {0}")]
    Corrupt(String),
    /// Anything else the database says.
    #[error("the database failed: {0}")]
    Database(String),
    /// The data folder.
    #[error("the data folder failed: {0}")]
    Io(String),
    /// The store is closing.
    #[error("the desk is shutting down")]
    Closed,
}

impl StoreError {
    /// Whether the same command may succeed later.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, Self::NotFound(_) | Self::Refused(_) | Self::Fenced | Self::Corrupt(_))
    }

    /// Whether it says something about the database, the disk or the hour, and nothing about the matter in hand.
    pub fn is_nobodys_fault(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Full | Self::Busy | Self::Away(_) | Self::Io(_) | Self::Closed)
    }

    /// Whether the command itself said no before its first write, so that its neighbours in a group are unharmed.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Fenced | Self::NotFound(_) | Self::Refused(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                if let Some(pg) = db.try_downcast_ref::<PgDatabaseError>() {
                    return pg::error(pg.code(), pg.message());
                }
                Self::Database(db.message().to_owned())
            }
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Away("no connection was free in 5 s".into()),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Self::Away(error.to_string()),
            _ => Self::Database(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, message) => match failure.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                ErrorCode::DiskFull => Self::Full,
                ErrorCode::OutOfMemory | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
                    Self::Io(error.to_string())
                }
                ErrorCode::OperationInterrupted => Self::Away("a query took longer than 30 s".into()),
                _ => Self::Database(message.clone().unwrap_or_else(|| failure.to_string())),
            },
            _ => Self::Database(error.to_string()),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error.to_string()),
        }
    }
}
