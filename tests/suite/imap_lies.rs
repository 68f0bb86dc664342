//! IMAP servers that lie: the desk stays small, says what is wrong, and fetches as soon as they are honest.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ombud_tests::{Act, Desk, Draft, Liar, wait_until};

use crate::from_ann;
use crate::imap::fetching;

/// What a lie may cost, in KiB.
const ALLOWED: u64 = 48 << 10;

fn peak(desk: &Desk) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", desk.pid())).expect("its state");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Lies on the first connection and is honest from then on. The state must say `told`.
fn lies_once(told: &str, lie: impl Fn(&str) -> Act + Send + Sync + 'static) {
    lies(1, told, lie);
}

fn lies(times: usize, told: &str, lie: impl Fn(&str) -> Act + Send + Sync + 'static) {
    let liar = Liar::start("IDLE", move |connection, command| if connection < times { lie(command) } else { Act::Honest });
    let mail = from_ann("After the lie", "Hello?");
    liar.deliver(&mail.bytes());
    let desk = fetching(&format!("{}start = \"all\"\n", liar.section())).running();
    let before = peak(&desk);
    let state = format!("mail can't be fetched: {told}");
    wait_until(&format!("the state {state:?}"), || desk.log().contains(&state));
    heals(&desk, &mail);
    let cost = peak(&desk).saturating_sub(before);
    assert!(cost < ALLOWED, "{told}: {cost} KiB more");
}

fn heals(desk: &Desk, mail: &Draft) {
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    wait_until("it to say that all is well", || desk.log().contains("mail is fetched again"));
    assert_eq!(desk.fates(&mail.id).len(), 1);
}

fn at(wanted: &'static str, act: Act) -> impl Fn(&str) -> Act + Send + Sync {
    move |command| if command.contains(wanted) && !command.is_empty() { act.clone() } else { Act::Honest }
}

fn greeting(act: Act) -> impl Fn(&str) -> Act + Send + Sync {
    move |command| if command.is_empty() { act.clone() } else { Act::Honest }
}

#[test]
fn a_size_that_is_too_small() {
    let body = format!("* 1 FETCH (UID 1 BODY[] {{{}}}\r\n{}", 20 << 20, "x".repeat(2 << 20));
    lies_once("FETCH of a mail: the server sends more than", at("BODY.PEEK", Act::Say(body)));
}

#[test]
fn a_size_that_is_too_large_is_left_and_tried_again() {
    let liar = Liar::start("IDLE", |connection, command| match connection == 0 && command.contains("RFC822.SIZE") {
        true => Act::Say("* 1 FETCH (UID 1 RFC822.SIZE 99999999999)\r\nTAG OK\r\n".into()),
        false => Act::Honest,
    });
    let mail = from_ann("Not so large", "Hello?");
    liar.deliver(&mail.bytes());
    let mut desk = fetching(&format!("{}start = \"all\"\n", liar.section())).running();
    wait_until("it to be left", || desk.log().contains("UID 1 was left on the server: 95368 MiB are more than 50 MiB"));
    desk.kill();
    desk.serve(&[]);
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
}

#[test]
fn a_mail_that_is_longer_than_announced() {
    let said = "* 1 FETCH (UID 1 BODY[] {20}\r\nFrom: ann@x.test\r\n\r\nand more and more\r\n)\r\nTAG OK\r\n";
    lies_once("FETCH of a mail: ", at("BODY.PEEK", Act::Say(said.into())));
}

#[test]
fn a_literal_of_four_gigabytes() {
    let mail = "* 1 FETCH (UID 1 BODY[] {4294967295}\r\n";
    lies_once("FETCH of a mail: the server sends more than", at("BODY.PEEK", Act::Flood(mail.into())));
    let name = "* CAPABILITY {4294967295}\r\n";
    lies_once("CAPABILITY: the server sends more than", at("CAPABILITY", Act::Flood(name.into())));
}

#[test]
fn an_untagged_flood() {
    lies_once("SEARCH: the server sends more than", at("SEARCH", Act::Flood("* SEARCH 1 2 3\r\n".into())));
}

#[test]
fn an_endless_line() {
    lies_once("greeting: the server sends more than", greeting(Act::Flood("* OK hello ".into())));
}

#[test]
fn a_deeply_nested_answer_that_nobody_asked_for() {
    let nested = format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(5_000));
    lies_once("FETCH of", at("UID FETCH", Act::Say(format!("{nested}\r\nTAG OK\r\n"))));
}

#[test]
fn a_date_that_is_none() {
    let liar = Liar::start("IDLE", |_, command| match command.contains("INTERNALDATE") {
        true => Act::Say("* 1 FETCH (UID 1 INTERNALDATE NIL)\r\nTAG OK\r\n".into()),
        false => Act::Honest,
    });
    liar.deliver(&from_ann("Before", "Hello?").bytes());
    let desk = fetching(&liar.section()).running();
    wait_until("fetching to begin", || desk.log().contains("fetching begins"));
    let mail = from_ann("After", "Hello?");
    liar.deliver(&mail.bytes());
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
}

#[test]
fn a_goodbye_at_every_point() {
    let points = ["", "CAPABILITY", "LOGIN", "EXAMINE", "UID SEARCH", "RFC822.SIZE", "BODY.PEEK"];
    let step = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&step);
    let liar = Liar::start("IDLE", move |connection, command| {
        let Some(point) = points.get(connection) else { return Act::Honest };
        let here = if point.is_empty() { command.is_empty() } else { command.contains(point) };
        if !here {
            return Act::Honest;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        // Half of them do not even say it.
        if connection % 2 == 0 { Act::Close("* BYE Autologout; idle for too long\r\n".into()) } else { Act::Close(String::new()) }
    });
    let mail = from_ann("After the goodbyes", "Hello?");
    liar.deliver(&mail.bytes());
    let section = format!("{}start = \"all\"\n", liar.section());
    let mut desk = fetching(&section);
    for (number, point) in points.iter().enumerate() {
        desk.serve(&[]);
        wait_until(&format!("a goodbye at {point:?}"), || step.load(Ordering::SeqCst) > number);
        let told = if number % 2 == 0 { "the server hung up: Autologout; idle for too long" } else { "connection lost" };
        wait_until("it to say so", || desk.log().contains(told));
        // The next try would come by itself; a new process need not wait for it.
        desk.kill();
    }
    desk.serve(&[]);
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    assert_eq!(desk.fates(&mail.id).len(), 1);
}

#[test]
fn a_greeting_of_another_protocol() {
    lies_once("greeting: the server's answer can't be understood", greeting(Act::Say("220 mail.test ESMTP\r\n".into())));
}

#[test]
fn a_greeting_that_skips_the_log_in() {
    lies_once("the server skips the log-in (PREAUTH)", greeting(Act::Say("* PREAUTH welcome\r\n".into())));
}

#[test]
fn a_server_that_never_answers() {
    lies_once("greeting: the server said nothing within 15 s", greeting(Act::Hang));
}

#[test]
fn another_mail_than_was_asked_for() {
    let other = "* 1 FETCH (UID 9 BODY[] {4}\r\nevil)\r\nTAG OK\r\n";
    lies_once("FETCH of a mail: the server sends another mail than was asked for", at("BODY.PEEK", Act::Say(other.into())));
}

#[test]
fn an_answer_before_the_question() {
    lies_once("CAPABILITY: the server answers what was not asked", greeting(Act::Say("* OK hello\r\na1 OK\r\n0001 OK\r\n".into())));
}

#[test]
fn one_mail_that_cannot_be_had_does_not_hold_up_the_others() {
    let liar = Liar::start("IDLE", |_, command| match command.starts_with("UID FETCH 2 ") && command.contains("BODY.PEEK") {
        true => Act::Say("TAG NO [SERVERBUG] Internal error\r\n".into()),
        false => Act::Honest,
    });
    let mails: Vec<_> = (1..=3).map(|n| from_ann(&format!("Mail {n}"), "Hello?")).collect();
    for mail in &mails {
        liar.deliver(&mail.bytes());
    }
    let desk = fetching(&format!("{}start = \"all\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mails[0].id)["kind"], "ticket");
    assert_eq!(desk.fate(&mails[2].id)["kind"], "ticket");
    assert!(desk.fates(&mails[1].id).is_empty());
    wait_until("it to be named", || desk.log().contains("UID 2 was left on the server: FETCH of a mail: Internal error"));
}
