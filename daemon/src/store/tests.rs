//! Both databases: every statement runs on both, and their catalogues agree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::Store;
use super::conn::Conn;
use crate::config::{Database, Secret};

/// Texts of statements that this process has run, and whether on PostgreSQL.
static RUN: Mutex<BTreeSet<(bool, String)>> = Mutex::new(BTreeSet::new());

/// Notes a statement that runs.
pub(super) fn record(postgres: bool, sql: &str) {
    RUN.lock().unwrap().insert((postgres, plain(sql)));
}

/// The server for tests, which `tests/run` starts.
fn server() -> Option<String> {
    let server = std::env::var("OMBUD_TEST_POSTGRES").ok();
    assert!(server.is_some() || std::env::var_os("CI").is_none(), "no OMBUD_TEST_POSTGRES: tests/run sets it");
    server
}

/// Whether this run of the tests is one on PostgreSQL.
fn on_postgres() -> bool {
    std::env::var("OMBUD_TEST_ON").is_ok_and(|on| on == "postgres")
}

/// The database of a test: `path`, or a fresh one on the server where this run is one on PostgreSQL.
pub(crate) async fn database(path: PathBuf) -> Database {
    match on_postgres() {
        true => postgres().await.expect("OMBUD_TEST_POSTGRES"),
        false => Database::Sqlite(path),
    }
}

/// A fresh, empty database on the server; says so when there is none.
#[expect(clippy::print_stderr, reason = "a test that can't run must not look like a success")]
pub(crate) async fn postgres() -> Option<Database> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let Some(server) = server() else {
        eprintln!("SKIPPED: no OMBUD_TEST_POSTGRES, which tests/run sets");
        return None;
    };
    let name = format!("unit_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let mut conn = sqlx::PgConnection::connect(&server).await.unwrap();
    conn.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}"))).await.unwrap();
    conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    conn.close().await.unwrap();
    Some(Database::Postgres(Secret::new(format!("{}/{name}", server.rsplit_once('/').unwrap().0))))
}

/// One text of a statement, without what its layout adds.
fn plain(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Statements in the source of this room that were not run: on PostgreSQL, or on SQLite.
pub(crate) fn not_run(postgres: bool) -> Vec<String> {
    let run: Vec<String> = RUN.lock().unwrap().iter().filter(|(on, _)| *on == postgres).map(|(_, sql)| sql.clone()).collect();
    let mut missing = Vec::new();
    for (file, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store").as_path()) {
        if others(postgres).contains(&file.as_str()) {
            continue;
        }
        for literal in statements(&text) {
            let alone = literal.starts_with("UPDATE counter SET v = v + $1 WHERE k = 'event' RETURNING");
            if !(postgres && alone || run.iter().any(|sql| holds(sql, &literal))) {
                missing.push(format!("{file}: {literal}"));
            }
        }
    }
    missing
}

/// What may be walked through: tables that stay small, and lists that a statement makes itself.
const SMALL: [&str; 17] = [
    "meta",
    "node",
    "cursor",
    "counter",
    "mailbox",
    "endpoint",
    "api_token",
    "imap_folder",
    "sqlite_master",
    "sqlite_sequence",
    "CONSTANT",
    "x",
    "a",
    "n",
    "newest",
    "news",
    "(subquery-3)",
];
/// What is walked through on purpose, and rests long after it.
const RARE: [&str; 2] = ["SELECT mailbox, status, COUNT(*) FROM ticket", "DELETE FROM dedup"];

/// Statements that SQLite would walk through all of a large table for.
pub(crate) fn walks(file: &Path) -> Vec<String> {
    let conn = rusqlite::Connection::open(file).unwrap();
    let mut found = Vec::new();
    for (_, sql) in
        RUN.lock().unwrap().iter().filter(|(on_postgres, sql)| !on_postgres && !sql.starts_with("VACUUM") && !sql.starts_with("INSERT"))
    {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut steps = plan.raw_query();
        while let Some(step) = steps.next().unwrap() {
            let step: String = step.get(3).unwrap();
            let mut words = step.split(' ');
            let walks = words.next() == Some("SCAN") && words.next().is_some_and(|table| !SMALL.contains(&table));
            // The newest row needs no index, and whoever wants all rows gets them page by page.
            if walks && !step.contains("INDEX") && !sql.contains("ORDER BY id DESC LIMIT") && !RARE.iter().any(|rare| sql.starts_with(rare))
            {
                found.push(format!("{step}: {sql}"));
            }
        }
    }
    found
}

/// Files whose statements only the other database runs.
fn others(postgres: bool) -> &'static [&'static str] {
    match postgres {
        true => &["lite.rs", "migrate.rs", "writer.rs", "forget.rs"],
        false => &["migrate.rs", "pg.rs", "sequencer.rs", "dialect.rs", "parts.rs"],
    }
}

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((name, text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()));
        }
    }
    found
}

/// String literals that are SQL, or begin with a `{NAME}` that is.
fn statements(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Comments and docs hold quotes of their own.
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rest = code.as_str();
    while let Some(start) = rest.find('"') {
        let mut end = start + 1;
        let bytes = rest.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let literal = rest[start + 1..end].replace("\\\n", " ").replace("\\\\", "\\").replace("\\\"", "\"");
        let literal = plain(&literal);
        let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "PRAGMA ", "WITH ", "{SELECT}", "{LIST}"];
        if verbs.iter().any(|verb| literal.starts_with(verb)) {
            found.push(literal);
        }
        rest = &rest[end + 1..];
    }
    found
}

/// Whether a statement that ran is this literal with its `{…}` filled in.
fn holds(sql: &str, literal: &str) -> bool {
    let mut parts = literal.split(['{', '}']).enumerate().filter(|(i, _)| i % 2 == 0).map(|(_, part)| part.trim());
    let mut rest = sql;
    parts.all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn literals_are_found_in_source() {
    let source =
        "let sql = \"SELECT a\n   FROM b WHERE c = 'd'\"; // \"SELECT nothing\"\nformat!(\"{SELECT} WHERE id = $1\"); let x = \"select\";";
    let found = statements(source);
    assert_eq!(found[..2], ["SELECT a FROM b WHERE c = 'd'".to_owned(), "SELECT nothing".to_owned()]);
    assert!(found.contains(&"{SELECT} WHERE id = $1".to_owned()));
    assert!(holds("SELECT a FROM b WHERE id = $1 LIMIT 1", "{SELECT} WHERE id = $1"));
    assert!(!holds("SELECT a FROM b", "{SELECT} WHERE id = $1"));
}

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let Some(postgres) = postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut catalogues = Vec::new();
    for database in [Database::Sqlite(folder.path().join("ombud.db")), postgres] {
        let store = Store::open(&database, folder.path()).await.unwrap();
        let mut read = store.read().await.unwrap();
        let sql = match read.conn() {
            Conn::Lite(_) => {
                "SELECT m.name || '.' || x.name || ' ' || x.type || CASE WHEN x.\"notnull\" = 1 OR x.pk > 0 THEN ' NOT NULL' ELSE '' END
                 FROM sqlite_master m JOIN pragma_table_xinfo(m.name) x WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\'"
            }
            Conn::Pg(_) => {
                "SELECT table_name || '.' || column_name || ' ' || CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB'
                 WHEN 'double precision' THEN 'REAL' ELSE UPPER(data_type) END || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
                 FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'"
            }
        };
        let rows = read.conn().all(sql, vec![]).await.unwrap();
        catalogues.push(rows.iter().map(|row| row.text(0).unwrap()).collect::<BTreeSet<_>>());
        drop(read);
        store.close().await;
    }
    assert!(catalogues[0].len() > 100, "{:?}", catalogues[0]);
    assert_eq!(catalogues[0], catalogues[1]);
}

#[tokio::test]
async fn tables_of_others_are_not_taken_away() {
    let Some(Database::Postgres(url)) = postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    Store::open(&Database::Postgres(url.clone()), folder.path()).await.unwrap().close().await;
    assert!(super::backup::pg::is_fresh(url.reveal()).await.unwrap(), "a desk that never had mail");
    let mut conn = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
    conn.execute("CREATE TABLE invoice(id BIGINT PRIMARY KEY)").await.unwrap();
    conn.close().await.unwrap();
    assert!(!super::backup::pg::is_fresh(url.reveal()).await.unwrap(), "somebody else's table");
    super::backup::pg::clear(url.reveal()).await.unwrap();
    let mut left = super::backup::pg::tables(url.reveal()).await.unwrap();
    left.sort();
    assert_eq!(left, ["invoice", "restore_unfinished"]);
    assert!(!super::backup::pg::is_fresh(url.reveal()).await.unwrap(), "somebody else's table beside what a restore has left");
}
