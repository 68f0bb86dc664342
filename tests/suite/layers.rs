//! Who may use whom: the imports of the daemon's rooms against the table of its design.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ombud_tests::places::root;

/// A room, and the rooms that its row of the table names. Every room may use model, clock, config, failpoint and large, and what the
/// rooms that it uses are made of themselves.
const ROOMS: [(&str, &[&str]); 22] = [
    ("model", &[]),
    ("clock", &[]),
    ("failpoint", &[]),
    ("large", &[]),
    ("archive", &[]),
    ("config", &["model"]),
    ("net", &[]),
    ("store", &["model"]),
    ("inbox", &["store"]),
    ("receive", &["inbox", "net"]),
    ("understand", &["model"]),
    ("verify", &["model", "net"]),
    ("filter", &["model", "net"]),
    ("desk", &["model", "understand"]),
    ("pipeline", &["model", "archive", "store", "inbox", "understand", "verify", "filter", "desk"]),
    ("feed", &["store"]),
    ("send", &["store", "desk", "net", "feed"]),
    ("http", &["receive", "store", "filter", "desk", "feed"]),
    ("fuzz", ALL),
    ("app", ALL),
    ("cli", ALL),
    ("main", ALL),
];
const ALL: &[&str] = &[
    "model",
    "clock",
    "archive",
    "config",
    "net",
    "store",
    "inbox",
    "receive",
    "understand",
    "verify",
    "filter",
    "desk",
    "pipeline",
    "send",
    "feed",
    "http",
    "app",
    "cli",
];

/// Crates that one place alone may name.
const CRATES: [(&str, &str); 7] = [
    ("rusqlite", "daemon/src/store/"),
    ("sqlx", "daemon/src/store/"),
    ("tantivy", "indexer/src/"),
    ("ammonia", "daemon/src/understand/html/safe.rs"),
    ("mail_parser", "daemon/src/understand/"),
    ("axum", "daemon/src/http/"),
    ("clap", "daemon/src/cli/"),
];

/// Types that are proof of something, so that only their own file may make one.
const PROOFS: [&str; 4] = ["Receipt", "SafeHtml", "Token", "Secret"];

/// A source file: its path from the root, and its lines up to its tests.
struct Source {
    path: String,
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["daemon/src", "indexer/src", "webhooks/src"] {
        walk(&root().join(folder), &mut files);
    }
    assert!(files.len() > 60, "only {} source files", files.len());
    let read = |file: &PathBuf| {
        let path = file.strip_prefix(root()).expect("in the repository").to_string_lossy().into_owned();
        let text = fs::read_to_string(file).expect("a source file");
        Source { path, lines: text.split("\n#[cfg(test)]").next().unwrap_or("").lines().map(str::to_owned).collect() }
    };
    let mut sources: Vec<Source> = files.iter().map(read).collect();
    sources.retain(|source| !source.path.contains("/tests/") && !source.path.ends_with("/tests.rs"));
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The code of a line, without a comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut allowed: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (room, uses) in ROOMS {
        let mut all: BTreeSet<&str> = ["model", "clock", "config", "failpoint", "large", room].into();
        for used in uses {
            all.insert(used);
            all.extend(allowed.get(used).into_iter().flatten().copied());
        }
        allowed.insert(room, all);
    }
    allowed.insert("model", ["model"].into());
    allowed
}

#[test]
fn rooms_use_only_what_their_row_names() {
    let (allowed, mut uses, mut wrong) = (allowed(), 0, Vec::new());
    for source in sources() {
        let Some(inside) = source.path.strip_prefix("daemon/src/") else { continue };
        let room = inside.split(['/', '.']).next().unwrap_or("");
        if room == "lib" {
            continue;
        }
        let Some(may) = allowed.get(room) else {
            wrong.push(format!("{}: the room {room} is not in the table", source.path));
            continue;
        };
        for (number, line) in source.lines.iter().enumerate() {
            for used in rooms_in(code(line)) {
                uses += 1;
                if !may.contains(used.as_str()) {
                    wrong.push(format!("{}:{}: {room} may not use {used}: {}", source.path, number + 1, line.trim()));
                }
            }
        }
    }
    assert!(uses > 200, "only {uses} uses were seen");
    assert!(wrong.is_empty(), "{} uses against the table:\n{}", wrong.len(), wrong.join("\n"));
}

/// The rooms of `understand/`, and those that each may use; `body` and `message` put together what they say.
const UNDERSTAND: [(&str, &[&str]); 5] = [
    ("mime", &[]),
    ("html", &["mime"]),
    ("fields", &["mime"]),
    ("automatic", &["mime", "fields"]),
    ("reply", &["html", "mime", "fields", "body"]),
];

#[test]
fn the_rooms_of_understanding_lie_in_layers() {
    let (mut wrong, mut uses) = (Vec::new(), 0);
    for (room, may) in UNDERSTAND {
        let place = format!("daemon/src/understand/{room}/");
        for source in sources().iter().filter(|source| source.path.starts_with(&place)) {
            for line in &source.lines {
                for rest in code(line).split("crate::understand::").skip(1) {
                    let used = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or("");
                    let is_room = used == "body" || used == "message" || UNDERSTAND.iter().any(|(name, _)| *name == used);
                    uses += usize::from(is_room);
                    if is_room && used != room && !may.contains(&used) {
                        wrong.push(format!("{}: {room} may not use {used}: {}", source.path, line.trim()));
                    }
                }
            }
        }
    }
    assert!(uses > 10, "only {uses} uses were seen");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rooms that a line names as `crate::room`, also of `use crate::{a, b::c}`.
fn rooms_in(line: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(list.split(',').map(name)),
            None => rooms.push(name(rest)),
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

#[test]
fn a_crate_is_named_in_its_own_room_alone() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, place) in CRATES {
            for (number, line) in source.lines.iter().enumerate() {
                let line = code(line);
                let named = [format!("{name}::"), format!("use {name};"), format!("#[{name}(")].iter().any(|form| names(line, form));
                if named && !source.path.starts_with(place) {
                    wrong.push(format!("{}:{}: {name} belongs into {place}: {}", source.path, number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a line has this form, not as the end of a longer word.
fn names(line: &str, form: &str) -> bool {
    line.match_indices(form).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

#[test]
fn a_proof_is_made_in_its_own_file_alone() {
    let sources = sources();
    for proof in PROOFS {
        let is_home = |source: &&Source| source.lines.iter().any(|line| is_struct(line, proof));
        let home = sources.iter().find(is_home).unwrap_or_else(|| panic!("there is no struct {proof}"));
        let from = home.lines.iter().position(|line| is_struct(line, proof)).unwrap_or(0);
        let mut end = home.lines[from..].iter().take_while(|line| !line.starts_with('}') && !line.ends_with(';')).count() + from;
        end = end.min(home.lines.len() - 1);
        for line in &home.lines[from..=end] {
            let field = line.trim_start();
            let is_public = field.starts_with("pub ") && !is_struct(line, proof) || line.contains("(pub ");
            assert!(!is_public, "{}: a public field of {proof}: {}", home.path, line.trim());
        }
        for source in &sources {
            for (number, line) in source.lines.iter().enumerate() {
                let place = format!("{}:{}: {}", source.path, number + 1, line.trim());
                let into =
                    [format!("impl From<String> for {proof}"), format!("impl From<&str> for {proof}"), format!("impl Default for {proof}")];
                assert!(!into.iter().any(|form| line.contains(form)), "{place}: anybody can make a {proof}");
            }
        }
        let derived = home.lines[..from]
            .iter()
            .rev()
            .take_while(|line| line.starts_with(['#', '/']))
            .any(|l| l.contains("Default") || l.contains("Deserialize"));
        assert!(!derived || proof == "Secret", "{}: {proof} is derived from nothing", home.path);
    }
}

fn is_struct(line: &str, name: &str) -> bool {
    let rest = line.split_once("struct ").map_or("", |(_, rest)| rest);
    line.starts_with("pub") && rest.strip_prefix(name).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn files_are_small() {
    let long: Vec<_> =
        sources().into_iter().filter(|s| s.lines.len() > 500).map(|s| format!("{}: {} lines", s.path, s.lines.len())).collect();
    assert!(long.is_empty(), "over 500 lines: {long:?}");
}
