//! The refresh token that a provider has put in the place of the configured one, in a file of the data folder that nobody else
//! may read.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{OAuth, Secret};
use crate::store::{hex, sha256};

const FOLDER: &str = "oauth";
/// Octets of the file.
const SIZE: u64 = 64 << 10;

/// Where it is kept, and what it is for.
pub(super) struct Kept {
    folder: PathBuf,
    path: PathBuf,
    name: String,
    /// Says which configured token it has replaced: a new one of these counts for more.
    from: String,
}

#[derive(Serialize, Deserialize)]
struct Content {
    from: String,
    refresh_token: String,
}

impl Kept {
    pub(super) fn new(data: &Path, oauth: &OAuth, user: &str) -> Self {
        let of = |text: &str| hex(&sha256(text.as_bytes()));
        let name: String = of(&format!("{}\0{}\0{user}", oauth.token_url, oauth.client_id)).chars().take(16).collect();
        let folder = data.join(FOLDER);
        Self { path: folder.join(format!("{name}.json")), folder, name, from: of(oauth.refresh_token.reveal()) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps other processes off until the file is dropped; none: one is at it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.folder.join(format!("{}.lock", self.name)))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The kept token, if there is one in the place of the configured one.
    pub(super) fn read(&self) -> Option<Secret> {
        match self.content() {
            Ok(content) => (content.from == self.from).then(|| Secret::new(content.refresh_token)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, file = %self.path.display(), "a kept refresh token can't be read; the configured one is used");
                None
            }
        }
    }

    fn content(&self) -> io::Result<Content> {
        let mut text = Vec::new();
        File::open(&self.path)?.take(SIZE).read_to_end(&mut text)?;
        serde_json::from_slice(&text).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Writes beside, syncs and renames: a death leaves the old one or the new one.
    pub(super) fn write(&self, token: &Secret) -> io::Result<()> {
        let content = Content { from: self.from.clone(), refresh_token: token.reveal().to_owned() };
        let part = self.folder.join(format!("{}.part", self.name));
        // What a death has left; whoever writes has the lock.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(&content)?)?;
        file.sync_all()?;
        fs::rename(&part, &self.path)?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn kept(data: &Path, configured: &str) -> Kept {
        let oauth = OAuth {
            token_url: "https://login.example/token".into(),
            scope: None,
            client_id: "c".into(),
            client_secret: None,
            refresh_token: Secret::new(configured),
        };
        Kept::new(data, &oauth, "support")
    }

    #[test]
    fn a_changed_token_counts_until_another_is_configured_and_nobody_else_reads_it() {
        let data = tempfile::tempdir().unwrap();
        let first = kept(data.path(), "one");
        let lock = first.lock().unwrap().unwrap();
        assert!(first.lock().unwrap().is_none() && first.read().is_none());
        first.write(&Secret::new("two")).unwrap();
        fs::write(data.path().join("oauth").join(format!("{}.part", first.name)), "half").unwrap();
        first.write(&Secret::new("three")).unwrap();
        drop(lock);
        assert_eq!(first.read().unwrap().reveal(), "three");
        assert!(kept(data.path(), "new").read().is_none(), "a person has signed in again");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(first.path()), mode(&data.path().join("oauth"))), (0o600, 0o700));
        fs::write(first.path(), "{").unwrap();
        assert!(first.read().is_none());
    }
}
