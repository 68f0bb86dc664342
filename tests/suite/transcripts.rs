//! Runs the dialogues in `tests/transcripts` against the real program; their format is described there.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ombud_tests::places::root;
use ombud_tests::{Desk, Options, Smtp, wait_for};

#[test]
fn smtp() {
    run_all("smtp", 25, |desk| desk.ports().smtp);
}

#[test]
fn lmtp() {
    run_all("lmtp", 4, |desk| desk.ports().lmtp);
}

/// Runs each file of a folder in a session of its own, at least so many: a lost folder must not look like success.
fn run_all(folder: &str, at_least: usize, listener: impl Fn(&Desk) -> SocketAddr) {
    let files = fs::read_dir(root().join("tests/transcripts").join(folder)).expect("the transcripts");
    let mut files: Vec<PathBuf> =
        files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    files.sort();
    assert!(files.len() >= at_least, "only {} transcripts in {folder}", files.len());
    let desk = Desk::prepare(Options::default());
    desk.configure(&desk.configuration().replace("desk.test", "desk.localhost"));
    let desk = desk.running();
    for file in &files {
        run(&desk, listener(&desk), file);
    }
    println!("{} transcripts of {folder}", files.len());
}

fn run(desk: &Desk, listener: SocketAddr, file: &Path) {
    let before = desk.list("/api/v1/inbox").len();
    let mut client = Smtp::open(listener);
    let mut kept = None;
    for (number, line) in fs::read_to_string(file).expect("a transcript").lines().enumerate() {
        let place = format!("{}:{}", file.display(), number + 1);
        match line.split_once(' ').unwrap_or((line, "")) {
            ("C:", text) => client.send(format!("{text}\r\n").as_bytes()),
            ("C<", text) => client.send(&unescaped(text)),
            ("S:", expected) => assert_eq!(client.line().as_deref(), Some(expected), "{place}"),
            ("S~", expected) => {
                let line = client.line();
                assert!(line.as_ref().is_some_and(|line| line.starts_with(expected)), "{place}: {expected} expected, got {line:?}");
            }
            ("#=", "closed") => assert_eq!(client.until_closed(), "", "{place}: more than expected"),
            ("#=", fact) => kept = fact.strip_prefix("kept ").map(|count| count.parse::<usize>().expect(&place)),
            (other, _) => assert!(other.is_empty() || other.starts_with('#'), "{place}: what is {other}?"),
        }
    }
    assert_eq!(client.rest(), "", "{}: more than expected", file.display());
    let kept = kept.unwrap_or_else(|| panic!("{}: how many mails are kept?", file.display()));
    wait_for(&format!("{kept} mails of {}", file.display()), || (desk.list("/api/v1/inbox").len() == before + kept).then_some(()));
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        let hex = || u8::from_str_radix(&escaped[1..3], 16).expect("two hexadecimal digits");
        let (octet, length) = match escaped.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b'0') => (0, 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => (hex(), 3),
            other => panic!("unknown escape {other:?}"),
        };
        out.push(octet);
        rest = &escaped[length..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
