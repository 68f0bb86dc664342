//! What must be true in the end, asked of the desk over its API and of the world around it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ombud_tests::{Desk, Letter, wait_until};
use serde_json::Value;

use super::disk::disk;
use super::ledger::{Entry, Kind, Way};
use super::{Stage, TICKETS};
use crate::{ANN, JANE};

/// What is left is worked off in this time for each mail, and in this at least.
const EACH: Duration = Duration::from_millis(40);
const LEAST: Duration = Duration::from_secs(60);
/// Tickets that are looked for in the search index.
const SEARCHED: usize = 100;

/// Numbers of a campaign in one line.
pub(super) fn check(desks: &mut [Desk], stage: &Stage, entries: &[Entry]) -> String {
    let desk = &desks[0];
    settle(desk, entries);
    let held = release(desk);
    settle(desk, entries);
    let inbox = inbox(desk, entries);
    tickets(desk, stage, entries, &inbox);
    let (copies, unknown) = sent(desk, stage, entries, &inbox);
    webhooks(desk, stage);
    // Each has an index of its own.
    desks.iter().for_each(|desk| index(desk, entries, &inbox));
    desks.iter().for_each(events);
    disk(desks);
    let taken = |way: Way| entries.iter().filter(|entry| entry.way == way && entry.taken).count();
    let unanswered: usize = entries.iter().map(|entry| entry.unanswered).sum();
    let duplicates = inbox.duplicates;
    format!(
        "{} mails ({} over SMTP and {} over LMTP taken, {} fetched), {unanswered} tries without an answer; 0 lost, 0 twice; \
         {duplicates} second copies recognised, {held} held as poison and released; sent on: {copies} copies after an ambiguous end, {unknown} of unknown end",
        entries.len(),
        taken(Way::Smtp),
        taken(Way::Lmtp),
        taken(Way::Imap),
    )
}

/// Waits until what was promised has come in and all is worked off: a mail that lies on the IMAP server was promised, too.
/// What waits for its next try is told to try now.
fn settle(desk: &Desk, entries: &[Entry]) {
    let (begun, limit) = (Instant::now(), LEAST + EACH * u32::try_from(entries.len()).expect("not so many"));
    let mut promised: Vec<&Entry> = entries.iter().filter(|entry| entry.taken).collect();
    let mut urged = Instant::now();
    loop {
        if !promised.is_empty() {
            let there: BTreeSet<String> = desk.list("/api/v1/inbox").iter().filter_map(message_id).collect();
            promised.retain(|entry| !there.contains(&entry.id));
        }
        let inbox = desk.list("/api/v1/inbox?state=waiting");
        let outbox = desk.list("/api/v1/outbox?state=waiting");
        if promised.is_empty() && inbox.is_empty() && outbox.is_empty() {
            return;
        }
        let late = begun.elapsed() > limit;
        assert!(!late || promised.is_empty(), "invariant 1: {} mails were promised and are not there: {promised:?}", promised.len());
        assert!(!late, "invariant 10: after {limit:?} there wait {} mails in and {} out", inbox.len(), outbox.len());
        if urged.elapsed() > Duration::from_secs(1) {
            // Only those that were put off, the oldest first; those behind one in its lane wait as long as it does.
            let put_off = |row: &&Value| row["next_attempt_at"].as_str() > row["created_at"].as_str();
            for row in outbox.iter().rev().filter(put_off).take(40) {
                let _ = desk.cli(&["queue", "retry", &row["id"].to_string()]);
            }
            urged = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The Message-ID of an inbox row, which is known when the mail is understood.
fn message_id(row: &Value) -> Option<String> {
    row["message_id"].as_str().map(str::to_owned)
}

/// A mail with which the desk has died three times is held unread. A person lets it pass, and it is a mail like any other:
/// once, and a copy where it is one.
fn release(desk: &Desk) -> usize {
    let mut held = desk.list("/api/v1/inbox");
    held.retain(|row| row["fate"]["kind"] == "held");
    for row in &held {
        assert_eq!(row["fate"]["reason"], "poison", "invariant 6: {row} is held");
        let ran = desk.cli(&["inbox", "release", &row["id"].to_string()]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    held.len()
}

/// The inbox by Message-ID.
struct Inbox {
    rows: BTreeMap<String, Vec<Value>>,
    duplicates: usize,
}

/// 1 and 2: what was promised is there once, what was not at most once.
fn inbox(desk: &Desk, entries: &[Entry]) -> Inbox {
    let mut inbox = Inbox { rows: BTreeMap::new(), duplicates: 0 };
    for row in desk.list("/api/v1/inbox") {
        inbox.rows.entry(message_id(&row).unwrap_or_default()).or_default().push(row);
    }
    for entry in entries {
        let rows = inbox.rows.get(&entry.id).map_or(&[][..], Vec::as_slice);
        let kinds: Vec<&str> = rows.iter().map(|row| row["fate"]["kind"].as_str().unwrap_or("")).collect();
        let first = kinds.iter().filter(|kind| **kind != "duplicate").count();
        match entry.taken {
            true => assert_eq!(first, 1, "invariant 1: {entry:?} was promised and is there as {kinds:?}"),
            false => assert!(first <= 1, "invariant 2: {entry:?} was not promised and is there as {kinds:?}"),
        }
        assert!(kinds.len() <= entry.tries, "invariant 1: {entry:?} is there as {kinds:?}");
        inbox.duplicates += kinds.len() - first;
        if first == 1 {
            let wanted = if entry.kind == Kind::Ticket { "ticket" } else { "message" };
            assert!(kinds.contains(&wanted), "invariant 1: {entry:?} is there as {kinds:?}");
        }
    }
    let known: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let strangers = inbox.rows.iter().filter(|(id, _)| !known.contains(id.as_str())).count();
    assert_eq!(strangers, TICKETS, "invariant 1: mails that nobody has sent");
    inbox
}

impl Inbox {
    /// Whether this mail has become what it was to be.
    fn has(&self, entry: &Entry) -> bool {
        self.rows.contains_key(&entry.id)
    }
}

/// 3 and 4: one ticket for each question with what was asked, each answer and each command once.
fn tickets(desk: &Desk, stage: &Stage, entries: &[Entry], inbox: &Inbox) {
    let mut subjects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut answered = Vec::new();
    for ticket in desk.list("/api/v1/tickets") {
        let subject = ticket["subject"].as_str().unwrap_or("").to_owned();
        if subject.starts_with("Answered ") {
            answered.push(ticket["number"].clone());
        } else {
            assert_eq!(ticket["messages"], 1, "invariant 3: {ticket}");
        }
        subjects.entry(subject).or_default().push(ticket);
    }
    let texts: Vec<Value> = answered.iter().flat_map(|number| desk.messages(number)).collect();
    assert_eq!(answered.len(), stage.notices.len());
    let mut words: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for message in &texts {
        let text = message["reply_text"].as_str().unwrap_or("");
        let marker = text.split([' ', '.', '\n']).find(|word| word.starts_with("marker"));
        words.entry(marker.unwrap_or("")).or_default().push(message);
    }
    for entry in entries {
        let there = usize::from(inbox.has(entry));
        let (found, tickets) = (words.get(entry.marker.as_str()), subjects.get(&entry.marker));
        let (found, tickets) = (found.map_or(&[][..], Vec::as_slice), tickets.map_or(0, Vec::len));
        let wanted = if entry.kind == Kind::Ticket { (there, 0) } else { (0, there) };
        assert_eq!((tickets, found.len()), wanted, "invariant 3: {entry:?} as tickets and as messages");
        let kind = if entry.kind == Kind::Note { "note" } else { "agent" };
        assert!(found.iter().all(|message| message["kind"] == kind), "invariant 4: {entry:?} as {found:?}");
    }
    let count = subjects.values().flatten().count();
    assert_eq!(count, entries.iter().filter(|e| e.kind == Kind::Ticket && inbox.has(e)).count() + stage.notices.len(), "invariant 3");
}

/// 5 and 6: answers reach the customer, notices their agent at most once, nothing anybody else. How many second copies there
/// were, and how many mails of whom nobody knows.
fn sent(desk: &Desk, stage: &Stage, entries: &[Entry], inbox: &Inbox) -> (usize, usize) {
    let (letters, rows) = (stage.sink.letters(), desk.list("/api/v1/outbox"));
    let mut by_id: BTreeMap<String, Vec<&Letter>> = BTreeMap::new();
    for letter in &letters {
        assert!([ANN, JANE].contains(&letter.recipient.as_str()), "invariant 6: mail to {}", letter.recipient);
        by_id.entry(letter.header("Message-ID").expect("an id")).or_default().push(letter);
    }
    let mut copies = 0;
    for (id, same) in &by_id {
        let first = same[0];
        assert!(same.iter().all(|letter| letter.raw == first.raw), "invariant 5: copies of {id} differ");
        copies += same.len() - 1;
        assert!(same.len() == 1 || first.recipient == ANN, "invariant 5: the notice {id} was sent {} times", same.len());
    }
    // A second copy is of a mail that was tried before: no try that has ended well is repeated.
    let again: i64 = rows.iter().filter(|row| row["kind"] == "answer").map(|row| row["attempts"].as_i64().unwrap_or(1) - 1).sum();
    assert!(i64::try_from(copies).is_ok_and(|copies| copies <= again), "invariant 5: {copies} copies of {again} repeated tries");
    let mut markers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let texts: Vec<(String, String)> =
        by_id.iter().filter(|(_, same)| same[0].recipient == ANN).map(|(id, same)| (id.clone(), same[0].text())).collect();
    for (id, text) in &texts {
        let marker = text.split([' ', '.', '\n']).find(|word| word.starts_with("marker")).unwrap_or("");
        markers.entry(marker).or_default().insert(id);
    }
    for entry in entries {
        let ids = markers.get(entry.marker.as_str()).map_or(0, BTreeSet::len);
        let wanted = usize::from(entry.kind == Kind::Answer && inbox.has(entry));
        assert_eq!(ids, wanted, "invariants 5 and 6: {entry:?} reached the customer as {ids} mails");
    }
    let state = |word: &str| rows.iter().filter(|row| row["state"] == word).count();
    let (sent, unknown, failed) = (state("sent"), state("unknown"), state("failed"));
    assert_eq!((failed, sent + unknown), (0, rows.len()), "invariant 10: every mail has an end");
    assert!((sent..=sent + unknown).contains(&by_id.len()), "invariant 5: {sent} sent, {unknown} unknown, {} came", by_id.len());
    (copies, unknown)
}

/// 7: each event reached its receiver, always as the same octets.
fn webhooks(desk: &Desk, stage: &Stage) {
    let wanted: BTreeSet<i64> = desk
        .list("/api/v1/events?after=0")
        .iter()
        .filter(|event| ["ticket.created", "message.received"].iter().any(|kind| event["type"] == *kind))
        .map(|event| event["seq"].as_i64().expect("a place"))
        .collect();
    let path = format!("/api/v1/webhooks/{}/deliveries", stage.hook);
    let begun = Instant::now();
    // What has just happened becomes a delivery only a moment later.
    loop {
        let mut waiting = desk.list(&path);
        waiting.retain(|delivery| delivery["state"] != "sent");
        let told: BTreeSet<i64> = stage.receiver.hits().iter().map(|hit| place(&hit.verified(&stage.secret))).collect();
        let missed: Vec<_> = wanted.difference(&told).collect();
        if waiting.is_empty() && missed.is_empty() {
            break;
        }
        let late = begun.elapsed() > LEAST * 2;
        assert!(!late || waiting.is_empty(), "invariant 7: {} webhooks wait: {}", waiting.len(), waiting[0]);
        assert!(!late, "invariant 7: nobody was told of the events {missed:?}");
        for delivery in waiting.iter().take(20) {
            let _ = desk.request("POST", &format!("/api/v1/deliveries/{}/redeliver", delivery["id"]), None);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    let (mut bodies, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for hit in stage.receiver.hits() {
        seen.insert(place(&hit.verified(&stage.secret)));
        let first = bodies.entry(hit.id().to_owned()).or_insert_with(|| hit.body.clone());
        assert_eq!(*first, hit.body, "invariant 7: one id, one body");
    }
    assert_eq!(seen, wanted, "invariant 7: of other events nobody was told");
    assert_eq!(bodies.len(), seen.len(), "invariant 7: one id for each event");
}

/// The place in the log of what a webhook tells.
fn place(told: &Value) -> i64 {
    told["data"]["seq"].as_i64().expect("a place")
}

/// 8: what is in the database is found.
fn index(desk: &Desk, entries: &[Entry], inbox: &Inbox) {
    let made: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == Kind::Ticket && inbox.has(entry)).collect();
    for entry in made.iter().step_by(made.len().div_ceil(SEARCHED).max(1)) {
        let path = format!("/api/v1/search?q=subject:{}", entry.marker);
        wait_until(&format!("invariant 8: {} to be found", entry.marker), || {
            let answer = desk.request("GET", &path, None);
            answer.status == 200 && answer.json()["total"] == 1
        });
    }
}

/// 9: the log has no gap.
fn events(desk: &Desk) {
    let places: Vec<i64> = desk.list("/api/v1/events?after=0").iter().map(|event| event["seq"].as_i64().expect("a place")).collect();
    let dense = places.windows(2).all(|pair| pair[1] == pair[0] + 1);
    assert!(dense && places.first() == Some(&1), "invariant 9: the log has a gap among its {} events", places.len());
}
