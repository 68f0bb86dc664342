//! What is brought back lies beside its place until all of it is on disk.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Restore, UNFINISHED};
use crate::config::Database;
use crate::store::backup::manifest::Entry;
use crate::store::backup::{BackupError, Kind, files};
use crate::store::{hex, random};

/// Folder of what has not taken its place.
const PART: &str = "restore.part";

/// The places of one restore.
#[derive(Clone)]
pub(super) struct Stage {
    data: PathBuf,
    part: PathBuf,
    /// Where the copy of a SQLite database lies, on the disk where it belongs.
    database: PathBuf,
    /// Where keys go that were here before.
    old_keys: PathBuf,
}

impl Stage {
    /// Makes the folders, and takes away what an earlier restore has left.
    pub(super) fn begin(task: &Restore) -> Result<Self, BackupError> {
        let part = task.data.join(PART);
        let database = match &task.database {
            Database::Sqlite(path) => beside(path, ".restore.part"),
            Database::Postgres(_) => part.join(Kind::Postgres.file()),
        };
        let mark = hex(&random::<4>()?);
        let stage = Self { data: task.data.clone(), part, database, old_keys: task.data.join(format!("keys.before-restore-{mark}")) };
        files::make_folder(&stage.data)?;
        if let Some(folder) = stage.database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::make_folder(folder)?;
        }
        stage.sweep()?;
        let made = files::make_folder(&stage.part.join("keys"));
        if made.is_err() {
            stage.undo();
        }
        made.map(|()| stage)
    }

    /// Where the copy of a SQLite database lies.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// Copies a file of the backup, and sees again that it is the right one. A dump is read where it is.
    pub(super) fn take(&self, dir: &Path, entry: &Entry) -> Result<(), BackupError> {
        if entry.path == Kind::Postgres.file() {
            return Ok(());
        }
        let from = dir.join(&entry.path);
        let to = if entry.path == Kind::Sqlite.file() { self.database.clone() } else { self.part.join(&entry.path) };
        if let Some(folder) = to.parent().filter(|folder| !folder.is_dir()) {
            files::make_folder(folder)?;
        }
        match entry.is(&files::copy(&from, &to)?) {
            true => Ok(()),
            false => Err(super::damaged(&from)),
        }
    }

    /// All that was taken is on disk.
    pub(super) fn settle(&self) -> Result<(), BackupError> {
        files::sync_folder(&self.part.join("keys"))?;
        for folder in folders(&self.part.join("blobs"))? {
            files::sync_folder(&folder)?;
        }
        files::sync_folder(&self.part)
    }

    /// From here on until the end nobody may use the desk.
    pub(super) fn mark(&self) -> Result<(), BackupError> {
        let mark = self.data.join(UNFINISHED);
        fs::write(&mark, "A restore has begun and not come to its end.\n").map_err(|e| BackupError::file(&mark, e))?;
        files::sync_folder(&self.data)
    }

    /// Bodies and keys take their place. Bodies have the names of what is in them: one that is there is as good.
    pub(super) fn put_files(&self) -> Result<(), BackupError> {
        let blobs = self.data.join("blobs");
        files::make_folder(&blobs)?;
        for folder in folders(&self.part.join("blobs"))? {
            let target = blobs.join(folder.file_name().unwrap_or_default());
            files::make_folder(&target)?;
            for name in files::names(&folder)? {
                rename(&folder.join(&name), &target.join(&name))?;
            }
            files::sync_folder(&target)?;
        }
        let (new, keys) = (self.part.join("keys"), self.data.join("keys"));
        if !same(&new, &keys)? {
            if keys.exists() {
                // Whoever has mail that they signed may still want them.
                rename(&keys, &self.old_keys)?;
            }
            rename(&new, &keys)?;
        }
        files::sync_folder(&self.data)
    }

    /// The database takes its place: from here on it is the desk.
    pub(super) fn put_database(&self, path: &Path) -> Result<(), BackupError> {
        // The log of the empty one that was here would be taken for this one's.
        for end in ["-wal", "-shm", "-journal"] {
            remove(&beside(path, end))?;
        }
        rename(&self.database, path)?;
        files::sync_folder(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }

    /// The index is of another log and made anew. Answers with where the old keys are.
    pub(super) fn end(&self) -> Result<Option<PathBuf>, BackupError> {
        remove_all(&self.data.join("index"))?;
        self.sweep()?;
        remove(&self.data.join(UNFINISHED))?;
        files::sync_folder(&self.data)?;
        Ok(Some(self.old_keys.clone()).filter(|keys| keys.exists()))
    }

    /// Takes back what was done before anything took its place.
    pub(super) fn undo(&self) {
        // Best effort: what matters is the error that led here, and the next restore sweeps, too.
        let _ = self.sweep();
        let _ = remove(&self.data.join(UNFINISHED));
    }

    fn sweep(&self) -> Result<(), BackupError> {
        for end in ["", "-journal"] {
            remove(&beside(&self.database, end))?;
        }
        remove_all(&self.part)
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    fs::rename(from, to).map_err(|e| BackupError::file(to, e))
}

fn remove(path: &Path) -> Result<(), BackupError> {
    absent_is_fine(path, fs::remove_file(path))
}

fn remove_all(path: &Path) -> Result<(), BackupError> {
    absent_is_fine(path, fs::remove_dir_all(path))
}

fn absent_is_fine(path: &Path, done: std::io::Result<()>) -> Result<(), BackupError> {
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(BackupError::file(path, error)),
        _ => Ok(()),
    }
}

/// The folders in a folder; none when it is not there.
fn folders(path: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let failed = |e| BackupError::file(path, e);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let found = fs::read_dir(path).map_err(failed)?.map(|entry| entry.map(|entry| entry.path()));
    Ok(found.collect::<Result<Vec<_>, _>>().map_err(failed)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// Whether two folders hold the same files.
fn same(one: &Path, other: &Path) -> Result<bool, BackupError> {
    let names = files::names(one)?;
    if names != files::names(other)? {
        return Ok(false);
    }
    for name in names {
        if files::print(&one.join(&name))? != files::print(&other.join(&name))? {
            return Ok(false);
        }
    }
    Ok(true)
}
