//! `ombud check --probe`: a relay that hands everything back to the desk, and what it does to mail on the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ombud_tests::{Desk, Draft, Letter, Options, Ran, Say, Sink, Smtp};

use crate::{ANN, SUPPORT};

/// A desk whose relay is this one.
fn desk(sink: &Sink) -> Desk {
    let desk = Desk::prepare(Options { relay: Some(sink.url()), ..Options::default() });
    desk.agent("jane@agents.test", "Jane Doe", "admin");
    desk.running()
}

/// Has the desk try its way, while all that it sends comes back as `way` leaves it.
fn probed(desk: &Desk, sink: &Sink, way: impl Fn(Letter) -> Letter + Sync) -> Ran {
    let (over, smtp) = (AtomicBool::new(false), desk.ports().smtp);
    thread::scope(|scope| {
        let back = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                for letter in sink.letters().into_iter().skip(sent) {
                    sent += 1;
                    let letter = way(letter);
                    Smtp::greeted(smtp).mail(&letter.sender, &[letter.recipient.as_str()], &letter.raw);
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let ran = desk.cli(&["check", "--probe", SUPPORT, "--wait", "30s"]);
        over.store(true, Ordering::Relaxed);
        back.join().expect("it forwards");
        ran
    })
}

/// What the report says of an item.
#[track_caller]
fn says(ran: &Ran, item: &str, state: &str, words: &str) {
    let is_it = |line: &&str| line.starts_with(state) && line.contains(item) && line.contains(words);
    assert!(ran.out.lines().any(|line| is_it(&line)), "{state} {item} {words}:\n{}{}", ran.out, ran.err);
}

#[test]
fn a_way_that_changes_nothing_is_fine_and_opens_no_ticket() {
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&sink);
    let ran = probed(&desk, &sink, |letter| letter);
    for item in ["signed address", "message-id", "reply-to"] {
        says(&ran, item, "ok", "kept");
    }
    assert_eq!((ran.code, sink.letters().len()), (0, 2), "{}", ran.out);
    assert!(desk.list("/api/v1/tickets").is_empty() && desk.list("/api/v1/outbox").is_empty());
    let fates: Vec<_> = desk.list("/api/v1/inbox").iter().map(|mail| mail["fate"]["reason"].clone()).collect();
    assert_eq!(fates, ["probe", "probe"]);
}

#[test]
fn a_mailbox_is_tried_by_its_own_relay() {
    let (main, own) = (Sink::start(|_, _| Say::Yes), Sink::start(|_, _| Say::Yes));
    let mailbox = format!("relay = \"{}\"", own.url());
    let desk = Desk::prepare(Options { relay: Some(main.url()), mailbox: Box::leak(mailbox.into_boxed_str()), ..Options::default() });
    desk.agent("jane@agents.test", "Jane Doe", "admin");
    let desk = desk.running();
    let ran = probed(&desk, &own, |letter| letter);
    says(&ran, "signed address", "ok", "kept");
    assert_eq!((ran.code, own.letters().len(), main.letters().len()), (0, 2, 0), "{}", ran.out);
}

#[test]
fn a_relay_that_cuts_addresses_is_found_out() {
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&sink);
    let ran = probed(&desk, &sink, |letter| Letter { recipient: SUPPORT.into(), ..letter });
    says(&ran, "signed address", "bad", "it came to support@desk.test; set `reply`");
    says(&ran, "message-id", "ok", "kept");
    assert_eq!(ran.code, 78, "{}", ran.err);
}

#[test]
fn a_relay_that_rewrites_headers_is_found_out() {
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&sink);
    let rewritten = |letter: Letter| {
        let text = String::from_utf8(letter.raw.clone()).expect("ASCII");
        let other = |line: &str| match line.split_once(": ") {
            Some(("Message-ID", _)) => format!("Message-ID: <{}@relay.test>", line.len()),
            Some(("Reply-To", _)) => "Reply-To: <support@desk.test>".to_owned(),
            _ => line.to_owned(),
        };
        Letter { raw: text.split("\r\n").map(other).collect::<Vec<_>>().join("\r\n").into_bytes(), ..letter }
    };
    let ran = probed(&desk, &sink, rewritten);
    says(&ran, "signed address", "ok", "kept");
    says(&ran, "message-id", "bad", "@relay.test: threads then hang on");
    says(&ran, "reply-to", "bad", "changed on the way");
    assert!(desk.list("/api/v1/tickets").is_empty());
}

#[test]
fn what_does_not_come_back_is_said_in_time() {
    let sink = Sink::start(|_, _| Say::Yes);
    let mut desk = desk(&sink);
    let ran = desk.cli(&["check", "--probe", SUPPORT, "--wait", "1s"]);
    says(&ran, "probe", "bad", "nothing came back within 1 s");
    desk.stop();
    let ran = desk.cli(&["check", "--probe", SUPPORT]);
    says(&ran, "probe", "bad", "no daemon of this desk runs");
    assert_eq!(sink.letters().len(), 2);
}

#[test]
fn an_answer_from_elsewhere_is_filed_as_one_to_a_probe() {
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&sink);
    let ran = desk.cli(&["check", "--probe", ANN]);
    says(&ran, "probe", "ok", "left for ann@customer.test");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let probe = sink.expect(ANN, "a probe", |_| true);
    let fate = desk.deliver(&Draft::answer("Ann Smith <ann@customer.test>", &probe, "It says dkim=pass."));
    assert_eq!((&fate["kind"], &fate["reason"]), (&"automatic".into(), &"probe".into()), "{fate}");
}
