//! One daemon a data folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::AppError;
use crate::config::Config;

const LOCK: &str = "serve.lock";

/// Makes the data folder this process's own until the file is dropped.
///
/// # Errors
/// When another process has it, or it can't be used.
pub fn lock(config: &Config) -> Result<File, AppError> {
    let data = &config.desk.data;
    let unusable = |e: io::Error| AppError::Config(format!("[desk] data: {}: {e}", data.display()));
    fs::create_dir_all(data).map_err(unusable)?;
    let file = File::create(data.join(LOCK)).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AppError::Running(data.display().to_string())),
        Err(TryLockError::Error(e)) => Err(unusable(e)),
    }
}

/// Whether a daemon runs on a data folder; so it is said, too, when nobody can tell.
pub fn is_served(data: &Path) -> bool {
    // A shared lock does not stand in the way of another who asks.
    File::open(data.join(LOCK)).is_ok_and(|file| file.try_lock_shared().is_err())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_lock_says_that_a_daemon_runs() {
        let folder = std::env::temp_dir().join(format!("ombud-check-lock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(!is_served(&folder));
        let lock = File::create(folder.join("serve.lock")).unwrap();
        assert!(!is_served(&folder));
        lock.lock().unwrap();
        assert!(is_served(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }
}
