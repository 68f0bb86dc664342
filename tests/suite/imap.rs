//! Mail that is fetched from a real Dovecot, and what becomes of it there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::dovecot::PASSWORD;
use ombud_tests::{Act, Chance, Desk, Dovecot, Draft, Liar, Options, wait_until};

use crate::{ANN, JANE, SUPPORT, answers_to_ann, from_ann, ticket_of_ann};

/// A desk that fetches as these lines say; not running yet.
pub(crate) fn fetching(section: &str) -> Desk {
    fetching_with("", section)
}

pub(crate) fn fetching_with(more: &'static str, section: &str) -> Desk {
    let desk = Desk::prepare(Options { mailbox: "auto_ack = \"never\"", more, ..Options::default() });
    desk.configure(&format!("{}{section}", desk.configuration()));
    desk
}

/// Waits until a folder has been opened for the first time.
fn begun(desk: &Desk) {
    wait_until("fetching to begin", || desk.log().contains("fetching begins"));
}

#[track_caller]
fn logged(desk: &Desk, what: &str) {
    wait_until(&format!("{what:?} in the log"), || desk.log().contains(what));
}

#[track_caller]
fn is_ticket(desk: &Desk, mail: &Draft) {
    let fate = desk.fate(&mail.id);
    assert_eq!(fate["kind"], "ticket", "{fate}");
}

#[test]
fn mail_becomes_a_ticket_at_once_and_stays_as_it_was() {
    let dovecot = Dovecot::start();
    let before = from_ann("Before", "There before us.");
    dovecot.deliver(&before.bytes(), None);
    let desk = fetching(&format!("{}poll = \"1h\"\n", dovecot.section())).running();
    begun(&desk);
    let mail = from_ann("Hello", "It does not work.");
    let start = Instant::now();
    let file = dovecot.deliver(&mail.bytes(), None);
    is_ticket(&desk, &mail);
    assert!(start.elapsed() < Duration::from_secs(20), "IDLE and not the poll of an hour: {:?}", start.elapsed());
    let seen = from_ann("Seen", "Somebody has looked at it.");
    let seen_file = dovecot.deliver(&seen.bytes(), Some("S"));
    is_ticket(&desk, &seen);
    assert_eq!((dovecot.flags(&file), dovecot.flags(&seen_file)), (Some(String::new()), Some("S".into())));
    assert!(desk.fates(&before.id).is_empty(), "what was there before stays there");
    let row = &desk.fates(&mail.id)[0];
    assert_eq!(row["transport"], "imap", "{row}");
    let tickets = desk.list("/api/v1/tickets");
    assert!(tickets.iter().all(|t| t["mailbox"] == SUPPORT && t["requester"]["address"] == ANN), "{tickets:?}");
}

#[test]
fn an_agent_s_answer_may_come_by_fetching() {
    let dovecot = Dovecot::start();
    let desk = fetching(&dovecot.section());
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    begun(&desk);
    let (_, notice) = ticket_of_ann(&desk, "Fetched answer");
    let answer = Draft::answer("Jane Doe <jane@agents.test>", &notice, "It works now.");
    // Its signed address stands in To alone, as where a provider delivers to the name of the account.
    let raw = [b"Return-Path: <jane@agents.test>\r\nDelivered-To: account@provider.test\r\n", answer.bytes().as_slice()].concat();
    dovecot.deliver(&raw, None);
    let fate = desk.fate(&answer.id);
    assert_eq!(fate["kind"], "message", "{fate}");
    wait_until("Ann to get it", || answers_to_ann(&desk).iter().any(|letter| letter.text().contains("It works now.")));
}

#[test]
fn all_takes_what_was_there_before() {
    let dovecot = Dovecot::start();
    let mails: Vec<_> = (0..120).map(|n| from_ann(&format!("Old {n}"), "Hello?")).collect();
    for mail in &mails {
        dovecot.deliver(&mail.bytes(), Some("S"));
    }
    let desk = fetching(&format!("{}start = \"all\"\n", dovecot.section())).running();
    for mail in &mails {
        is_ticket(&desk, mail);
    }
    assert_eq!(desk.list("/api/v1/inbox").len(), mails.len());
}

#[test]
fn seen_marks_what_was_taken() {
    let dovecot = Dovecot::start();
    let desk = fetching(&format!("{}after = \"seen\"\n", dovecot.section())).running();
    begun(&desk);
    let mail = from_ann("Seen", "Hello?");
    let file = dovecot.deliver(&mail.bytes(), None);
    wait_until("the mail to be marked", || dovecot.flags(&file).as_deref() == Some("S"));
    assert_eq!(desk.list("/api/v1/inbox").len(), 1, "what is marked is here");
    is_ticket(&desk, &mail);
}

#[test]
fn move_moves_what_was_taken_and_says_when_it_can_t() {
    let dovecot = Dovecot::start();
    let desk = fetching(&format!("{}after = \"move:Archive\"\n", dovecot.section())).running();
    begun(&desk);
    let mail = from_ann("Move", "Hello?");
    let file = dovecot.deliver(&mail.bytes(), None);
    is_ticket(&desk, &mail);
    logged(&desk, "fetched mail could not be treated as `after = \"move:Archive\"` says");
    assert!(dovecot.flags(&file).is_some(), "it stays until it can be moved");
    dovecot.make_folder("Archive");
    let next = from_ann("Move too", "Hello?");
    dovecot.deliver(&next.bytes(), None);
    wait_until("both to be moved", || dovecot.count(".Archive") == 2 && dovecot.count("") == 0);
    is_ticket(&desk, &next);
    assert_eq!(desk.list("/api/v1/inbox").len(), 2);
}

#[test]
fn delete_deletes_what_was_taken_and_nothing_else() {
    let dovecot = Dovecot::start();
    let other = dovecot.deliver(&from_ann("Before", "Somebody marked it.").bytes(), Some("T"));
    let desk = fetching(&format!("{}after = \"delete\"\n", dovecot.section())).running();
    begun(&desk);
    let mail = from_ann("Delete", "Hello?");
    let file = dovecot.deliver(&mail.bytes(), None);
    wait_until("the mail to be deleted", || dovecot.flags(&file).is_none());
    is_ticket(&desk, &mail);
    assert_eq!(dovecot.flags(&other).as_deref(), Some("T"), "others' marks are theirs");
}

#[test]
fn what_follows_the_fetch_is_done_after_the_commit_and_after_a_crash() {
    let liar = Liar::start("MOVE UIDPLUS", |connection, command| match command {
        _ if connection == 0 && command.starts_with("UID STORE") => Act::Hang,
        _ => Act::Honest,
    });
    let mail = from_ann("Stored", "Hello?");
    liar.deliver(&mail.bytes());
    let mut desk = fetching(&format!("{}start = \"all\"\nafter = \"seen\"\npoll = \"1s\"\n", liar.section())).running();
    let stores = || liar.commands().into_iter().filter(|c| c.starts_with("UID STORE")).collect::<Vec<_>>();
    wait_until("the mail to be marked", || stores().len() == 1);
    desk.kill();
    desk.serve(&[]);
    is_ticket(&desk, &mail);
    wait_until("the mail to be marked again", || stores().len() == 2);
    assert_eq!(stores()[1], "UID STORE 1 +FLAGS.SILENT (\\SEEN)");
    let fetches = liar.commands().iter().filter(|c| c.contains("BODY.PEEK[]")).count();
    assert_eq!((fetches, desk.fates(&mail.id).len()), (1, 1), "fetched once, kept once");
}

#[test]
fn without_uidplus_nobody_s_mail_is_expunged() {
    let liar = Liar::start("", |_, _| Act::Honest);
    liar.deliver(&from_ann("Marked", "Hello?").bytes());
    let desk = fetching(&format!("{}start = \"all\"\nafter = \"move:Archive\"\npoll = \"1s\"\n", liar.section())).running();
    logged(&desk, "the server lacks UIDPLUS");
    let commands = liar.commands();
    assert!(commands.contains(&"UID COPY 1 \"ARCHIVE\"".to_owned()), "{commands:?}");
    assert!(commands.contains(&"UID STORE 1 +FLAGS.SILENT (\\DELETED)".to_owned()), "{commands:?}");
    assert!(!commands.iter().any(|c| c.contains("EXPUNGE")), "{commands:?}");
}

#[test]
fn without_idle_the_folder_is_polled() {
    let liar = Liar::start("", |_, _| Act::Honest);
    let desk = fetching(&format!("{}poll = \"1s\"\n", liar.section())).running();
    begun(&desk);
    let mail = from_ann("Polled", "Hello?");
    liar.deliver(&mail.bytes());
    is_ticket(&desk, &mail);
    let commands = liar.commands();
    assert!(!commands.iter().any(|c| c == "IDLE"), "{commands:?}");
    assert_eq!(liar.connections(), 1, "on one connection");
}

#[test]
fn idle_is_refused_by_a_server_that_names_it() {
    let liar = Liar::start("IDLE", |_, command| if command == "IDLE" { Act::Say("TAG BAD\r\n".into()) } else { Act::Honest });
    let desk = fetching(&format!("{}poll = \"1s\"\n", liar.section())).running();
    begun(&desk);
    let mail = from_ann("Polled", "Hello?");
    liar.deliver(&mail.bytes());
    is_ticket(&desk, &mail);
}

#[test]
fn several_folders_are_looked_through_and_a_missing_one_stands_before_none() {
    let dovecot = Dovecot::start();
    // Modified UTF-7 (RFC 3501 §5.1.3) of "Büro".
    dovecot.make_folder("B&APw-ro");
    let section = format!("{}folders = [\"Missing\", \"INBOX\", \"Büro\"]\npoll = \"1s\"\nstart = \"all\"\n", dovecot.section());
    let mail = from_ann("In the inbox", "Hello?");
    dovecot.deliver(&mail.bytes(), None);
    let office = from_ann("In the office", "Hello?");
    dovecot.deliver_to(".B&APw-ro", &office.bytes(), None);
    let desk = fetching(&section).running();
    is_ticket(&desk, &mail);
    is_ticket(&desk, &office);
    logged(&desk, "folder Missing");
    dovecot.make_folder("Missing");
    let late = from_ann("Missed", "Hello?");
    dovecot.deliver_to(".Missing", &late.bytes(), None);
    logged(&desk, "mail is fetched again");
    is_ticket(&desk, &late);
}

#[test]
fn a_new_uidvalidity_loses_nothing_and_brings_nothing_twice() {
    let mut dovecot = Dovecot::start();
    let old: Vec<_> = (0..20).map(|n| from_ann(&format!("Old {n}"), "Hello?")).collect();
    let mut desk = fetching(&dovecot.section());
    desk.serve(&[]);
    begun(&desk);
    for mail in &old {
        dovecot.deliver(&mail.bytes(), None);
    }
    for mail in &old {
        is_ticket(&desk, mail);
    }
    dovecot.stop();
    dovecot.change_uidvalidity();
    let new: Vec<_> = (0..5).map(|n| from_ann(&format!("New {n}"), "Hello?")).collect();
    for mail in &new {
        dovecot.deliver(&mail.bytes(), None);
    }
    dovecot.run();
    for mail in &new {
        is_ticket(&desk, mail);
    }
    logged(&desk, "the server counts its mails anew");
    wait_until("the old ones to be recognised", || {
        let rows = desk.list("/api/v1/inbox");
        rows.iter().filter(|row| row["fate"]["kind"] == "duplicate").count() == old.len()
    });
    assert_eq!(desk.list("/api/v1/tickets").len(), old.len() + new.len());
}

#[test]
fn a_server_that_counts_backwards_loses_no_new_mail() {
    let liar = Liar::start("", |_, _| Act::Honest);
    let desk = fetching(&format!("{}start = \"all\"\npoll = \"1s\"\n", liar.section())).running();
    let mails: Vec<_> = (0..4).map(|n| from_ann(&format!("Lost {n}"), "Hello?")).collect();
    for mail in &mails {
        liar.deliver(&mail.bytes());
    }
    for mail in &mails {
        is_ticket(&desk, mail);
    }
    liar.restore(2);
    let new = from_ann("After the restore", "Hello?");
    liar.deliver(&new.bytes());
    is_ticket(&desk, &new);
    desk.settle();
    assert_eq!(desk.list("/api/v1/tickets").len(), 5);
}

#[test]
fn a_uidnext_that_always_lies_does_not_bring_mail_again_and_again() {
    let liar = Liar::start("", |_, command| match command.starts_with("EXAMINE") {
        true => Act::Say("* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 1]\r\nTAG OK\r\n".into()),
        false => Act::Honest,
    });
    let mail = from_ann("Once", "Hello?");
    liar.deliver(&mail.bytes());
    let desk = fetching(&format!("{}start = \"all\"\npoll = \"1s\"\n", liar.section())).running();
    is_ticket(&desk, &mail);
    let looks = || liar.commands().iter().filter(|c| c.starts_with("UID SEARCH")).count();
    wait_until("three looks", || looks() >= 3);
    assert_eq!(desk.list("/api/v1/inbox").len(), 1);
}

#[test]
fn a_server_that_was_down_is_fetched_from_again() {
    let mut dovecot = Dovecot::start();
    let desk = fetching(&dovecot.section()).running();
    begun(&desk);
    dovecot.stop();
    let mail = from_ann("While down", "Hello?");
    dovecot.deliver(&mail.bytes(), None);
    logged(&desk, "mail can't be fetched: cannot connect to 127.0.0.1");
    dovecot.run();
    is_ticket(&desk, &mail);
    logged(&desk, "mail is fetched again");
}

#[test]
fn starttls_is_used_and_a_server_without_it_gets_no_password() {
    let dovecot = Dovecot::start();
    let desk = fetching(&dovecot.section().replace(&dovecot.url(), &dovecot.plain_url()));
    let checked = desk.cli(&["check"]);
    assert!(checked.out.lines().any(|l| l.starts_with("ok") && l.contains(": support log-in, INBOX; TLS, IDLE")), "{}", checked.out);
    let desk = desk.running();
    begun(&desk);
    let mail = from_ann("STARTTLS", "Hello?");
    dovecot.deliver(&mail.bytes(), None);
    is_ticket(&desk, &mail);
    let liar = Liar::start("AUTH=PLAIN SASL-IR", |_, _| Act::Honest);
    let strict = fetching(&format!("{}ca = \"{}\"\n", liar.section(), dovecot.ca().display())).running();
    logged(&strict, "no STARTTLS offered: the password is not sent in clear text");
    assert_eq!(liar.commands().iter().find(|c| c.starts_with("LOGIN") || c.starts_with("AUTH")), None);
}

#[test]
fn a_certificate_of_nobody_is_refused() {
    let dovecot = Dovecot::start();
    let section = dovecot.section();
    let without_ca: String = section.lines().filter(|line| !line.starts_with("ca")).map(|line| format!("{line}\n")).collect();
    let desk = fetching(&without_ca);
    let checked = desk.cli(&["check"]);
    assert_eq!(checked.code, 78, "{}", checked.out);
    let line = checked.out.lines().find(|line| line.contains("imap")).unwrap_or_default();
    assert!(line.starts_with("bad") && line.contains("support@desk.test at 127.0.0.1") && line.contains("certificate"), "{line}");
    let desk = desk.running();
    logged(&desk, "mail can't be fetched: TLS with 127.0.0.1: invalid peer certificate");
}

#[test]
fn a_wrong_password_is_told_and_not_tried_again_and_again() {
    let dovecot = Dovecot::start();
    let section = dovecot.section().replace(PASSWORD, "wrong-secret-77");
    let desk = fetching(&section);
    let checked = desk.cli(&["check"]);
    assert_eq!(checked.code, 78, "{}", checked.out);
    assert!(checked.out.contains("log-in refused: "), "{}", checked.out);
    let desk = desk.running();
    logged(&desk, "mail can't be fetched: log-in refused: ");
    assert!(!desk.log().contains("wrong-secret") && !checked.out.contains("wrong-secret"));
    // The right one is taken up by a reload, without waiting for the next try.
    desk.configure(&format!("{}{}", desk.configuration(), dovecot.section()));
    desk.signal("HUP");
    begun(&desk);
    let mail = from_ann("After all", "Hello?");
    dovecot.deliver(&mail.bytes(), None);
    is_ticket(&desk, &mail);
}

#[test]
fn a_refused_log_in_is_not_repeated_soon() {
    let liar = Liar::start("", |_, command| match command.starts_with("LOGIN") {
        true => Act::Say("TAG NO [AUTHENTICATIONFAILED] geheim-1234 is wrong\r\n".into()),
        false => Act::Honest,
    });
    let desk = fetching(&liar.section()).running();
    logged(&desk, "log-in refused: *** is wrong");
    // A desk that came again at once would have done so while a log-in elsewhere fails and heals.
    let other = Liar::start("", |connection, command| match connection < 2 && command.starts_with("LOGIN") {
        true => Act::Say("TAG NO [UNAVAILABLE] later\r\n".into()),
        false => Act::Honest,
    });
    let healing = fetching(&other.section()).running();
    begun(&healing);
    assert_eq!(liar.connections(), 1);
    assert!(!desk.log().contains("geheim"), "{}", desk.log());
}

#[test]
fn a_mail_that_is_too_large_is_left_and_the_others_come() {
    let dovecot = Dovecot::start();
    let large = from_ann("Large", "See the file.").attach("large.bin", &vec![7; 2 << 20]);
    let small = from_ann("Small", "Hello?");
    dovecot.deliver(&large.bytes(), None);
    dovecot.deliver(&small.bytes(), None);
    let section = format!("{}start = \"all\"\n", dovecot.section());
    let desk = fetching_with("[limits]\nmessage_size = \"1 MiB\"\n", &section).running();
    is_ticket(&desk, &small);
    logged(&desk, "UID 1 was left on the server: 3 MiB are more than 1 MiB");
    assert!(desk.fates(&large.id).is_empty());
    // A larger limit is taken up, and so is the mail.
    desk.configure(&format!("{}{section}", desk.configuration().replace("message_size = \"1 MiB\"", "message_size = \"5 MiB\"")));
    desk.signal("HUP");
    is_ticket(&desk, &large);
}

#[test]
fn sighup_begins_and_ends_fetching() {
    let dovecot = Dovecot::start();
    let desk = fetching("").running();
    let fetches = |is: bool| {
        let section = if is { format!("{}poll = \"1s\"\n", dovecot.section()) } else { String::new() };
        desk.configure(&format!("{}{section}", desk.configuration()));
        desk.signal("HUP");
    };
    let is_named = || String::from_utf8_lossy(&desk.public("/metrics").body).contains("\nombud_imap_up{");
    fetches(true);
    begun(&desk);
    let mail = from_ann("Begun", "Hello?");
    dovecot.deliver(&mail.bytes(), None);
    is_ticket(&desk, &mail);
    wait_until("the folder to have a state", is_named);
    fetches(false);
    wait_until("the folder to be given up", || !is_named());
    let meanwhile = from_ann("Meanwhile", "Hello?");
    dovecot.deliver(&meanwhile.bytes(), None);
    // Other mail comes in and is decided: nobody fetches beside it.
    desk.deliver(&from_ann("By another door", "Hello?"));
    assert!(desk.fates(&meanwhile.id).is_empty(), "nobody fetches any more");
    fetches(true);
    is_ticket(&desk, &meanwhile);
    assert_eq!(desk.fates(&mail.id).len(), 1);
}

#[test]
fn sigterm_does_not_wait_for_a_mail_that_never_comes() {
    let liar = Liar::start("", |_, command| {
        if command.contains("BODY.PEEK") { Act::Say("* 1 FETCH (UID 1 BODY[] {900}\r\nFrom: ann".into()) } else { Act::Honest }
    });
    liar.deliver(&[b'x'; 900]);
    let mut desk = fetching(&format!("{}start = \"all\"\n", liar.section())).running();
    wait_until("the fetch", || liar.commands().iter().any(|c| c.contains("BODY.PEEK")));
    let (status, took) = desk.stop();
    assert!(status.success() && took < Duration::from_secs(9), "{status} after {took:?}");
}

/// At least so many kills while so many mails arrive.
const KILLS: usize = 20;
/// Whom chance kills thrice over the same mail does not call it poison.
const THRICE_IS_NO_POISON: &str = "[limits]\nattempts = 100\n";
const MAILS: usize = 200;

#[test]
fn killed_again_and_again_each_mail_comes_exactly_once() {
    let dovecot = Arc::new(Dovecot::start());
    let mut desk = fetching_with(THRICE_IS_NO_POISON, &format!("{}after = \"seen\"\n", dovecot.section()));
    desk.serve(&[]);
    begun(&desk);
    let killed = Arc::new(AtomicBool::new(false));
    let (server, over) = (Arc::clone(&dovecot), Arc::clone(&killed));
    let postman = thread::spawn(move || {
        let deliver = |n: usize| {
            let mail = Draft::new(&format!("c{n}@customer.test"), SUPPORT, &format!("Killed {n}"), "Hello?");
            server.deliver(&mail.bytes(), None);
            mail.id
        };
        (0..MAILS)
            .map(|n| {
                // The mails come while the kills do; how they meet is what is tried here.
                thread::sleep(Duration::from_millis(if over.load(Ordering::SeqCst) { 0 } else { 60 }));
                deliver(n)
            })
            .collect::<Vec<_>>()
    });
    let mut chance = Chance::of_this_run();
    for _ in 0..KILLS {
        chance.pause(900);
        desk.kill();
        desk.serve(&[]);
    }
    killed.store(true, Ordering::SeqCst);
    let ids = postman.join().expect("the postman");
    let kinds = || {
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in desk.list("/api/v1/inbox") {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
            kinds.entry(text(&row["message_id"])).or_default().push(text(&row["fate"]["kind"]));
        }
        kinds
    };
    wait_until("every mail", || {
        let kinds = kinds();
        ids.iter().all(|id| kinds.get(id).is_some_and(|kinds| kinds.iter().all(|kind| kind != "waiting")))
    });
    desk.settle();
    let kinds = kinds();
    for id in &ids {
        assert_eq!(kinds.get(id), Some(&vec!["ticket".to_owned()]), "{id}");
    }
    assert_eq!(desk.list("/api/v1/tickets").len(), MAILS);
}
