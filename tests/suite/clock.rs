//! A clock that jumps, by two hours back and by three days ahead: nothing is sent again, nothing expires, mail goes on.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ombud_tests::places::lacks;
use ombud_tests::{Desk, Draft, Letter, Options, Say, Sink};

use crate::{ANN, JANE, from_ann};

/// How long the desk is watched after a jump. What it would do wrong it would do at its next look, once a second.
const WATCHED: Duration = Duration::from_millis(2_500);

/// What lets a program see another time.
pub(crate) fn library() -> Option<PathBuf> {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|triple| format!("/usr/lib/{triple}/faketime/libfaketimeMT.so.1"));
    folders.into_iter().map(PathBuf::from).find(|path| path.exists())
}

/// The environment of a program whose clock a file moves.
pub(crate) fn variables<'a>(library: &'a str, file: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", file),
        ("FAKETIME_NO_CACHE", "1"),
        // The clock on the wall jumps; the one that only counts does not.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ]
}

/// Everything that was sent, by Message-ID.
fn ids(sink: &Sink) -> Vec<String> {
    let mut ids: Vec<String> = sink.letters().iter().filter_map(|letter| letter.header("Message-ID")).collect();
    ids.sort();
    ids
}

#[test]
fn a_clock_that_jumps_resends_nothing_and_expires_nothing() {
    let Some(library) = library() else {
        return lacks("a_clock_that_jumps_resends_nothing_and_expires_nothing", "no libfaketime here");
    };
    let sink = Sink::start(|_, _| Say::Yes);
    let mut desk = Desk::prepare(Options { relay: Some(sink.url()), mailbox: "auto_ack = \"never\"", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let clock = desk.path("clock");
    fs::write(&clock, "+0").unwrap();
    let (preload, file) = (library.display().to_string(), clock.display().to_string());
    assert!(desk.serve_under(&[], &variables(&preload, &file)), "{}", desk.log());
    let notice_of = |subject: &str| -> Letter {
        assert!(desk.send(&from_ann(subject, "Hello?")).is_yes());
        sink.expect(JANE, subject, |letter| letter.header("Subject").is_some_and(|s| s.ends_with(subject)))
    };
    let answer = |notice: &Letter, words: &str| {
        let draft = Draft::answer("Jane Doe <jane@agents.test>", notice, words);
        assert_eq!(desk.deliver(&draft)["kind"], "message", "{words}");
        sink.expect(ANN, words, |letter| letter.text().contains(words));
    };
    let notice = notice_of("Before");
    answer(&notice, "Said before.");
    desk.settle();
    for (jump, words) in [("-2h", "Said two hours ago."), ("+3d", "Said in three days.")] {
        let before = ids(&sink);
        fs::write(&clock, jump).unwrap();
        thread::sleep(WATCHED);
        assert_eq!(ids(&sink), before, "{jump}: nothing is sent because the clock has jumped");
        answer(&notice, words);
        notice_of(&format!("After {jump}"));
        desk.settle();
        assert_eq!(ids(&sink).len(), before.len() + 2, "{jump}: the answer and the notice");
        let tickets = desk.list("/api/v1/tickets");
        let made =
            |subject: &str| tickets.iter().find(|t| t["subject"] == subject).and_then(|t| t["created_at"].as_str()).expect("a ticket");
        let (first, last) = (made("Before"), made(&format!("After {jump}")));
        assert_eq!(first < last, jump.starts_with('+'), "the desk does not see the jump: {first}, {last}");
    }
    let mut unique = ids(&sink);
    unique.dedup();
    assert_eq!(unique.len(), ids(&sink).len(), "nothing twice");
    assert!(desk.list("/api/v1/outbox?state=unknown").is_empty());
    let held: Vec<_> = desk.list("/api/v1/inbox").into_iter().filter(|row| row["fate"]["kind"] == "held").collect();
    assert!(held.is_empty(), "{held:?}");
}
