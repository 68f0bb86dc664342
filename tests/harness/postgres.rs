//! Databases on the PostgreSQL server that `tests/run` starts.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// The server: `$OMBUD_TEST_POSTGRES`, an address that ends in a database's name.
///
/// # Panics
/// Under `CI`, when there is none.
pub fn server() -> Option<String> {
    let server = env::var("OMBUD_TEST_POSTGRES").ok();
    assert!(server.is_some() || env::var_os("CI").is_none(), "no OMBUD_TEST_POSTGRES: tests/run sets it");
    server
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
