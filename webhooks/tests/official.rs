//! Our signatures against the specification's own libraries for Python and Node, both ways.
//!
//! The libraries are installed once, below the target folder. Where that can't be done the test says `SKIPPED` and passes;
//! with `CI` set it fails.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use ombud_webhooks::{Secret, SignedHeaders, TOLERANCE, VerifyError, sign, verify};
use serde_json::{Value, json};

const PYTHON: &str = "standardwebhooks==1.1.0";
const NODE: &str = "standardwebhooks@1.1.1";
const ID: &str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
const BODY: &str = r#"{"type":"ticket.created","timestamp":"2026-11-03T20:26:10.344Z","data":{"subject":"Grüße, 世界 🌍","n":1.50}}"#;

#[test]
fn python() {
    let peer = installed("python", PYTHON, |home| {
        run(Command::new("python3").args(["-m", "venv"]).arg(home))?;
        run(Command::new(home.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", PYTHON]))
    });
    let Some(home) = peer else { return };
    agrees(&|| {
        let mut command = Command::new(home.join("bin/python"));
        command.arg(script("peer.py"));
        command
    });
}

#[test]
fn node() {
    let peer = installed("node", NODE, |home| {
        fs::write(home.join("package.json"), r#"{"private":true}"#).map_err(|e| e.to_string())?;
        run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund", NODE]).current_dir(home))
    });
    let Some(home) = peer else { return };
    agrees(&|| {
        let mut command = Command::new("node");
        command.arg(script("peer.js")).env("NODE_PATH", home.join("node_modules"));
        command
    });
}

/// They believe what we sign and nothing else; we believe what they sign and nothing else.
fn agrees(peer: &dyn Fn() -> Command) {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let [new, old] = [Secret::generate().unwrap(), Secret::generate().unwrap()];

    let theirs = |signed_at: i64, signature: &str, body: &str| {
        let headers = json!({"webhook-id": ID, "webhook-timestamp": signed_at.to_string(), "webhook-signature": signature});
        ask(peer(), &json!({"do": "verify", "secret": old.reveal(), "headers": headers, "body": body}))
    };
    let signed = |signed_at| sign(&[new.clone(), old.clone()], ID, signed_at, BODY.as_bytes());
    assert_eq!(theirs(now, &signed(now), BODY), "believed", "the second of two signatures");
    assert_eq!(theirs(now, &signed(now), &BODY.replace("1.50", "1.5")), "refused: No matching signature found");
    assert_eq!(theirs(now, &sign(std::slice::from_ref(&new), ID, now, BODY.as_bytes()), BODY), "refused: No matching signature found");
    assert_eq!(theirs(now - 360, &signed(now - 360), BODY), "refused: Message timestamp too old");

    let signature = ask(peer(), &json!({"do": "sign", "secret": old.reveal(), "id": ID, "timestamp": now, "body": BODY}));
    let timestamp = now.to_string();
    let ours = |body: &str, at| {
        let headers = SignedHeaders { id: ID, timestamp: &timestamp, signature: &signature };
        verify(&[new.clone(), old.clone()], &headers, body.as_bytes(), at, TOLERANCE)
    };
    assert_eq!(ours(BODY, now), Ok(()));
    assert_eq!(ours(&BODY.replace("1.50", "1.5"), now), Err(VerifyError::Signature));
    assert_eq!(ours(BODY, now + 360), Err(VerifyError::TooOld));
    assert_eq!(signature, sign(&[old], ID, now, BODY.as_bytes()));
}

fn ask(mut peer: Command, asked: &Value) -> String {
    let mut child = peer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let answer = child.wait_with_output().unwrap();
    assert!(answer.status.success(), "the peer ended with {}", answer.status);
    String::from_utf8(answer.stdout).unwrap().trim().to_owned()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official").join(name)
}

/// The folder with the library in it; a mark that is written last says that it is whole.
#[expect(clippy::explicit_write, reason = "the test harness would swallow `eprintln!`")]
fn installed(name: &str, version: &str, install: impl Fn(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standardwebhooks").join(name);
    let mark = home.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|what| what == version) {
        return Some(home);
    }
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home).unwrap();
    match install(&home) {
        Ok(()) => {
            fs::write(mark, version).unwrap();
            Some(home)
        }
        Err(why) if std::env::var_os("CI").is_some() => panic!("{version} could not be installed: {why}"),
        Err(why) => {
            writeln!(std::io::stderr(), "SKIPPED: {version} could not be installed: {why}").unwrap();
            None
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim()))
}
