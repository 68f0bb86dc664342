//! `ombud import`: history comes in with its dates, once, and nobody hears of it.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use ombud_tests::{Desk, Draft, Options, Receiver, wait_until};
use serde_json::Value;

use crate::{ANN, JANE, SUPPORT, from_ann};

/// A mail of an archive; `more` are header lines.
fn old(from: &str, to: &str, id: &str, date: &str, more: &str, body: &str) -> String {
    format!(
        "From MAILER-DAEMON Sat Jan  1 00:00:00 2028\nFrom: {from}\nTo: {to}\nSubject: {id}\nMessage-ID: <{id}@old.test>\nDate: {date}\n{more}\n{body}\n\n"
    )
}

fn re(id: &str) -> String {
    format!("In-Reply-To: <{id}@old.test>\nReferences: <{id}@old.test>\n")
}

/// A thread of four voices, and what else lies in an old mailbox; newest first, as some programs write it.
fn archive() -> String {
    [
        old(ANN, SUPPORT, "five", "Fri, 07 May 2021 10:00:00 +0000", &re("two"), "Thank you! @close"),
        old("eve@else.test", SUPPORT, "four", "Thu, 06 May 2021 10:00:00 +0000", &re("one"), "I am Eve."),
        old(JANE, "bob@agents.test", "three", "Wed, 05 May 2021 10:00:00 +0000", &re("one"), "Bob, what do you think?"),
        old(SUPPORT, ANN, "two", "Tue, 04 May 2021 10:00:00 +0000", &re("one"), "@status open\nHave you tried it?"),
        old(ANN, SUPPORT, "one", "Mon, 03 May 2021 12:00:00 +0200", "", "It does not work.\n>From the start."),
        old(JANE, "carl@customer.test", "out", "Mon, 10 May 2021 10:00:00 +0000", "", "We write first."),
        old("carl@customer.test", SUPPORT, "back", "Tue, 11 May 2021 10:00:00 +0000", &re("out"), "And I answer."),
        old(ANN, SUPPORT, "away", "Sat, 08 May 2021 10:00:00 +0000", &(re("two") + "Auto-Submitted: auto-replied\n"), "I am away."),
        old(SUPPORT, SUPPORT, "spam", "Sun, 09 May 2021 10:00:00 +0000", "", "You have won."),
        old("two@x.test\nFrom: three@x.test", SUPPORT, "whose", "Sun, 09 May 2021 11:00:00 +0000", "", "Who am I?"),
    ]
    .concat()
}

fn import(desk: &Desk, more: &[&str], path: &str) -> Value {
    let path = desk.path(path).display().to_string();
    let done = desk.cli(&[&["import", "--json", "--mailbox", SUPPORT, &path], more].concat());
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    serde_json::from_str(&done.out).expect("JSON")
}

fn numbers(report: &Value) -> [u64; 5] {
    ["tickets", "messages", "automatic", "held", "duplicates"].map(|name| report[name].as_u64().expect("a number"))
}

fn lines(desk: &Desk, ticket: &Value) -> Vec<String> {
    let line = |m: &Value| {
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let public = if m["public"] == true { "public" } else { "inside" };
        format!("{} {public} {} {} {}", word(&m["kind"]), word(&m["author"]["address"]), word(&m["created_at"]), word(&m["subject"]))
    };
    desk.messages(ticket).iter().map(line).collect()
}

#[test]
fn a_thread_comes_in_with_its_dates_and_nobody_hears_of_it() {
    let mut desk =
        Desk::prepare(Options { more: "[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.agent("bob@agents.test", "Bob Roe", "agent");
    desk.serve(&[]);
    let receiver = Receiver::willing();
    let added = desk.cli(&["webhook", "add", &receiver.url(), "--events", "*"]);
    assert_eq!(added.code, 0, "{}", added.err);
    fs::write(desk.path("old.mbox"), archive()).expect("an archive");
    assert_eq!(numbers(&import(&desk, &[], "old.mbox")), [2, 5, 1, 2, 0]);

    let tickets = desk.list("/api/v1/tickets");
    assert_eq!(tickets.len(), 2, "{tickets:?}");
    let ann = tickets.iter().find(|t| t["requester"]["address"] == ANN).expect("Ann's ticket");
    assert_eq!((&ann["status"], &ann["subject"]), (&"closed".into(), &"one".into()));
    assert_eq!((&ann["created_at"], &ann["updated_at"]), (&"2021-05-03T10:00:00.000Z".into(), &"2021-05-07T10:00:00.000Z".into()));
    let expected = [
        "customer public ann@customer.test 2021-05-03T10:00:00.000Z one",
        "agent public - 2021-05-04T10:00:00.000Z two",
        "note inside jane@agents.test 2021-05-05T10:00:00.000Z three",
        "customer inside eve@else.test 2021-05-06T10:00:00.000Z four",
        "customer public ann@customer.test 2021-05-07T10:00:00.000Z five",
        "customer inside ann@customer.test 2021-05-08T10:00:00.000Z away",
    ];
    assert_eq!(lines(&desk, &ann["number"]), expected);
    let first = &desk.messages(&ann["number"])[0];
    assert_eq!(first["text"], "It does not work.\nFrom the start.");
    assert_eq!(first["flags"], serde_json::json!(["imported", "unverified"]));
    let carl = tickets.iter().find(|t| t["requester"]["address"] == "carl@customer.test").expect("Carl's ticket");
    assert_eq!(lines(&desk, &carl["number"]).len(), 2);
    let held: Vec<_> = desk.list("/api/v1/inbox?state=held").iter().map(|row| row["fate"]["reason"].clone()).collect();
    assert_eq!(held, ["author", "own"]);
    assert_eq!(desk.fates("one@old.test")[0]["transport"], "import");

    // Again: nothing is there twice.
    assert_eq!(numbers(&import(&desk, &[], "old.mbox")), [0, 0, 0, 0, 10]);
    assert_eq!(desk.list("/api/v1/inbox").len(), 10);

    // A person lets one through: it is still history.
    let held = desk.list("/api/v1/inbox?state=held")[0]["id"].clone();
    assert_eq!(desk.request("POST", &format!("/api/v1/inbox/{held}/release"), None).status, 200);
    let whose = desk.fate("whose@old.test");
    assert_eq!(whose["kind"], "ticket");
    assert_eq!(desk.get(&format!("/api/v1/tickets/{}", whose["ticket"]))["created_at"], "2021-05-09T11:00:00.000Z");

    // Whatever comes after it is news: the first that anybody hears of.
    let news = from_ann("News", "It works now.");
    desk.deliver(&news);
    desk.out().expect(JANE, "the news", |l| l.header("Subject").is_some_and(|s| s.ends_with("News")));
    wait_until("a webhook", || receiver.hits().iter().any(|hit| String::from_utf8_lossy(&hit.body).contains("message.received")));
    let told: Vec<_> = desk.out().letters().iter().map(|l| (l.recipient.clone(), l.header("Subject"))).collect();
    assert!(told.iter().all(|(_, subject)| subject.as_ref().is_some_and(|s| s.ends_with("News"))), "{told:?}");
    let of_news = desk.fate(&news.id)["ticket"].clone();
    for hit in receiver.hits() {
        let body: Value = serde_json::from_slice(&hit.body).expect("JSON");
        // That a person has let one through happens today.
        assert!(body["type"] == "message.released" || body["data"]["ticket"]["number"] == of_news, "{body}");
    }
}

#[test]
fn killed_in_the_middle_each_mail_comes_in_once() {
    const MAILS: usize = 3_000;
    let mut desk = Desk::with_jane();
    let mut text = String::new();
    for n in 0..MAILS {
        let parent = if n % 3 == 0 { String::new() } else { re(&format!("m{}", n - 1)) };
        let (day, hour) = (1 + n / 24 % 28, n % 24);
        let date = format!("{day:02} Jan {} {hour:02}:00:00 +0000", 2000 + n / 672);
        text += &old(&format!("c{}@customer.test", n / 3), SUPPORT, &format!("m{n}"), &date, &parent, "Hello.\n\nAgain.");
    }
    fs::write(desk.path("old.mbox"), &text).expect("an archive");
    desk.stop();
    let path = desk.path("old.mbox").display().to_string();
    let there = |desk: &Desk| {
        let list = desk.cli(&["inbox", "list", "--json", "--limit", "10000"]);
        serde_json::from_str::<Value>(&list.out).expect("JSON")["items"].as_array().expect("a list").len()
    };
    let start = Instant::now();
    let mut child = desk.spawn(&["import", "--mailbox", SUPPORT, &path]);
    while there(&desk) == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing comes in");
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it is gone");
    let before = there(&desk);
    assert!((1..MAILS).contains(&before), "{before} mails were there when it was killed");
    let [tickets, messages, automatic, held, duplicates] = numbers(&import(&desk, &[], "old.mbox"));
    assert_eq!((automatic, held, duplicates), (0, 0, before as u64));
    assert_eq!((tickets + messages) as usize, MAILS - before);
    desk.serve(&[]);
    let tickets = desk.list("/api/v1/tickets");
    assert_eq!(tickets.len(), MAILS / 3);
    assert!(tickets.iter().all(|t| t["messages"] == 3 && t["status"] == "closed"));
    assert_eq!(desk.list("/api/v1/inbox").len(), MAILS);
    assert!(desk.list("/api/v1/outbox").is_empty());
    assert!(desk.out().letters().is_empty());
}

#[test]
fn what_came_by_mail_is_not_imported_again_and_lately_can_stay_open() {
    let desk = Desk::with_jane();
    let mail = from_ann("By mail", "Hello?\n\nFrom Ann");
    desk.deliver(&mail);
    let stored = String::from_utf8(mail.bytes()).expect("text").replace("\r\n", "\n").replace("\nFrom ", "\n>From ");
    let mut text = format!("From {ANN} Sat Nov 21 10:00:00 2026\n{stored}\n");
    let now = jiff_now();
    let _ = write!(text, "{}", old(ANN, SUPPORT, "late", &now, "", "Waits."));
    let _ = write!(text, "{}", old("carl@customer.test", SUPPORT, "asked", &now, "", "Why?"));
    let _ = write!(text, "{}", old(SUPPORT, "carl@customer.test", "said", &now, &re("asked"), "Because."));
    let _ = write!(text, "{}", old(ANN, SUPPORT, "long-ago", "Mon, 03 May 2021 10:00:00 +0000", "", "Forgotten."));
    for (name, mail) in text.split_inclusive("\n\nFrom ").enumerate() {
        // The same as a Maildir, one file a mail.
        let mail = mail.strip_suffix("From ").unwrap_or(mail);
        let mail = mail.split_once('\n').expect("a From line").1.replace("\n>From ", "\nFrom ");
        fs::create_dir_all(desk.path("dir/cur")).expect("a Maildir");
        fs::write(desk.path(&format!("dir/cur/{name}:2,S")), mail).expect("a mail");
    }
    assert_eq!(numbers(&import(&desk, &["--open"], "dir")), [3, 1, 0, 0, 1]);
    assert_eq!(numbers(&import(&desk, &[], "dir")), [0, 0, 0, 0, 5]);
    let status = |subject: &str| desk.list("/api/v1/tickets").iter().find(|t| t["subject"] == subject).map(|t| t["status"].clone());
    assert_eq!(["late", "asked", "long-ago"].map(|s| status(s).expect("a ticket")), ["open", "pending", "closed"]);
}

fn jiff_now() -> String {
    // The archive is of today, and its dates are not in the future.
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs() - 3_600;
    let out = std::process::Command::new("date").args(["-u", "-R", "-d", &format!("@{seconds}")]).output().expect("date runs");
    String::from_utf8(out.stdout).expect("text").trim().to_owned()
}

#[test]
fn what_is_no_archive_says_where() {
    let desk = Desk::prepare(Options::default());
    let fails = |mailbox: &str, path: &str, code: i32, told: &str| {
        let path = desk.path(path).display().to_string();
        let done = desk.cli(&["import", "--mailbox", mailbox, &path]);
        assert_eq!(done.code, code, "{}", done.err);
        assert!(done.err.contains(told), "{told}: {}", done.err);
    };
    fs::write(desk.path("garbage"), [0, 159, 146, 150]).expect("a file");
    fs::write(desk.path("half.mbox"), format!("{}From x Sat Nov 21 10:00:00 2026\n\x01\x02\n", archive())).expect("a file");
    fails(SUPPORT, "garbage", 65, "garbage is no mbox file: line 1 does not begin with \"From \"");
    fails(SUPPORT, "none", 66, "cannot be read");
    fails(SUPPORT, "data", 65, "is no Maildir");
    fails("else@desk.test", "half.mbox", 65, "no mailbox of this desk; known are support@desk.test");
    fails(SUPPORT, "half.mbox", 65, &format!("half.mbox at octet {}: it has no header", archive().len()));
    assert_eq!(desk.cli(&["inbox", "list", "--json"]).out.matches("\"id\"").count(), 10);
}

#[test]
fn a_mail_is_looked_at_once_more_and_nothing_happens_twice() {
    let desk = Desk::with_jane();
    let (mail, own) = (from_ann("Once", "Hello?"), Draft::new(SUPPORT, SUPPORT, "Own", "Is it me?"));
    let fate = desk.deliver(&mail);
    assert_eq!(desk.deliver(&own)["reason"], "own");
    desk.settle();
    let before = (desk.out().letters().len(), desk.messages(&fate["ticket"]).len());
    let replay = |id: &str| {
        let row = desk.fates(id)[0]["id"].to_string();
        desk.cli(&["inbox", "replay", &row])
    };
    let done = replay(&mail.id);
    assert!(done.code == 0 && done.out.contains("is as it was"), "{}{}", done.out, done.err);
    let done = replay(&own.id);
    assert!(done.code == 0 && done.out.contains("is decided anew"), "{}{}", done.out, done.err);
    assert_eq!(desk.fate(&own.id)["kind"], "held");
    desk.settle();
    assert_eq!((desk.out().letters().len(), desk.messages(&fate["ticket"]).len()), before);
    assert_eq!(desk.cli(&["inbox", "replay", "9999"]).code, 66);
}
