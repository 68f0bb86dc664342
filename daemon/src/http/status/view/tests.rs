use std::sync::Arc;

use super::super::wording::When;
use super::*;
use crate::feed::index;
use crate::model::outgoing::MailKind;
use crate::store::read::{Counts, Deliveries, Log, Oldest, Outgoing, Stage, Totals};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

pub(in super::super) fn machine(now: i64) -> Machine {
    Machine {
        desk: "Acme".into(),
        hostname: "desk.test".into(),
        now,
        started_at: 0,
        health: Health { away_since: None, free: None, reasons: Vec::new() },
        shared: true,
        node_silence: MINUTE,
        look_silence: HOUR,
        sessions: 0,
        taken: 0,
        filters: Vec::new(),
    }
}

pub(in super::super) fn numbers(counts: Counts, totals: Totals) -> Numbers {
    Numbers { counts: Arc::new(counts), totals: Arc::new(totals), index: Default::default(), at: 0 }
}

fn at(now: i64, counts: Counts) -> View {
    View::new(Some(&Numbers { at: now, ..numbers(counts, Totals::default()) }), machine(now))
}

fn oldest(count: i64, since: i64) -> Oldest {
    Oldest { count, since: Some(since) }
}

fn outgoing(stage: Stage, of: Oldest) -> Outgoing {
    Outgoing { kind: MailKind::Answer, stage, of, total: of.count }
}

fn said(view: &View) -> Vec<String> {
    let now = view.machine.now;
    view.issues.iter().map(|i| format!("{} {}", i.text, i.when.map_or(String::new(), |w| w.words(now))).trim().to_owned()).collect()
}

#[test]
fn a_quiet_desk_is_well() {
    let view = at(0, Counts::default());
    assert_eq!((view.level(), view.headline().as_str(), view.stale), (Level::Good, "All is well", None));
    assert!([&view.incoming, &view.outgoing, &view.behind, &view.process].into_iter().flatten().all(|line| line.level <= Level::Good));
}

#[test]
fn work_is_fine_until_it_takes_too_long() {
    let after = |age| at(age, Counts { understanding: oldest(2, 0), ..Counts::default() });
    assert_eq!((after(59_999).level(), after(60_000).level(), after(300_000).level()), (Level::Good, Level::Look, Level::Bad));
    assert_eq!(said(&after(300_000)), ["2 mails wait to be understood since 00:00 UTC, 5 min ago"]);
    assert_eq!(after(300_000).headline(), "2 mails wait to be understood");
}

#[test]
fn very_many_acknowledgements_need_a_look() {
    use crate::store::read::Acked;

    let of = |accepted, acks| {
        let totals = Totals { acked: Acked { accepted, acks }, ..Totals::default() };
        View::new(Some(&numbers(Counts::default(), totals)), machine(0))
    };
    assert_eq!((of(100, 70).level(), of(4, 50).level(), of(0, 0).level()), (Level::Good, Level::Good, Level::Good));
    assert_eq!((of(100, 71).level(), of(4, 51).level()), (Level::Look, Level::Look));
    assert_eq!(said(&of(1_000, 251)), ["251 acknowledgements in an hour, for 1,000 mails"]);
}

#[test]
fn what_is_broken_comes_first_and_says_since_when() {
    let counts = Counts {
        held: vec![("spam".into(), oldest(1, HOUR)), ("leak".into(), oldest(1, 0))],
        outgoing: vec![outgoing(Stage::Failed, oldest(3, HOUR)), outgoing(Stage::Waiting, oldest(1, 0))],
        ..Counts::default()
    };
    let view = at(4 * HOUR, counts);
    let expected = [
        "1 mail waits to leave since 00:00 UTC, 4 h ago",
        "2 mails are held until a person decides since 00:00 UTC, 4 h ago",
        "3 mails could not be delivered first 3 h ago",
    ];
    assert_eq!(said(&view), expected);
    assert_eq!(view.headline(), "1 thing is broken, 2 need a look");
}

#[test]
fn a_relay_that_is_down_is_named_once() {
    let counts = Counts {
        outgoing: vec![outgoing(Stage::Waiting, oldest(7, MINUTE)), outgoing(Stage::Relay, oldest(1, 0))],
        last_reply: Some("421 4.3.2 ann@x.test come later".into()),
        ..Counts::default()
    };
    let view = at(MINUTE, counts.clone());
    assert_eq!((said(&view).len(), view.level()), (1, Level::Look));
    assert_eq!(
        (view.headline().as_str(), view.issues[0].detail.as_str()),
        ("8 mails wait because the relay can't be used", "It says 421 4.3.2.")
    );
    assert_eq!(at(2 * HOUR, counts).level(), Level::Bad);
}

#[test]
fn folders_and_processes_that_fail_are_named() {
    let folder = |state: &str, error: &str, polled_at| ImapFolder {
        mailbox: "a@x.test".into(),
        folder: "INBOX".into(),
        state: state.into(),
        since: 0,
        error: error.into(),
        polled_at,
        ..ImapFolder::default()
    };
    let node = |beat_at, dead| NodeItem { name: "host/1".into(), started_at: 0, beat_at, dead };
    let now = 2 * HOUR;
    let counts = Counts {
        folders: vec![
            folder("failing", "no log-in", None),
            folder("ok", "", Some(0)),
            folder("ok", "UID 3", Some(now)),
            folder("", "", None),
        ],
        nodes: vec![node(now, false), node(now - 31_000, false), node(0, true)],
        ..Counts::default()
    };
    let view = at(now, counts);
    let words: Vec<_> = view.folders.iter().map(|f| f.word).chain(view.nodes.iter().map(|n| n.word)).collect();
    assert_eq!(words, ["failing", "silent", "look", "starting", "alive", "silent", "ended"]);
    let expected = [
        "Mail for a@x.test (INBOX) can't be fetched since 00:00 UTC, 2 h ago",
        "Nobody looks for mail for a@x.test (INBOX) since 00:00 UTC, 2 h ago",
        "Some mail for a@x.test (INBOX) stays where it is since 00:00 UTC, 2 h ago",
        "host/1 gives no sign of life since 01:59 UTC, 31 s ago",
    ];
    assert_eq!(said(&view), expected);
    let refused = ImapFolder { told_at: Some(0), ..folder("failing", "no log-in", None) };
    let late = ImapFolder { missed: 2, missed_at: Some(0), ..folder("ok", "", Some(now)) };
    let view = at(now, Counts { folders: vec![refused, late.clone()], ..Counts::default() });
    assert!(view.issues[0].detail.starts_with("The log-in is refused."), "{}", view.issues[0].detail);
    assert_eq!(said(&view)[1], "Mail for a@x.test (INBOX) had been passed over and was fetched late since 00:00 UTC, 2 h ago");
    let folders = vec![ImapFolder { polled_at: Some(25 * HOUR), ..late }];
    assert!(said(&at(25 * HOUR, Counts { folders, ..Counts::default() })).is_empty());
}

#[test]
fn readers_of_the_log_that_lag_are_named() {
    let totals =
        Totals { deliveries: Deliveries { enabled: 3, disabled: 1, waiting: oldest(2, 0), failing: 1, failed: 4 }, ..Totals::default() };
    let counts = Counts { log: Log { last: 9, unnumbered: oldest(1, 0) }, ..Counts::default() };
    let mut numbers = Numbers { at: HOUR, ..numbers(counts, totals) };
    numbers.index = (index::Health { seq: 7, head: 9, ..index::Health::default() }, Some(0));
    let view = View::new(Some(&numbers), machine(HOUR));
    let since = "since 00:00 UTC, 1 h ago";
    let expected = ["1 event has no place in the log", "2 deliveries to webhooks wait", "The search index lags behind"];
    assert_eq!(said(&view), expected.map(|text| format!("{text} {since}")));
    let labels: Vec<_> = view.behind.iter().map(|line| (line.label.as_str(), line.value.as_str())).collect();
    assert!(labels.contains(&("Events not in the index", "2")) && labels.contains(&("given up", "4")), "{labels:?}");
    assert!(labels.contains(&("Webhooks enabled", "3")) && labels.contains(&("disabled", "1")), "{labels:?}");
    numbers.index = (index::Health { failing_since_ms: Some(0), error: Some("disk".into()), ..index::Health::default() }, None);
    let view = View::new(Some(&numbers), machine(HOUR));
    assert!(view.issues.iter().any(|i| i.level == Level::Bad && i.text == "The search index fails" && !i.detail.contains("disk")));
}

#[test]
fn without_a_database_the_page_says_so_and_keeps_the_last_numbers() {
    let away = || Machine { health: Health { away_since: Some(HOUR), free: None, reasons: Vec::new() }, ..machine(2 * HOUR) };
    let view = View::new(None, away());
    assert_eq!((view.level(), view.headline().as_str()), (Level::Bad, "The database does not answer"));
    assert_eq!(view.issues[0].when, Some(When::Since(HOUR)));
    let counts = Counts { held: vec![("spam".into(), oldest(1, 0))], ..Counts::default() };
    let view = View::new(Some(&numbers(counts, Totals::default())), away());
    assert_eq!((view.stale, view.issues.len(), view.incoming.is_empty()), (Some(0), 1, false));
}

#[test]
fn before_the_first_numbers_the_page_says_so() {
    let view = View::new(None, machine(0));
    assert_eq!((view.level(), view.headline().as_str()), (Level::Look, "The numbers are not there yet"));
}

#[test]
fn a_filter_that_fails_is_worse_when_mail_waits_for_it() {
    let with = |away, closed| {
        let mut machine = machine(MINUTE);
        machine.filters = vec![Failing { name: "clamav".into(), since: 0, away, closed }];
        View::new(Some(&numbers(Counts::default(), Totals::default())), machine)
    };
    assert_eq!((with(false, true).level(), with(true, false).level()), (Level::Bad, Level::Look));
    assert_eq!(said(&with(false, false)), ["The content filter clamav can't be asked since 00:00 UTC, 1 min ago"]);
    let away = with(true, true);
    assert_eq!(said(&away), ["The content filter clamav does not answer since 00:00 UTC, 1 min ago"]);
    let detail = "Mail waits for it, and senders are asked to come again. One mail at a time tries it.";
    assert!(away.issues.iter().any(|issue| issue.detail.starts_with(detail)), "{:?}", away.issues);
}
