//! `kill -9` at any moment, under load, again and again.

use std::time::{Duration, Instant};

use ombud_tests::{Chance, Desk, Draft, Options};

use crate::load::{Load, once_at_the_customer, once_in_the_inbox};
use crate::{JANE, SUPPORT, ticket_of_ann};

/// At least so many kills, in about this time.
const KILLS: usize = 24;
const LONG: Duration = Duration::from_secs(40);
/// Clients at once.
const CLIENTS: usize = 3;

#[test]
fn killed_under_load_nothing_is_lost_and_nothing_is_twice() {
    let mut desk = Desk::prepare(Options {
        mailbox: "auto_ack = \"never\"",
        // Whom chance kills thrice over the same mail does not call it poison.
        more: "[limits]\nnotifications_per_agent_hour = 1000000\nanswers_per_agent_hour = 100000\nattempts = 100\n",
        ..Options::default()
    });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.serve(&[]);
    let (_, notice) = ticket_of_ann(&desk, "Answered under load");
    let running = Load::start(&[&desk], CLIENTS, &notice);
    let kills = kill_again_and_again(&mut desk, &running.load);
    let sent = running.end();
    desk.settle();
    assert!(kills >= KILLS && sent.len() > KILLS, "{kills} kills, {} mails", sent.len());
    once_in_the_inbox(&desk, &sent);
    once_at_the_customer(&desk, &sent);
}

fn kill_again_and_again(desk: &mut Desk, load: &Load) -> usize {
    let (start, mut kills, mut chance) = (Instant::now(), 0, Chance::of_this_run());
    while kills < KILLS || start.elapsed() < LONG / 2 {
        chance.pause(800);
        desk.kill();
        kills += 1;
        desk.serve(&[]);
        *load.listeners.lock().unwrap() = vec![desk.ports().smtp];
        if start.elapsed() > LONG * 2 {
            break;
        }
    }
    kills
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
