//! The program as it is called: arguments in, what it prints and its exit code out, on desks in folders of their own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod desk;
mod kb;
mod mail;
mod webhook;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::out::Finished;
use super::{Env, execute};

/// A folder with a configuration; gone when the test is.
struct Folder {
    path: PathBuf,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

const CONFIG: &str = r#"
[desk]
name = "Acme"
hostname = "desk.example.com"
data = "data"
[database]
url = "sqlite:data/ombud.db"
[outbound]
relay = "maildir:out"
[limits]
message_size = "64 KiB"
[[mailboxes]]
address = "support@example.com"
aliases = ["help@example.com"]
"#;

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ombud-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        let folder = Self { path };
        folder.write("ombud.toml", CONFIG);
        folder
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path.join(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Finished {
        let args = std::iter::once("ombud").chain(args.iter().copied()).map(Into::into).collect();
        execute(args, Env { vars: Vec::new(), cwd: self.path.clone() })
    }

    /// What a command that succeeds prints for people.
    fn text(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!((done.code, &done.stderr), (0, &Vec::new()), "{args:?}");
        done.stdout
    }

    /// What a command that succeeds prints with `--json`.
    fn json(&self, args: &[&str]) -> Value {
        let text = self.text(&[args, &["--json"]].concat());
        serde_json::from_str(&text).expect(&text)
    }

    /// The exit code and the one line of a command that fails.
    fn fails(&self, args: &[&str]) -> (u8, String) {
        let done = self.run(args);
        assert_eq!(done.stdout, "", "{args:?}");
        assert_eq!(done.stderr.len(), 1, "{args:?}: {:?}", done.stderr);
        (done.code, done.stderr[0].clone())
    }
}

#[test]
fn wrong_usage_is_64_and_one_line() {
    let folder = Folder::new();
    let cases: &[(&[&str], &str)] = &[
        (&[], "a command is missing"),
        (&["agent"], "a command is missing"),
        (&["tickets"], "ticket"),
        (&["serve", "--colck", "1d"], "--colck"),
        (&["serve", "--clock", "soon"], "90d"),
        (&["agent", "add", "bob@x.test"], "--name"),
        (&["agent", "add", "bob@x.test", "--name", "Bob", "--role", "customer"], "viewer"),
        (&["agent", "set", "bob@x.test", "--receipts", "some"], "all"),
        (&["token", "create", "--scope", "root", "--name", "x"], "write"),
        (&["token", "create", "--scope", "read", "--name", "x", "--expires", "90"], "90d"),
        (&["ticket", "show", "twelve"], "twelve"),
        (&["ticket", "list", "--status", "done"], "solved"),
        (&["ticket", "list", "--limit", "0"], "0"),
        (&["inbox", "list", "--state", "lost"], "held"),
        (&["queue", "list", "--state", "claimed"], "waiting"),
        (&["deliver", "mail"], "--to"),
        (&["explain", "a", "b"], "b"),
        (&["check", "--config"], "--config"),
    ];
    for (args, told) in cases {
        let (code, line) = folder.fails(args);
        assert_eq!(code, 64, "{args:?}: {line}");
        assert!(line.contains(told) && line.contains("usage: ombud") && !line.contains('\n'), "{args:?}: {line}");
    }
    assert!(!folder.path.join("data").exists(), "a slip of the fingers must not make a desk");
}

#[test]
fn help_and_version_are_answers() {
    let folder = Folder::new();
    for args in [&["--help"][..], &["--version"], &["ticket", "list", "--help"], &["help", "agent"]] {
        assert!(!folder.text(args).is_empty(), "{args:?}");
    }
    let help = folder.text(&["--help"]);
    for command in [
        "serve", "demo", "check", "explain", "deliver", "agent", "token", "ticket", "inbox", "queue", "kb", "search", "backup", "restore",
        "import",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
}

#[test]
fn what_is_not_built_says_so() {
    let folder = Folder::new();
    let commands: [&[&str]; 4] =
        [&["audit", "verify"], &["keys", "rotate"], &["customer", "erase", "ann@x.test"], &["audit", "a", "--config", "ombud.toml"]];
    for args in commands {
        let (code, line) = folder.fails(args);
        assert_eq!(code, 69, "{args:?}: {line}");
        assert!(line.ends_with("is not built yet") && line.contains(args[0]), "{line}");
    }
}

#[test]
fn a_bad_configuration_is_78_with_all_that_is_wrong() {
    let folder = Folder::new();
    folder.write("ombud.toml", format!("{CONFIG}\ncolour = 1\n[outbuond]\n"));
    for args in [&["ticket", "list"][..], &["check"], &["serve"], &["agent", "list"]] {
        let done = folder.run(args);
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.len()), (78, "", 2), "{args:?}: {:?}", done.stderr);
        assert!(done.stderr[0].starts_with("ombud.toml:") && done.stderr[0].contains("colour"), "{:?}", done.stderr);
    }
    let done = folder.run(&["check", "--json"]);
    let items: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((done.code, items.as_array().unwrap().len()), (78, 2));
    assert_eq!((&items[0]["item"], &items[0]["state"]), (&"configuration".into(), &"bad".into()));
    assert_eq!(folder.fails(&["ticket", "list", "--config", "other.toml"]).0, 78);
}

#[test]
fn check_goes_through_the_surroundings() {
    let folder = Folder::new();
    let items = folder.json(&["check"]);
    let states: Vec<_> = items.as_array().unwrap().iter().map(|i| (i["item"].as_str().unwrap(), i["state"].as_str().unwrap())).collect();
    for item in ["configuration", "database", "data folder", "disk", "keys", "relay"] {
        assert!(states.contains(&(item, "ok")), "{item}: {items}");
    }
    assert!(states.contains(&("agents", "note")), "{items}");
    assert!(folder.text(&["check"]).lines().any(|line| line.starts_with("ok    database")));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen =
        format!("[smtp]\nlisten = [\"{}\"]\ntls = {{ cert = \"ombud.toml\", key = \"ombud.toml\" }}\n", taken.local_addr().unwrap());
    folder.write("ombud.toml", format!("{CONFIG}{listen}"));
    let done = folder.run(&["check"]);
    assert_eq!((done.code, done.stderr.len()), (78, 1), "{}", done.stdout);
    assert!(done.stderr[0].contains("the 2 items"), "{:?}", done.stderr);
    assert!(done.stdout.contains("in use by another program") && done.stdout.contains("bad   smtp tls"), "{}", done.stdout);
}
