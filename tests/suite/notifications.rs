//! What agents get, when, and why (RULES, What agents get).

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ombud_tests::mail::tokens;
use ombud_tests::{Desk, Draft, Letter, Options, wait_for};
use serde_json::Value;

use crate::{ANN, BOB, JANE, from_ann, ticket_of_ann};

/// A desk with Jane, Bob and Kim, of whom each is set as told.
fn desk_of(mailbox: &'static str, jane: &[&str], bob: &[&str], kim: &[&str]) -> Desk {
    let desk = Desk::prepare(Options { mailbox, ..Options::default() });
    for (address, name, set) in [(JANE, "Jane Doe", jane), (BOB, "Bob Roe", bob), ("kim@agents.test", "Kim Lee", kim)] {
        desk.agent(address, name, "agent");
        if !set.is_empty() {
            let ran = desk.cli(&[&["agent", "set", address], set].concat());
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
    }
    desk.running()
}

/// Who was mailed about a subject, by the word of X-Ombud-Reason.
fn told(desk: &Desk, subject: &str) -> Vec<(String, String)> {
    desk.settle();
    let about = |letter: &Letter| letter.header("Subject").is_some_and(|s| s.ends_with(subject));
    let reason = |letter: Letter| Some((letter.recipient.clone(), letter.header("X-Ombud-Reason")?));
    let mut told: Vec<_> = desk.out().letters().into_iter().filter(about).filter_map(reason).collect();
    told.sort();
    told
}

fn pairs<'a>(expected: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    expected.iter().map(|(who, why)| ((*who).to_owned(), (*why).to_owned())).collect()
}

const KIM: &str = "kim@agents.test";

#[test]
fn a_notification_says_all_that_one_needs_for_an_answer() {
    let desk = Desk::with_jane();
    let (first, _) = ticket_of_ann(&desk, "Toner");
    let (number, notice) = ticket_of_ann(&desk, "Printer");
    assert_eq!(notice.header("List-Id").as_deref(), Some("<support.desk.test>"));
    assert_eq!(notice.header("X-Ombud-Reason").as_deref(), Some("unassigned"));
    let text = notice.text();
    assert!(text.starts_with("Hello, it does not work."), "the message first:\n{text}");
    for fact in [
        format!("Ticket: #{number}, open, normal priority"),
        "Assigned to: nobody yet".into(),
        format!("Earlier tickets: #{first} Toner (open)"),
    ] {
        assert!(text.lines().any(|line| line == fact), "{fact} is missing in:\n{text}");
    }
    assert_eq!(tokens(&text).len(), 2, "{text}");
    let (html, answer) = (notice.html(), notice.address("Reply-To").replace('+', "%2B"));
    for command in ["%40assign%20me", "%40solve", "%40snooze%20tomorrow%209%3A00", "%40spam", "%40follow"] {
        assert!(html.contains(&format!("\"mailto:{answer}?body={command}\"")), "{command} is missing in:\n{html}");
    }

    // All mails of a ticket are one thread, and say why they come.
    let ack = desk.out().expect(ANN, "the acknowledgement", |l| l.header("Subject").is_some_and(|s| s.ends_with("Printer")));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "@assign me"));
    desk.deliver(&Draft::answer("Ann Smith <ann@customer.test>", &ack, "And it smokes."));
    let second = desk.out().expect(JANE, "the next one", |l| l.text().contains("And it smokes."));
    let root = |letter: &Letter| letter.header("References").unwrap_or_default().split_whitespace().next().map(str::to_owned);
    assert!(root(&notice).is_some() && root(&second) == root(&notice));
    assert_eq!(second.header("Subject"), notice.header("Subject"));
    assert_eq!(second.header("X-Ombud-Reason").as_deref(), Some("assigned"));
    assert!(second.text().contains("Assigned to: Jane Doe"), "{}", second.text());
    for customers in desk.out().to(ANN) {
        assert_eq!((customers.header("List-Id"), customers.header("X-Ombud-Reason")), (None, None));
    }
}

#[test]
fn everybody_hears_what_they_have_chosen() {
    let desk = desk_of("", &["--notify", "all"], &["--notify", "mine"], &["--notify", "none"]);
    let (_, notice) = ticket_of_ann(&desk, "Choices");
    assert_eq!(told(&desk, "Choices"), pairs(&[(JANE, "unassigned")]));

    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "@assign bob@agents.test"));
    assert!(told(&desk, "Choices").contains(&(BOB.into(), "assigned".into())));
    let before = told(&desk, "Choices").len();
    let ack = desk.out().expect(ANN, "the acknowledgement", |_| true);
    desk.deliver(&Draft::answer("Ann Smith <ann@customer.test>", &ack, "Hello?"));
    let now = told(&desk, "Choices");
    assert_eq!(now.len(), before + 2, "{now:?}");
    assert!(now.contains(&(JANE.into(), "all".into())), "{now:?}");
    assert!(desk.out().to(KIM).is_empty());
}

#[test]
fn a_team_hears_of_its_own_tickets_and_all_hear_when_it_has_nobody() {
    let desk = desk_of("team = \"print\"", &["--team", "print"], &["--team", "sales"], &["--team", "print", "--notify", "mine"]);
    ticket_of_ann(&desk, "Of a team");
    assert_eq!(told(&desk, "Of a team"), pairs(&[(JANE, "unassigned")]));
    assert_eq!(desk.cli(&["agent", "disable", JANE]).code, 0);
    // The daemon reads who works here with each decision.
    desk.deliver(&from_ann("Of nobody", "Hello?"));
    assert_eq!(told(&desk, "Of nobody"), pairs(&[(BOB, "unassigned")]));
}

/// `HH:MM` of so many hours after now, in UTC.
fn hours_from_now(hours: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let hour = (now as i64 / 3_600 + hours).rem_euclid(24);
    format!("{hour:02}:00")
}

#[test]
fn quiet_hours_keep_news_until_they_end_and_answer_the_agent_at_once() {
    let quiet = format!("{}-{}", hours_from_now(-1), hours_from_now(3));
    let bob: Vec<&str> = vec!["--quiet", &quiet, "--timezone", "Etc/UTC"];
    let desk = desk_of("", &[], &bob, &["--notify", "none"]);
    ticket_of_ann(&desk, "At night");
    let waiting = |row: &Value| row["to"] == BOB && row["state"] == "waiting";
    let row = wait_for("the mail that waits", || desk.list("/api/v1/outbox").into_iter().find(waiting));
    let end = row["next_attempt_at"].as_str().expect("a time");
    assert!(end.contains(&format!("T{}:00", hours_from_now(3))), "{row}");
    let page = String::from_utf8(desk.public("/").body).expect("UTF-8");
    assert!(!page.contains(">stuck<") && !page.contains(">slow<"), "what waits on purpose is not stuck:\n{page}");

    // Bob is up all the same: what answers his own mail comes at once, before what waits.
    let retried = desk.cli(&["queue", "retry", &row["id"].to_string()]);
    assert_eq!(retried.code, 0, "{}", retried.err);
    let notice = desk.out().expect(BOB, "what a person has let go", |l| l.header("Subject").is_some_and(|s| s.ends_with("At night")));
    desk.deliver(&from_ann("At night, too", "Hello?"));
    assert_eq!(desk.deliver(&Draft::answer("Bob Roe <bob@agents.test>", &notice, "@slove"))["kind"], "held");
    desk.out().expect(BOB, "that it was held", |l| l.text().contains("@slove"));
    // A mail has arrived a moment before the outbox knows.
    wait_for("only the second ticket to wait for the morning", || {
        (desk.list("/api/v1/outbox").into_iter().filter(waiting).count() == 1).then_some(())
    });
    let news = desk.out().to(BOB).into_iter().filter(|l| l.header("Subject").is_some_and(|s| s.ends_with("At night, too")));
    assert_eq!(news.count(), 0);
}

/// Settings of an agent whose quiet hours have begun at the hour before this one, and last for three hours more.
fn asleep() -> [String; 4] {
    let quiet = format!("{}-{}", hours_from_now(-1), hours_from_now(3));
    ["--quiet".into(), quiet, "--timezone".into(), "Etc/UTC".into()]
}

/// Mails to an agent that wait for the end of their quiet hours.
fn waiting(desk: &Desk, agent: &str) -> usize {
    desk.list("/api/v1/outbox?state=waiting").iter().filter(|row| row["to"] == agent).count()
}

#[test]
fn after_quiet_hours_much_is_one_mail_and_a_few_are_a_few() {
    let quiet = asleep();
    let quiet: Vec<&str> = quiet.iter().map(String::as_str).collect();
    let began = hours_from_now(-1);
    let mut desk = desk_of("", &[], &quiet, &[&["--notify", "mine"], &quiet[..]].concat());
    let notices: Vec<(Value, Letter)> = (1..=12).map(|n| ticket_of_ann(&desk, &format!("Floor {n}"))).collect();
    for (_, notice) in &notices[9..] {
        desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", notice, "@assign kim@agents.test"));
    }
    // The first ticket is the newest of them by what its customer says last.
    let (last, about) = (&notices[0].0, "Floor 1");
    let ack = desk.out().expect(ANN, "the acknowledgement", |l| l.header("Subject").is_some_and(|s| s.ends_with(about)));
    desk.deliver(&Draft::answer("Ann Smith <ann@customer.test>", &ack, "And it smokes."));
    wait_for("all that is new to wait", || ((waiting(&desk, BOB), waiting(&desk, KIM)) == (16, 3)).then_some(()));
    assert!(desk.out().to(BOB).is_empty() && desk.out().to(KIM).is_empty());

    desk.stop();
    desk.serve(&["--clock", "3h"]);
    desk.settle();
    let [digest] = &desk.out().to(BOB)[..] else { panic!("{} mails", desk.out().to(BOB).len()) };
    assert_eq!(digest.header("Subject"), Some(format!("16 news on 12 tickets since {began}")));
    assert_eq!(digest.header("X-Ombud-Reason").as_deref(), Some("quiet"));
    assert_eq!(digest.header("List-Id").as_deref(), Some("<support.desk.test>"));
    assert_eq!(digest.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    let (text, html) = (digest.text(), digest.html());
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!((lines.len(), lines[0]), (12, format!("#{last} {about}").as_str()), "{text}");
    assert!(text.contains("2 new messages; open; assigned to nobody") && text.contains("assigned to Kim Lee"), "{text}");
    assert!(text.contains("last: Ann Smith, "), "{text}");
    // The one address in it is Bob's for everything.
    let address = digest.address("Reply-To");
    assert_eq!((&address, tokens(&text).len()), (&digest.address("List-Post"), 0), "{text}");
    assert!(html.contains(&format!("mailto:{}?body=%40ticket%20{last}%0D%0A%40history", address.replace('+', "%2B"))), "{html}");
    assert_eq!(tokens(&html.replace("%2B", "+").replace(&address, "")).len(), 0, "{html}");
    let kims: Vec<_> = desk.out().to(KIM).iter().filter_map(|l| l.header("X-Ombud-Reason")).collect();
    assert_eq!(kims, ["assigned"; 3]);

    desk.deliver(&Draft::answer("Bob Roe <bob@agents.test>", digest, &format!("@ticket {last}\n@history")));
    let history = desk.out().expect(BOB, "the ticket", |l| l.text().contains("And it smokes."));
    // He was told of the ticket, so he hears who has it.
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notices[0].1, "@assign kim@agents.test"));
    desk.out().expect(BOB, "who has it", |l| l.header("X-Ombud-Reason").as_deref() == Some("taken"));
    assert!(history.header("Subject").is_some_and(|s| s.ends_with(about)));
}

#[test]
fn what_is_too_much_for_an_hour_is_one_mail_at_its_end() {
    let more = "[limits]\nnotifications_per_agent_hour = 2\n";
    let desk = Desk::prepare(Options { mailbox: "auto_ack = \"never\"", more, ..Options::default() });
    desk.agent(BOB, "Bob Roe", "agent");
    let mut desk = desk.running();
    // The test ends in the hour in which it begins.
    desk.stop();
    let minutes = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs() / 60 % 60;
    let to_mid_hour = (90 - minutes) % 60;
    desk.serve(&["--clock", &format!("{to_mid_hour}m")]);
    for n in 1..=9 {
        desk.deliver(&from_ann(&format!("Floor {n}"), "Hello?"));
    }
    wait_for("two to leave and the others to wait", || ((desk.out().to(BOB).len(), waiting(&desk, BOB)) == (2, 7)).then_some(()));
    desk.stop();
    desk.serve(&["--clock", &format!("{}m", to_mid_hour + 60)]);
    desk.settle();
    let digests: Vec<Letter> = desk.out().to(BOB).into_iter().filter(|l| l.header("X-Ombud-Reason").as_deref() == Some("quiet")).collect();
    let [digest] = &digests[..] else { panic!("{} digests", digests.len()) };
    assert!(digest.header("Subject").is_some_and(|s| s.starts_with("7 news on 7 tickets since ")), "{:?}", digest.header("Subject"));
    assert!(digest.text().starts_with("This mail stands for 7 notifications that were more than are sent one by one within an hour."));
    assert_eq!(desk.out().to(BOB).len(), 3);
}

#[test]
fn killed_at_the_end_of_quiet_hours_the_digest_comes_once() {
    for point in ["decide.before_commit", "decide.after_commit", "compose.after_commit", "send.before_sent", "send.after_sent"] {
        let quiet = asleep();
        let quiet: Vec<&str> = quiet.iter().map(String::as_str).collect();
        let mut desk = desk_of("auto_ack = \"never\"", &["--notify", "none"], &quiet, &["--notify", "none"]);
        for n in 1..=7 {
            desk.deliver(&from_ann(&format!("Floor {n}"), "Hello?"));
        }
        assert_eq!(waiting(&desk, BOB), 7);
        desk.stop();
        let armed = format!("{point}:1");
        assert!(desk.serve_under(&["sh", "-c", "exec \"$@\" --clock 3h", "sh"], &[("OMBUD_FAILPOINT", &armed)]), "{}", desk.log());
        assert_eq!(desk.wait_for_end(Duration::from_secs(20)).signal(), Some(9), "at {point}");
        desk.serve(&["--clock", "3h"]);
        let has = |l: &Letter| l.header("Subject").is_some_and(|s| s.starts_with("7 news on 7 tickets"));
        desk.out().expect(BOB, "the digest", has);
        desk.settle();
        assert_eq!(desk.out().to(BOB).len(), 1, "killed at {point}");
    }
}
