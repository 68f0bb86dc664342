//! A backup brought back into an empty desk.
//!
//! Everything is checked before anything is written, and written beside its place before anything takes its place. The
//! caller holds the lock of the data folder.

mod restored;
mod stage;

use std::path::{Path, PathBuf};

use super::backup::manifest::Entry;
use super::backup::{BackupError, Kind, Manifest, Tell, blocking, files, lite, pg};
use super::conn::Conn;
use super::{StoreError, migrate};
use crate::config::{Database, Secret};
use crate::failpoint;
use stage::Stage;

/// Says that a restore has begun to move things into place and has not come to its end.
const UNFINISHED: &str = "restore.unfinished";
/// All tables of a desk. A database that holds another one is not ours alone.
pub(super) const TABLES: [&str; 32] = [
    "_sqlx_migrations",
    "alias",
    "api_token",
    "app_password",
    "article",
    "blob",
    "blob_part",
    "brake",
    "counter",
    "cursor",
    "dedup",
    "delivery",
    "delivery_try",
    "endpoint",
    "event",
    "imap_cursor",
    "imap_kept",
    "inbox",
    "mailbox",
    "message",
    "message_body",
    "message_ref",
    "meta",
    "node",
    "outbox",
    "participant",
    "person",
    "refusal",
    "seal",
    "ticket",
    "timer",
    "told",
];
/// Files between two words about how far it is.
const WORD: usize = 1_000;

/// What is to be brought back, and where.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The folder that `backup` has made.
    pub dir: PathBuf,
    /// The empty database.
    pub database: Database,
    /// The data folder.
    pub data: PathBuf,
    /// In ms.
    pub now: i64,
    /// Whether mail that waited when the backup was taken is sent. Else it is held: it may have been sent since.
    pub send: bool,
}

/// What was brought back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup said of itself.
    pub manifest: Manifest,
    /// The name of the log from now on.
    pub log_id: String,
    /// Mails to be sent that are held now.
    pub held: i64,
    /// Mails to be sent that wait.
    pub to_send: i64,
    /// Mails that were accepted and not yet decided.
    pub undecided: i64,
    /// The number of the next ticket.
    pub next_ticket: i64,
    /// Where the keys are that were here before, if they were others.
    pub old_keys: Option<PathBuf>,
}

/// Brings a backup back.
///
/// # Errors
/// When the backup is not whole, is of a newer version or of another database, or the desk is not empty: nothing was
/// changed. When a disk is full or the database away: the desk is as empty as before.
pub async fn restore(task: &Restore, tell: Tell) -> Result<Restored, BackupError> {
    let manifest = blocking({
        let dir = task.dir.clone();
        move || checked(&dir, tell)
    })
    .await?;
    let (_, newest) = (is_for(&manifest, &task.database)?, migrate::newest());
    if manifest.migration > newest {
        return Err(BackupError::Refused(format!(
            "{} was made by a newer Ombud ({}): use that version",
            task.dir.display(),
            manifest.ombud
        )));
    }
    // Nobody opens the database before it is a desk again.
    let alone = match &task.database {
        Database::Sqlite(_) => None,
        Database::Postgres(url) => Some(crate::store::pg::alone_with_it(url.reveal()).await?),
    };
    is_empty(task).await?;
    tell("copying the files");
    let stage = Stage::begin(task)?;
    let staged = staged(task, &manifest, &stage).await;
    let mut restored = match staged {
        Ok(()) => into_place(task, manifest, &stage, tell).await?,
        Err(error) => {
            stage.undo();
            return Err(error);
        }
    };
    restored.old_keys = stage.end()?;
    if let Database::Postgres(url) = &task.database {
        pg::finish(url.reveal()).await?;
    }
    // Best effort: all is done, and the lock goes with the connection.
    drop(alone);
    Ok(restored)
}

/// Refuses to open a desk that a restore has left half done.
pub(super) fn is_whole(data: &Path) -> Result<(), StoreError> {
    match data.join(UNFINISHED).exists() {
        true => Err(unfinished()),
        false => Ok(()),
    }
}

/// What whoever opens a desk is told that a restore has left half done.
pub(super) fn unfinished() -> StoreError {
    StoreError::Refused(
        "a restore into this desk did not come to its end: run `ombud restore` again, and if that finds the database in use, empty it first"
            .into(),
    )
}

/// Whether a database with these tables is empty or a desk that never had mail.
pub(super) async fn is_fresh(conn: &mut Conn<'_>, tables: &[String]) -> Result<bool, StoreError> {
    if tables.is_empty() {
        return Ok(true);
    }
    if ["ticket", "inbox", "node", "_sqlx_migrations"].iter().any(|table| !tables.iter().any(|t| t == table)) {
        return Ok(false);
    }
    if tables.iter().any(|table| !TABLES.contains(&table.as_str())) {
        return Ok(false);
    }
    let sql = "SELECT (SELECT COUNT(*) FROM ticket) + (SELECT COUNT(*) FROM inbox)";
    Ok(conn.one(sql, vec![]).await?.int(0)? == 0)
}

/// Reads the manifest and every file that it names.
fn checked(dir: &Path, tell: Tell) -> Result<Manifest, BackupError> {
    let manifest = Manifest::read(dir)?;
    for (n, file) in manifest.files.iter().enumerate() {
        if n % WORD == 0 {
            tell(&format!("checking the backup: {n} of {} files", manifest.files.len()));
        }
        let path = dir.join(&file.path);
        match files::print(&path) {
            Ok(print) if file.is(&print) => {}
            Ok(_) => return Err(damaged(&path)),
            Err(BackupError::File { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => return Err(damaged(&path)),
            Err(error) => return Err(error),
        }
    }
    Ok(manifest)
}

fn damaged(path: &Path) -> BackupError {
    BackupError::Refused(format!(
        "{} is not as the backup has written it: take another copy of this backup; nothing was changed",
        path.display()
    ))
}

fn is_for(manifest: &Manifest, database: &Database) -> Result<(), BackupError> {
    let here = match database {
        Database::Sqlite(_) => Kind::Sqlite,
        Database::Postgres(_) => Kind::Postgres,
    };
    match here == manifest.database {
        true => Ok(()),
        false => Err(BackupError::Refused(format!(
            "the backup is of a {} database and [database] url names one of {}: name one of the same kind",
            manifest.database.name(),
            here.name()
        ))),
    }
}

async fn is_empty(task: &Restore) -> Result<(), BackupError> {
    let (fresh, place) = match &task.database {
        Database::Sqlite(path) => (lite::is_fresh(path).await, path.display().to_string()),
        Database::Postgres(url) => (pg::is_fresh(url.reveal()).await, "the database of [database] url".to_owned()),
    };
    let way = match &task.database {
        Database::Sqlite(_) => "move it and what lies beside it away",
        Database::Postgres(_) => "name an empty one, that nobody else uses",
    };
    match fresh {
        Ok(true) => Ok(()),
        // What is no database of ours at all is not ours to overwrite either.
        Ok(false) | Err(StoreError::Database(_) | StoreError::Corrupt(_)) => {
            Err(BackupError::Refused(format!("{place} is in use, and a restore overwrites nothing: {way}; nothing was changed")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Copies everything beside its place.
async fn staged(task: &Restore, manifest: &Manifest, stage: &Stage) -> Result<(), BackupError> {
    let (dir, stage, entries) = (task.dir.clone(), stage.clone(), manifest.files.clone());
    blocking(move || entries.iter().try_for_each(|entry: &Entry| stage.take(&dir, entry)).and_then(|()| stage.settle())).await
}

/// Finishes the database and puts everything where it belongs.
async fn into_place(task: &Restore, manifest: Manifest, stage: &Stage, tell: Tell) -> Result<Restored, BackupError> {
    tell("finishing the database");
    let done = match &task.database {
        Database::Sqlite(path) => {
            let done = restored::lite(stage.database(), task, &manifest).await.map_err(|e| BackupError::store(e, path));
            match done {
                Ok(done) => {
                    mark(stage)?;
                    failpoint::reached("restore.loaded");
                    stage.put_files()?;
                    stage.put_database(path)?;
                    done
                }
                Err(error) => {
                    stage.undo();
                    return Err(error);
                }
            }
        }
        Database::Postgres(url) => {
            mark(stage)?;
            if let Err((error, is_empty)) = load(url, task.dir.join(Kind::Postgres.file())).await {
                if is_empty {
                    stage.undo();
                }
                return Err(error);
            }
            failpoint::reached("restore.loaded");
            let done = restored::pg(url.reveal(), task, &manifest).await?;
            stage.put_files()?;
            done
        }
    };
    Ok(Restored {
        manifest,
        log_id: done.log_id,
        held: done.held,
        to_send: done.to_send,
        undecided: done.undecided,
        next_ticket: done.next_ticket,
        old_keys: None,
    })
}

/// From here on the desk is half done. A disk that has no room for these words has none for a desk.
fn mark(stage: &Stage) -> Result<(), BackupError> {
    stage.mark().inspect_err(|_| stage.undo())
}

/// Loads the dump; says with an error whether the database is empty for certain.
async fn load(url: &Secret, dump: PathBuf) -> Result<(), (BackupError, bool)> {
    pg::clear(url.reveal()).await.map_err(|error| (error.into(), true))?;
    let address = url.clone();
    match blocking(move || pg::restore(address.reveal(), &dump)).await {
        Ok(()) => Ok(()),
        // All or nothing; but a connection that broke at the commit leaves open which of them.
        Err(error) => Err((error, pg::undo(url.reveal()).await.unwrap_or(false))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use super::TABLES;

    #[test]
    fn every_table_of_ours_is_known() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");
        let mut found = BTreeSet::from(["_sqlx_migrations".to_owned()]);
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let names = text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split([' ', '(']).next());
            found.extend(names.map(str::to_owned));
        }
        assert_eq!(found, TABLES.iter().map(|name| (*name).to_owned()).collect(), "a restore would take it for somebody else's");
    }
}
