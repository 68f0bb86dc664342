//! The database: the only room that names sqlx.
//!
//! Everything that changes it is a [`Cmd`], run by one writer in groups that share a disk sync. Reading goes through a
//! pool of read-only connections. Statements are one text for both databases, bound over our own values.

mod accept;
mod blobs;
mod claim;
mod cmd;
mod commit;
mod conn;
mod decide;
mod desk_rows;
mod disk;
mod error;
mod facts;
mod imap;
mod insert;
pub mod keys;
mod migrate;
mod nodes;
mod outbox;
mod people;
pub mod read;
mod timers;
mod tokens;
mod value;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite};
use tokio::sync::Notify;

pub use accept::Accepted;
pub use blobs::{Prepared, hex, sha256};
pub use claim::ClaimedMail;
pub use cmd::{Cmd, Outcome};
pub use conn::statements;
pub use disk::free_space;
pub use error::StoreError;
pub use imap::{CursorMove, FolderCursor, FolderName, FolderReport, LeftBehind};
pub use nodes::NodeId;
pub use outbox::{Settled, Settlement};
pub use people::{AgentChange, NewAgent};
pub use tokens::{ApiToken, NewToken, Scope};

use conn::Conn;

/// The oldest SQLite without the bug that could corrupt a WAL at its reset.
const SQLITE_SAFE: (u32, u32, u32) = (3, 51, 3);
/// How long a statement waits for another process before it fails as temporary.
const BUSY: Duration = Duration::from_secs(5);
/// Octets to which the write-ahead log shrinks again after a burst.
const LOG_LIMIT: &str = "67108864";
/// Connections for reading.
const READERS: u32 = 4;

/// The open database and data folder. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: writer::Handle,
    readers: SqlitePool,
    data: PathBuf,
    nudges: Nudges,
}

/// Hints that something may be there to do. They only save time: whoever listens also polls.
#[derive(Default)]
pub struct Nudges {
    /// A mail was accepted or let through.
    pub inbox: Notify,
    /// An intent to send was written.
    pub outbox: Notify,
    /// Another process changed the database.
    pub foreign: Notify,
}

impl Store {
    /// Opens (makes, migrates) the SQLite database at `path` with its data folder.
    ///
    /// # Errors
    /// When the file can't be opened or was made by a newer program, or the library has the WAL-reset bug.
    pub async fn open(path: &Path, data: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(data)?;
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        blobs::prepare_folder(data)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("journal_size_limit", LOG_LIMIT)
            .disable_statement_logging();
        let mut conn = migrated(&options, data).await?;
        check_version(&mut conn).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await?;
        let nudges = Nudges::default();
        Ok(Self {
            inner: Arc::new_cyclic(|inner| Inner { writer: writer::start(conn, inner.clone()), readers, data: data.to_owned(), nudges }),
        })
    }

    /// Runs one command; it is on disk when this returns.
    pub async fn run(&self, cmd: Cmd) -> Result<Outcome, StoreError> {
        self.inner.writer.run(cmd).await
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.inner.data
    }

    /// Hints for those who wait for work.
    pub fn nudges(&self) -> &Nudges {
        &self.inner.nudges
    }

    /// Finishes what was asked and closes the files.
    pub async fn close(&self) {
        self.inner.writer.close().await;
        self.inner.readers.close().await;
    }

    async fn read(&self) -> Result<Reading, StoreError> {
        Ok(Reading(self.inner.readers.acquire().await?))
    }
}

/// A read-only connection on loan.
struct Reading(PoolConnection<Sqlite>);

impl Reading {
    fn conn(&mut self) -> Conn<'_> {
        Conn::Lite(&mut self.0)
    }
}

async fn migrated(options: &SqliteConnectOptions, data: &Path) -> Result<SqliteConnection, StoreError> {
    // SQLite's migrator takes no lock of its own, and two programs may start at once.
    let lock = std::fs::File::create(data.join("migrate.lock"))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await.map_err(|e| StoreError::Io(e.to_string()))??;
    let mut conn = options.connect().await?;
    migrate::run(&mut conn).await?;
    let log_id = hex(&random::<16>()?);
    Conn::Lite(&mut conn)
        .exec(
            "INSERT INTO meta(id, log_id, people_version, index_epoch) VALUES (1, $1, 1, 1) ON CONFLICT(id) DO NOTHING",
            vec![log_id.into()],
        )
        .await?;
    drop(lock);
    Ok(conn)
}

async fn check_version(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let row = Conn::Lite(conn).one("SELECT sqlite_version()", vec![]).await?;
    let version = row.text(0)?;
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < SQLITE_SAFE {
        return Err(StoreError::Refused(format!("SQLite {version} can corrupt its log: 3.51.3 or later is needed")));
    }
    Ok(())
}

/// Random bytes of the operating system.
fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Io(e.to_string()))?;
    Ok(bytes)
}

async fn close(conn: SqliteConnection) {
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}
