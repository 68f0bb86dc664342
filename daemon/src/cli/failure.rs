//! How a command ends badly: an exit code of `sysexits.h` and what a person is told.

use crate::app::AppError;
use crate::config::Problems;
use crate::model::text::one_line;
use crate::store::{BackupError, StoreError};

/// Wrong usage.
pub(super) const USAGE: u8 = 64;
/// Bad data.
pub(super) const DATA: u8 = 65;
/// No input, or no such thing.
pub(super) const NO_INPUT: u8 = 66;
/// A service is unavailable, or a part is not built yet.
pub(super) const UNAVAILABLE: u8 = 69;
/// A bug.
pub(super) const BUG: u8 = 70;
/// Temporary: try again.
pub(super) const TEMPORARY: u8 = 75;
/// Not allowed.
const NOT_ALLOWED: u8 = 77;
/// Bad configuration.
pub(super) const CONFIG: u8 = 78;

/// Longest line that is told, in characters.
const LONGEST: usize = 2_000;

/// Why a command could not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: u8,
    /// What, where, what to do: one line each, free of control characters.
    pub(super) lines: Vec<String>,
}

impl Failure {
    /// One line. What strangers wrote may stand in it.
    pub(super) fn new(code: u8, text: impl AsRef<str>) -> Self {
        Self { code, lines: vec![one_line(text.as_ref(), LONGEST)] }
    }

    /// Something in the arguments that clap does not know.
    pub(super) fn usage(text: impl AsRef<str>) -> Self {
        Self::new(USAGE, text)
    }

    /// A value that can't be used.
    pub(super) fn data(text: impl AsRef<str>) -> Self {
        Self::new(DATA, text)
    }

    /// Something that is not there.
    pub(super) fn missing(text: impl AsRef<str>) -> Self {
        Self::new(NO_INPUT, text)
    }

    /// The store answered what it never answers.
    pub(super) fn bug(text: impl AsRef<str>) -> Self {
        Self::new(BUG, format!("{}; this is a bug", text.as_ref()))
    }

    /// A part that is not built yet.
    pub(super) fn unbuilt(command: &str) -> Self {
        Self::new(UNAVAILABLE, format!("`ombud {command}` is not built yet"))
    }

    /// The same failure for somebody who holds a mail and must keep it.
    pub(super) fn keep(self) -> Self {
        Self { code: TEMPORARY, ..self }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::NotFound(_) => NO_INPUT,
            StoreError::Refused(_) => DATA,
            StoreError::Corrupt(_) => BUG,
            StoreError::Conflict(_)
            | StoreError::Fenced
            | StoreError::Full
            | StoreError::Busy
            | StoreError::Away(_)
            | StoreError::Database(_)
            | StoreError::Io(_)
            | StoreError::Closed => TEMPORARY,
        };
        let again = if code == TEMPORARY { "; try again" } else { "" };
        Self::new(code, format!("{error}{again}"))
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let code = match &error {
            BackupError::Store(store) => return store.clone().into(),
            BackupError::File { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => NOT_ALLOWED,
            BackupError::Full(_) | BackupError::File { .. } => TEMPORARY,
            BackupError::Missing(_) => NO_INPUT,
            BackupError::Refused(_) => DATA,
            BackupError::Program(_) => UNAVAILABLE,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self { code: CONFIG, lines: problems.lines().iter().map(|line| one_line(line, LONGEST)).collect() }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self { code: error.code(), lines: error.to_string().lines().map(|line| one_line(line, LONGEST)).collect() }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::bug(format!("the answer could not be written as JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_s_errors_have_their_codes() {
        let text = || String::from("x");
        let cases = [
            (StoreError::NotFound(text()), NO_INPUT),
            (StoreError::Refused(text()), DATA),
            (StoreError::Corrupt(text()), BUG),
            (StoreError::Busy, TEMPORARY),
            (StoreError::Full, TEMPORARY),
            (StoreError::Closed, TEMPORARY),
            (StoreError::Fenced, TEMPORARY),
            (StoreError::Conflict("x"), TEMPORARY),
            (StoreError::Database(text()), TEMPORARY),
            (StoreError::Io(text()), TEMPORARY),
        ];
        for (error, code) in cases {
            let temporary = error.is_temporary();
            let failure = Failure::from(error.clone());
            assert_eq!(failure.code, code, "{error}");
            assert!(!temporary || code == TEMPORARY, "{error}: what may pass must say so");
        }
    }

    #[test]
    fn a_failure_is_one_line_whatever_stands_in_it() {
        let failure = Failure::data("no mailbox \u{1b}[31m\r\nombud: done");
        assert_eq!(failure.lines, ["no mailbox [31m ombud: done"]);
    }
}
