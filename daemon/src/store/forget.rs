//! What nobody needs any more: fingerprints that are too old, and files that a crash has left among the bodies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::blobs::{FILE, YOUNG};
use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::value::Value;
use super::{Store, StoreError};
use crate::clock::since_1970;

/// How long the fingerprint of a mail is known, in ms.
const KNOWN: i64 = 400 * 86_400_000;
/// Bodies that are asked for at once.
const AT_ONCE: usize = 200;

/// Forgets fingerprints of mails that were filed [`KNOWN`] before `now` (ms).
pub(super) async fn copies(conn: &mut Conn<'_>, now: i64, limit: i64) -> Result<Outcome, StoreError> {
    let sql = "DELETE FROM dedup WHERE (fingerprint, scope) IN (SELECT fingerprint, scope FROM dedup WHERE at < $1 LIMIT $2)";
    let rows = conn.exec(sql, vec![(now - KNOWN).into(), limit.into()]).await?;
    Ok(Outcome::Swept { rows: usize::try_from(rows).unwrap_or(usize::MAX), files: Vec::new() })
}

/// What lies in a folder of bodies and is old enough to be judged.
#[derive(Default)]
struct Found {
    /// Begun and never finished.
    parts: Vec<PathBuf>,
    bodies: BTreeSet<Vec<u8>>,
}

impl Store {
    /// Removes files among the bodies that no row names: a process that dies leaves them between the file and the commit.
    /// Those of the last hour stay, for a row may be about to name them. Says how many it has removed. `now` in ms.
    ///
    /// # Errors
    /// When a folder or the database can't be read, or a file not be removed.
    pub async fn remove_strays(&self, now: i64) -> Result<usize, StoreError> {
        if self.is_shared() {
            return Ok(0);
        }
        let mut removed = 0;
        for folder in folders(&self.data().join("blobs"))? {
            let found = judged(&folder, now)?;
            for part in &found.parts {
                fs::remove_file(part)?;
            }
            let bodies: Vec<Vec<u8>> = found.bodies.into_iter().collect();
            let mut strays = Vec::new();
            for some in bodies.chunks(AT_ONCE) {
                strays.extend(self.unnamed(some).await?);
            }
            let all = strays.len();
            // A backup that runs keeps them for another day.
            removed += found.parts.len() + all - self.remove_files(strays, now).await?.len();
        }
        Ok(removed)
    }

    /// Those of these bodies that no row says to be in a file.
    async fn unnamed(&self, bodies: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, StoreError> {
        let args: Vec<Value> = std::iter::once(FILE.into()).chain(bodies.iter().map(|sha| sha.clone().into())).collect();
        let mut read = self.read().await?;
        let rows = read.conn().all(Sql::list("SELECT sha FROM blob WHERE place = $1 AND sha IN", 2, bodies.len(), ""), args).await?;
        let named = rows.iter().map(|row| row.bytes(0)).collect::<Result<BTreeSet<_>, _>>()?;
        Ok(bodies.iter().filter(|sha| !named.contains(*sha)).cloned().collect())
    }
}

fn folders(bodies: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(bodies)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn judged(folder: &Path, now: i64) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let at = match fs::metadata(&path).and_then(|file| file.modified()) {
            Ok(at) => since_1970(at),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if at > now - YOUNG {
            continue;
        }
        if name.ends_with(".part") {
            found.parts.push(path);
        } else if let Some(sha) = name.strip_suffix(".zst").and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()) {
            found.bodies.insert(sha);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::Cmd;
    use super::super::backup::rest::Rest;
    use super::*;
    use crate::clock::Clock;
    use crate::config::Database;

    fn noise(mut seed: u64) -> Vec<u8> {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33).to_le_bytes()[0]
        };
        (0..100_000).map(|_| next()).collect()
    }

    #[tokio::test]
    async fn what_a_crash_leaves_among_the_bodies_goes_after_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Database::Sqlite(folder.path().join("ombud.db")), folder.path()).await.unwrap();
        let (kept, left) = (store.prepare(&noise(1)).unwrap(), store.prepare(&noise(2)).unwrap());
        let envelope = serde_json::from_str(r#"{"transport":"smtp","mail_from":"","recipients":[],"tls":false,"outside":true}"#).unwrap();
        let (sha, now) = (left.sha.clone(), Clock::default().now());
        let mail = crate::store::Accepted { received_at: now, envelope, blob: kept.clone() };
        store.run(Cmd::Accept(Box::new(mail))).await.unwrap();
        let path = |sha: &[u8]| folder.path().join(super::super::blobs::file_name(sha));
        let (part, other) = (path(&sha).with_extension("1-1.part"), path(&sha).with_file_name("notes.txt"));
        fs::write(&part, "half").unwrap();
        fs::write(&other, "somebody's").unwrap();

        assert_eq!(store.remove_strays(now).await.unwrap(), 0, "all is young");
        let later = now + 2 * YOUNG;
        let rest = Rest::hold(folder.path()).unwrap();
        assert_eq!((store.remove_strays(later).await.unwrap(), path(&sha).exists()), (1, true), "a backup runs");
        drop(rest);
        assert_eq!((store.remove_strays(later).await.unwrap(), path(&sha).exists(), part.exists()), (1, false, false));
        assert!(path(&kept.sha).exists() && other.exists(), "what is named stays, and what is not ours");
        store.close().await;
    }
}
