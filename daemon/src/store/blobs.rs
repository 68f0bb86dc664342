//! Raw mail: compressed, found by the SHA-256 of its plain bytes; small ones in the row, large ones in files.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{Cursor, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};
use zstd::stream::read::Decoder;
use zstd::zstd_safe::compress_bound;

use super::backup::rest::Rest;
use super::conn::Conn;
use super::value::Value;
use super::{Store, StoreError, parts};
use crate::clock::since_1970;
use crate::failpoint;
use crate::large::{self, SMALL};

/// Compressed bodies up to this size, in octets, stand in the row.
const IN_ROW: usize = 64 * 1024;
/// Plain bytes of one blob are at most this; a guard against a damaged file.
const MAX_PLAIN: u64 = 256 << 20;
/// A file that was written or taken anew in this time, in ms, may be about to be named by a row.
pub(super) const YOUNG: i64 = 3_600_000;
/// A level that is quicker than the disk it saves.
const LEVEL: i32 = 1;

/// A body that is ready to be named by a row: if it goes into a file, the file is on disk.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// SHA-256 of the plain bytes.
    pub sha: Vec<u8>,
    size: i64,
    /// The zstd stream; none when it is in a file.
    body: Option<Vec<u8>>,
}

/// Where a body is, as `blob.place` says.
const ROW: i64 = 0;
pub(super) const FILE: i64 = 1;
const PARTS: i64 = 2;

impl Prepared {
    /// Octets that go into the row.
    pub(super) fn octets(&self) -> usize {
        self.body.as_ref().map_or(0, Vec::len)
    }
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

impl Store {
    /// Compresses a body and, when it is large, writes and syncs its file. Blocks; call it where blocking is allowed.
    pub fn prepare(&self, bytes: &[u8]) -> Result<Prepared, StoreError> {
        let sha = sha256(bytes);
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let body = pack(bytes)?;
        // A file is on one machine: where several share the database, all of a body goes there.
        if body.len() <= IN_ROW || self.is_shared() {
            return Ok(Prepared { sha, size, body: Some(body) });
        }
        write_file(self.data(), &self.blob_path(&sha), &body)?;
        Ok(Prepared { sha, size, body: None })
    }

    /// The plain bytes of a blob.
    pub async fn blob(&self, sha: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (body, size) = self.packed(sha).await?;
        let sha = sha.to_vec();
        let path = self.blob_path(&sha);
        let octets = usize::try_from(size).unwrap_or(usize::MAX);
        large::beside(octets, move || {
            let packed = match body {
                Some(body) => body,
                None => read_file(&path)?,
            };
            let capacity = u64::try_from(size).unwrap_or(0).min(MAX_PLAIN);
            let mut plain = large::buffer(usize::try_from(capacity).unwrap_or(0));
            Decompressor::new()?.decompress_to_buffer(&packed, &mut plain)?;
            if sha256(&plain) != sha {
                return Err(StoreError::Corrupt(format!("blob {} does not match its name", hex(&sha))));
            }
            Ok(plain)
        })
        .await?
    }

    /// The first plain bytes of a blob, so many at most; they are not compared with its name.
    pub async fn blob_head(&self, sha: &[u8], most: u64) -> Result<Vec<u8>, StoreError> {
        let ((body, _), path) = (self.packed(sha).await?, self.blob_path(sha));
        let read = move || {
            let packed: Box<dyn Read> = match body {
                Some(body) => Box::new(Cursor::new(body)),
                None => Box::new(File::open(&path)?),
            };
            let mut head = Vec::new();
            Decoder::new(packed)?.take(most).read_to_end(&mut head)?;
            Ok(head)
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| StoreError::Io(e.to_string()))?
    }

    /// The compressed body, if it is not in a file, and its plain size.
    async fn packed(&self, sha: &[u8]) -> Result<(Option<Vec<u8>>, i64), StoreError> {
        let mut read = self.glance().await?;
        let row = read.conn().opt("SELECT place, body, size FROM blob WHERE sha = $1", vec![sha.to_vec().into()]).await?;
        let row = row.ok_or_else(|| StoreError::NotFound("the raw mail is no longer kept".into()))?;
        let (place, mut body, size) = (row.int(0)?, row.opt_bytes(1)?, row.int(2)?);
        if place == PARTS {
            body = Some(parts::read(&mut read.conn(), sha).await?);
        }
        Ok((body, size))
    }

    /// Removes the files of bodies that no row names any more; answers with those whose time has not come: a backup
    /// runs, or somebody may be about to name one again. `now` in ms.
    pub async fn remove_files(&self, bodies: Vec<Vec<u8>>, now: i64) -> Result<Vec<Vec<u8>>, StoreError> {
        if bodies.is_empty() {
            return Ok(bodies);
        }
        let Some(_right) = Rest::sweep(self.data())? else { return Ok(bodies) };
        let mut read = self.read().await?;
        let mut left = Vec::new();
        for sha in bodies {
            if read.conn().opt("SELECT place FROM blob WHERE sha = $1", vec![sha.clone().into()]).await?.is_some() {
                continue;
            }
            let path = self.blob_path(&sha);
            match std::fs::metadata(&path).and_then(|file| file.modified()) {
                Ok(at) if since_1970(at) > now - YOUNG => left.push(sha),
                Ok(_) => std::fs::remove_file(&path)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(left)
    }

    fn blob_path(&self, sha: &[u8]) -> PathBuf {
        self.data().join(file_name(sha))
    }
}

/// Where the file of a body is, below the data folder.
pub(super) fn file_name(sha: &[u8]) -> String {
    let name = hex(sha);
    format!("blobs/{}/{name}.zst", name.get(..2).unwrap_or("00"))
}

/// Names a prepared body in the same commit as the row that needs it.
pub(super) async fn insert(conn: &mut Conn<'_>, blob: &Prepared) -> Result<(), StoreError> {
    let (place, in_row, in_parts) = match &blob.body {
        None => (FILE, None, None),
        Some(body) if body.len() <= IN_ROW => (ROW, Some(body.as_slice()), None),
        Some(body) => (PARTS, None, Some(body)),
    };
    let args: Vec<Value> = vec![blob.sha.clone().into(), blob.size.into(), place.into(), in_row.into()];
    conn.exec("INSERT INTO blob(sha, size, place, body) VALUES ($1, $2, $3, $4) ON CONFLICT(sha) DO NOTHING", args).await?;
    match in_parts {
        Some(body) => parts::insert(conn, &blob.sha, body).await,
        None => Ok(()),
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

thread_local! {
    /// For small bodies: making one of these takes longer than they do.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// The zstd stream of some bytes.
fn pack(bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut body = large::buffer(compress_bound(bytes.len()));
    if bytes.len() > SMALL {
        Compressor::new(LEVEL)?.compress_to_buffer(bytes, &mut body)?;
    } else {
        PACKER.with_borrow_mut(|kept| {
            let packer = match kept {
                Some(packer) => packer,
                None => kept.insert(Compressor::new(LEVEL)?),
            };
            packer.compress_to_buffer(bytes, &mut body)
        })?;
    }
    body.shrink_to_fit();
    Ok(body)
}

fn read_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut file = File::open(path)?;
    let mut body = large::buffer(usize::try_from(file.metadata()?.len()).unwrap_or(0));
    file.read_to_end(&mut body)?;
    Ok(body)
}

/// Writes beside, syncs, renames, syncs the folder: the name stands for whole bytes or for nothing.
fn write_file(data: &Path, path: &Path, body: &[u8]) -> Result<(), StoreError> {
    static PART: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().ok_or_else(|| StoreError::Io("a blob without a folder".into()))?;
    create_folder(folder)?;
    if taken_anew(data, path)? {
        // Whoever wrote it may not have synced the folder yet.
        return Ok(File::open(folder)?.sync_all()?);
    }
    let part = path.with_extension(format!("{}-{}.part", std::process::id(), PART.fetch_add(1, Ordering::Relaxed)));
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&part)?;
    let written = file.write_all(body).and_then(|()| file.sync_all());
    failpoint::reached("blob.before_rename");
    let written = written.and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // Best effort: what matters is the error that led here.
        let _ = std::fs::remove_file(&part);
    }
    written?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Whether a body is there already. Its file is young again then: the sweeper, who may be about to look at it because the
/// last row that named it is gone, leaves it alone until the next row names it.
fn taken_anew(data: &Path, path: &Path) -> Result<bool, StoreError> {
    let _rest = Rest::hold(data)?;
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => {
            let at = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
            let now = Timestamps { last_access: at(UTIME_OMIT), last_modification: at(UTIME_NOW) };
            rustix::fs::futimens(&file, &now).map_err(std::io::Error::from)?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn create_folder(folder: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(folder)?;
    // Somebody else may have made it a moment ago and not yet synced its name.
    if let Some(parent) = folder.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Makes the folder of bodies, so that its own name is on disk before anything is in it.
pub(super) fn prepare_folder(data: &Path) -> Result<(), StoreError> {
    create_folder(&data.join("blobs"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::clock::Clock;
    use crate::config::Database;

    #[tokio::test]
    async fn a_file_is_removed_only_when_nobody_can_need_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Database::Sqlite(folder.path().join("ombud.db")), folder.path()).await.unwrap();
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33).to_le_bytes()[0]
        };
        let body: Vec<u8> = (0..200_000).map(|_| next()).collect();
        let sha = store.prepare(&body).unwrap().sha;
        let path = store.blob_path(&sha);
        let old = || File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let now = Clock::default().now();
        let remove = async || store.remove_files(vec![sha.clone()], now).await.unwrap();

        assert_eq!((remove().await, path.exists()), (vec![sha.clone()], true), "it is young");
        old();
        store.prepare(&body).unwrap();
        assert_eq!((remove().await, path.exists()), (vec![sha.clone()], true), "it was taken anew");
        old();
        let rest = Rest::hold(folder.path()).unwrap();
        assert_eq!((remove().await, path.exists()), (vec![sha.clone()], true), "a backup runs");
        drop(rest);
        let envelope = serde_json::from_str(r#"{"transport":"smtp","mail_from":"","recipients":[],"tls":false,"outside":true}"#).unwrap();
        let blob = store.prepare(&body).unwrap();
        old();
        let mail = crate::store::Accepted { received_at: now, envelope, blob };
        store.run(crate::store::Cmd::Accept(Box::new(mail))).await.unwrap();
        assert_eq!((remove().await, path.exists()), (vec![], true), "a row names it");
        let sha = sha256(b"nobody");
        assert_eq!(store.remove_files(vec![sha], now).await.unwrap(), Vec::<Vec<u8>>::new(), "it is gone already");
        store.close().await;
    }

    #[tokio::test]
    async fn what_nobody_names_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Database::Sqlite(folder.path().join("ombud.db")), folder.path()).await.unwrap();
        let sha = sha256(b"x");
        let path = store.blob_path(&sha);
        write_file(store.data(), &path, b"x").unwrap();
        let now = Clock::default().now();
        assert_eq!(store.remove_files(vec![sha], now + 2 * YOUNG).await.unwrap(), Vec::<Vec<u8>>::new());
        assert!(!path.exists());
        store.close().await;
    }
}
