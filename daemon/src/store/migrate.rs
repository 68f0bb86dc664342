//! Brings a database to the tables that this program knows.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::conn::Conn;
use super::{StoreError, hex, random};

/// Number, name, and the text for either database, in order.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (1, "desk", include_str!("../../../migrations/sqlite/0001_desk.sql"), include_str!("../../../migrations/postgres/0001_desk.sql")),
    (2, "imap", include_str!("../../../migrations/sqlite/0002_imap.sql"), include_str!("../../../migrations/postgres/0002_imap.sql")),
    (
        3,
        "articles",
        include_str!("../../../migrations/sqlite/0003_articles.sql"),
        include_str!("../../../migrations/postgres/0003_articles.sql"),
    ),
    (4, "nodes", include_str!("../../../migrations/sqlite/0004_nodes.sql"), include_str!("../../../migrations/postgres/0004_nodes.sql")),
    (
        5,
        "webhooks",
        include_str!("../../../migrations/sqlite/0005_webhooks.sql"),
        include_str!("../../../migrations/postgres/0005_webhooks.sql"),
    ),
    (6, "counts", include_str!("../../../migrations/sqlite/0006_counts.sql"), include_str!("../../../migrations/postgres/0006_counts.sql")),
];

/// The last one that this program knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.0)
}

/// Runs what is missing in a SQLite database. One of a newer program is refused.
pub(super) async fn lite(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    run(conn, |(_, _, sqlite, _)| sqlite).await?;
    begin(&mut Conn::Lite(conn)).await
}

/// Runs what is missing in a PostgreSQL database; others who start at the same time wait.
pub(super) async fn pg(conn: &mut PgConnection) -> Result<(), StoreError> {
    run(conn, |(_, _, _, postgres)| postgres).await?;
    begin(&mut Conn::Pg(conn)).await
}

async fn run<C: Migrate>(
    conn: &mut C,
    text: fn(&(i64, &'static str, &'static str, &'static str)) -> &'static str,
) -> Result<(), StoreError> {
    let migrations = MIGRATIONS
        .iter()
        .map(|m| Migration::new(m.0, Cow::Borrowed(m.1), MigrationType::Simple, AssertSqlSafe(text(m)).into_sql_str(), false))
        .collect();
    Migrator::with_migrations(migrations).run_direct(None, conn, false).await.map_err(|e| match e {
        MigrateError::VersionMissing(n) => {
            StoreError::Refused(format!("this database was made by a newer Ombud (migration {n}): use that version"))
        }
        MigrateError::Execute(e) => e.into(),
        other => StoreError::Database(other.to_string()),
    })
}

/// A new log gets a name of its own.
async fn begin(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    let log_id = hex(&random::<16>()?);
    let sql = "INSERT INTO meta(id, log_id, people_version, index_epoch) VALUES (1, $1, 1, 1) ON CONFLICT(id) DO NOTHING";
    conn.exec(sql, vec![log_id.into()]).await?;
    Ok(())
}
