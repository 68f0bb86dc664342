//! Databases on the PostgreSQL server that `tests/run` starts, and servers that a test may crash.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::places::root;

/// The server: `$OMBUD_TEST_POSTGRES`, an address that ends in a database's name. Who finds none says so by `places::lacks`.
pub fn server() -> Option<String> {
    env::var("OMBUD_TEST_POSTGRES").ok()
}

/// Whether this run of the suites is one on PostgreSQL: `OMBUD_TEST_ON=postgres`.
pub fn is_meant() -> bool {
    env::var("OMBUD_TEST_ON").is_ok_and(|on| on == "postgres")
}

/// A fresh, empty database; its address.
///
/// # Panics
/// When there is no server, or it has none to give.
pub fn fresh() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let server = server().expect("OMBUD_TEST_POSTGRES");
    let name = format!("suite_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    sql(&server, &format!("DROP DATABASE IF EXISTS {name}"));
    sql(&server, &format!("CREATE DATABASE {name}"));
    format!("{}/{name}", server.rsplit_once('/').expect("an address").0)
}

/// Runs a statement; what it prints, unaligned and without headings.
///
/// # Panics
/// When it fails.
pub fn sql(address: &str, statement: &str) -> String {
    let ran = Command::new("psql").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", address, "-c", statement]).output();
    let ran = ran.expect("psql runs");
    assert!(ran.status.success(), "{statement}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

/// A server of one test's own, which may crash. What it has committed is on disk.
pub struct Server {
    folder: tempfile::TempDir,
    /// Its address.
    pub address: String,
}

impl Server {
    /// Starts one; none where this run has no PostgreSQL.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Option<Self> {
        server()?;
        let folder = tempfile::tempdir().expect("a folder for PostgreSQL");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut server = Self { folder, address: String::new() };
        server.address = server.script(&["start"], &["--durable"]);
        Some(server)
    }

    /// It crashes, in the middle of whatever it does.
    pub fn halt(&self) {
        self.script(&["halt"], &[]);
    }

    /// It comes back, on the same port.
    pub fn resume(&self) {
        self.script(&["resume"], &[]);
    }

    /// Sends a signal to all its processes: with `STOP` it keeps its connections and says nothing, until `CONT`.
    ///
    /// # Panics
    /// When the signal can't be sent.
    pub fn signal_all(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("base/data/postmaster.pid")).expect("its process id");
        let pid = pid.lines().next().expect("a line").to_owned();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &pid]).output().expect("ps runs").stdout;
        let children = String::from_utf8_lossy(&children).into_owned();
        for pid in children.split_whitespace().chain([pid.as_str()]) {
            // A backend may have ended meanwhile.
            let _ = Command::new("kill").arg(format!("-{name}")).arg(pid).status();
        }
    }

    fn script(&self, command: &[&str], options: &[&str]) -> String {
        let mut script = Command::new(root().join("tests/postgres.sh"));
        // The script takes a whole folder away, so that it gets one in ours.
        let ran = script.args(command).arg(self.folder.path().join("base")).args(options).output().expect("the script runs");
        assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new(root().join("tests/postgres.sh")).arg("stop").arg(self.folder.path().join("base")).status();
    }
}
