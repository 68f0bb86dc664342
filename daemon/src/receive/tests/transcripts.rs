//! Runs the dialogues in `tests/transcripts`; their format is described there.

use std::fs;
use std::path::{Path, PathBuf};

use super::fakes::{Client, Desk};
use crate::receive::Protocol;

#[tokio::test]
async fn smtp() {
    run_all("smtp", Protocol::Smtp, 25).await;
}

#[tokio::test]
async fn lmtp() {
    run_all("lmtp", Protocol::Lmtp, 4).await;
}

/// Runs each file of a folder in a session of its own, at least so many: a lost folder must not look like success.
async fn run_all(folder: &str, protocol: Protocol, at_least: usize) {
    let root = std::env::var_os("OMBUD_TRANSCRIPTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts"), PathBuf::from);
    let files = fs::read_dir(root.join(folder)).expect("the folder of transcripts").map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    files.sort();
    assert!(files.len() >= at_least, "only {} transcripts in {folder}", files.len());
    for file in files {
        run(&file, protocol).await;
    }
}

async fn run(file: &Path, protocol: Protocol) {
    let desk = Desk::plain();
    let mut client = desk.connect(protocol, Some("127.0.0.1"));
    let mut kept = None;
    for (number, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
        let place = format!("{}:{}", file.display(), number + 1);
        match line.split_once(' ').unwrap_or((line, "")) {
            ("C:", text) => client.send(format!("{text}\r\n").as_bytes()).await,
            ("C<", text) => client.send(&unescaped(text)).await,
            ("S:", expected) => assert_eq!(client.line().await.as_deref(), Some(expected), "{place}"),
            ("S~", expected) => prefix(&mut client, expected, &place).await,
            ("#=", "closed") => assert_eq!(client.until_closed().await, "", "{place}: more than expected"),
            ("#=", fact) => kept = fact.strip_prefix("kept ").map(|count| count.parse::<usize>().expect(&place)),
            (other, _) => assert!(other.is_empty() || other.starts_with('#'), "{place}: what is {other}?"),
        }
    }
    assert_eq!(client.rest().await, "", "{}: more than expected", file.display());
    assert_eq!(Some(desk.kept().len()), kept, "{}: mails kept", file.display());
}

async fn prefix(client: &mut Client, expected: &str, place: &str) {
    let line = client.line().await;
    assert!(line.as_ref().is_some_and(|line| line.starts_with(expected)), "{place}: {expected} expected, got {line:?}");
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        let hex = || u8::from_str_radix(&escaped[1..3], 16).expect("two hexadecimal digits");
        let (byte, length) = match escaped.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b'0') => (0, 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => (hex(), 3),
            other => panic!("unknown escape {other:?}"),
        };
        out.push(byte);
        rest = &escaped[length..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
