//! Brings a database to the tables that this program knows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sqlx::SqlStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;

use super::conn::Conn;
use super::lite::Lite;
use super::{StoreError, hex, random};
use crate::failpoint;

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
    (
        7,
        "app_passwords",
        include_str!("../../../migrations/sqlite/0007_app_passwords.sql"),
        include_str!("../../../migrations/postgres/0007_app_passwords.sql"),
    ),
    (
        8,
        "imap_kept",
        include_str!("../../../migrations/sqlite/0008_imap_kept.sql"),
        include_str!("../../../migrations/postgres/0008_imap_kept.sql"),
    ),
    (9, "late", include_str!("../../../migrations/sqlite/0009_late.sql"), include_str!("../../../migrations/postgres/0009_late.sql")),
    (
        10,
        "refusals",
        include_str!("../../../migrations/sqlite/0010_refusals.sql"),
        include_str!("../../../migrations/postgres/0010_refusals.sql"),
    ),
    (11, "brake", include_str!("../../../migrations/sqlite/0011_brake.sql"), include_str!("../../../migrations/postgres/0011_brake.sql")),
    (
        12,
        "inbox_mid",
        include_str!("../../../migrations/sqlite/0012_inbox_mid.sql"),
        include_str!("../../../migrations/postgres/0012_inbox_mid.sql"),
    ),
    (13, "told", include_str!("../../../migrations/sqlite/0013_told.sql"), include_str!("../../../migrations/postgres/0013_told.sql")),
    (
        14,
        "complaints",
        include_str!("../../../migrations/sqlite/0014_complaints.sql"),
        include_str!("../../../migrations/postgres/0014_complaints.sql"),
    ),
    (15, "news", include_str!("../../../migrations/sqlite/0015_news.sql"), include_str!("../../../migrations/postgres/0015_news.sql")),
];

/// The last one that this program knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.0)
}

/// Runs what is missing in a SQLite database, all or nothing. One of a newer program is refused.
pub(super) async fn lite(lite: &mut Lite) -> Result<(), StoreError> {
    lite.batch("BEGIN EXCLUSIVE")?;
    let run = lite_missing(lite).and_then(|()| lite.batch("COMMIT"));
    lite.settle()?;
    run?;
    begin(&mut Conn::Lite(lite)).await
}

fn lite_missing(lite: &mut Lite) -> Result<(), StoreError> {
    // The same book that sqlx keeps for PostgreSQL.
    lite.batch(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations(version BIGINT PRIMARY KEY, description TEXT NOT NULL,
         installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)",
    )?;
    let done = lite.all(&"SELECT version, checksum FROM _sqlx_migrations ORDER BY version".into(), &[])?;
    let done = done.iter().map(|row| Ok((row.int(0)?, row.bytes(1)?))).collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    if let Some(newer) = done.keys().find(|version| MIGRATIONS.iter().all(|m| m.0 != **version)) {
        return Err(newer_program(*newer));
    }
    for migration in migrations(|(_, _, sqlite, _)| sqlite) {
        match done.get(&migration.version) {
            Some(checksum) if checksum.as_slice() == &*migration.checksum => {}
            Some(_) => {
                return Err(StoreError::Refused(format!(
                    "migration {} of this database is not the one of this program",
                    migration.version
                )));
            }
            None => {
                lite.batch(migration.sql.as_str())?;
                failpoint::reached("migrate.step");
                let sql = "INSERT INTO _sqlx_migrations(version, description, success, checksum, execution_time) VALUES ($1, $2, 1, $3, 0)";
                let args = [migration.version.into(), migration.description.as_ref().into(), migration.checksum.to_vec().into()];
                lite.exec(&sql.into(), &args)?;
            }
        }
    }
    Ok(())
}

/// Runs what is missing in a PostgreSQL database; others who start at the same time wait.
pub(super) async fn pg(conn: &mut PgConnection) -> Result<(), StoreError> {
    let migrator = Migrator::with_migrations(migrations(|(_, _, _, postgres)| postgres));
    migrator.run_direct(None, conn, false).await.map_err(|e| match e {
        MigrateError::VersionMissing(n) => newer_program(n),
        MigrateError::Execute(e) => e.into(),
        other => StoreError::Database(other.to_string()),
    })?;
    begin(&mut Conn::Pg(conn)).await
}

fn newer_program(n: i64) -> StoreError {
    StoreError::Refused(format!("this database was made by a newer Ombud (migration {n}): use that version"))
}

fn migrations(text: fn(&(i64, &'static str, &'static str, &'static str)) -> &'static str) -> Vec<Migration> {
    let migration = |m: &(i64, &'static str, &'static str, &'static str)| {
        Migration::new(m.0, Cow::Borrowed(m.1), MigrationType::Simple, SqlStr::from_static(text(m)), false)
    };
    MIGRATIONS.iter().map(migration).collect()
}

/// A new log gets a name of its own.
async fn begin(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    let log_id = hex(&random::<16>()?);
    let sql = "INSERT INTO meta(id, log_id, people_version, index_epoch) VALUES (1, $1, 1, 1) ON CONFLICT(id) DO NOTHING";
    conn.exec(sql, vec![log_id.into()]).await?;
    Ok(())
}
