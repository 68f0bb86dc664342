//! Files that are for us alone, and on disk when we say so.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::BackupError;
use crate::store::hex;

/// Octets that are read at once.
const CHUNK: usize = 1 << 20;

/// What a file is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Print {
    /// Octets.
    pub(in crate::store) size: u64,
    /// SHA-256, lower-case hex.
    pub(in crate::store) sha256: String,
}

/// A new file that only we can read.
pub(in crate::store) fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| BackupError::file(path, e))
}

/// A folder that only we can enter, and its name on disk. One that is there already is as good.
pub(in crate::store) fn make_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| BackupError::file(path, e))?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_folder(parent),
        None => sync_folder(Path::new(".")),
    }
}

/// Takes away others' rights to a folder.
pub(in crate::store) fn close_to_others(path: &Path) -> Result<(), BackupError> {
    std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|e| BackupError::file(path, e))
}

/// What stands in a folder is on disk, also after a power cut.
pub(in crate::store) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| BackupError::file(path, e))
}

/// The names of the files in a folder, in order; none when it is not there.
pub(in crate::store) fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let failed = |e| BackupError::file(folder, e);
    let found = match std::fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in found {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

/// Copies a file into a new one, which is on disk when this returns; tells what was copied.
pub(in crate::store) fn copy(from: &Path, to: &Path) -> Result<Print, BackupError> {
    let source = open(from)?;
    pour(source, from, create(to)?, to)
}

/// Writes what a reader gives into a new file, which is on disk when this returns.
pub(in crate::store) fn pour(mut source: impl Read, from: &Path, mut target: File, to: &Path) -> Result<Print, BackupError> {
    let print = each_chunk(&mut source, from, |chunk| target.write_all(chunk).map_err(|e| BackupError::file(to, e)))?;
    target.sync_all().map_err(|e| BackupError::file(to, e))?;
    Ok(print)
}

/// Size and hash of a file.
pub(in crate::store) fn print(path: &Path) -> Result<Print, BackupError> {
    each_chunk(&mut open(path)?, path, |_| Ok(()))
}

/// The same for a file that somebody else has written: it is on disk when this returns.
pub(in crate::store) fn settled(path: &Path) -> Result<Print, BackupError> {
    open(path)?.sync_all().map_err(|e| BackupError::file(path, e))?;
    print(path)
}

/// Opens a regular file; anything else could keep us waiting for ever.
fn open(path: &Path) -> Result<File, BackupError> {
    let failed = |e| BackupError::file(path, e);
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(BackupError::Refused(format!("{} is no file", path.display())));
    }
    File::open(path).map_err(failed)
}

fn each_chunk(source: &mut impl Read, from: &Path, mut each: impl FnMut(&[u8]) -> Result<(), BackupError>) -> Result<Print, BackupError> {
    let (mut hash, mut size, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let n = match source.read(&mut chunk) {
            Ok(0) => return Ok(Print { size, sha256: hex(&hash.finalize()) }),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(BackupError::file(from, error)),
        };
        let read = chunk.get(..n).unwrap_or_default();
        hash.update(read);
        size += n as u64;
        each(read)?;
    }
}
