//! The only door in: nobody says "250" without a [`Receipt`].
//!
//! Mail is gathered in a [`Draft`] (small ones in memory, large ones in a file), admitted when there is room for it in
//! flight, and accepted by one commit that is on disk before the receipt exists.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::large::{self, LARGE, Room};
use crate::model::{Envelope, InboxId, Reply};
use crate::store::{Accepted, Cmd, CursorMove, Haul, Outcome, Store, StoreError};

/// A larger draft goes into a file while it arrives.
const IN_MEMORY: usize = LARGE;
/// Octets of one write to that file.
const WRITE: usize = 64 * 1024;
/// Mails and KiB that may be on their way into the database at once.
const MAILS: usize = 512;
const KIB: u32 = 64 * 1024;
/// How long a mail waits for room.
const PATIENCE: Duration = Duration::from_secs(5);

/// Folder of drafts that are too large for memory.
const SPOOL: &str = "spool";

const NO_ROOM: Reply = Reply::new(451, "4.3.2", "Too much mail at once, please try again in a minute");
const NOT_KEPT: Reply = Reply::new(451, "4.3.0", "The mail could not be stored, please try again later");
const DISK_FULL: Reply = Reply::new(452, "4.3.1", "The disk is full, please try again later");

/// The way into the inbox. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    store: Store,
    clock: Clock,
    mails: Arc<Semaphore>,
    room: Room,
}

/// A mail on its way in: bytes are pushed while they arrive.
pub struct Draft {
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<Spool>,
    len: u64,
}

/// The file of a large draft; gone when the draft is.
struct Spool {
    file: File,
    path: PathBuf,
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Nobody needs it any more; the next start takes what a crash leaves behind.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A complete mail in memory, holding its share of what may be in flight.
pub struct Mail {
    bytes: Vec<u8>,
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// A mail that was fetched from a folder.
pub struct Caught {
    /// Its UID there.
    pub uid: u32,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its bytes.
    pub mail: Mail,
}

/// Proof that a mail is on disk. Only [`Inbox::accept`] and [`Inbox::accept_haul`] make one.
#[derive(Debug)]
pub struct Receipt {
    id: InboxId,
}

impl Receipt {
    /// The inbox row.
    pub fn id(&self) -> InboxId {
        self.id
    }
}

impl Draft {
    /// One of no inbox, for what is small.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn loose() -> Self {
        Self { folder: PathBuf::new(), memory: Vec::new(), file: None, len: 0 }
    }

    /// What is in memory of it.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// When the spool file can't be written.
    pub async fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.len += bytes.len() as u64;
        self.memory.extend_from_slice(bytes);
        let most = if self.file.is_some() { WRITE } else { IN_MEMORY };
        if self.memory.len() > most { self.spill().await } else { Ok(()) }
    }

    /// All of it; an empty one is left.
    pub fn take(&mut self) -> Self {
        let folder = self.folder.clone();
        std::mem::replace(self, Self { folder, memory: Vec::new(), file: None, len: 0 })
    }

    /// Octets so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Moves what is in memory to the end of the file.
    async fn spill(&mut self) -> std::io::Result<()> {
        static SPOOL: AtomicU64 = AtomicU64::new(0);
        let spool = match &mut self.file {
            Some(spool) => spool,
            None => {
                tokio::fs::create_dir_all(&self.folder).await?;
                let path = self.folder.join(format!("{}-{}.spool", std::process::id(), SPOOL.fetch_add(1, Ordering::Relaxed)));
                let file = File::options().create_new(true).read(true).write(true).mode(0o600).open(&path).await?;
                self.file.insert(Spool { file, path })
            }
        };
        for piece in std::mem::take(&mut self.memory).chunks(WRITE) {
            spool.file.write_all(piece).await?;
        }
        Ok(())
    }

    async fn read(mut self) -> std::io::Result<Vec<u8>> {
        let Some(spool) = &mut self.file else { return Ok(std::mem::take(&mut self.memory)) };
        let mut bytes = large::buffer(usize::try_from(self.len).unwrap_or(0));
        spool.file.flush().await?;
        spool.file.rewind().await?;
        spool.file.read_to_end(&mut bytes).await?;
        bytes.extend_from_slice(&self.memory);
        Ok(bytes)
    }
}

impl Mail {
    /// The mail's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Inbox {
    /// The door of a store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, mails: Arc::new(Semaphore::new(MAILS)), room: Room::new(KIB) }
    }

    /// Removes what a crash has left of mails that nobody was promised to keep. Only for the one daemon of a folder.
    pub fn clear_spool(data: &Path) {
        let Ok(files) = std::fs::read_dir(data.join(SPOOL)) else { return };
        for file in files.flatten() {
            if let Err(error) = std::fs::remove_file(file.path()) {
                tracing::warn!(%error, "a left-over spool file could not be removed");
            }
        }
    }

    /// An empty draft.
    pub fn draft(&self) -> Draft {
        Draft { folder: self.store.data().join(SPOOL), memory: Vec::new(), file: None, len: 0 }
    }

    /// Waits for room in flight and brings the mail into memory.
    ///
    /// # Errors
    /// 451 when there is no room in 5 s, or the spool can't be read.
    pub async fn admit(&self, draft: Draft) -> Result<Mail, Reply> {
        let permits = timeout(PATIENCE, async { (self.mails.clone().acquire_owned().await, self.room.take(draft.len()).await) });
        let Ok((Ok(mail), Some(size))) = permits.await else { return Err(NO_ROOM) };
        let bytes = draft.read().await.map_err(|error| {
            tracing::error!(%error, "a mail could not be read back from its spool file");
            NOT_KEPT
        })?;
        Ok(Mail { bytes, _permits: (mail, size) })
    }

    /// Keeps a mail: when this returns a receipt, it survives power loss.
    ///
    /// # Errors
    /// 451 or 452: the sender keeps the mail and tries again.
    pub async fn accept(&self, envelope: Envelope, mail: Mail) -> Result<Receipt, Reply> {
        self.keep(envelope, mail).await.map_err(|error| refuse(&error))
    }

    async fn keep(&self, envelope: Envelope, mail: Mail) -> Result<Receipt, StoreError> {
        // A small one goes into no file.
        let (store, octets) = (self.store.clone(), mail.bytes.len());
        let (blob, _permits) = large::beside(octets, move || (store.prepare(&mail.bytes), mail._permits)).await?;
        let accepted = Accepted { received_at: self.clock.now(), envelope, blob: blob? };
        match self.store.run(Cmd::Accept(Box::new(accepted))).await? {
            Outcome::Accepted(id) => Ok(Receipt { id }),
            _ => Err(unnumbered()),
        }
    }

    /// Keeps mails that were fetched, all or none: the cursor of their folder moves in the same commit. Receipts come in
    /// the order of the mails.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the cursor is not what it was or the folder another node's; nothing was kept. Else as above.
    pub async fn accept_haul(&self, mails: Vec<Caught>, cursor: CursorMove) -> Result<Vec<Receipt>, StoreError> {
        let received_at = self.clock.now();
        let ready = self.prepared(move |store| {
            let each = |caught: Caught| -> Result<_, StoreError> {
                let blob = store.prepare(&caught.mail.bytes)?;
                Ok(((caught.uid, Accepted { received_at, envelope: caught.envelope, blob }), caught.mail._permits))
            };
            mails.into_iter().map(each).collect::<Result<(Vec<_>, Vec<_>), _>>()
        });
        let (mails, _permits) = ready.await??;
        let many = mails.len();
        match self.store.run(Cmd::Haul(Box::new(Haul { mails, cursor }))).await? {
            Outcome::Kept(ids) if ids.len() == many => Ok(ids.into_iter().map(|id| Receipt { id }).collect()),
            _ => Err(unnumbered()),
        }
    }

    /// Compresses where blocking is allowed.
    async fn prepared<T: Send + 'static>(&self, work: impl FnOnce(&Store) -> T + Send + 'static) -> Result<T, StoreError> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.map_err(|e| StoreError::Io(e.to_string()))
    }
}

fn unnumbered() -> StoreError {
    StoreError::Corrupt("a mail that was kept has no number".into())
}

/// Whatever went wrong, the sender still has the mail: never a 5xx.
fn refuse(error: &StoreError) -> Reply {
    tracing::error!(%error, "a mail could not be stored and was refused for now");
    match error {
        StoreError::Full => DISK_FULL,
        _ => NOT_KEPT,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_draft_comes_back_whole_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        let bytes: Vec<u8> = (0..700_000u32).flat_map(u32::to_le_bytes).collect();
        for len in [0, 1, IN_MEMORY, IN_MEMORY + 1, IN_MEMORY + WRITE, bytes.len()] {
            let mut draft = Draft { folder: folder.path().to_owned(), memory: Vec::new(), file: None, len: 0 };
            for piece in bytes[..len].chunks(16_000) {
                draft.push(piece).await.unwrap();
                assert!(draft.memory.len() <= if draft.file.is_some() { WRITE } else { IN_MEMORY });
            }
            assert_eq!((draft.len(), files()), (len as u64, usize::from(len > IN_MEMORY)));
            assert!(draft.read().await.unwrap() == bytes[..len], "{len}");
            assert_eq!(files(), 0);
        }
    }
}
