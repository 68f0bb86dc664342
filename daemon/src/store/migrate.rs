//! Brings a database to the tables that this program knows.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::StoreError;

/// Number, name and text of every migration, in order.
const SQLITE: &[(i64, &str, &str)] = &[
    (1, "desk", include_str!("../../../migrations/sqlite/0001_desk.sql")),
    (2, "imap", include_str!("../../../migrations/sqlite/0002_imap.sql")),
];

/// Runs what is missing. A database of a newer program is refused.
pub(super) async fn run(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let migrations = SQLITE
        .iter()
        .map(|(number, name, text)| {
            Migration::new(*number, Cow::Borrowed(*name), MigrationType::Simple, AssertSqlSafe(*text).into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations).run_direct(None, conn, false).await.map_err(|e| match e {
        sqlx::migrate::MigrateError::VersionMissing(n) => {
            StoreError::Refused(format!("this database was made by a newer Ombud (migration {n}): use that version"))
        }
        sqlx::migrate::MigrateError::Execute(e) => e.into(),
        other => StoreError::Database(other.to_string()),
    })
}
