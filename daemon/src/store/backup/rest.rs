//! The sweeper rests while a backup runs, and while a body that is there already is taken for a new mail.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// The right to rely on the files of bodies, or to remove them, until it is dropped.
pub(in crate::store) struct Rest {
    _lock: File,
}

impl Rest {
    /// No file is removed as long as this lives; many may hold it. Blocks while some are being removed.
    pub(in crate::store) fn hold(data: &Path) -> io::Result<Self> {
        let lock = open(data)?;
        lock.lock_shared()?;
        Ok(Self { _lock: lock })
    }

    /// The right to remove files; none while anybody relies on them.
    pub(in crate::store) fn sweep(data: &Path) -> io::Result<Option<Self>> {
        let lock = open(data)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Whoever may read the folder may lock it: a lock file that root has made first would keep the desk out.
fn open(data: &Path) -> io::Result<File> {
    File::open(data.join("blobs"))
}
