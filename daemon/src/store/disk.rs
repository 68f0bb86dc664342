//! The disk of the data folder.

use std::io;
use std::path::Path;

/// Octets that are left for us on the disk of a folder.
///
/// # Errors
/// When the folder can't be looked at.
pub fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
