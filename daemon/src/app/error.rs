//! Why the daemon can't run, with the exit code that says so (sysexits).

use crate::store::StoreError;

/// An end that a person has to hear of.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database or the data folder.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Another daemon works on this data folder.
    #[error("another ombud serves {0}: stop it, or use another [desk] data")]
    Running(String),
    /// Others on the same database have taken this process's work over.
    #[error("others on the same database took this daemon for dead, and it stops: start it again")]
    Fenced,
    /// A listener.
    #[error("{0}")]
    Bind(String),
    /// The configuration can't be used here.
    #[error("{0}")]
    Config(String),
    /// A part that has to be there is not.
    #[error("{0}")]
    Unavailable(String),
    /// The desk misbehaved.
    #[error("{0}")]
    Bug(String),
}

impl AppError {
    /// The program's exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Store(StoreError::NotFound(_)) => 66,
            Self::Store(StoreError::Refused(_)) | Self::Config(_) => 78,
            Self::Store(StoreError::Corrupt(_)) | Self::Bug(_) => 70,
            Self::Store(_) | Self::Running(_) | Self::Fenced => 75,
            Self::Bind(_) | Self::Unavailable(_) => 69,
        }
    }
}
