//! The event log: a list to catch up with, a stream to follow.

use std::thread;
use std::time::Duration;

use ombud_tests::Desk;
use serde_json::Value;

use crate::from_ann;

fn seqs(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["seq"].as_i64().expect("a number")).collect()
}

#[test]
fn a_stream_is_dense_while_mail_comes_in_and_goes_on_where_it_was_left() {
    let desk = Desk::with_jane();
    const MAILS: usize = 30;
    let events = thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..MAILS {
                assert!(desk.send(&from_ann(&format!("Stream {n}"), &format!("words {n}"))).is_yes());
            }
        });
        let (mut events, mut created): (Vec<Value>, usize) = (Vec::new(), 0);
        while created < MAILS {
            // Each connection takes a few events and breaks off somewhere.
            let last = events.last().map_or(0, |event| event["seq"].as_i64().expect("a number"));
            let mut follow = desk.follow("after=0", &format!("Last-Event-ID: {last}\r\n"));
            for _ in 0..7 {
                let event = follow.event().expect("an event");
                created += usize::from(event["type"] == "ticket.created");
                events.push(event);
                if created == MAILS {
                    break;
                }
            }
        }
        events
    });
    let count = i64::try_from(events.len()).expect("a few");
    assert_eq!(seqs(&events), (1..=count).collect::<Vec<_>>(), "no gap and no repeat");
    desk.settle();
    let listed = desk.list("/api/v1/events?after=0");
    assert_eq!(listed[..events.len()], events[..], "the list says the same");
    assert_eq!(seqs(&listed), (1..=i64::try_from(listed.len()).expect("a few")).collect::<Vec<_>>());
    let text = serde_json::to_string(&listed).expect("JSON");
    for hidden in ["ann@", "Ann", "jane@", "Stream ", "words "] {
        assert!(!text.contains(hidden), "{hidden} stands in the log");
    }
}

#[test]
fn what_another_process_does_is_told_too() {
    let desk = Desk::with_jane();
    let mut follow = desk.follow("", "");
    assert!(follow.header.starts_with("HTTP/1.1 200 ") && follow.header.contains("text/event-stream"), "{}", follow.header);
    std::fs::create_dir(desk.path("docs")).unwrap();
    std::fs::write(desk.path("docs/a.md"), "---\nstatus: published\n---\n# A\n").unwrap();
    let docs = desk.path("docs");
    assert_eq!(desk.cli(&["kb", "import", docs.to_str().unwrap()]).code, 0);
    let told = follow.until("article.published").pop().expect("one");
    assert_eq!((&told["actor"], &told["data"]["article"]), (&"cli".into(), &"a".into()));
}

#[test]
fn a_stream_ends_in_order_when_the_desk_stops() {
    let mut desk = Desk::with_jane();
    let mut follow = desk.follow("", "");
    desk.deliver(&from_ann("Last words", "hello"));
    follow.until("ticket.created");
    let (status, took) = desk.stop();
    assert!(status.success() && took < Duration::from_secs(8), "{status} after {took:?}");
    while follow.event().is_some() {}
    desk.serve(&[]);
    let log = desk.list("/api/v1/events");
    assert_eq!(seqs(&log), (1..=i64::try_from(log.len()).expect("a few")).collect::<Vec<_>>(), "it goes on after a restart");
}

#[test]
fn a_place_of_another_log_is_gone() {
    let desk = Desk::with_jane();
    desk.deliver(&from_ann("One", "hello"));
    for query in ["after=0&log=another", "after=1000000"] {
        let lists = desk.request("GET", &format!("/api/v1/events?{query}"), None);
        assert_eq!(lists.status, 410, "{query}");
        assert!(lists.header.to_lowercase().contains("ombud-log: "), "{}", lists.header);
        assert_eq!(lists.json()["status"], 410);
    }
}
