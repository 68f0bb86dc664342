//! `kill -9` at any moment, under load, again and again.

use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::{Desk, Draft, Letter, Options};

use crate::load::{Load, Sent, once_in_the_inbox};
use crate::{ANN, JANE, SUPPORT, ticket_of_ann};

/// At least so many kills, in about this time.
const KILLS: usize = 24;
const LONG: Duration = Duration::from_secs(40);
#[test]
fn killed_under_load_nothing_is_lost_and_nothing_is_twice() {
    let mut desk = Desk::prepare(Options {
        mailbox: "auto_ack = \"never\"",
        more: "[limits]\nanswers_per_agent_hour = 100000\n",
        ..Options::default()
    });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.serve(&[]);
    let (_, notice) = ticket_of_ann(&desk, "Answered under load");
    let load = Load::start(desk.ports().smtp, &notice);
    let kills = kill_again_and_again(&mut desk, &load);
    let sent = load.end();
    desk.settle();
    println!("{kills} kills, {} mails taken", sent.len());
    assert!(kills >= KILLS && sent.len() > KILLS, "{kills} kills, {} mails", sent.len());
    once_in_the_inbox(&desk, &sent);
    once_at_the_customer(&desk, &sent);
}

fn kill_again_and_again(desk: &mut Desk, load: &Load) -> usize {
    let (start, mut kills, mut seed) = (Instant::now(), 0, u64::from(std::process::id()));
    while kills < KILLS || start.elapsed() < LONG / 2 {
        // The moment of the kill is what is tried here; nothing is waited for.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis((seed >> 33) % 800));
        desk.kill();
        kills += 1;
        desk.serve(&[]);
        load.goes_to(desk.ports().smtp);
        if start.elapsed() > LONG * 2 {
            break;
        }
    }
    kills
}

/// Every answer is with the customer, as one mail with one Message-ID.
fn once_at_the_customer(desk: &Desk, sent: &[Sent]) {
    let letters = desk.out().to(ANN);
    for mail in sent.iter().filter(|mail| mail.is_answer) {
        let copies: Vec<&Letter> = letters.iter().filter(|letter| letter.text().contains(&mail.marker)).collect();
        assert!(!copies.is_empty(), "the answer {} is lost", mail.marker);
        let ids: Vec<_> = copies.iter().map(|letter| letter.header("Message-ID")).collect();
        assert_eq!(copies.len(), 1, "the answer {} was delivered as {ids:?}", mail.marker);
    }
    let told: Vec<String> = desk.out().to(JANE).iter().filter_map(|letter| letter.header("Message-ID")).collect();
    let mut unique = told.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), told.len(), "no notification twice");
}

#[test]
fn a_kill_right_after_the_250_loses_nothing() {
    let mut desk = Desk::with_jane();
    for round in 0..6 {
        let mail = Draft::new("Ann <ann@customer.test>", SUPPORT, &format!("Right after {round}"), "kept?");
        assert!(desk.send(&mail).is_yes());
        desk.kill();
        desk.serve(&[]);
        assert_eq!(desk.fate(&mail.id)["kind"], "ticket", "round {round}");
    }
    desk.settle();
    let told = desk.out().to(JANE).len();
    // A notification that was on its way when the power went may be lost, and says so; it is never sent twice.
    let unknown = desk.list("/api/v1/outbox?state=unknown").into_iter().filter(|row| row["to"] == JANE).count();
    assert!(told <= 6 && told + unknown >= 6, "{told} sent, {unknown} unknown");
}
