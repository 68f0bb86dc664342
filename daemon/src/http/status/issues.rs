//! What is wrong, and how bad that is.

use super::view::{Issue, Level, Machine, Standing};
use super::wording::{When, codes, grouped};
use crate::feed::index::Health;
use crate::store::read::{Acked, Counts, ImapFolder, NodeItem, Oldest, Stage, Totals};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What the process knows by itself. `counted`: the database has given numbers once.
pub(super) fn of_machine(m: &Machine, counted: bool) -> Vec<Issue> {
    let bad = |text: String, detail: &str, when| Issue { level: Level::Bad, text, detail: detail.into(), when };
    let away = m.health.away_since;
    let mut issues = Vec::new();
    if let Some(since) = away {
        let detail = "No mail can be accepted or sent; senders keep theirs and try again.";
        issues.push(bad("The database does not answer".into(), detail, Some(When::Since(since))));
    } else if !counted {
        issues.push(Issue { level: Level::Look, ..bad("The numbers are not there yet".into(), "They are being counted.", None) });
    }
    issues.extend(m.filters.iter().map(|filter| {
        let (level, meanwhile) = match filter.closed {
            true => (Level::Bad, "Mail waits for it, and senders are asked to come again."),
            false => (Level::Look, "Mail passes without it."),
        };
        let (fails, tried) = match filter.away {
            true => ("does not answer", " One mail at a time tries it."),
            false => ("can't be asked", ""),
        };
        let detail = format!("{meanwhile}{tried} The log says why; `ombud check` tries it.");
        Issue { level, ..bad(format!("The content filter {} {fails}", filter.name), &detail, Some(When::Since(filter.since))) }
    }));
    issues.extend(m.health.reasons.iter().map(|r| bad(format!("No mail can be accepted: {r}"), "", None)));
    issues
}

/// What the numbers say.
pub(super) fn of_numbers(c: &Counts, t: &Totals, index: &(Health, Option<i64>), m: &Machine) -> Vec<Issue> {
    let (now, mut issues) = (m.now, Vec::new());
    let mut say = |level, of: Oldest, words: [&str; 2], when: fn(i64) -> When, detail: String| {
        let text = format!("{} {}", grouped(of.count), words[usize::from(of.count != 1)]);
        if level > Level::Good {
            issues.push(Issue { level, text, detail, when: of.since.map(when) });
        }
    };
    let waits = c.understanding;
    let words = ["mail waits to be understood", "mails wait to be understood"];
    say(pace(waits, now, MINUTE, 5 * MINUTE), waits, words, When::Since, String::new());
    let relay = c.at(Stage::Relay);
    let waits = c.at(Stage::Waiting).and(c.at(Stage::Sending)).and(relay);
    if relay.count > 0 {
        let words = ["mail waits because the relay can't be used", "mails wait because the relay can't be used"];
        let said = c.last_reply.as_deref().and_then(codes).map_or("It does not answer.".to_owned(), |codes| format!("It says {codes}."));
        say(pace(relay, now, 0, 15 * MINUTE), waits, words, When::Since, said);
    } else {
        let words = ["mail waits to leave", "mails wait to leave"];
        say(pace(waits, now, 5 * MINUTE, HOUR), waits, words, When::Since, String::new());
    }
    let refused = c.at(Stage::Refused);
    let words = ["mail is refused for now and tried again", "mails are refused for now and tried again"];
    say(pace(refused, now, HOUR, i64::MAX), refused, words, When::Since, String::new());
    let words = ["mail is held until a person decides", "mails are held until a person decides"];
    say(some(c.held()), c.held(), words, When::Since, String::new());
    let (failed, unknown) = (c.at(Stage::Failed), c.at(Stage::Unknown));
    say(some(failed), failed, ["mail could not be delivered", "mails could not be delivered"], When::First, String::new());
    say(some(unknown), unknown, ["mail may or may not have left", "mails may or may not have left"], When::First, String::new());
    let dead = c.undeliverable;
    let words = ["agent gets no mail, for their mailbox refuses it", "agents get no mail, for their mailboxes refuse it"];
    say(some(dead), dead, words, When::Since, "`ombud queue suppressed` says whose.".into());
    let events = c.log.unnumbered;
    let words = ["event has no place in the log", "events have no place in the log"];
    say(pace(events, now, 10_000, MINUTE), events, words, When::Since, String::new());
    let late = t.deliveries.waiting;
    let words = ["delivery to a webhook waits", "deliveries to webhooks wait"];
    say(pace(late, now, 5 * MINUTE, i64::MAX), late, words, When::Since, String::new());
    issues.extend(of_acks(t.acked));
    issues.extend(c.folders.iter().filter_map(|f| of_folder(f, m)));
    issues.extend(c.folders.iter().filter_map(|f| passed_over(f, now)));
    issues.extend(c.nodes.iter().filter(|n| node(n, m).level > Level::Good).map(|n| Issue {
        level: Level::Look,
        text: format!("{} gives no sign of life", n.name),
        detail: String::new(),
        when: Some(When::Since(n.beat_at)),
    }));
    issues.extend(of_index(&index.0, index.1, now));
    issues
}

/// Nothing is turned off: who writes to a desk is answered, and a person says whether these are people.
fn of_acks(acked: Acked) -> Option<Issue> {
    let text = format!("{} acknowledgements in an hour, for {} mails", grouped(acked.acks), grouped(acked.accepted));
    let detail = "That is more than for every fifth mail and 50. `ombud queue list` shows to whom; `auto_ack` turns them off.".into();
    acked.is_alarming().then_some(Issue { level: Level::Look, text, detail, when: None })
}

fn of_folder(f: &ImapFolder, m: &Machine) -> Option<Issue> {
    let Standing { level, .. } = folder(f, m);
    let place = format!("{} ({})", f.mailbox, f.folder);
    let (text, when) = match (level, f.error.is_empty()) {
        (Level::Bad, _) => (format!("Mail for {place} can't be fetched"), f.since),
        (Level::Look, false) => (format!("Some mail for {place} stays where it is"), f.since),
        (Level::Look, true) => (format!("Nobody looks for mail for {place}"), f.polled_at.unwrap_or(f.since)),
        _ => return None,
    };
    // Why is in the server's words, or names files of this machine: nobody's business who only sees this page.
    let detail = match (level, f.error.is_empty()) {
        (_, true) => "",
        (Level::Bad, _) if f.told_at.is_some() => "The log-in is refused. It is tried once an hour, and at a reload; the log says why.",
        (Level::Bad, _) => "The log says why; `ombud check` tries it.",
        _ => "The log says which and why.",
    };
    Some(Issue { level, text, detail: detail.into(), when: Some(When::Since(when)) })
}

/// Mail that was found late: worth a look for a day.
fn passed_over(f: &ImapFolder, now: i64) -> Option<Issue> {
    let at = f.missed_at.filter(|at| now - at < DAY)?;
    let text = format!("Mail for {} ({}) had been passed over and was fetched late", f.mailbox, f.folder);
    let detail = format!("{} so far; the log says which.", grouped(f.missed));
    Some(Issue { level: Level::Look, text, detail, when: Some(When::Since(at)) })
}

fn of_index(health: &Health, behind: Option<i64>, now: i64) -> Option<Issue> {
    if let Some(since) = health.failing_since_ms {
        // Why names folders of this machine, which are nobody's business who only sees this page.
        let detail = "The log says why. Mail is not affected.".into();
        return Some(Issue { level: Level::Bad, text: "The search index fails".into(), detail, when: Some(When::Since(since)) });
    }
    let since = behind.filter(|since| health.building.is_none() && now - since >= MINUTE)?;
    let detail = format!("{} events are not in it.", grouped(health.head - health.seq));
    Some(Issue { level: Level::Look, text: "The search index lags behind".into(), detail, when: Some(When::Since(since)) })
}

/// How it stands with a folder that is fetched.
pub(super) fn folder(f: &ImapFolder, m: &Machine) -> Standing<ImapFolder> {
    let silent = f.polled_at.is_some_and(|at| m.now - at > m.look_silence);
    let (level, word) = match f.state.as_str() {
        "failing" => (Level::Bad, "failing"),
        "ok" if !f.error.is_empty() => (Level::Look, "look"),
        "ok" if silent => (Level::Look, "silent"),
        "ok" => (Level::Good, "ok"),
        _ => (Level::Quiet, "starting"),
    };
    Standing { item: f.clone(), level, word }
}

/// How it stands with a process.
pub(super) fn node(n: &NodeItem, m: &Machine) -> Standing<NodeItem> {
    let (level, word) = match m.now - n.beat_at > m.node_silence / 2 {
        _ if n.dead => (Level::Quiet, "ended"),
        true => (Level::Look, "silent"),
        false => (Level::Good, "alive"),
    };
    Standing { item: n.clone(), level, word }
}

/// Something to look at, if there is any.
pub(super) fn some(of: Oldest) -> Level {
    if of.count > 0 { Level::Look } else { Level::Good }
}

/// Work in hand is fine until it takes too long.
pub(super) fn pace(of: Oldest, now: i64, slow: i64, stuck: i64) -> Level {
    match of.since.map(|since| now - since) {
        Some(age) if of.count > 0 && age >= stuck => Level::Bad,
        Some(age) if of.count > 0 && age >= slow => Level::Look,
        _ => Level::Good,
    }
}
