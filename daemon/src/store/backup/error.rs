//! Why a backup can't be made or brought back.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// An error of `backup` or `restore`.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A disk is full.
    #[error("the disk of {} is full: make room, or name another place", .0.display())]
    Full(PathBuf),
    /// A file or folder can't be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no such backup.
    #[error("{0}")]
    Missing(String),
    /// What is there can't be used, or must not be touched; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// A program that is needed is not there.
    #[error("{0}")]
    Program(String),
}

impl BackupError {
    /// An error of a file.
    pub(in crate::store) fn file(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(path.to_owned()),
            _ => Self::File { path: path.to_owned(), error },
        }
    }

    /// An error of a database whose disk is that of `path`.
    pub(in crate::store) fn store(error: StoreError, path: &Path) -> Self {
        match error {
            StoreError::Full => Self::Full(path.to_owned()),
            error => Self::Store(error),
        }
    }
}
