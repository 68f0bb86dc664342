//! The command line: exit codes, what it prints, and that a running daemon sees what it changes.

use std::fs;
use std::time::Instant;

use ombud_tests::places::root;
use ombud_tests::program::ombud;
use ombud_tests::{Desk, wait_until};
use serde_json::Value;

use crate::{ANN, BOB, JANE, from_ann};

#[test]
fn a_new_agent_is_seen_soon_and_without_a_restart() {
    let desk = Desk::with_jane();
    desk.deliver(&from_ann("Before Bob", "hello"));
    desk.agent(BOB, "Bob Roe", "agent");
    let start = Instant::now();
    wait_until("Bob to be told of a new ticket", || {
        let customer = format!("c{}@customer.test", start.elapsed().as_millis());
        desk.deliver(&ombud_tests::Draft::new(&customer, crate::SUPPORT, "For Bob", "hello"));
        desk.settle();
        !desk.out().to(BOB).is_empty()
    });
    assert_eq!(desk.cli(&["agent", "disable", BOB]).code, 0);
    let listed = desk.cli(&["agent", "list", "--json"]);
    let agents: Value = serde_json::from_str(&listed.out).unwrap_or_else(|e| panic!("{e}: {}", listed.out));
    assert!(agents.to_string().contains(JANE) && agents.to_string().contains(BOB), "{agents}");
}

#[test]
fn a_held_mail_is_released_from_the_shell() {
    let desk = Desk::with_jane();
    let own = ombud_tests::Draft::new("Acme <support@desk.test>", crate::SUPPORT, "Own", "in our own name");
    assert_eq!(desk.deliver(&own)["kind"], "held");
    let id = desk.fates(&own.id)[0]["id"].to_string();
    let id = id.trim_matches('"');
    assert_eq!(desk.cli(&["inbox", "show", id]).code, 0);
    let released = desk.cli(&["inbox", "release", id]);
    assert_eq!(released.code, 0, "{}", released.err);
    wait_until("it to be let through", || {
        desk.fates(&own.id)[0]["fate"]["kind"] != "held" && desk.fates(&own.id)[0]["fate"]["kind"] != "waiting"
    });
}

#[test]
fn lists_are_json_when_asked() {
    let desk = Desk::with_jane();
    desk.deliver(&from_ann("Listed", "hello"));
    desk.settle();
    for arguments in
        [&["ticket", "list"][..], &["ticket", "show", "1"], &["inbox", "list"], &["queue", "list"], &["agent", "list"], &["token", "list"]]
    {
        let ran = desk.cli(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        let lines = || ran.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok());
        assert!(serde_json::from_str::<Value>(&ran.out).is_ok() || lines(), "{arguments:?}: {}", ran.out);
        assert_eq!(desk.cli(arguments).code, 0, "{arguments:?}");
    }
}

#[test]
fn a_mail_from_a_pipe() {
    let desk = Desk::with_jane();
    let mail = from_ann("Piped", "by procmail");
    let ran = desk.cli_with(&["deliver", "--to", "support@desk.test", "--from", ANN], &mail.bytes());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    let unknown = desk.cli_with(&["deliver", "--to", "nobody@elsewhere.test"], &mail.bytes());
    assert!(unknown.code != 0 && unknown.code != 75, "{unknown:?}");
}

#[test]
fn three_mistakes_are_three_lines() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("ombud.toml");
    fs::write(
        &config,
        "[desk]\nname = \"Acme\"\nclose_aftr = \"30d\"\nhostname = \"desk.test\"\n[smtp]\nlisten = [\"127.0.0.1:99999\"]\n[[mailboxes]]\naddress = \"support\"\n",
    )
    .unwrap();
    for command in ["serve", "check"] {
        let ran = ombud(folder.path(), &[command, "--config", config.to_str().unwrap()], b"");
        assert_eq!(ran.code, 78, "{command}: {ran:?}");
        for word in ["close_aftr", "99999", "support"] {
            assert!(ran.err.lines().any(|line| line.contains(word)), "{command}: {word}: {}", ran.err);
        }
        assert_eq!(ran.err.trim().lines().filter(|line| line.contains("ombud.toml")).count(), 3, "{command}: a line each:\n{}", ran.err);
        assert!(ran.err.contains("close_after"), "the nearest known key: {}", ran.err);
    }
}

#[test]
fn exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str], input: &[u8]| {
        let ran = ombud(folder.path(), arguments, input);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        (ran.code, ran.err)
    };
    assert_eq!(code(&["frobnicate"], b"").0, 64);
    assert_eq!(code(&["agent", "add"], b"").0, 64);
    assert_eq!(code(&["--help"], b"").0, 0);
    assert_eq!(code(&["--version"], b"").0, 0);
    assert_eq!(code(&["explain", "/nowhere/mail.eml"], b"").0, 66);
    assert_eq!(code(&["explain"], b"From: a@b.test\r\n\r\nhello\r\n").0, 0);
    assert_eq!(code(&["serve", "--config", "/nowhere/ombud.toml"], b"").0, 78);
    for missing in [&["search", "x"][..], &["audit", "verify"], &["customer", "export", "a@b.test"]] {
        let (code, err) = code(missing, b"");
        assert!(code == 69 && err.trim().lines().count() == 1, "{missing:?}: {code}: {err}");
    }
}

#[test]
fn nothing_secret_is_world_readable() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::with_jane();
    let mut keys = 0;
    for entry in fs::read_dir(desk.path("data")).unwrap().chain(fs::read_dir(desk.path("data/keys")).into_iter().flatten()).flatten() {
        let meta = entry.metadata().unwrap();
        if meta.is_file() && entry.path().to_string_lossy().contains("key") {
            keys += 1;
            assert_eq!(meta.permissions().mode() & 0o077, 0, "{}", entry.path().display());
        }
    }
    assert!(keys > 0, "the keys are in the data folder");
}

#[test]
fn the_readme_and_the_annotated_configuration_hold() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.contains("config/ombud.toml"), "the README names the annotated configuration");
    for command in ["cargo run --release -- demo", "tests/run", "ombud serve"] {
        assert!(readme.contains(command), "the README shows `{command}`");
    }
    assert!(root().join("tests/run").is_file());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let annotated = fs::read_to_string(root().join("config/ombud.toml")).expect("config/ombud.toml");
    let config = folder.path().join("ombud.toml");
    fs::write(&config, annotated.replace("# data = \"/var/lib/ombud\"", &format!("data = \"{}\"", data.display()))).unwrap();
    let ran = ombud(folder.path(), &["agent", "list", "--config", config.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "the annotated configuration can be used: {}", ran.err);
}
