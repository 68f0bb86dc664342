//! The campaign of kills: mail over SMTP, LMTP and IMAP, a next server that answers late or not at all, a receiver of
//! webhooks, and a desk that dies at each of its failpoints and at any other moment; or two on one PostgreSQL, of which one
//! dies while the other carries on. In the end nothing may be lost and nothing twice. `OMBUD_TEST_KILLS=1000` makes it as
//! long as one likes.

mod disk;
mod invariants;
mod kills;
mod ledger;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ombud_tests::{Answer, Chance, Desk, Dovecot, Letter, Options, Receiver, Say, Sink};
use serde_json::json;

use crate::{JANE, from_ann};
use kills::Kills;
use ledger::Load;

/// Kills in all, where nobody asks for more.
const KILLS: usize = 60;
/// Tickets whose notices are answered.
const TICKETS: usize = 6;

const MORE: &str = "[limits]\nnotifications_per_agent_hour = 1000000\nanswers_per_agent_hour = 1000000\n[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n";

/// Everybody whom the desk talks to.
struct Stage {
    dovecot: Arc<Dovecot>,
    sink: Sink,
    receiver: Receiver,
    secret: String,
    hook: i64,
    notices: Vec<Letter>,
    /// Set when the kills are over: from then on the next server answers as it should.
    calm: Arc<AtomicBool>,
}

#[test]
fn killed_at_every_point_and_at_any_moment_nothing_is_lost_and_nothing_is_twice() {
    let (desk, stage) = stage(None);
    campaign([desk], &stage);
}

/// The same with two desks on this database, of which one is killed at a time.
pub fn with_two_desks(database: String) {
    let (one, stage) = stage(Some(database));
    let two = one.beside(options(&stage.sink));
    two.configure(&fetching(&two, &stage.dovecot));
    campaign([one, two], &stage);
}

/// Kills desks that have been prepared, under load, and looks what is left.
fn campaign<const N: usize>(mut desks: [Desk; N], stage: &Stage) {
    let wanted = env::var("OMBUD_TEST_KILLS").ok().map_or(KILLS, |text| text.parse().expect("OMBUD_TEST_KILLS is a number"));
    let load = Load::start(N, &stage.dovecot, &stage.notices);
    let kills = Kills::of(&mut desks, &load).go_on(wanted);
    let entries = load.end();
    stage.calm.store(true, Ordering::SeqCst);
    let figures = invariants::check(&mut desks, stage, &entries);
    println!("{N} desks, {kills}; {figures}");
}

/// A desk in a world that is not friendly, with tickets that are answered.
fn stage(database: Option<String>) -> (Desk, Stage) {
    let (dovecot, mut chance) = (Arc::new(Dovecot::start()), Chance::of_this_run());
    // Of 100 mails two are kept and never answered for, and one in ten is answered late.
    let calm = Arc::new(AtomicBool::new(false));
    let is_calm = Arc::clone(&calm);
    let sink = Sink::start(move |_, _| match chance.below(100) {
        _ if is_calm.load(Ordering::SeqCst) => Say::Yes,
        0..2 => Say::Vanish,
        2..12 => Say::Late(Duration::from_millis(150)),
        _ => Say::Yes,
    });
    let mut chance = Chance::of_this_run();
    let receiver = Receiver::start(move |_, _| match chance.below(100) {
        0..5 => Answer::Status(500),
        5..20 => Answer::Late(204, Duration::from_millis(80)),
        _ => Answer::Status(204),
    });
    let mut desk = Desk::prepare(Options { database, ..options(&sink) });
    desk.configure(&fetching(&desk, &dovecot));
    desk.agent(JANE, "Jane Doe", "admin");
    desk.serve(&[]);
    let body = json!({ "url": receiver.url(), "events": ["ticket.created", "message.received"] }).to_string();
    let made = desk.request("POST", "/api/v1/webhooks", Some(("application/json", body.as_bytes()))).json();
    let (hook, secret) = (made["id"].as_i64().expect("a number"), made["secret"].as_str().expect("a secret").to_owned());
    let notices = (0..TICKETS).map(|n| {
        let subject = format!("Answered {n}");
        assert!(desk.send(&from_ann(&subject, "It does not work.")).is_yes());
        sink.expect(JANE, &subject, |letter| letter.header("Subject").is_some_and(|s| s.ends_with(&subject)))
    });
    let notices = notices.collect();
    desk.kill();
    (desk, Stage { dovecot, sink, receiver, secret, hook, notices, calm })
}

fn options(sink: &Sink) -> Options {
    Options { relay: Some(sink.url()), mailbox: "auto_ack = \"never\"", more: MORE, ..Options::default() }
}

/// The configuration of a desk that fetches from there as well.
fn fetching(desk: &Desk, dovecot: &Dovecot) -> String {
    format!("{}{}start = \"all\"\nafter = \"seen\"\npoll = \"1s\"\n", desk.configuration(), dovecot.section())
}
