//! The knowledge base: files in and out while the daemon runs, and the API beside them.

use std::fs;
use std::path::Path;
use std::process::Command;

use ombud_tests::http::Response;
use ombud_tests::{Desk, wait_until};
use serde_json::{Value, json};

const ARTICLES: &str = "/api/v1/articles";

fn call(desk: &Desk, method: &str, path: &str, body: &Value) -> Response {
    desk.request(method, path, Some(("application/json", body.to_string().as_bytes())))
}

fn kb(desk: &Desk, act: &str, folder: &Path) -> Value {
    let ran = desk.cli(&["kb", act, folder.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

fn told(desk: &Desk) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = desk.list("/api/v1/events").into_iter();
    events.map(|event| (word(&event["type"]), word(&event["data"]["article"]))).filter(|(kind, _)| kind.starts_with("article.")).collect()
}

#[test]
fn files_become_articles_and_articles_files() {
    let desk = Desk::with_jane();
    let docs = desk.path("docs");
    fs::create_dir_all(docs.join("deep/er")).unwrap();
    fs::write(docs.join("Reset Password.md"), "# Reset your password\n\nClick.\n").unwrap();
    let refunds = "---\ntitle: Refunds & returns\nslug: refunds\nlanguage: de\nvisibility: public\nstatus: published\n---\n\n| a | b |\n";
    fs::write(docs.join("deep/er/x.md"), refunds).unwrap();
    let first = kb(&desk, "import", &docs);
    assert_eq!((&first["created"], &first["failed"]), (&2.into(), &0.into()), "{first}");
    let article = desk.get(&format!("{ARTICLES}/refunds"));
    for (key, value) in
        [("title", "Refunds & returns"), ("body", "| a | b |\n"), ("language", "de"), ("visibility", "public"), ("status", "published")]
    {
        assert_eq!(article[key], value, "{article}");
    }
    let drafts = desk.list(&format!("{ARTICLES}?status=draft"));
    assert_eq!((drafts.len(), &drafts[0]["slug"], &drafts[0]["title"]), (1, &"reset-password".into(), &"Reset your password".into()));
    let before = [("article.updated", "reset-password"), ("article.published", "refunds")].map(|(k, s)| (k.to_owned(), s.to_owned()));
    wait_until("the log tells of both", || told(&desk) == before);
    assert_eq!(kb(&desk, "import", &docs)["unchanged"], 2);
    assert_eq!(told(&desk), before, "what says nothing new is not told of");

    let out = desk.path("out");
    assert_eq!(kb(&desk, "export", &out)["written"], 2);
    assert_eq!(kb(&desk, "import", &out)["unchanged"], 2);
    assert_eq!(desk.cli(&["kb", "export", docs.to_str().unwrap()]).code, 65, "the folder is somebody else's");
    let listed = desk.cli(&["kb", "list"]);
    assert!(listed.code == 0 && listed.out.contains("reset-password"), "{listed:?}");
}

#[test]
fn an_article_over_http() {
    let desk = Desk::with_jane();
    let new =
        json!({ "slug": "hours", "title": "Opening hours", "body": "9 to 5", "language": "en", "visibility": "public", "status": "draft" });
    let made = call(&desk, "POST", ARTICLES, &new);
    assert_eq!(made.status, 201);
    assert!(made.header.to_lowercase().contains("location: /api/v1/articles/hours"), "{}", made.header);
    for key in ["slug", "title", "body", "language", "visibility", "status"] {
        assert_eq!(made.json()[key], new[key], "{key}");
    }
    assert_eq!(call(&desk, "POST", ARTICLES, &new).status, 409);
    let path = format!("{ARTICLES}/hours");
    assert_eq!(call(&desk, "PUT", &path, &json!({ "status": "published" })).json()["status"], "published");
    let removed = desk.request("DELETE", &path, None);
    assert_eq!((removed.status, desk.request("GET", &path, None).status), (204, 404));
    let kinds = || told(&desk).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    wait_until("the log tells of each", || kinds() == ["article.updated", "article.published", "article.removed"]);
}

#[test]
fn a_folder_full_of_traps() {
    let desk = Desk::with_jane();
    let docs = desk.path("docs");
    fs::create_dir_all(docs.join("loop.md.d")).unwrap();
    std::os::unix::fs::symlink(&docs, docs.join("loop.md.d/again")).unwrap();
    std::os::unix::fs::symlink("nowhere", docs.join("dangling.md")).unwrap();
    assert!(Command::new("mkfifo").arg(docs.join("pipe.md")).status().is_ok_and(|status| status.success()));
    fs::write(docs.join("big.md"), "x".repeat(700 << 10)).unwrap();
    fs::write(docs.join("latin1.md"), b"# caf\xe9").unwrap();
    fs::write(docs.join("open.md"), "---\ntitle: never closed\n").unwrap();
    fs::write(docs.join("\u{1b}[31mred.md"), "---\nlanguage: x y\n---\n# Red\n").unwrap();
    fs::write(docs.join("good.md"), "# Good\n").unwrap();
    let ran = desk.cli(&["kb", "import", docs.to_str().unwrap()]);
    assert_eq!(ran.code, 65, "{ran:?}");
    assert!(ran.out.contains("1 created, 0 updated, 0 unchanged, 6 failed"), "{}", ran.out);
    for named in ["dangling.md: ", "pipe.md: ", "big.md: ", "latin1.md: ", "open.md: line 1: ", "red.md: line 2: "] {
        assert!(ran.err.lines().any(|line| line.contains(named)), "{named}: {}", ran.err);
    }
    assert!(!ran.err.contains('\u{1b}') && !ran.out.contains('\u{1b}'), "no file steers the terminal");
    assert_eq!(desk.get(&format!("{ARTICLES}/good"))["title"], "Good");
}
