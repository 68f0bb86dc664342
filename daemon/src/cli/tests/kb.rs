//! Articles out of folders and into them.

use std::fs;

use serde_json::json;

use super::Folder;

/// Four files of which two are good, in folders within folders.
fn written() -> Folder {
    let folder = Folder::new();
    for (name, text) in [
        ("docs/Getting Started.md", "# First steps\n\nHello.\n"),
        (
            "docs/more/refunds.md",
            "---\ntitle: \"Refunds\"\nslug: money-back\nvisibility: public\nstatus: published\ntags: [a]\n---\nYou get it.\n",
        ),
        ("docs/more/bad.md", "---\ntitle: x\nstats: published\n---\n"),
        ("docs/zz.md", "---\ntitle: again\nslug: money-back\n---\n"),
        ("docs/.git/hidden.md", "# Hidden\n"),
        ("docs/notes.txt", "not this"),
    ] {
        fs::create_dir_all(folder.path.join(name).parent().unwrap()).unwrap();
        folder.write(name, text);
    }
    folder
}

impl Folder {
    fn log(&self) -> Vec<String> {
        let path = self.path.join("data/ombud.db");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = crate::store::Store::open(&crate::config::Database::Sqlite(path), &self.path.join("data")).await.unwrap();
            let events = store.events_after(0, 1_000).await.unwrap();
            store.close().await;
            events.into_iter().map(|event| event.kind).collect()
        })
    }
}

#[test]
fn a_folder_is_imported_and_a_bad_file_stops_no_other() {
    let folder = written();
    let done = folder.run(&["kb", "import", "docs"]);
    assert_eq!(done.code, 65);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert!(lines[1].starts_with("created  getting-started  Getting Started.md"), "{lines:?}");
    assert_eq!(lines[lines.len() - 1], "2 created, 0 updated, 0 unchanged, 2 failed");
    assert_eq!(done.stderr.len(), 4, "{:?}", done.stderr);
    assert!(done.stderr[0].contains("`tags` is not kept (more/refunds.md)"), "{:?}", done.stderr);
    assert!(done.stderr[1].starts_with("more/bad.md: line 3: ") && done.stderr[1].contains("`status`"), "{:?}", done.stderr);
    assert!(done.stderr[2].starts_with("zz.md: more/refunds.md has the same slug"), "{:?}", done.stderr);
    assert!(done.stderr[3].starts_with("2 of 4 files"), "{:?}", done.stderr);

    fs::remove_file(folder.path.join("docs/more/bad.md")).unwrap();
    folder.write("docs/zz.md", b"\xff# no text");
    let done = folder.run(&["kb", "import", "docs"]);
    assert!(done.code == 65 && done.stderr[1].contains("not UTF-8 from octet 1 "), "{:?}", done.stderr);
    fs::remove_file(folder.path.join("docs/zz.md")).unwrap();
    folder.write("docs/more/refunds.md", "---\ntitle: Refunds\nslug: money-back\nstatus: published\n---\nYou get it.\n");
    let report = folder.json(&["kb", "import", "docs"]);
    assert_eq!(
        [&report["created"], &report["updated"], &report["unchanged"], &report["failed"]],
        [0, 1, 1, 0].map(|n| json!(n)).each_ref()
    );
    assert_eq!(report["items"][1], json!({ "file": "more/refunds.md", "slug": "money-back", "result": "updated", "error": null }));
    assert_eq!(folder.json(&["kb", "import", "docs"])["unchanged"], 2);
    assert_eq!(folder.log(), ["article.updated", "article.published", "article.updated"], "what says nothing new is not told of");

    let listed = folder.json(&["kb", "list", "--status", "published"]);
    let article = &listed["items"][0];
    assert_eq!(
        (&article["slug"], &article["visibility"], &article["body"]),
        (&json!("money-back"), &json!("internal"), &json!("You get it.\n"))
    );
    let text = folder.text(&["kb", "list", "--limit", "1"]);
    assert!(text.contains("getting-started") && text.ends_with("There are more: --cursor getting-started\n"), "{text}");
    assert!(folder.text(&["kb", "list", "--cursor", "getting-started"]).contains("money-back"));
    assert_eq!(folder.text(&["kb", "list", "--language", "DE"]), "No article is like that.\n");
    for (args, code) in [(["--language", "e"], 64), (["--cursor", "A"], 64), (["--status", "x"], 64)] {
        assert_eq!(folder.fails(&[&["kb", "list"][..], &args].concat()).0, code);
    }
    fs::create_dir(folder.path.join("empty")).unwrap();
    for missing in ["empty", "nowhere", "docs/notes.txt"] {
        assert_eq!(folder.fails(&["kb", "import", missing]).0, 66, "{missing}");
    }
}

#[test]
fn many_files_take_several_commits() {
    let folder = Folder::new();
    fs::create_dir(folder.path.join("docs")).unwrap();
    for n in 0..120 {
        folder.write(&format!("docs/n{n}.md"), format!("# Number {n}\n"));
    }
    assert_eq!(folder.json(&["kb", "import", "docs"])["created"], 120);
    assert_eq!(folder.json(&["kb", "import", "docs"])["unchanged"], 120);
    assert_eq!(folder.log().len(), 120);
    assert_eq!(folder.json(&["kb", "export", "out"])["written"], 120);
}

#[test]
fn an_export_is_imported_as_the_same() {
    let folder = written();
    fs::remove_file(folder.path.join("docs/more/bad.md")).unwrap();
    folder.write("docs/zz.md", "---\ntitle: 'It''s \"so\": #1'\nlanguage: no\n---\n\n\n\n    code\r\nend without a line end");
    assert_eq!(folder.run(&["kb", "import", "docs"]).code, 0);
    let listed = folder.json(&["kb", "list"]);
    assert_eq!(folder.json(&["kb", "export", "out"])["written"], 3);
    let report = folder.json(&["kb", "import", "out"]);
    assert_eq!((&report["unchanged"], report["items"].as_array().unwrap().len()), (&json!(3), 3));
    let other = Folder::new();
    assert_eq!(other.json(&["kb", "import", folder.path.join("out").to_str().unwrap()])["created"], 3);
    let bare = |mut list: serde_json::Value| {
        for item in list["items"].as_array_mut().unwrap() {
            item["created_at"].take();
            item["updated_at"].take();
        }
        list
    };
    assert_eq!(bare(other.json(&["kb", "list"])), bare(listed));
}

#[test]
fn an_export_touches_only_what_an_export_wrote() {
    let folder = written();
    folder.run(&["kb", "import", "docs"]);
    let (code, line) = folder.fails(&["kb", "export", "docs"]);
    assert!(code == 65 && line.contains("--force"), "{line}");
    assert!(!folder.path.join("docs/money-back.md").exists());
    assert_eq!(folder.fails(&["kb", "export", "ombud.toml"]).0, 75);

    assert!(folder.text(&["kb", "export", "out"]).ends_with("/out: 2 written, 0 unchanged, 0 removed\n"));
    folder.write("out/mine.md", "# Mine\n");
    folder.write("out/money-back.md", "changed");
    // What an export wrote once and no article stands for any more.
    folder.write("out/gone.md", "old");
    folder.write("out/.ombud-kb", "gone\nmoney-back\n../ombud.toml\n/etc/passwd\n");
    assert!(folder.text(&["kb", "export", "out"]).ends_with("/out: 1 written, 1 unchanged, 1 removed\n"));
    assert!(folder.path.join("out/mine.md").exists() && folder.path.join("ombud.toml").exists());
    assert!(!folder.path.join("out/gone.md").exists());
    assert!(folder.text(&["kb", "export", "docs", "--force"]).contains("2 written"));
    assert!(folder.path.join("docs/notes.txt").exists() && folder.path.join("docs/money-back.md").exists());
}
