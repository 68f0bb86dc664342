//! The folder of the index. Each build is a generation, a folder of its own; the file `current` names the one that counts.
//!
//! ```text
//! index/lock      held by the process that writes
//! index/current   "gen-7": written beside, synced and renamed, so it names the old or the new one, never half
//! index/gen-7/    tantivy's files
//! index/gen-8/    being built; without a `current` that names it, it is swept away by the next writer
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tantivy::{Index, TantivyError};
use thiserror::Error;

use crate::cursor::Cursor;
use crate::schema::{Fields, teach};

const CURRENT: &str = "current";
const PREFIX: &str = "gen-";

/// An index that was opened.
pub(crate) struct Open {
    pub(crate) index: Index,
    pub(crate) fields: Fields,
    pub(crate) cursor: Cursor,
}

/// Why the folder holds no index that can be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing was built there yet.
    #[error("{}: there is no search index yet; it is built while the daemon runs", .0.display())]
    Missing(PathBuf),
    /// There is something, and it is damaged or of another version.
    #[error("{}: the search index can't be used ({why}); the daemon builds it anew", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Its files can't be read now.
    #[error("the search index can't be opened: {0}")]
    Index(#[from] TantivyError),
}

/// Opens the generation that counts and looks at its meta data, not at its files.
pub(crate) fn open_current(dir: &Path) -> Result<Open, OpenError> {
    let name = current(dir).ok_or_else(|| OpenError::Missing(dir.to_owned()))?;
    let path = dir.join(name);
    let unusable = |why: String| OpenError::Unusable { path: path.clone(), why };
    let index = Index::open_in_dir(&path).map_err(|e| unusable(e.to_string()))?;
    let (schema, fields) = Fields::schema();
    if index.schema() != schema {
        return Err(unusable("it is of another version".to_owned()));
    }
    let payload = index.load_metas().map_err(|e| unusable(e.to_string()))?.payload.unwrap_or_default();
    let cursor = Cursor::read(&payload).ok_or_else(|| unusable("it does not say what it holds".to_owned()))?;
    teach(&index);
    Ok(Open { index, fields, cursor })
}

/// The generation that counts.
fn current(dir: &Path) -> Option<String> {
    let name = fs::read_to_string(dir.join(CURRENT)).ok()?;
    number(&name).map(|_| name)
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// The folder in the hands of the one process that writes it. The lock goes with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    _lock: File,
}

/// Why the folder can't be written.
#[derive(Debug, Error)]
pub(crate) enum FolderError {
    #[error("{}: another process writes this search index; stop it, or give this one its own data folder", .0.display())]
    Busy(PathBuf),
    #[error("{}: the search index can't be written ({why}); make the folder writable and have room on its disk", path.display())]
    Io { path: PathBuf, why: io::Error },
}

impl Folder {
    /// Makes the folder if there is none and locks it.
    pub(crate) fn lock(dir: &Path) -> Result<Self, FolderError> {
        let io = |why| FolderError::Io { path: dir.to_owned(), why };
        fs::create_dir_all(dir).map_err(io)?;
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Busy(dir.to_owned())),
            Err(TryLockError::Error(why)) => Err(io(why)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// A new generation, empty, after all there are.
    pub(crate) fn fresh(&self) -> Result<Generation, FolderError> {
        self.sweep();
        let last = self.generations().into_iter().filter_map(|name| number(&name)).max().unwrap_or(0);
        let name = format!("{PREFIX}{}", last.wrapping_add(1));
        let path = self.dir.join(&name);
        fs::create_dir(&path).map_err(|why| FolderError::Io { path: path.clone(), why })?;
        Ok(Generation { name, path })
    }

    /// From here on this generation counts, also after a power loss; the others go.
    pub(crate) fn point_at(&self, generation: &Generation) -> Result<(), FolderError> {
        let beside = self.dir.join("current.new");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(generation.name.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, self.dir.join(CURRENT))?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|why| FolderError::Io { path: self.dir.clone(), why })?;
        self.sweep();
        Ok(())
    }

    /// Takes away generations that do not count. What can't be taken away now is tried again with the next build.
    pub(crate) fn sweep(&self) {
        let counts = current(&self.dir);
        for name in self.generations().into_iter().filter(|name| Some(name) != counts.as_ref()) {
            if let Err(error) = fs::remove_dir_all(self.dir.join(&name)) {
                tracing::warn!(%name, %error, "an old generation of the search index stays for now");
            }
        }
    }

    fn generations(&self) -> Vec<String> {
        let names = fs::read_dir(&self.dir).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| number(name).is_some()).collect()
    }
}

/// A generation that does not count yet.
#[derive(Debug)]
pub(crate) struct Generation {
    name: String,
    pub(crate) path: PathBuf,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_pointer_names_one_generation() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        assert_eq!(current(dir.path()), None);
        let first = folder.fresh().unwrap();
        folder.point_at(&first).unwrap();
        let second = folder.fresh().unwrap();
        assert!(first.path.exists() && second.path.exists(), "the old one stays until the new one counts");
        fs::write(second.path.join("half"), "built").unwrap();
        let third = folder.fresh().unwrap();
        assert!(!second.path.join("half").exists(), "what was left half-built goes");
        folder.point_at(&third).unwrap();
        assert_eq!((current(dir.path()), first.path.exists()), (Some(third.name), false));
    }

    #[test]
    fn garbage_names_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for garbage in ["", "gen-", "gen-1/../..", "gen-x", "\u{0}"] {
            fs::write(dir.path().join(CURRENT), garbage).unwrap();
            assert!(matches!(open_current(dir.path()), Err(OpenError::Missing(_))), "{garbage:?}");
        }
    }

    #[test]
    fn one_process_writes() {
        let dir = tempfile::tempdir().unwrap();
        let held = Folder::lock(dir.path()).unwrap();
        assert!(matches!(Folder::lock(dir.path()), Err(FolderError::Busy(_))));
        drop(held);
        Folder::lock(dir.path()).unwrap();
    }
}
