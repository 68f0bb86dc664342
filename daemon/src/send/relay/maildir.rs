//! The exit that is a folder: mail lands in a Maildir, as a delivering MTA would leave it there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::dot;
use crate::model::address;

/// Longest part of the caller's id that stands in a file name.
const ID: usize = 64;

/// One mail and where it goes; addresses have been checked.
pub(super) struct Letter<'a> {
    /// Names the mail in the file's name: the outbox row.
    pub(super) id: &'a str,
    pub(super) sender: &'a str,
    pub(super) recipient: &'a str,
    pub(super) mail: &'a [u8],
}

/// Writes the mail to `new/`, durable when this returns; gives the name of the file. Delivering the same again makes no second
/// file, also when a mail client has moved the first to `cur/`. Blocks.
pub(super) fn deliver(folder: &Path, letter: &Letter<'_>) -> io::Result<String> {
    make(folder)?;
    let name = file_name(letter);
    if is_there(folder, &name)? {
        return Ok(name);
    }
    let draft = folder.join("tmp").join(&name);
    write(&draft, letter)?;
    let new = folder.join("new");
    fs::rename(&draft, new.join(&name))?;
    File::open(&new)?.sync_all()?;
    Ok(name)
}

/// Whether mail can be delivered here; makes the folders when they are missing. Blocks.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    make(folder)?;
    let draft = folder.join("tmp").join("ombud-check");
    remove(&draft)?;
    create(&draft)?.sync_all()?;
    remove(&draft)
}

fn make(folder: &Path) -> io::Result<()> {
    for part in ["tmp", "new", "cur"] {
        DirBuilder::new().recursive(true).mode(0o700).create(folder.join(part))?;
    }
    Ok(())
}

/// The content is part of the name: a desk that starts anew with the same folder counts its rows from 1 again.
fn file_name(letter: &Letter<'_>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let id: String = letter.id.chars().map(safe).take(ID).collect();
    let mut hash = Sha256::new();
    for part in [letter.id.as_bytes(), letter.sender.as_bytes(), letter.recipient.as_bytes(), letter.mail] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = data_encoding::HEXLOWER.encode(&hash.finalize());
    format!("{id}.{}.ombud", digest.get(..32).unwrap_or(&digest))
}

fn is_there(folder: &Path, name: &str) -> io::Result<bool> {
    if folder.join("new").join(name).try_exists()? {
        return Ok(true);
    }
    for entry in fs::read_dir(folder.join("cur"))? {
        // A client adds ":2," and flags.
        let seen = entry?.file_name();
        if seen.to_string_lossy().strip_prefix(name).is_some_and(|flags| flags.is_empty() || flags.starts_with(':')) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn write(draft: &Path, letter: &Letter<'_>) -> io::Result<()> {
    remove(draft)?;
    let mut file = create(draft)?;
    // RFC 5321 §4.4: who makes the final delivery writes the envelope sender down; Delivered-To is the custom for the recipient.
    write!(file, "Return-Path: <{}>\r\nDelivered-To: {}\r\n", address::written(letter.sender), address::written(letter.recipient))?;
    file.write_all(&dot::normalise(letter.mail))?;
    file.sync_all()
}

fn create(draft: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)
}

/// Removes what a crash left behind.
fn remove(draft: &Path) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
