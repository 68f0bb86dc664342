//! Raw mail: compressed, found by the SHA-256 of its plain bytes; small ones in the row, large ones in files.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::conn::Conn;
use super::value::Value;
use super::{Store, StoreError, parts};

/// Compressed bodies up to this size, in octets, stand in the row.
const IN_ROW: usize = 64 * 1024;
/// Plain bytes of one blob are at most this; a guard against a damaged file.
const MAX_PLAIN: u64 = 256 << 20;
/// A level that is quicker than the disk it saves.
const LEVEL: i32 = 3;

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
        let body = zstd::bulk::compress(bytes, LEVEL)?;
        // A file is on one machine: where several share the database, all of a body goes there.
        if body.len() <= IN_ROW || self.is_shared() {
            return Ok(Prepared { sha, size, body: Some(body) });
        }
        write_file(&self.blob_path(&sha), &body)?;
        Ok(Prepared { sha, size, body: None })
    }

    /// The plain bytes of a blob.
    pub async fn blob(&self, sha: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sha = sha.to_vec();
        let mut read = self.read().await?;
        let row = read.conn().opt("SELECT place, body, size FROM blob WHERE sha = $1", vec![sha.clone().into()]).await?;
        let row = row.ok_or_else(|| StoreError::NotFound("the raw mail is no longer kept".into()))?;
        let (place, mut body, size) = (row.int(0)?, row.opt_bytes(1)?, row.int(2)?);
        if place == PARTS {
            body = Some(parts::read(&mut read.conn(), &sha).await?);
        }
        drop(read);
        let path = self.blob_path(&sha);
        tokio::task::spawn_blocking(move || {
            let packed = match body {
                Some(body) => body,
                None => std::fs::read(&path)?,
            };
            let capacity = u64::try_from(size).unwrap_or(0).min(MAX_PLAIN);
            let plain = zstd::bulk::decompress(&packed, usize::try_from(capacity).unwrap_or(0))?;
            if sha256(&plain) != sha {
                return Err(StoreError::Corrupt(format!("blob {} does not match its name", hex(&sha))));
            }
            Ok(plain)
        })
        .await
        .map_err(|e| StoreError::Io(e.to_string()))?
    }

    /// Removes the files of bodies that no row names.
    pub fn remove_files(&self, bodies: &[Vec<u8>]) {
        for sha in bodies {
            if let Err(error) = std::fs::remove_file(self.blob_path(sha)) {
                tracing::warn!(%error, "the file of a sent mail could not be removed");
            }
        }
    }

    fn blob_path(&self, sha: &[u8]) -> PathBuf {
        let name = hex(sha);
        let folder = name.get(..2).unwrap_or("00");
        self.data().join("blobs").join(folder).join(format!("{name}.zst"))
    }
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

/// Writes beside, syncs, renames, syncs the folder: the name stands for whole bytes or for nothing.
fn write_file(path: &Path, body: &[u8]) -> Result<(), StoreError> {
    static PART: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().ok_or_else(|| StoreError::Io("a blob without a folder".into()))?;
    create_folder(folder)?;
    if path.exists() {
        // Whoever wrote it may not have synced the folder yet.
        return Ok(File::open(folder)?.sync_all()?);
    }
    let part = path.with_extension(format!("{}-{}.part", std::process::id(), PART.fetch_add(1, Ordering::Relaxed)));
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&part)?;
    let written = file.write_all(body).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        // Best effort: what matters is the error that led here.
        let _ = std::fs::remove_file(&part);
    }
    written?;
    File::open(folder)?.sync_all()?;
    Ok(())
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
