//! Connections of SQLite that only read, lent to one at a time.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::StoreError;
use super::lite::Lite;

/// Connections.
const READERS: usize = 4;
/// How long one is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

type Shared = Arc<tokio::sync::Mutex<Lite>>;

/// All of them.
pub(super) struct Readers {
    all: Mutex<Vec<Shared>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens them.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let all = (0..READERS).map(|_| Ok(Arc::new(tokio::sync::Mutex::new(Lite::reader(path)?))));
        let all = all.collect::<Result<_, StoreError>>()?;
        Ok(Self { all: Mutex::new(all), free: Arc::new(Semaphore::new(READERS)) })
    }

    /// Lends one. Whether its statements may take long is for the borrower to say.
    ///
    /// # Errors
    /// When none is free for a while, or the store is closed.
    pub(super) async fn lend(&self, may_block: bool) -> Result<Reader, StoreError> {
        let permit = timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await;
        let permit = permit.map_err(|_| StoreError::Away("no connection was free in 5 s".into()))?.map_err(|_| StoreError::Closed)?;
        let free = self.all().iter().find_map(|lite| Arc::clone(lite).try_lock_owned().ok());
        let mut lite = free.ok_or(StoreError::Closed)?;
        lite.may_block(may_block);
        Ok(Reader { lite, _permit: permit })
    }

    /// Closes them; those that are lent close when they come back.
    pub(super) fn close(&self) {
        self.free.close();
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<Shared>> {
        // Nothing that can panic is done under the lock.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One on loan. The connection is given back before the permit, so that whoever has a permit finds one.
pub(super) struct Reader {
    pub(super) lite: OwnedMutexGuard<Lite>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Whoever borrowed it may have gone away in the middle of a transaction.
        if let Err(error) = self.lite.settle() {
            tracing::warn!(%error, "a transaction that only read could not be ended");
        }
    }
}
