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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_not_to_blame_for_the_disk_or_the_server() {
        let sqlite = |code| StoreError::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        // SQLITE_IOERR_WRITE, SQLITE_CANTOPEN_ISDIR, SQLITE_BUSY_SNAPSHOT and others.
        for code in [10, 778, 14, 526, 7, 8, 1544, 5, 517, 6, 13] {
            assert!(sqlite(code).is_nobodys_fault(), "SQLite {code}");
        }
        // SQLITE_CONSTRAINT_UNIQUE, SQLITE_CORRUPT.
        for code in [1, 2067, 11] {
            assert!(matches!(sqlite(code), StoreError::Database(_)), "SQLite {code}");
        }
        for code in ["28P01", "3D000", "53000", "53100", "53300", "53400", "57014", "57P04", "57P05", "40P01", "08006", "58030"] {
            assert!(pg::error(code, "x").is_nobodys_fault(), "PostgreSQL {code}");
        }
        assert!(matches!(pg::error("53100", "x"), StoreError::Full) && matches!(pg::error("53300", "x"), StoreError::Busy));
        assert!(matches!(pg::error("23505", "x"), StoreError::Database(_)));
    }
}
