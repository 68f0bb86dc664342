//! Key files: made on the first start, readable by the desk alone.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::{StoreError, hex, random, sha256};

/// Octets of a key.
const KEY: usize = 32;

/// One signing key of the desk.
#[derive(Clone)]
pub struct KeyFile {
    /// Its number, which stands in what it signs.
    pub id: u8,
    /// Its octets.
    pub bytes: [u8; KEY],
}

/// All keys in `data/keys`, the newest last; makes the first one when there is none.
///
/// # Errors
/// When the folder can't be read or written, or a file in it is no key.
pub fn load(data: &Path) -> Result<Vec<KeyFile>, StoreError> {
    let folder = data.join("keys");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(id) = name.strip_prefix("sign-").and_then(|n| n.strip_suffix(".key")).and_then(|n| n.parse().ok()) {
            keys.push(KeyFile { id, bytes: read(&path)? });
        }
    }
    if keys.is_empty() {
        keys.push(make(&folder, 1)?);
    }
    keys.sort_by_key(|k| k.id);
    Ok(keys)
}

/// What the keys are known by, so that two daemons can see whether they have the same.
///
/// # Errors
/// As [`load`].
pub fn fingerprints(data: &Path) -> Result<String, StoreError> {
    let print = |key: &KeyFile| format!("{}:{}", key.id, hex(&sha256(&key.bytes)[..8]));
    Ok(load(data)?.iter().map(print).collect::<Vec<_>>().join(" "))
}

/// Where a process is: the mark of its data folder and the machine, since a machine is cloned with its folders.
///
/// # Errors
/// When the mark can't be read or written.
pub fn place(data: &Path) -> Result<String, StoreError> {
    Ok(on(&mark(data)?, &machine()))
}

fn on(mark: &str, machine: &str) -> String {
    format!("{mark}-{}", hex(&sha256(format!("{mark} {machine}").as_bytes())[..8]))
}

/// What tells this machine from its clones; nothing where it has neither.
fn machine() -> String {
    let known = ["/etc/machine-id", "/proc/sys/kernel/hostname"].iter().find_map(|path| {
        let id = std::fs::read_to_string(path).ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    });
    known.unwrap_or_default()
}

/// The mark of a data folder, made on first use.
fn mark(data: &Path) -> Result<String, StoreError> {
    let path = data.join("place");
    match std::fs::read_to_string(&path) {
        Ok(mark) if !mark.trim().is_empty() => return Ok(mark.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mark = hex(&random::<16>()?);
    std::fs::write(&path, &mark)?;
    Ok(mark)
}

fn read(path: &Path) -> Result<[u8; KEY], StoreError> {
    let mut text = String::new();
    File::open(path)?.take(1024).read_to_string(&mut text)?;
    let bytes = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).ok();
    bytes
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| StoreError::Refused(format!("{} is no key file (64 hex digits): put the right one back", path.display())))
}

/// Writes beside, syncs and links: two programs that start at once agree on one key.
fn make(folder: &Path, id: u8) -> Result<KeyFile, StoreError> {
    let path = folder.join(format!("sign-{id}.key"));
    let part = folder.join(format!("sign-{id}.{}.part", std::process::id()));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part)?;
    file.write_all(hex(&random::<KEY>()?).as_bytes())?;
    file.sync_all()?;
    match std::fs::hard_link(&part, &path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => std::fs::remove_file(&part)?,
    }
    File::open(folder)?.sync_all()?;
    Ok(KeyFile { id, bytes: read(&path)? })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_clone_of_a_machine_is_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(place(folder.path()).unwrap(), place(folder.path()).unwrap());
        let mark = mark(folder.path()).unwrap();
        assert_ne!(on(&mark, "one"), on(&mark, "its clone"));
    }
}
