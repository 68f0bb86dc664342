//! The campaign of kills: mail over SMTP, LMTP and IMAP, a next server that answers late or not at all, a receiver of
//! webhooks, and a desk that dies at each of its failpoints and at any other moment. In the end nothing may be lost and
//! nothing twice. `OMBUD_TEST_KILLS=1000` makes it as long as one likes.

mod invariants;
mod ledger;

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::{Answer, Chance, Desk, Dovecot, Letter, Options, Receiver, Say, Sink, postgres};
use serde_json::json;

use crate::{JANE, from_ann};
use ledger::Load;

/// Each of them is reached under this load, however it goes.
const POINTS: [&str; 22] = [
    "receive.data",
    "accept.before_commit",
    "accept.after_commit",
    "receive.before_250",
    "claim.after_commit",
    "decide.understood",
    "decide.before_commit",
    "decide.after_commit",
    "send.claimed",
    "compose.before_commit",
    "compose.after_commit",
    "send.before_dot",
    "send.after_dot",
    "send.before_sent",
    "send.after_sent",
    "index.before_commit",
    "fan.before_commit",
    "hook.claimed",
    "hook.after_post",
    "imap.after_fetch",
    "imap.after_commit",
    "imap.after_flag",
];
/// The same where bodies are files.
const FILES: &str = "blob.before_rename";
/// So often each.
const TIMES: u64 = 2;
/// Kills in all, where nobody asks for more.
const KILLS: usize = 60;
/// Tickets whose notices are answered.
const TICKETS: usize = 6;
/// Until a point is reached.
const SOON: Duration = Duration::from_secs(20);

const MORE: &str = "[limits]\nanswers_per_agent_hour = 1000000\n[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n";

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

/// What became of the kills.
#[derive(Default)]
struct Deaths {
    at_points: usize,
    by_chance: usize,
    /// Points that were not reached in time.
    missed: Vec<String>,
    /// How long each start took until the desk was ready.
    starts: Vec<Duration>,
    /// The last point.
    point: String,
}

impl Drop for Deaths {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("after {} kills; the last point was {}", self.count(), self.point);
        }
    }
}

impl Deaths {
    fn count(&self) -> usize {
        self.at_points + self.by_chance
    }

    fn start(&self, percent: usize) -> Duration {
        let mut starts = self.starts.clone();
        starts.sort_unstable();
        starts[(starts.len() - 1) * percent / 100]
    }
}

#[test]
fn killed_at_every_point_and_at_any_moment_nothing_is_lost_and_nothing_is_twice() {
    let wanted = env::var("OMBUD_TEST_KILLS").ok().map_or(KILLS, |text| text.parse().expect("OMBUD_TEST_KILLS is a number"));
    let (mut desk, stage) = stage();
    let load = Load::start(&stage.dovecot, &stage.notices);
    let (mut deaths, mut chance, begun) = (Deaths::default(), Chance::of_this_run(), Instant::now());
    while deaths.count() < wanted {
        for point in POINTS.into_iter().chain((!postgres::is_meant()).then_some(FILES)) {
            for _ in 0..if deaths.at_points < POINTS.len() * 2 { TIMES } else { 1 } {
                // Mails are marked a batch at a time, and a batch may be a hundred.
                let nth = if point == "imap.after_flag" { 1 } else { 1 + chance.below(4) };
                at_point(&mut desk, &load, &mut deaths, point, nth);
            }
        }
        let rest = wanted.saturating_sub(deaths.count());
        for _ in 0..rest.min(POINTS.len() * 4) {
            by_chance(&mut desk, &load, &mut deaths, &mut chance);
        }
    }
    started(&mut desk, &load, &mut deaths, &[]);
    let (took, entries) = (begun.elapsed(), load.end());
    assert!(deaths.missed.len() * 8 <= deaths.at_points, "points that were not reached: {:?}", deaths.missed);
    stage.calm.store(true, Ordering::SeqCst);
    let figures = invariants::check(&mut desk, &stage, &entries);
    println!(
        "{} kills ({} at points, {} by chance) in {} s; start p50 {:?}, p99 {:?}; {figures}",
        deaths.count(),
        deaths.at_points,
        deaths.by_chance,
        took.as_secs(),
        deaths.start(50),
        deaths.start(99)
    );
}

/// A desk in a world that is not friendly, with tickets that are answered.
fn stage() -> (Desk, Stage) {
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
    let mailbox = "auto_ack = \"never\"";
    let mut desk = Desk::prepare(Options { relay: Some(sink.url()), mailbox, more: MORE, ..Options::default() });
    desk.configure(&format!("{}{}start = \"all\"\nafter = \"seen\"\npoll = \"1s\"\n", desk.configuration(), dovecot.section()));
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

/// Starts the desk; false when it died before it was ready.
fn started(desk: &mut Desk, load: &Load, deaths: &mut Deaths, variables: &[(&str, &str)]) -> bool {
    let begun = Instant::now();
    let ready = desk.serve_under(&[], variables);
    if ready {
        deaths.starts.push(begun.elapsed());
        load.goes_to(desk.ports());
    }
    ready
}

/// Lets the desk die the `nth` time that it comes to a point. The load is made of chances: where it does not come there in
/// time, it is killed where it is.
fn at_point(desk: &mut Desk, load: &Load, deaths: &mut Deaths, point: &str, nth: u64) {
    started(desk, load, deaths, &[("OMBUD_FAILPOINT", &format!("{point}:{nth}"))]);
    deaths.point = format!("{point}:{nth}");
    match desk.ended_within(SOON) {
        Some(ended) => {
            assert_eq!(ended.signal(), Some(9), "at {point} it ended otherwise: {ended}");
            deaths.at_points += 1;
        }
        None => {
            desk.kill();
            deaths.by_chance += 1;
            deaths.missed.push(deaths.point.clone());
        }
    }
}

/// Kills the desk less than 800 ms after it was ready.
fn by_chance(desk: &mut Desk, load: &Load, deaths: &mut Deaths, chance: &mut Chance) {
    assert!(started(desk, load, deaths, &[]), "it did not start: {}", desk.log());
    chance.pause(800);
    desk.kill();
    deaths.by_chance += 1;
}
