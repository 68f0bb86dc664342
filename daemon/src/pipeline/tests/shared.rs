//! Several processes on one PostgreSQL: the order of the log, claims, and decisions about the same thing at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::world::{ANN, SUPPORT, World};
use crate::config::Database;
use crate::model::changes::{Changes, Fate, NewEvent};
use crate::model::{InboxId, TicketId};
use crate::store::read::{InboxFilter, TicketFilter};
use crate::store::{Cmd, NewNode, NodeId, Outcome, Store, postgres_for_tests};

const WRITERS: i64 = 8;
const COMMITS: i64 = 60;

fn events(writer: i64, n: i64) -> Changes {
    let event = |part: i64| NewEvent {
        kind: "ticket.updated",
        actor: format!("person:{writer}"),
        ticket: None,
        message: None,
        data: serde_json::Map::from_iter([("n".into(), (n * 10 + part).into())]),
    };
    Changes { at: 1, events: (0..=n % 3).map(event).collect(), ..Changes::default() }
}

/// Writers commit, `sequencers` number, one reader follows: it gets every event once, in order, and those of one writer
/// in the order in which they were written.
async fn followed(database: Database, sequencers: usize) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&database, folder.path()).await.unwrap();
    let (written, over) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, written) = (store.clone(), written.clone());
        writers.spawn(async move {
            for n in 0..COMMITS {
                let changes = events(writer, n);
                written.fetch_add(i64::try_from(changes.events.len()).unwrap(), Ordering::SeqCst);
                store.run(Cmd::Commit(Box::new(changes))).await.unwrap();
            }
        });
    }
    for _ in 0..sequencers {
        let (store, over) = (Store::open(&database, folder.path()).await.unwrap(), over.clone());
        tasks.spawn(async move {
            loop {
                let last = over.load(Ordering::SeqCst);
                let Outcome::Numbered { events, .. } = store.run(Cmd::NumberEvents { limit: 7 }).await.unwrap() else {
                    panic!("not numbered")
                };
                if last && events == 0 {
                    return store.close().await;
                }
            }
        });
    }
    let reader = {
        let (store, written, over) = (store.clone(), written.clone(), over.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let last = over.load(Ordering::SeqCst) && i64::try_from(seen.len()).unwrap() == written.load(Ordering::SeqCst);
                let after = seen.last().map_or(0, |(seq, _, _)| *seq);
                for event in store.events_after(after, 50).await.unwrap() {
                    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
                    seen.push((event.seq, event.actor, data["n"].as_i64().unwrap()));
                }
                if last {
                    return seen;
                }
            }
        })
    };
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let seen = reader.await.unwrap();
    assert_eq!(seen.iter().map(|(seq, _, _)| *seq).collect::<Vec<_>>(), (1..=written.load(Ordering::SeqCst)).collect::<Vec<_>>());
    for writer in 0..WRITERS {
        let own: Vec<_> = seen.iter().filter(|(_, actor, _)| *actor == format!("person:{writer}")).map(|(_, _, n)| *n).collect();
        assert!(own.is_sorted(), "{own:?}");
        assert_eq!(own.len(), own.iter().collect::<BTreeSet<_>>().len(), "each once");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_neither_skips_nor_repeats_with_one_sequencer() {
    let Some(database) = postgres_for_tests().await else { return };
    followed(database, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_neither_skips_nor_repeats_with_two_sequencers() {
    let Some(database) = postgres_for_tests().await else { return };
    followed(database, 2).await;
}

/// A second process beside the world's.
async fn second(w: &World) -> NodeId {
    let node = NewNode { place: "elsewhere".into(), ..*NewNode::of("second", 1) };
    match w.opened.store.run(Cmd::StartNode(Box::new(node))).await.unwrap() {
        Outcome::Node(node) => node,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_claim_at_once_never_get_the_same_mail() {
    let Some(database) = postgres_for_tests().await else { return };
    let w = World::with(|config| config.database = database).await;
    let other = second(&w).await;
    let mails: i64 = 120;
    for n in 0..mails {
        w.accept(ANN, &[SUPPORT], format!("From: ann@customer.test\r\nMessage-ID: <{n}@x.test>\r\n\r\n{n}\r\n").as_bytes()).await;
    }
    let mut claims = JoinSet::new();
    for node in [w.node, other, w.node, other] {
        let store = w.opened.store.clone();
        claims.spawn(async move {
            let mut got = Vec::new();
            loop {
                let Outcome::Mails(mails) = store.run(Cmd::ClaimInbox { node, now: i64::MAX, limit: 5 }).await.unwrap() else { panic!() };
                // Rows that another is taking at this moment are passed over: nothing to take is not the end.
                let left = store.inbox(&InboxFilter { fate: Some(Fate::Waiting), limit: 1, ..InboxFilter::default() }).await.unwrap();
                got.extend(mails.iter().map(|mail| mail.id));
                if mails.is_empty() && !left.items.is_empty() {
                    return got;
                }
            }
        });
    }
    let mut all: Vec<InboxId> = Vec::new();
    while let Some(got) = claims.join_next().await {
        all.extend(got.unwrap());
    }
    let unique: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!(unique.len(), all.len(), "no mail is claimed twice");
    assert_eq!(i64::try_from(all.len()).unwrap(), mails, "each is claimed");
}

/// Decides everything that waits, with several pipelines at once.
async fn decided_at_once(w: &World, nodes: &[NodeId]) {
    let mut work = JoinSet::new();
    for node in nodes {
        let pipeline = crate::pipeline::Pipeline { node: *node, ..w.pipeline() };
        work.spawn(async move {
            let mut idle = 0;
            while idle < 20 {
                let mails = pipeline.claim(&mut false, Vec::new()).await;
                idle = if mails.is_empty() { idle + 1 } else { 0 };
                let mut hands = JoinSet::new();
                for mail in mails {
                    let pipeline = pipeline.clone();
                    hands.spawn(async move { pipeline.one(mail, &CancellationToken::new()).await });
                }
                while let Some(done) = hands.join_next().await {
                    done.unwrap();
                }
            }
        });
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_threads_decided_at_once_come_out_as_one() {
    let Some(database) = postgres_for_tests().await else { return };
    let w = World::with(|config| config.database = database).await;
    let other = second(&w).await;
    for n in 0..12 {
        // Two copies of a question, and two answers that name an unknown mail before it.
        let question = format!("From: ann{n}@customer.test\r\nMessage-ID: <q{n}@x.test>\r\nSubject: Q{n}\r\n\r\nQuestion {n}\r\n");
        let more = |k: i32| {
            format!(
                "From: ann{n}@customer.test\r\nMessage-ID: <r{n}-{k}@x.test>\r\nReferences: <q{n}@x.test>\r\nSubject: Re: Q{n}\r\n\r\nMore {k}\r\n"
            )
        };
        for raw in [&question, &more(1), &question, &more(2)] {
            w.accept(&format!("ann{n}@customer.test"), &[SUPPORT], raw.as_bytes()).await;
        }
    }
    decided_at_once(&w, &[w.node, other]).await;
    let tickets = w.opened.store.tickets(&TicketFilter { limit: 100, ..TicketFilter::default() }).await.unwrap().items;
    assert_eq!(tickets.len(), 12, "one ticket for each conversation");
    assert!(tickets.iter().all(|ticket| ticket.messages == 3), "{tickets:?}");
    let fates = w.opened.store.inbox(&InboxFilter { limit: 100, ..InboxFilter::default() }).await.unwrap().items;
    let count = |fate| fates.iter().filter(|mail| mail.fate == fate).count();
    assert_eq!((count(Fate::Ticket), count(Fate::Message), count(Fate::Duplicate)), (12, 24, 12));
    assert!(tickets.iter().all(|ticket| ticket.number > TicketId(0)));
}

#[tokio::test]
async fn of_two_first_starts_the_one_with_other_keys_is_refused() {
    let Some(database) = postgres_for_tests().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&database, folder.path()).await.unwrap();
    let start = |name: &str| Cmd::StartNode(Box::new(NewNode { place: name.into(), keys: name.into(), ..*NewNode::of(name, 1) }));
    for round in 0..10 {
        let (one, two) = tokio::join!(store.run(start("one")), store.run(start("two")));
        let started: Vec<_> = [one, two].into_iter().flatten().collect();
        let [Outcome::Node(node)] = started[..] else { panic!("round {round}: {started:?}") };
        store.run(Cmd::EndNode { node, now: 1 }).await.unwrap();
    }
    store.close().await;
}
