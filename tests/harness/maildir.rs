//! Reads the Maildir that stands in for the world.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::mail::{Letter, bare};
use crate::wait::wait_for;

/// A Maildir that the desk delivers to.
#[derive(Clone, Debug)]
pub struct Maildir {
    folder: PathBuf,
}

impl Maildir {
    /// The one in this folder; it need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Everything that was delivered, oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        let files = fs::read_dir(self.folder.join("new")).into_iter().flatten().flatten();
        let mut files: Vec<(SystemTime, PathBuf)> =
            files.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path()))).collect();
        files.sort();
        files.into_iter().filter_map(|(_, path)| read(&path)).collect()
    }

    /// Everything that went to one address.
    pub fn to(&self, address: &str) -> Vec<Letter> {
        self.letters().into_iter().filter(|letter| letter.recipient == address).collect()
    }

    /// Waits for a mail to this address that is such.
    #[track_caller]
    pub fn expect(&self, address: &str, what: &str, is_such: impl Fn(&Letter) -> bool) -> Letter {
        wait_for(&format!("a mail to {address}: {what}"), || self.to(address).into_iter().find(&is_such))
    }
}

/// A delivered file: two lines of the delivering program, then the mail.
fn read(path: &PathBuf) -> Option<Letter> {
    let file = fs::read(path).ok()?;
    let mut rest = file.as_slice();
    let mut field = |name: &str| {
        let end = rest.iter().position(|octet| *octet == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..end]).trim().to_owned();
        rest = &rest[end + 1..];
        Some(line.strip_prefix(name).map(bare).unwrap_or_else(|| panic!("{name} expected in {}: {line}", path.display())))
    };
    let sender = field("Return-Path:")?;
    let recipient = field("Delivered-To:")?;
    Some(Letter { sender, recipient, raw: crate::smtp::crlf(rest) })
}
