//! The manifest of a backup: what is in it, with a hash of each file and one of itself.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BackupError;
use super::files::{self, Print};
use crate::store::{hex, sha256};

/// The manifest; written last.
pub(in crate::store) const MANIFEST: &str = "manifest.json";
/// The same before all of it is on disk; written first, so that a backup that came to no end is known as one.
pub(in crate::store) const UNFINISHED: &str = "manifest.json.part";
/// Larger ones are not read: 200 octets for each of a million files.
const LARGEST: u64 = 256 << 20;
/// This form of a backup.
const FORMAT: i64 = 1;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: i64,
    /// The version of Ombud that made it.
    pub ombud: String,
    /// When, RFC 3339 UTC.
    pub taken_at: String,
    /// Which database.
    pub database: Kind,
    /// The database's last migration.
    pub migration: i64,
    /// The log that it is a copy of.
    pub log_id: String,
    /// Rows of the copy.
    pub counts: Counts,
    /// Large mails that the desk no longer had when the backup was made.
    pub missing: Vec<String>,
    pub(in crate::store) files: Vec<Entry>,
    /// SHA-256 of this text with nothing here.
    seal: String,
}

/// Which database a desk works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Kind {
    /// The file that holds the database.
    pub(in crate::store) fn file(self) -> &'static str {
        match self {
            Self::Sqlite => "ombud.db",
            Self::Postgres => "ombud.dump",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names of the tables")]
pub struct Counts {
    pub tickets: i64,
    pub messages: i64,
    pub people: i64,
    pub inbox: i64,
    pub outbox: i64,
    pub events: i64,
    pub articles: i64,
    pub bodies: i64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct Entry {
    /// Below the folder, with `/`.
    pub(in crate::store) path: String,
    size: u64,
    sha256: String,
}

impl Entry {
    pub(in crate::store) fn new(path: impl Into<String>, print: Print) -> Self {
        Self { path: path.into(), size: print.size, sha256: print.sha256 }
    }

    /// Whether a file is the one that was written.
    pub(in crate::store) fn is(&self, print: &Print) -> bool {
        self.size == print.size && self.sha256 == print.sha256
    }
}

/// What the copied database says of itself.
#[derive(Clone, Debug)]
pub(in crate::store) struct About {
    pub(in crate::store) kind: Kind,
    pub(in crate::store) migration: i64,
    pub(in crate::store) log_id: String,
    pub(in crate::store) counts: Counts,
}

impl Manifest {
    /// The manifest of a backup that was begun at `now` (ms).
    pub(in crate::store) fn new(about: About, now: i64, files: Vec<Entry>, missing: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            ombud: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: jiff::Timestamp::from_millisecond(now).unwrap_or_default().to_string(),
            database: about.kind,
            migration: about.migration,
            log_id: about.log_id,
            counts: about.counts,
            missing,
            files,
            seal: String::new(),
        }
    }

    /// How many files it names.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Octets of all files.
    pub fn octets(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// When it was taken, in ms.
    pub(in crate::store) fn taken(&self) -> i64 {
        self.taken_at.parse::<jiff::Timestamp>().map_or(0, |at| at.as_millisecond())
    }

    /// Makes the folder a backup; answers with the manifest as it will be read.
    pub(in crate::store) fn write(self, dir: &Path) -> Result<Self, BackupError> {
        let (part, path) = (dir.join(UNFINISHED), dir.join(MANIFEST));
        let sealed = self.sealed().map_err(|e| BackupError::file(&path, e.into()))?;
        let text = sealed.text().map_err(|e| BackupError::file(&path, e.into()))?;
        let failed = |e| BackupError::file(&part, e);
        let mut file = File::create(&part).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        // What it names is on disk before it is.
        files::sync_folder(dir)?;
        std::fs::rename(&part, &path).map_err(failed)?;
        files::sync_folder(dir)?;
        Ok(sealed)
    }

    fn sealed(&self) -> Result<Self, serde_json::Error> {
        let open = Self { seal: String::new(), ..self.clone() };
        let seal = hex(&sha256(open.text()?.as_bytes()));
        Ok(Self { seal, ..open })
    }

    fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// When there is no folder, no manifest, or one that is not as it was written.
    pub(in crate::store) fn read(dir: &Path) -> Result<Self, BackupError> {
        let path = dir.join(MANIFEST);
        if !dir.is_dir() {
            return Err(BackupError::Missing(format!("{} is no folder: name the one that `ombud backup` has made", dir.display())));
        }
        let file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => BackupError::Refused(format!(
                "{} is no backup, or one that was interrupted: it has no {MANIFEST}; nothing was changed",
                dir.display()
            )),
            _ => BackupError::file(&path, error),
        })?;
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(|e| BackupError::file(&path, e))?;
        Self::parse(&text).map_err(|why| BackupError::Refused(format!("{}: {why}; nothing was changed", path.display())))
    }

    /// Reads the text of a manifest, or says why not.
    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let damaged = "it is damaged; take another copy of this backup";
        let manifest: Self = serde_json::from_slice(text).map_err(|error| {
            // A later form may have more to say.
            let later = serde_json::from_slice::<serde_json::Value>(text).ok().and_then(|v| v.get("format")?.as_i64());
            match later {
                Some(format) if format > FORMAT && error.is_data() => "it was made by a newer Ombud: use that version",
                _ => damaged,
            }
        })?;
        if manifest.sealed().and_then(|sealed| sealed.text()).ok().as_deref().map(str::as_bytes) != Some(text) {
            return Err(damaged);
        }
        if manifest.format != FORMAT {
            return Err("it was made by a newer Ombud: use that version");
        }
        let database = manifest.files.iter().filter(|file| file.path == manifest.database.file()).count();
        match database == 1 && manifest.files.iter().all(|file| file.path == manifest.database.file() || is_ours(&file.path)) {
            true => Ok(manifest),
            false => Err("it names files that no backup holds"),
        }
    }
}

/// A key or a body, in its place below the folder and nowhere else.
fn is_ours(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["keys", name] => is_key_name(name),
        ["blobs", folder, name] => {
            let sha = name.strip_suffix(".zst").unwrap_or_default();
            sha.len() == 64 && sha.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && sha.starts_with(folder) && folder.len() == 2
        }
        _ => false,
    }
}

/// Whether a file of the folder of keys belongs into a backup.
pub(in crate::store) fn is_key_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    plain && !name.is_empty() && !name.starts_with('.') && !name.ends_with(".part")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn manifest(files: &[&str]) -> Manifest {
        let about = About { kind: Kind::Sqlite, migration: 4, log_id: "x".into(), counts: Counts::default() };
        let entry = |path: &&str| Entry { path: (*path).to_owned(), size: 1, sha256: "00".into() };
        Manifest::new(about, 1_795_000_000_123, files.iter().map(entry).collect(), Vec::new())
    }

    #[test]
    fn what_is_written_is_read() {
        let body = format!("blobs/ab/ab{}.zst", "0".repeat(62));
        let text = manifest(&["ombud.db", "keys/sign-1.key", &body]).sealed().unwrap().text().unwrap();
        let read = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!((read.files(), read.octets(), read.taken()), (3, 3, 1_795_000_000_123));
    }

    #[test]
    fn every_bit_counts() {
        let text = manifest(&["ombud.db"]).sealed().unwrap().text().unwrap().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::parse(&flipped).is_err(), "bit {bit}");
        }
        for end in 0..text.len() {
            assert!(Manifest::parse(&text[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn it_names_no_file_outside_its_folder() {
        let body = |folder: &str| format!("blobs/{folder}/ab{}.zst", "0".repeat(62));
        for bad in ["/etc/passwd", "keys/../x", "keys/..", "keys/", "keys/a/b", "blobs/x", "other", "ombud.dump", &body("ac"), &body("..")]
        {
            let text = manifest(&["ombud.db", bad]).sealed().unwrap().text().unwrap();
            assert_eq!(Manifest::parse(text.as_bytes()), Err("it names files that no backup holds"), "{bad}");
        }
        assert!(Manifest::parse(manifest(&["keys/k"]).sealed().unwrap().text().unwrap().as_bytes()).is_err(), "no database");
    }

    #[test]
    fn a_later_form_says_so() {
        for text in [
            Manifest { format: 2, ..manifest(&["ombud.db"]) }.sealed().unwrap().text().unwrap(),
            "{\"format\": 2, \"more\": []}".to_owned(),
        ] {
            assert_eq!(Manifest::parse(text.as_bytes()), Err("it was made by a newer Ombud: use that version"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Manifest::parse(&text).is_err());
        }

        #[test]
        fn no_path_leads_out(path in "(blobs/|keys/|)[a-z./]{0,80}") {
            if is_ours(&path) {
                prop_assert!(path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
        }
    }
}
