//! IMAP servers that lie: the desk stays small, says what is wrong, and fetches as soon as they are honest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ombud_tests::{Act, Desk, Draft, Liar, wait_until};

use crate::from_ann;
use crate::imap::fetching;

/// What a lie may cost, in octets.
const ALLOWED: usize = 48 << 20;

/// Lies on the first connection and is honest from then on. The state must say `told`.
fn lies_once(told: &str, lie: impl Fn(&str) -> Act + Send + Sync + 'static) {
    lies_with("", told, lie);
}

fn lies_with(section: &str, told: &str, lie: impl Fn(&str) -> Act + Send + Sync + 'static) {
    let liar = Liar::start("IDLE", move |connection, command| if connection == 0 { lie(command) } else { Act::Honest });
    let mail = from_ann("After the lie", "Hello?");
    liar.deliver(&mail.bytes());
    let desk = fetching(&format!("{}start = \"all\"\n{section}", liar.section())).running();
    let before = desk.memory_peak();
    let state = format!("mail can't be fetched: {told}");
    wait_until(&format!("the state {state:?}"), || desk.log().contains(&state));
    heals(&desk, &mail);
    let cost = desk.memory_peak().saturating_sub(before);
    assert!(cost < ALLOWED, "{told}: {} MiB more", cost >> 20);
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
    let body = format!("* 1 FETCH (UID 1 BODY[] {{{}}}\r\n{}", 60 << 20, "x".repeat(2 << 20));
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
    lies_with("patience = \"2s\"\n", "greeting: the server said nothing within 2 s", greeting(Act::Hang));
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

/// Three mails, of which the second can't be had from this server and is left there.
fn second_is_left(told: &str, lie: impl Fn(&str) -> Act + Send + Sync + 'static) {
    let liar = Liar::start("IDLE", move |_, command| lie(command));
    let mails: Vec<_> = (1..=3).map(|n| from_ann(&format!("Mail {n}"), "Hello?")).collect();
    for mail in &mails {
        liar.deliver(&mail.bytes());
    }
    let desk = fetching(&format!("{}start = \"all\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mails[0].id)["kind"], "ticket");
    assert_eq!(desk.fate(&mails[2].id)["kind"], "ticket");
    assert!(desk.fates(&mails[1].id).is_empty());
    wait_until("it to be named", || desk.log().contains(&format!("UID 2 was left on the server: {told}")));
}

/// Whether a command asks for the content of this mail, be it among others.
fn wants(command: &str, uid: &str) -> bool {
    let set = command.strip_prefix("UID FETCH ").and_then(|rest| rest.strip_suffix(" (UID BODY.PEEK[])"));
    set.is_some_and(|set| set.split(',').any(|one| one == uid))
}

#[test]
fn one_mail_that_cannot_be_had_does_not_hold_up_the_others() {
    second_is_left("FETCH of a mail: Internal error", |command| match wants(command, "2") {
        true => Act::Say("TAG NO [SERVERBUG] Internal error\r\n".into()),
        false => Act::Honest,
    });
}

#[test]
fn one_mail_that_ends_the_connection_is_found_among_those_that_were_asked_for_with_it() {
    second_is_left("FETCH of a mail: the server hung up: Crashed", |command| match wants(command, "2") {
        true => Act::Close("* BYE Crashed\r\n".into()),
        false => Act::Honest,
    });
}

/// The same because of what it says to a listing of sizes.
fn second_of_three_is_left(told: &str, lie: impl Fn(&str) -> Act + Send + Sync + 'static) {
    second_is_left(told, move |command| match command.contains("RFC822.SIZE") {
        true => lie(command.split(' ').nth(2).unwrap_or_default()),
        false => Act::Honest,
    });
}

#[test]
fn a_size_that_is_kept_back_passes_over_no_mail_in_silence() {
    second_of_three_is_left("the server lists it and does not give its size", |set| match set {
        "1:3" => Act::Say("* 1 FETCH (UID 1 RFC822.SIZE 9)\r\n* 3 FETCH (UID 3 RFC822.SIZE 9)\r\nTAG OK\r\n".into()),
        "2:3" => Act::Say("* 3 FETCH (UID 3 RFC822.SIZE 9)\r\nTAG OK\r\n".into()),
        "2" => Act::Say("TAG OK\r\n".into()),
        _ => Act::Honest,
    });
}

#[test]
fn a_listing_that_one_mail_breaks_does_not_stand_still() {
    let holds_2 = |set: &str| matches!(set, "1:3" | "2:3" | "2");
    second_of_three_is_left("Internal error", move |set| match holds_2(set) {
        true => Act::Say("TAG NO [SERVERBUG] Internal error\r\n".into()),
        false => Act::Honest,
    });
    second_of_three_is_left("FETCH of sizes: the server hung up: Crashed", move |set| match holds_2(set) {
        true => Act::Close("* BYE Crashed\r\n".into()),
        false => Act::Honest,
    });
}

#[test]
fn of_two_mails_that_were_left_the_one_that_can_be_had_comes() {
    let healed = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&healed);
    let liar = Liar::start("IDLE", move |_, command| match wants(command, "1") || !well.load(Ordering::SeqCst) && wants(command, "2") {
        true => Act::Say("TAG NO [SERVERBUG] Internal error\r\n".into()),
        false => Act::Honest,
    });
    let mails: Vec<_> = (1..=3).map(|n| from_ann(&format!("Left {n}"), "Hello?")).collect();
    for mail in &mails {
        liar.deliver(&mail.bytes());
    }
    let mut desk = fetching(&format!("{}start = \"all\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mails[2].id)["kind"], "ticket");
    desk.kill();
    healed.store(true, Ordering::SeqCst);
    desk.serve(&[]);
    assert_eq!(desk.fate(&mails[1].id)["kind"], "ticket");
    assert!(desk.fates(&mails[0].id).is_empty());
}

#[test]
fn what_was_copied_and_can_t_be_deleted_is_not_copied_again_and_again() {
    let liar = Liar::start("", |_, command| match command.starts_with("UID STORE") {
        true => Act::Say("TAG NO read-only\r\n".into()),
        false => Act::Honest,
    });
    let mail = from_ann("Copied", "Hello?");
    liar.deliver(&mail.bytes());
    let desk = fetching(&format!("{}start = \"all\"\nafter = \"move:Archive\"\npoll = \"1s\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    let count = |what: &str| liar.commands().iter().filter(|c| c.starts_with(what)).count();
    wait_until("three looks", || count("SELECT") >= 3);
    assert_eq!(count("UID COPY"), 1);
    assert!(desk.log().contains("the server refuses to delete it: read-only"), "{}", desk.log());
}

#[test]
fn an_act_that_breaks_the_connection_each_time_stands_before_no_mail() {
    let liar = Liar::start("UIDPLUS", |_, command| match command.starts_with("UID STORE") {
        true => Act::Close("* BYE Crashed\r\n".into()),
        false => Act::Honest,
    });
    let desk = fetching(&format!("{}start = \"all\"\nafter = \"delete\"\npoll = \"1s\"\n", liar.section())).running();
    for n in 1..=4 {
        let mail = from_ann(&format!("Acted {n}"), "Hello?");
        liar.deliver(&mail.bytes());
        assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    }
    wait_until("it to be told", || desk.log().contains("says: STORE: the server hung up: Crashed"));
    assert_eq!(liar.commands().iter().filter(|c| c.starts_with("UID STORE")).count(), 2, "then it rests");
}

#[test]
fn a_uidnext_that_lies_and_a_mail_that_was_moved_away_are_no_recount() {
    let liar = Liar::start("", |_, command| match command.starts_with("EXAMINE") {
        true => Act::Say("* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 1]\r\nTAG OK\r\n".into()),
        false => Act::Honest,
    });
    let mails: Vec<_> = (1..=2).map(|n| from_ann(&format!("Moved {n}"), "Hello?")).collect();
    for mail in &mails {
        liar.deliver(&mail.bytes());
    }
    let desk = fetching(&format!("{}start = \"all\"\npoll = \"1s\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mails[1].id)["kind"], "ticket");
    liar.restore(1);
    let looks = || liar.commands().iter().filter(|c| c.starts_with("UID SEARCH")).count();
    let before = looks();
    wait_until("three looks", || looks() >= before + 3);
    assert!(!desk.log().contains("counts its mails anew"), "{}", desk.log());
}
