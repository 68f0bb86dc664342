//! The database: the only room that names sqlx and rusqlite.
//!
//! Everything that changes it is a [`Cmd`]: on SQLite one writer runs them in groups that share a disk sync, on PostgreSQL
//! each has a transaction of its own. Reading goes through connections of its own. Statements are one text for both
//! databases, bound over our own values; `dialect` holds the few that differ.

mod accept;
mod articles;
mod backup;
mod blobs;
mod brake;
mod claim;
mod cmd;
mod commit;
mod conn;
mod decide;
mod deliveries;
mod desk_rows;
mod dialect;
mod disk;
mod error;
mod facts;
mod forget;
mod imap;
mod import;
mod insert;
pub mod keys;
mod lite;
mod migrate;
mod news;
mod nodes;
mod outbox;
mod parts;
mod passwords;
mod people;
mod pg;
mod pulse;
pub mod read;
mod readers;
mod recent;
mod refusals;
mod replay;
mod restore;
mod rush;
mod sequencer;
mod staff;
mod take_back;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod timers;
mod tokens;
mod value;
mod webhooks;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Postgres};
use tokio::sync::Notify;

use crate::config::Database;

pub use accept::{Accepted, Haul};
pub use articles::{Expected, RemoveArticle, Revision, StoredArticle, WriteArticles, Written};
pub use backup::{BackupError, Counts, Kind, Manifest, Tell};
pub use blobs::{Prepared, hex, sha256};
pub use claim::ClaimedMail;
pub use cmd::{Cmd, Outcome};
pub use conn::statements;
pub use deliveries::{ClaimedDelivery, DeliveryEnd, Disabling, FanOut, NewDelivery, TestDelivery, Tried, fresh_message};
pub use disk::free_space;
pub use error::StoreError;
pub use imap::{Comparison, CursorMove, FolderCursor, FolderName, FolderReport, LeftBehind};
pub use import::Imported;
pub use nodes::{NewNode, NodeId, Queue};
pub use outbox::{Away, Settled, Settlement};
pub use passwords::{AppPassword, NewPassword};
pub use people::{AgentChange, NewAgent};
pub use replay::{Replay, Words};
pub use restore::{Restore, Restored, restore};
pub use tokens::{ApiToken, NewToken, Scope};
pub use webhooks::{Endpoint, EndpointChange, NewEndpoint};

#[cfg(test)]
pub(crate) use tests::{database as database_for_tests, not_run, postgres as postgres_for_tests, walks};

use conn::Conn;
use readers::{Reader, Readers};
use rush::Rush;

/// The open database and data folder. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    base: Base,
    data: PathBuf,
    nudges: Nudges,
    pulse: pulse::Pulse,
    staff: staff::Cache,
    /// Whoever has lost a race decides anew when it is their turn, not all at once.
    losers: tokio::sync::Mutex<()>,
}

enum Base {
    Lite { writer: writer::Handle, readers: Readers },
    Pg(pg::Pg),
}

/// Hints that something may be there to do. They only save time: whoever listens also polls.
#[derive(Default)]
pub struct Nudges {
    /// A mail was accepted or let through.
    pub inbox: Notify,
    /// An intent to send was written.
    pub outbox: Notify,
    /// There are webhooks to deliver.
    pub deliveries: Arc<Notify>,
    /// The log has grown.
    pub events: Notify,
    /// There are events without a place in the log.
    pub unnumbered: Notify,
    /// Another process changed the database.
    pub foreign: Notify,
    /// What is accepted here.
    pub rush: Rush,
}

impl Nudges {
    /// Tells whoever may have something to do after a command.
    fn wrote(&self, cmd: &Cmd) {
        if cmd.fills_inbox() {
            self.inbox.notify_one();
        }
        if cmd.accepts() > 0 {
            self.rush.note(Instant::now(), cmd.accepts());
        }
        if cmd.fills_outbox() {
            self.outbox.notify_one();
        }
        if cmd.fills_deliveries() {
            self.deliveries.notify_one();
        }
        if cmd.fills_log() {
            self.unnumbered.notify_one();
            self.events.notify_waiters();
        }
    }

    /// Tells everybody that another process has changed something.
    fn foreign(&self) {
        self.inbox.notify_one();
        self.outbox.notify_one();
        self.events.notify_waiters();
        self.foreign.notify_waiters();
    }
}

impl Store {
    /// Opens (makes, migrates) the database with its data folder.
    ///
    /// # Errors
    /// When it can't be opened or was made by a newer program, or is of a version that can lose mail.
    pub async fn open(database: &Database, data: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(data)?;
        restore::is_whole(data)?;
        blobs::prepare_folder(data)?;
        let whole = |base| Inner {
            base,
            data: data.to_owned(),
            nudges: Nudges::default(),
            pulse: pulse::Pulse::default(),
            staff: staff::Cache::default(),
            losers: tokio::sync::Mutex::default(),
        };
        let inner = match database {
            Database::Sqlite(path) => {
                let (lite, readers) = lite::open(path, data).await?;
                let (writer, queue) = writer::queue();
                let inner = Arc::new(whole(Base::Lite { writer, readers }));
                queue.start(lite, Arc::downgrade(&inner))?;
                inner
            }
            Database::Postgres(url) => {
                let pg = pg::open(url.reveal()).await?;
                Arc::new_cyclic(|inner| {
                    pg.watch(inner.clone());
                    whole(Base::Pg(pg))
                })
            }
        };
        Ok(Self { inner })
    }

    /// Runs one command; it is on disk when this returns.
    pub async fn run(&self, cmd: Cmd) -> Result<Outcome, StoreError> {
        let outcome = match &self.inner.base {
            Base::Lite { writer, .. } => writer.run(cmd).await,
            Base::Pg(pg) => pg.run(cmd, Arc::downgrade(&self.inner)).await,
        };
        self.inner.pulse.note(&outcome);
        outcome
    }

    /// How long ago the database answered last. A daemon asks it each second.
    pub fn silence(&self) -> Duration {
        self.inner.pulse.silence()
    }

    /// Whether several daemons may work on this database.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.base, Base::Pg(_))
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
        match &self.inner.base {
            Base::Lite { writer, readers } => {
                writer.close().await;
                readers.close();
            }
            Base::Pg(pg) => pg.close().await,
        }
    }

    /// A connection for reading.
    async fn read(&self) -> Result<Reading, StoreError> {
        self.lend(true).await
    }

    /// A connection for a few rows by their keys, which is not worth telling the runtime of.
    async fn glance(&self) -> Result<Reading, StoreError> {
        self.lend(false).await
    }

    async fn lend(&self, may_block: bool) -> Result<Reading, StoreError> {
        Ok(match &self.inner.base {
            Base::Lite { readers, .. } => Reading::Lite(readers.lend(may_block).await?),
            Base::Pg(pg) => Reading::Pg(pg.readers.acquire().await?),
        })
    }
}

/// A connection on loan for reading.
enum Reading {
    Lite(Reader),
    Pg(PoolConnection<Postgres>),
}

impl Reading {
    fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Lite(reader) => Conn::Lite(&mut reader.lite),
            Self::Pg(conn) => Conn::Pg(conn),
        }
    }

    /// Several queries that see the database as it was at one moment.
    async fn snapshot<T>(&mut self, read: impl AsyncFnOnce(&mut Conn<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // Dropped before its end, the transaction is ended when the connection comes back.
        match self {
            Self::Lite(reader) => {
                let conn = &mut Conn::Lite(&mut reader.lite);
                conn.control("BEGIN").await?;
                let found = read(conn).await?;
                conn.control("ROLLBACK").await?;
                Ok(found)
            }
            Self::Pg(conn) => {
                let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                let found = read(&mut Conn::Pg(&mut tx)).await?;
                tx.rollback().await?;
                Ok(found)
            }
        }
    }
}

/// Random bytes of the operating system.
fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Io(e.to_string()))?;
    Ok(bytes)
}
