//! Archives of mail: an mbox file or a Maildir, as `ombud import` reads them.
//!
//! An archive is looked through first: where each mail lies and when it was written. Then its mails are read in the order
//! of their time, whatever their order in the archive, so that a thread is built from its beginning. Memory: some 40
//! octets a mail, and the mail that is being read.

mod maildir;
mod mbox;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Octets of a header from which a time is read.
const HEADER: usize = 64 << 10;

/// Tells when a mail was written, in ms: its header, the "From " line above it, when its file was written (ms).
pub type Dating<'a> = &'a dyn Fn(&[u8], Option<&[u8]>, Option<i64>) -> i64;

/// Why an archive can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is not there, or not to be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, io::Error),
    /// It is something else.
    #[error("{0}")]
    Foreign(String),
}

/// A mail that is not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it lies.
    pub place: String,
    /// Why it is left out.
    pub why: String,
}

/// One mail as the archive has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Old {
    /// When it was written, in ms.
    pub at: i64,
    /// Its bytes, without what the archive has put around them.
    pub bytes: Vec<u8>,
    /// The envelope sender, where the archive tells it.
    pub sender: Option<String>,
}

/// An archive that was looked through.
#[derive(Debug)]
pub struct Archive {
    source: Source,
    entries: Vec<Entry>,
    left_out: Vec<LeftOut>,
    passed_by: u64,
}

#[derive(Debug)]
enum Source {
    Mbox(File, PathBuf),
    Maildir(Vec<PathBuf>),
}

/// Where one mail lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: i64,
    /// In an mbox file the octet where its "From " line begins; in a Maildir the number of its file.
    from: u64,
    /// Octets of the "From " line.
    line: u32,
    /// Octets, quoting included.
    size: u64,
}

impl Archive {
    /// Looks through the mbox file or Maildir at `path`. Mails larger than `most` octets are left out.
    ///
    /// # Errors
    /// When it can't be read or is neither.
    pub fn open(path: &Path, most: u64, dating: Dating<'_>) -> Result<Self, ArchiveError> {
        let unreadable = |error| ArchiveError::Unreadable(path.display().to_string(), error);
        let mut archive = match std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            true => maildir::look_through(path, most, dating)?,
            false => mbox::look_through(path, most, dating)?,
        };
        archive.entries.sort_by_key(|entry| entry.at);
        Ok(archive)
    }

    /// How many mails can be taken.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Octets of the n-th mail, roughly.
    pub fn size(&self, n: usize) -> u64 {
        self.entries.get(n).map_or(0, |entry| entry.size)
    }

    /// The mails that cannot be taken.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// How many are marked as deleted or as a draft, and are no history.
    pub fn passed_by(&self) -> u64 {
        self.passed_by
    }

    /// The n-th mail by time. Blocks.
    ///
    /// # Errors
    /// When it can't be read any more.
    pub fn read(&self, n: usize) -> Result<Old, ArchiveError> {
        let missing = || ArchiveError::Foreign(format!("the archive has no mail {n}"));
        let entry = self.entries.get(n).ok_or_else(missing)?;
        match &self.source {
            Source::Mbox(file, path) => {
                mbox::read(file, entry).map_err(|e| ArchiveError::Unreadable(format!("{} at octet {}", path.display(), entry.from), e))
            }
            Source::Maildir(files) => {
                let path = usize::try_from(entry.from).ok().and_then(|at| files.get(at)).ok_or_else(missing)?;
                let bytes = std::fs::read(path).map_err(|e| ArchiveError::Unreadable(path.display().to_string(), e))?;
                Ok(Old { at: entry.at, bytes, sender: None })
            }
        }
    }
}

/// Whether a line is a header field (RFC 5322 §2.2), judged by its name.
fn is_field(line: &[u8]) -> bool {
    let name = line.iter().position(|b| *b == b':').and_then(|colon| line.get(..colon)).unwrap_or_default();
    let name = name.trim_ascii_end();
    !name.is_empty() && name.iter().all(|b| (33..=126).contains(b))
}

/// Whether a line is empty but for its end.
fn is_empty(line: &[u8]) -> bool {
    matches!(line, b"" | b"\n" | b"\r\n" | b"\r")
}
