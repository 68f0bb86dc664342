//! The lists of numbers.

use super::issues::{pace, some};
use super::view::{Level, Line, Machine};
use super::wording::{When, codes, grouped, reason, size};
use crate::feed::index::Health;
use crate::store::read::{Counts, Oldest, Stage, Totals};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// What comes in.
pub(super) fn incoming(c: &Counts, t: &Totals, now: i64) -> Vec<Line> {
    let held = c.held();
    let mut lines = vec![
        Line { when: Some(c.accepted.since.map_or(When::Never, When::Ago)), ..plain("Accepted in 24 h", t.accepted_day) },
        work("Not yet understood", c.understanding, pace(c.understanding, now, MINUTE, 5 * MINUTE)),
        state("Held for a person", held, some(held), "waits", When::Since),
    ];
    lines.extend(c.held.iter().map(|(why, of)| Line { part: true, ..plain(&reason(why), of.count) }));
    lines
}

/// What goes out.
pub(super) fn outgoing(c: &Counts, t: &Totals, now: i64) -> Vec<Line> {
    let [waiting, relay, refused] = [c.at(Stage::Waiting).and(c.at(Stage::Sending)), c.at(Stage::Relay), c.at(Stage::Refused)];
    let sent = t.sent_day.since.map(When::Ago).or((c.sent == 0).then_some(When::Never));
    let mut lines = vec![
        Line { when: sent, ..plain("Sent in 24 h", t.sent_day.count) },
        work("Waiting to leave", waiting, pace(waiting, now, 5 * MINUTE, HOUR)),
        state("Relay can't be used", relay, pace(relay, now, 0, 15 * MINUTE), "waits", When::Since),
        state("Refused for now", refused, pace(refused, now, HOUR, i64::MAX), "tried again", When::Since),
    ];
    lines.extend(c.last_reply.as_deref().map(last_reply));
    lines.push(ended("Failed in 24 h", c.at(Stage::Failed), "failed"));
    lines.push(ended("Unclear in 24 h", c.at(Stage::Unknown), "unclear"));
    if c.suppressed.count > 0 {
        lines.push(plain("Addresses that refuse mail", c.suppressed.count));
        lines.push(Line { part: true, ..state("of agents", c.undeliverable, some(c.undeliverable), "no mail", When::Since) });
    }
    lines
}

/// Who follows the log.
pub(super) fn behind(c: &Counts, t: &Totals, index: &(Health, Option<i64>), shared: bool, now: i64) -> Vec<Line> {
    let mut lines = vec![plain("Events in the log", c.log.last)];
    if shared {
        lines.push(work("Events without a place", c.log.unnumbered, pace(c.log.unnumbered, now, 10_000, MINUTE)));
    }
    let (health, behind) = index;
    let documents = plain("Documents in the index", i64::try_from(health.docs).unwrap_or(i64::MAX));
    lines.push(match (health.failing_since_ms, health.building) {
        (Some(since), _) => Line { level: Level::Bad, word: "failing", when: Some(When::Since(since)), ..documents },
        (None, Some(_)) => Line { word: "being built", ..documents },
        (None, None) => documents,
    });
    let late = Oldest { count: (health.head - health.seq).max(0), since: *behind };
    lines.push(work("Events not in the index", late, pace(late, now, MINUTE, i64::MAX)));
    let d = t.deliveries;
    if d.enabled + d.disabled > 0 {
        lines.push(plain("Webhooks enabled", d.enabled));
        lines.push(Line { part: true, ..plain("disabled", d.disabled) });
    }
    if d.waiting.count + d.failed > 0 {
        lines.push(work("Webhook deliveries waiting", d.waiting, pace(d.waiting, now, 5 * MINUTE, i64::MAX)));
        lines.push(Line { part: true, ..plain("tried before", d.failing) });
        lines.push(Line { part: true, ..plain("given up", d.failed) });
    }
    lines
}

/// What the process knows by itself.
pub(super) fn process(m: &Machine) -> Vec<Line> {
    let database = match m.health.away_since {
        None => Line { level: Level::Good, word: "answers", value: String::new(), ..plain("Database", 0) },
        Some(since) => {
            Line { level: Level::Bad, word: "away", value: String::new(), when: Some(When::Since(since)), ..plain("Database", 0) }
        }
    };
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    vec![
        database,
        Line { value: m.health.free.map_or("–".into(), size), ..plain("Free on the disk", 0) },
        plain("Mail sessions open", number(m.sessions)),
        plain("Taken over SMTP and LMTP since the start", number(m.taken)),
    ]
}

fn plain(label: &str, n: i64) -> Line {
    Line { label: label.to_owned(), value: grouped(n), level: Level::Quiet, word: "", when: None, part: false }
}

/// Work in hand.
fn work(label: &str, of: Oldest, level: Level) -> Line {
    let word = match level {
        Level::Bad => "stuck",
        Level::Look => "slow",
        _ => "working",
    };
    state(label, of, level, word, When::Since)
}

fn ended(label: &str, of: Oldest, word: &'static str) -> Line {
    state(label, of, some(of), word, When::First)
}

fn state(label: &str, of: Oldest, level: Level, word: &'static str, when: fn(i64) -> When) -> Line {
    match of.count {
        0 => Line { level: Level::Good, ..plain(label, 0) },
        n => Line { level, word, when: of.since.map(when), ..plain(label, n) },
    }
}

/// What the destination said last, as codes alone: its words may name people.
fn last_reply(reply: &str) -> Line {
    let said = codes(reply);
    let word = if said.is_some() { "refuses" } else { "no answer" };
    Line { value: said.unwrap_or("–".to_owned()), level: Level::Look, word, ..plain("Relay's last reply", 0) }
}
