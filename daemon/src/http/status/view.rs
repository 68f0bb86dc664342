//! What the status page says, as values: pure, so that every sentence of it can be tried.

use crate::model::ticket::Status;
use crate::store::read::{Counts, Oldest};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing to say.
    Quiet,
    /// As it should be.
    Good,
    /// A person should look.
    Look,
    /// Broken.
    Bad,
}

impl Level {
    /// The class in the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Good => "good",
            Self::Look => "look",
            Self::Bad => "bad",
        }
    }
}

/// One number with what it means.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) level: Level,
    /// The level in a word; empty for none.
    pub(super) word: &'static str,
    /// Since when.
    pub(super) since: String,
}

/// What is wrong, in a sentence.
#[derive(Debug)]
pub(super) struct Issue {
    pub(super) level: Level,
    pub(super) text: String,
    pub(super) since: String,
}

/// Facts of the process and its surroundings.
pub(super) struct Machine {
    pub(super) desk: String,
    pub(super) hostname: String,
    /// In ms.
    pub(super) now: i64,
    /// In ms.
    pub(super) started_at: i64,
    /// Octets left on the disk.
    pub(super) free: Option<u64>,
    /// Why no mail can be accepted.
    pub(super) reasons: Vec<String>,
}

/// The page.
pub(super) struct View {
    pub(super) machine: Machine,
    pub(super) issues: Vec<Issue>,
    pub(super) incoming: Vec<Line>,
    pub(super) outgoing: Vec<Line>,
    pub(super) tickets: Vec<(Status, i64)>,
    /// Address, tickets, last change.
    pub(super) mailboxes: Vec<(String, i64, String)>,
}

impl View {
    /// Says what the numbers mean; without numbers, that there are none.
    pub(super) fn new(counts: Option<&Counts>, machine: Machine) -> Self {
        let now = machine.now;
        let mut issues: Vec<_> = machine
            .reasons
            .iter()
            .map(|r| Issue { level: Level::Bad, text: format!("No mail can be accepted: {r}"), since: String::new() })
            .collect();
        let Some(c) = counts else {
            if issues.is_empty() {
                issues.push(Issue { level: Level::Bad, text: "The database does not answer".into(), since: String::new() });
            }
            return Self { machine, issues, incoming: vec![], outgoing: vec![], tickets: vec![], mailboxes: vec![] };
        };
        let understanding = pace(c.inbox_waiting, now, MINUTE, 5 * MINUTE);
        let leaving = pace(c.outbox_waiting, now, 5 * MINUTE, HOUR);
        issues.extend(told(c.inbox_waiting, now, understanding.0, ["mail waits to be understood", "mails wait to be understood"]));
        issues.extend(told(c.outbox_waiting, now, leaving.0, ["mail waits to leave", "mails wait to leave"]));
        issues.extend(told(c.held, now, some(c.held), ["mail is held until a person decides", "mails are held until a person decides"]));
        let failed = told(c.failed, now, some(c.failed), ["mail could not be delivered", "mails could not be delivered"]);
        issues.extend(failed.map(|issue| Issue { since: first(c.failed, now), ..issue }));
        let unknown = told(c.unknown, now, some(c.unknown), ["mail may or may not have left", "mails may or may not have left"]);
        issues.extend(unknown.map(|issue| Issue { since: first(c.unknown, now), ..issue }));
        issues.sort_by_key(|issue| std::cmp::Reverse(issue.level));
        let incoming = vec![
            Line { since: ago(c.accepted.since, now), ..line("Accepted", c.accepted, (Level::Quiet, ""), now) },
            line("Not yet understood", c.inbox_waiting, understanding, now),
            line("Held for a person", c.held, (some(c.held), "waits"), now),
        ];
        let outgoing = vec![
            Line { since: ago(c.sent.since, now), ..line("Sent", c.sent, (Level::Quiet, ""), now) },
            line("Waiting to leave", c.outbox_waiting, leaving, now),
            Line { since: first(c.failed, now), ..line("Failed", c.failed, (some(c.failed), "failed"), now) },
            Line { since: first(c.unknown, now), ..line("Unknown", c.unknown, (some(c.unknown), "unclear"), now) },
            relay(c.last_trouble.as_deref()),
        ];
        let count = |status: Status| c.tickets.iter().find(|(s, _)| *s == status).map_or(0, |(_, n)| *n);
        let tickets = Status::ALL.iter().map(|s| (*s, count(*s))).collect();
        let mailboxes = c.mailboxes.iter().map(|(address, n, at)| (address.clone(), *n, ago(*at, now))).collect();
        Self { machine, issues, incoming, outgoing, tickets, mailboxes }
    }

    /// The worst of all.
    pub(super) fn level(&self) -> Level {
        self.issues.iter().map(|issue| issue.level).max().unwrap_or(Level::Good)
    }

    /// The page in one line.
    pub(super) fn headline(&self) -> String {
        let bad = self.issues.iter().filter(|issue| issue.level == Level::Bad).count();
        match (bad, self.issues.len()) {
            (0, 0) => "All is well".to_owned(),
            (0, 1) => "One thing needs a look".to_owned(),
            (0, n) => format!("{n} things need a look"),
            (1, _) => "Something is broken".to_owned(),
            (n, _) => format!("{n} things are broken"),
        }
    }
}

fn some(of: Oldest) -> Level {
    if of.count > 0 { Level::Look } else { Level::Good }
}

/// Work in hand is fine until it takes too long.
fn pace(of: Oldest, now: i64, slow: i64, stuck: i64) -> (Level, &'static str) {
    match of.since.map(|since| now - since) {
        Some(age) if of.count > 0 && age >= stuck => (Level::Bad, "stuck"),
        Some(age) if of.count > 0 && age >= slow => (Level::Look, "slow"),
        _ => (Level::Good, "working"),
    }
}

fn told(of: Oldest, now: i64, level: Level, words: [&str; 2]) -> Option<Issue> {
    let [one, many] = words;
    let text = format!("{} {}", grouped(of.count), if of.count == 1 { one } else { many });
    (level > Level::Good).then(|| Issue { level, text, since: lasting(of.since, now) })
}

fn line(label: &'static str, of: Oldest, (level, word): (Level, &'static str), now: i64) -> Line {
    let none = of.count == 0;
    let (level, word) = if none && level != Level::Quiet { (Level::Good, "none") } else { (level, word) };
    Line { label, value: grouped(of.count), level, word, since: if none { String::new() } else { lasting(of.since, now) } }
}

/// What the destination said last, as codes alone: its words may name people.
fn relay(trouble: Option<&str>) -> Line {
    let (value, level, word) = match trouble {
        None => ("–".to_owned(), Level::Good, "no trouble"),
        Some(text) => {
            (codes(text).unwrap_or_else(|| "–".to_owned()), Level::Look, if codes(text).is_some() { "refused" } else { "no answer" })
        }
    };
    Line { label: "Relay", value, level, word, since: String::new() }
}

/// The reply code (RFC 5321 §4.2) and enhanced code (RFC 3463 §2) that a reply begins with.
pub(super) fn codes(reply: &str) -> Option<String> {
    let mut words = reply.split([' ', '-', '\r', '\n']);
    let code = words.next().filter(|w| w.len() == 3 && w.bytes().all(|b| b.is_ascii_digit()))?;
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let enhanced = words.next().filter(|w| w.split('.').count() == 3 && w.split('.').all(digits));
    Some(enhanced.map_or(code.to_owned(), |e| format!("{code} {e}")))
}

/// A length of time at a glance.
pub(super) fn span(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < MINUTE => format!("{} s", ms / 1_000),
        ms if ms < HOUR => format!("{} min", ms / MINUTE),
        ms if ms < 2 * DAY => format!("{} h", ms / HOUR),
        ms => format!("{} days", ms / DAY),
    }
}

fn lasting(since: Option<i64>, now: i64) -> String {
    since.map_or(String::new(), |since| format!("for {}", span(now - since)))
}

/// When the first of several ended so; each of them is over.
fn first(of: Oldest, now: i64) -> String {
    of.since.filter(|_| of.count > 0).map_or(String::new(), |at| format!("first {} ago", span(now - at)))
}

fn ago(at: Option<i64>, now: i64) -> String {
    at.map_or("never".to_owned(), |at| format!("{} ago", span(now - at)))
}

/// A number in groups of three digits.
pub(super) fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests;
