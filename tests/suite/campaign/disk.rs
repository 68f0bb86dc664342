//! What must be true in the end of the database itself and of the files beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ombud_tests::{Desk, postgres, wait_until};

/// What a mail or webhook may not be in the end.
const IN_HAND: &str = "SELECT (SELECT COUNT(*) FROM inbox WHERE state NOT IN ('done', 'held')) + (SELECT COUNT(*) FROM outbox \
                       WHERE state IN ('waiting', 'claimed')) + (SELECT COUNT(*) FROM delivery WHERE state <> 'sent')";

/// 10 and 11: the database is whole, nothing is in hand, and no half file lies about.
pub(super) fn disk(desks: &mut [Desk]) {
    for desk in &mut *desks {
        // The hour in which a file may be about to be named is over: what a kill has left behind is swept.
        desk.kill();
        let long_ago = SystemTime::now() - Duration::from_secs(2 * 3_600);
        for file in files(&desk.path("data/blobs")) {
            fs::File::options().write(true).open(file).expect("a file").set_modified(long_ago).expect("its time");
        }
        desk.serve(&[]);
        let spooled = files(&desk.path("data/spool"));
        assert!(spooled.is_empty(), "invariant 11: spool files: {spooled:?}");
    }
    match desks[0].server() {
        Some(database) => {
            assert_eq!(postgres::sql(database, IN_HAND), "0", "invariant 10: something is still in hand");
            let unplaced = "SELECT COUNT(*) FROM event WHERE seq IS NULL";
            wait_until("invariant 9: all events to have a place", || postgres::sql(database, unplaced) == "0");
        }
        None => file(&desks[0]),
    }
}

/// The same of a database that is a file, with files beside it.
fn file(desk: &Desk) {
    let database = desk.path("data/ombud.db");
    assert_eq!(sqlite(&database, "PRAGMA integrity_check"), "ok", "invariant 10: the database is damaged");
    assert_eq!(sqlite(&database, "PRAGMA foreign_key_check"), "", "invariant 10: the database is damaged");
    assert_eq!(sqlite(&database, IN_HAND), "0", "invariant 10: something is still in hand");
    let named = sqlite(&database, "SELECT LOWER(HEX(sha)) FROM blob WHERE place = 1");
    let named: BTreeSet<String> = named.lines().map(str::to_owned).collect();
    let body = |file: &String| file.rsplit('/').next().and_then(|name| name.strip_suffix(".zst")).unwrap_or("").to_owned();
    wait_until("invariant 11: files that nobody names to be swept", || {
        files(&desk.path("data/blobs")).iter().all(|file| named.contains(&body(file)))
    });
    let bodies: BTreeSet<String> = files(&desk.path("data/blobs")).iter().map(body).collect();
    assert_eq!(bodies, named, "invariant 1: a body that is named is not there");
}

fn files(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(self::files(&path)),
            path => files.push(path.display().to_string()),
        }
    }
    files
}

/// Asks the database file itself, beside the daemon.
fn sqlite(database: &Path, sql: &str) -> String {
    let script = "import sqlite3, sys\nc = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\n\
                  for row in c.execute(sys.argv[2]):\n    print(*row)\n";
    let ran = Command::new("python3").arg("-c").arg(script).arg(database).arg(sql).output().expect("python3 (tests/run installs it)");
    assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}
