//! The PostgreSQL server crashes, or hangs, under the desk.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::places::lacks;
use ombud_tests::postgres::{self, Server};
use ombud_tests::wait::{PATIENCE, found};
use ombud_tests::{Chance, Desk, Options, Say, Sink, wait_until};

use crate::load::{Load, Sent, once_in_the_inbox};
use crate::{ANN, JANE, from_ann};

const CRASHES: usize = 5;
/// A page for people, which waits 1.5 s for the database at most, and what the desk may take to notice that it is back;
/// on a busy machine, and far below what the database itself takes to be given up.
const AT_ONCE: Duration = Duration::from_secs(8);
const SOON: Duration = Duration::from_secs(20);

const AWAY: &str = "<h1>The database does not answer</h1>\n<p><time class=\"when\" datetime=";

fn desk(database: &str, sink: &Sink) -> Desk {
    let desk = Desk::prepare(Options {
        database: Some(database.to_owned()),
        relay: Some(sink.url()),
        mailbox: "auto_ack = \"never\"",
        more: "[limits]\nnotifications_per_agent_hour = 1000000\nanswers_per_agent_hour = 100000\n",
        ..Options::default()
    });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

/// The page comes at once, whatever the database does.
fn page(desk: &Desk) -> String {
    let asked = Instant::now();
    let page = desk.public("/");
    assert!(page.status == 200 && asked.elapsed() < AT_ONCE, "{} after {:?}", page.status, asked.elapsed());
    String::from_utf8(page.body).unwrap()
}

/// While the database is away everybody is told so and nothing is promised.
fn is_away(desk: &Desk) {
    wait_until("the page to say so", || page(desk).contains(AWAY));
    assert!(page(desk).contains("since "), "{}", page(desk));
    let asked = Instant::now();
    let ready = desk.public("/readyz");
    assert!(ready.status == 503 && asked.elapsed() < AT_ONCE, "{} after {:?}", ready.status, asked.elapsed());
    assert!(ready.json()["reasons"][0].as_str().unwrap().starts_with("the database does not answer since "), "{}", ready.json());
    assert!(String::from_utf8_lossy(&desk.public("/metrics").body).contains("\nombud_database_up 0\n"));
    assert_eq!(desk.public("/healthz").status, 200);
}

/// It heals by itself.
fn is_back(desk: &Desk, back: Instant) {
    wait_until("the page to heal", || !page(desk).contains(AWAY));
    wait_until("mail to be taken", || desk.public("/readyz").status == 200 && desk.send(&from_ann("Back", "Hello?")).is_yes());
    assert!(back.elapsed() < SOON, "it took {:?}", back.elapsed());
}

#[test]
fn a_database_that_crashes_under_load_loses_nothing_and_doubles_nothing() {
    let Some(server) = Server::start() else { return lacks("a_database_that_crashes_under_load", "no PostgreSQL here") };
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&server.address, &sink);
    desk.deliver(&from_ann("Answered under load", "Hello?"));
    let notice = sink.expect(JANE, "the notice", |l| l.header("Subject").is_some_and(|s| s.ends_with("Answered under load")));
    let load = Load::start(&[&desk], 3, &notice);
    let mut chance = Chance::of_this_run();
    for _ in 0..CRASHES {
        thread::sleep(Duration::from_millis(300));
        chance.pause(900);
        server.halt();
        is_away(&desk);
        let refused = desk.send(&from_ann("Meanwhile", "Hello?"));
        assert_eq!(refused.code, 451, "{}", refused.line);
        server.resume();
        is_back(&desk, Instant::now());
    }
    let sent = load.end();
    desk.settle();
    println!("{CRASHES} crashes, {} mails taken", sent.len());
    assert!(sent.len() > 4 * CRASHES, "{} mails", sent.len());
    once_in_the_inbox(&desk, &sent);
    once_sent(&sink, &sent);
    let well = found(PATIENCE, || page(&desk).contains("<h1>All is well</h1>").then_some(()));
    assert!(well.is_some(), "{}", page(&desk));
}

/// Every answer has reached the customer once, and every agent was told once of each thing.
fn once_sent(sink: &Sink, sent: &[Sent]) {
    let letters = sink.to(ANN);
    for mail in sent.iter().filter(|mail| mail.is_answer) {
        let copies = letters.iter().filter(|letter| letter.text().contains(&mail.marker)).count();
        assert_eq!(copies, 1, "the answer {}", mail.marker);
    }
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for letter in sink.letters() {
        *ids.entry(letter.header("Message-ID").expect("an id")).or_default() += 1;
    }
    let twice: Vec<_> = ids.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
}

#[test]
fn a_database_that_hangs_keeps_nobody_waiting() {
    let Some(server) = Server::start() else {
        return lacks("a_database_that_hangs_keeps_nobody_waiting", "no PostgreSQL here");
    };
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&server.address, &sink);
    desk.deliver(&from_ann("Before", "Hello?"));
    desk.settle();
    wait_until("the numbers", || page(&desk).contains("<h1>All is well</h1>"));
    server.signal_all("STOP");
    is_away(&desk);
    // More askers than there are connections for them.
    for _ in 0..12 {
        assert!(page(&desk).contains(AWAY));
    }
    let shown = page(&desk);
    assert!(shown.contains("The numbers below are") && shown.contains("<h2>Mailboxes</h2>"), "{shown}");
    server.signal_all("CONT");
    is_back(&desk, Instant::now());
    desk.settle();
}

#[test]
fn a_mail_whose_end_could_not_be_written_is_not_sent_again() {
    let test = "a_mail_whose_end_could_not_be_written_is_not_sent_again";
    if postgres::server().is_none() {
        return lacks(test, "no OMBUD_TEST_POSTGRES");
    }
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&postgres::fresh(), &sink);
    let sql = |text: &str| postgres::sql(&desk.database(), text);
    sql("CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'it failed' USING ERRCODE = 'XX000'; END $$");
    let fail = |name: &str, state: &str| {
        sql(&format!("CREATE TRIGGER {name} BEFORE UPDATE ON outbox FOR EACH ROW WHEN (NEW.state = '{state}') EXECUTE FUNCTION fails()"))
    };
    let notice = |subject: &str| {
        let told = |letter: &ombud_tests::Letter| letter.header("Subject").is_some_and(|s| s.ends_with(subject));
        sink.expect(JANE, subject, told)
    };
    fail("settled", "sent");
    desk.deliver(&from_ann("Sent, and nobody noted it", "Hello?"));
    notice("Sent, and nobody noted it");
    fail("claimed", "claimed");
    desk.deliver(&from_ann("Sent later", "Hello?"));
    wait_until("a claim to fail", || desk.log().contains("could not look for mail to send"));
    sql("DROP TRIGGER claimed ON outbox");
    notice("Sent later");
    sql("DROP TRIGGER settled ON outbox");
    desk.settle();
    assert_eq!(sql("SELECT COUNT(*) FROM outbox WHERE state <> 'sent'"), "0");
    assert_eq!(sink.to(JANE).len(), 2, "each left once");
}
