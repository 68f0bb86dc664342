#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::receive::imap::response::Status;
use crate::store::Store;

const WHEN: &str = "test";

/// A connection whose other end has said this and is still there.
async fn wire(said: &[u8]) -> (Wire, tokio::io::DuplexStream) {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    far.write_all(said).await.unwrap();
    (Wire::new(Box::new(near)), far)
}

/// A connection whose other end never stops saying this.
fn endless(said: Vec<u8>) -> Wire {
    let (near, mut far) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { while far.write_all(&said).await.is_ok() {} });
    Wire::new(Box::new(near))
}

struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn inbox() -> (Inbox, Place) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = std::env::temp_dir().join(format!("ombud-wire-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let store = Store::open(&crate::config::Database::Sqlite(Path::new(&folder).join("ombud.db")), &folder).await.unwrap();
    (Inbox::new(store, Clock::default()), Place(folder))
}

fn short(limit: u64) -> Leash {
    Leash::timed(limit, Duration::from_secs(20), Duration::from_millis(200))
}

#[tokio::test]
async fn responses_are_read_with_their_literals() {
    let (mut wire, _far) = wire(b"* LIST () \"/\" {5}\r\nin bo\r\n* 2 EXISTS\r\na1 OK done\r\n").await;
    let mut leash = short(1000);
    let Response::Data(list) = wire.response(WHEN, &mut leash, None).await.unwrap() else { unreachable!() };
    assert_eq!(list.name, "LIST");
    assert!(matches!(wire.response(WHEN, &mut leash, None).await.unwrap(), Response::Data(d) if d.number == Some(2)));
    assert!(matches!(wire.response(WHEN, &mut leash, None).await.unwrap(), Response::Status { status: Status::Ok, .. }));
    assert!(matches!(wire.response(WHEN, &mut leash, None).await, Err(Fault::Silent { .. })));
}

#[tokio::test]
async fn an_endless_line_and_an_endless_answer_end_at_the_leash() {
    for said in [vec![b'x'; 4096], b"* LIST {3}\r\nabc {3}\r\nabc".to_vec()] {
        let (mut wire, mut leash) = (endless(said), short(200_000));
        let mut seen = 0;
        let fault = loop {
            match wire.response(WHEN, &mut leash, None).await {
                Ok(_) => seen += 1,
                Err(fault) => break fault,
            }
        };
        assert!(matches!(fault, Fault::TooMuch { .. } | Fault::Nonsense { .. }), "{fault} after {seen}");
        assert!(wire.input.capacity() < 1 << 20, "{}", wire.input.capacity());
    }
}

#[tokio::test]
async fn a_huge_literal_is_refused_before_it_is_read() {
    let (inbox, _place) = inbox().await;
    for announced in ["{4294967295}", "{4000000000}", "{65537}"] {
        let (mut wire, _far) = wire(format!("* 1 FETCH (BODY[1] {announced}\r\n").as_bytes()).await;
        assert!(matches!(wire.response(WHEN, &mut short(1 << 20), None).await, Err(Fault::TooMuch { .. })), "{announced}");
    }
    let (mut wire, _far) = wire(b"* 1 FETCH (BODY[] {4294967295}\r\n").await;
    let mut draft = inbox.draft();
    let mut sink = Sink { draft: &mut draft, most: 1000, filled: false };
    let fault = wire.response(WHEN, &mut short(1 << 20), Some(&mut sink)).await;
    assert!(matches!(fault, Err(Fault::TooMuch { limit: 1000, .. })));
    assert!(draft.is_empty());
}

#[tokio::test]
async fn a_mail_goes_into_the_draft_and_only_one() {
    let (inbox, _place) = inbox().await;
    let fetch = b"* 1 FETCH (UID 5 BODY[] {4}\r\nmail FLAGS ())\r\n";
    let (mut wire, _far) = wire(&[&fetch[..], &fetch[..]].concat()).await;
    let mut draft = inbox.draft();
    let mut sink = Sink { draft: &mut draft, most: 4, filled: false };
    let mut leash = short(1000);
    assert!(matches!(wire.response(WHEN, &mut leash, Some(&mut sink)).await.unwrap(), Response::Data(d) if d.fetch().is_some()));
    assert!(matches!(wire.response(WHEN, &mut leash, Some(&mut sink)).await, Err(Fault::Nonsense { .. })));
    assert_eq!(draft.len(), 4);
}

#[tokio::test]
async fn silence_and_a_drip_both_end() {
    let (mut wire, mut far) = wire(b"* OK").await;
    let begun = Instant::now();
    let mut leash = Leash::timed(1000, Duration::from_millis(400), Duration::from_millis(300));
    let drip = tokio::spawn(async move {
        while far.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(matches!(wire.response(WHEN, &mut leash, None).await, Err(Fault::Slow { .. })));
    assert!(begun.elapsed() >= Duration::from_millis(400) && begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drip.abort();
}

#[tokio::test]
async fn clear_text_behind_starttls_is_not_taken_for_what_comes_over_tls() {
    let (mut wire, _far) = wire(b"a1 OK go\r\n* CAPABILITY AUTH=PLAIN\r\n").await;
    wire.response("STARTTLS", &mut short(1000), None).await.unwrap();
    assert!(matches!(wire.into_stream(), Err(Fault::Nonsense { .. })));
}

/// Reads until there is no more; how many responses there were.
fn read_all(said: &[u8]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async move {
        let mut wire = Wire::new(Box::new(tokio::io::join(std::io::Cursor::new(said.to_vec()), tokio::io::sink())));
        let (mut leash, mut count) = (Leash::short(Duration::from_secs(60)), 0);
        while wire.response(WHEN, &mut leash, None).await.is_ok() {
            count += 1;
        }
        count
    })
}

proptest! {
    #[test]
    fn any_octets_end(said in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_all(&said) <= said.len());
    }

    #[test]
    fn any_stretches_end(parts in prop::collection::vec("\\* |a1 |OK|FETCH \\(|\\{[0-9]{1,2}\\}\r\n|\r\n|BODY\\[\\] |\\)|\\+|[a-z]{0,9}", 0..20)) {
        let said = parts.concat();
        prop_assert!(read_all(said.as_bytes()) <= said.len());
    }
}
