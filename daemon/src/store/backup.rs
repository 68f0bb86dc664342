//! A copy of the desk in a folder, taken while the daemon works.
//!
//! First the database as it was at one moment, then the bodies that this copy names (the sweeper rests meanwhile), then the
//! keys, and last the manifest. A folder without a manifest is no backup.

mod error;
pub(super) mod files;
pub(super) mod lite;
pub(super) mod manifest;
pub(super) mod pg;
mod programs;
pub(super) mod rest;

use std::path::{Path, PathBuf};

pub use error::BackupError;
pub use manifest::{Counts, Kind, Manifest};

use super::conn::Conn;
use super::lite::Lite;
use super::{Base, Store, StoreError};
use crate::config::{Database, Secret};
use crate::failpoint;
use files::Print;
use manifest::{About, Entry, MANIFEST, UNFINISHED};
use rest::Rest;

/// Told what is being done, for people who wait.
pub type Tell = fn(&str);

/// Bodies between two words about how far it is.
const WORD: usize = 1_000;

impl Store {
    /// Copies the desk into an empty or absent folder. `database` is where this store was opened; `now` in ms.
    ///
    /// # Errors
    /// When the folder holds something, or something can't be read or written: then nothing stays in the folder.
    pub async fn backup(&self, database: &Database, dir: &Path, now: i64, tell: Tell) -> Result<Manifest, BackupError> {
        let made = begin(dir)?;
        let done = self.fill(database, dir, now, tell).await;
        if done.is_err() {
            undo(dir, made);
        }
        done
    }

    async fn fill(&self, database: &Database, dir: &Path, now: i64, tell: Tell) -> Result<Manifest, BackupError> {
        let data = self.data().to_owned();
        let rest = blocking({
            let data = data.clone();
            move || Rest::hold(&data).map_err(|e| BackupError::file(&data, e))
        });
        let _rest = rest.await?;
        tell("copying the database");
        let (about, mut entries, bodies) = match (&self.inner.base, database) {
            (Base::Pg(_), Database::Postgres(url)) => self.dump(url, dir).await?,
            (_, Database::Sqlite(path)) => self.vacuum(path, dir).await?,
            (Base::Lite { .. }, Database::Postgres(_)) => {
                return Err(StoreError::Refused("the store is not that of the configuration".into()).into());
            }
        };
        let folder = dir.to_owned();
        let (copied, missing) = blocking(move || {
            let (mut copied, missing) = copy_bodies(&data, &folder, &bodies, tell)?;
            copied.extend(copy_keys(&data, &folder)?);
            Ok((copied, missing))
        })
        .await?;
        entries.extend(copied);
        failpoint::reached("backup.before_manifest");
        Manifest::new(about, now, entries, missing).write(dir)
    }

    /// The copy of a SQLite database, and the bodies in files that it names.
    async fn vacuum(&self, from: &Path, dir: &Path) -> Result<(About, Vec<Entry>, Vec<Vec<u8>>), BackupError> {
        let path = dir.join(Kind::Sqlite.file());
        let mut alone = Lite::read_alone(from).map_err(|e| BackupError::store(e, from))?;
        lite::vacuum(&mut Conn::Lite(&mut alone), &path).await.map_err(|e| BackupError::store(e, &path))?;
        drop(alone);
        let (about, bodies) = lite::look(&path).await?;
        let print = blocking({
            let path = path.clone();
            move || files::settled(&path)
        });
        Ok((about, vec![Entry::new(Kind::Sqlite.file(), print.await?)], bodies))
    }

    /// The dump of a PostgreSQL database. Bodies are rows there.
    async fn dump(&self, url: &Secret, dir: &Path) -> Result<(About, Vec<Entry>, Vec<Vec<u8>>), BackupError> {
        let path = dir.join(Kind::Postgres.file());
        let (about, print) = pg::dump(self.read().await?, url.reveal(), &path).await?;
        Ok((about, vec![Entry::new(Kind::Postgres.file(), print)], Vec::new()))
    }
}

/// Work on files, where blocking is allowed.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, BackupError> + Send + 'static) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| BackupError::Store(StoreError::Io(e.to_string())))?
}

/// What a database says of itself.
pub(super) async fn about(conn: &mut Conn<'_>, kind: Kind) -> Result<About, StoreError> {
    let migration = conn.one("SELECT MAX(version) FROM _sqlx_migrations", vec![]).await?.int(0)?;
    let log_id = conn.one("SELECT log_id FROM meta WHERE id = 1", vec![]).await?.text(0)?;
    let sql =
        "SELECT (SELECT COUNT(*) FROM ticket), (SELECT COUNT(*) FROM message), (SELECT COUNT(*) FROM person), (SELECT COUNT(*) FROM inbox),
        (SELECT COUNT(*) FROM outbox), (SELECT COUNT(*) FROM event), (SELECT COUNT(*) FROM article), (SELECT COUNT(*) FROM blob)";
    let row = conn.one(sql, vec![]).await?;
    let counts = Counts {
        tickets: row.int(0)?,
        messages: row.int(1)?,
        people: row.int(2)?,
        inbox: row.int(3)?,
        outbox: row.int(4)?,
        events: row.int(5)?,
        articles: row.int(6)?,
        bodies: row.int(7)?,
    };
    Ok(About { kind, migration, log_id, counts })
}

/// Makes the folder, or sees that it is empty; says whether it made it. From here on it says that a backup is under way.
fn begin(dir: &Path) -> Result<bool, BackupError> {
    let made = match std::fs::read_dir(dir) {
        Ok(mut found) => {
            if found.next().is_some() {
                return Err(occupied(dir));
            }
            false
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            files::make_folder(dir)?;
            true
        }
        Err(error) => return Err(BackupError::file(dir, error)),
    };
    files::close_to_others(dir)?;
    let begun = files::create(&dir.join(UNFINISHED)).map(drop);
    if begun.is_err() {
        undo(dir, made);
    }
    begun.map(|()| made)
}

fn occupied(dir: &Path) -> BackupError {
    let dir_shown = dir.display();
    BackupError::Refused(if dir.join(MANIFEST).exists() {
        format!("{dir_shown} holds a backup already: name another folder")
    } else if dir.join(UNFINISHED).exists() {
        format!("{dir_shown} holds a backup that was interrupted or is under way: if none is, remove the folder and come again")
    } else {
        format!("{dir_shown} is not empty: name an empty folder, or one that is not there yet")
    })
}

/// Takes away what a backup has written that came to no end. The folder was empty before.
fn undo(dir: &Path, made: bool) {
    let ours = [Kind::Sqlite.file(), Kind::Postgres.file(), MANIFEST, UNFINISHED];
    // Best effort: what matters is the error that led here, and without a manifest it is no backup.
    for file in ours {
        let _ = std::fs::remove_file(dir.join(file));
    }
    for folder in ["blobs", "keys"] {
        let _ = std::fs::remove_dir_all(dir.join(folder));
    }
    if made {
        let _ = std::fs::remove_dir(dir);
    }
}

/// Copies bodies; answers with those that are named and not there, too: a desk that misses one is worth a backup all the same.
fn copy_bodies(data: &Path, dir: &Path, bodies: &[Vec<u8>], tell: Tell) -> Result<(Vec<Entry>, Vec<String>), BackupError> {
    let (mut entries, mut missing) = (Vec::new(), Vec::new());
    if !bodies.is_empty() {
        files::make_folder(&dir.join("blobs"))?;
    }
    let mut folder = PathBuf::new();
    for (n, sha) in bodies.iter().enumerate() {
        if n % WORD == 0 {
            tell(&format!("copying large mails: {n} of {}", bodies.len()));
        }
        let name = super::blobs::file_name(sha);
        let (from, to) = (data.join(&name), dir.join(&name));
        if !from.is_file() {
            missing.push(name);
            continue;
        }
        if let Some(parent) = to.parent()
            && parent != folder
        {
            // They come in order: a folder is complete when the next one begins.
            settle(&folder)?;
            files::make_folder(parent)?;
            folder = parent.to_owned();
        }
        let print = files::copy(&from, &to)?;
        entries.push(Entry::new(name, print));
    }
    settle(&folder)?;
    Ok((entries, missing))
}

fn settle(folder: &Path) -> Result<(), BackupError> {
    if folder.as_os_str().is_empty() { Ok(()) } else { files::sync_folder(folder) }
}

/// Copies the keys: without them every signed address that is out there would be worth nothing.
fn copy_keys(data: &Path, dir: &Path) -> Result<Vec<Entry>, BackupError> {
    let (from, to) = (data.join("keys"), dir.join("keys"));
    files::make_folder(&to)?;
    let mut entries = Vec::new();
    for name in files::names(&from)?.into_iter().filter(|name| manifest::is_key_name(name)) {
        let print: Print = files::copy(&from.join(&name), &to.join(&name))?;
        entries.push(Entry::new(format!("keys/{name}"), print));
    }
    files::sync_folder(&to)?;
    Ok(entries)
}
