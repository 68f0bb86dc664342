//! Maildirs: the files in `cur` and `new`. Folders below it (`.Sub`) are Maildirs of their own and are not entered.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Archive, ArchiveError, Dating, Entry, HEADER, LeftOut, Source, is_field};
use crate::clock::since_1970;

/// Finds the mails.
pub(super) fn look_through(folder: &Path, most: u64, dating: Dating<'_>) -> Result<Archive, ArchiveError> {
    let parts = [folder.join("cur"), folder.join("new")];
    if !parts.iter().any(|part| part.is_dir()) {
        return Err(ArchiveError::Foreign(format!("{} is no Maildir: it has neither a folder cur nor new", folder.display())));
    }
    let mut files = Vec::new();
    for part in parts.iter().filter(|part| part.is_dir()) {
        list(part, &mut files).map_err(|error| ArchiveError::Unreadable(part.display().to_string(), error))?;
    }
    files.sort();
    let (mut entries, mut left_out, mut passed_by) = (Vec::new(), Vec::new(), 0);
    for (n, path) in (0_u64..).zip(&files) {
        if is_no_history(path) {
            passed_by += 1;
            continue;
        }
        match entry(path, n, most, dating) {
            Ok(entry) => entries.push(entry),
            Err(why) => left_out.push(LeftOut { place: path.display().to_string(), why }),
        }
    }
    Ok(Archive { source: Source::Maildir(files), entries, left_out, passed_by })
}

/// The files of a folder; hidden ones are none of its mails.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && fs::metadata(entry.path()).is_ok_and(|about| about.is_file()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Whether the flags in its name say that it was deleted or is a draft.
fn is_no_history(path: &Path) -> bool {
    let name = path.file_name().map_or(&b""[..], |name| name.as_encoded_bytes());
    let flags = name.windows(3).position(|three| three == b":2,").and_then(|at| name.get(at + 3..));
    flags.is_some_and(|flags| flags.contains(&b'T') || flags.contains(&b'D'))
}

fn entry(path: &Path, n: u64, most: u64, dating: Dating<'_>) -> Result<Entry, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.len() > most {
        return Err(format!("it is larger than {most} octets ([limits] message_size)"));
    }
    let mut head = Vec::new();
    file.take(HEADER as u64).read_to_end(&mut head).map_err(unreadable)?;
    let first = head.split(|b| *b == b'\n').find(|line| !line.starts_with(b"From ") && !line.starts_with(b">From "));
    if !first.is_some_and(is_field) {
        return Err("it has no header".to_owned());
    }
    let at = dating(&head, None, about.modified().ok().map(since_1970));
    Ok(Entry { at, from: n, line: 0, size: about.len() })
}
