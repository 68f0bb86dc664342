//! A relay that keeps a mail waiting, and a mail that nobody wants any more.

use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::app::Opened;
use crate::config::Config;
use crate::config::types::{Relay, SmtpRelay};
use crate::feed::index::SearchIndex;
use crate::model::PersonId;
use crate::model::changes::{NewOutbox, PersonRef};
use crate::model::outgoing::{OutboxState, Params};
use crate::store::{AgentChange, NewNode, database_for_tests};

/// Says yes to everything, and nothing to DATA.
async fn stalls(listener: TcpListener, asked: Arc<Notify>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mx\r\n").await.unwrap();
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|octets| octets > 0) {
        match std::mem::take(&mut line).starts_with("DATA") {
            true => asked.notify_one(),
            false => stream.write_all(b"250 ok\r\n").await.unwrap(),
        }
    }
}

/// A desk, and the node that sends for it.
async fn desk(folder: &Path) -> (Opened, NodeId) {
    let mut config = Config::local(folder).unwrap();
    config.database = database_for_tests(folder.join("ombud.db")).await;
    let opened = Opened::open(Arc::new(config), Clock::default()).await.unwrap();
    let Done::Node(node) = opened.store.run(Cmd::StartNode(NewNode::of("test", 1))).await.unwrap() else { panic!("no node") };
    (opened, node)
}

fn sender(opened: &Opened, node: NodeId, folder: &Path, exit: Exit, beat: watch::Receiver<Instant>) -> Sender {
    Sender {
        store: opened.store.clone(),
        node,
        desk: watch::Sender::new(opened.desk.clone()).subscribe(),
        searcher: SearchIndex::new(folder).searcher(),
        exits: watch::Sender::new(Arc::new(Exits::from(exit))).subscribe(),
        signer: Arc::new(Signer::new(folder)),
        destinations: Arc::new(Destinations::default()),
        beat,
        clock: opened.clock,
    }
}

/// Who is there in every new desk.
const AGENT: &str = "agent@desk.localhost";

fn help(now: i64) -> NewOutbox {
    NewOutbox {
        ticket: None,
        recipient: PersonRef::Id(PersonId(1)),
        address: AGENT.to_owned(),
        kind: MailKind::Help,
        message: None,
        params: Params::default(),
        due_at: 0,
        created_at: now,
    }
}

#[tokio::test]
async fn what_waits_for_an_agent_who_is_disabled_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (opened, node) = desk(folder.path()).await;
    let store = &opened.store;
    let (address, now) = (AGENT.to_owned(), opened.clock.now());
    store.run(Cmd::Commit(Box::new(Changes { at: now, outbox: vec![help(now)], ..Changes::default() }))).await.unwrap();
    store.run(Cmd::ChangeAgent { address, change: AgentChange::Disable }).await.unwrap();
    let exit = Exit::new(&Relay::Maildir(folder.path().join("out")), "desk.example").unwrap();
    let beat = watch::Sender::new(Instant::now());
    let sender = sender(&opened, node, folder.path(), exit, beat.subscribe());
    let Done::Outbox(rows) = store.run(Cmd::ClaimOutbox { node, now, limit: 1, away: Vec::new() }).await.unwrap() else { panic!("none") };
    let exit = Arc::clone(sender.exits.borrow().main());
    assert!(sender.one(rows[0].clone(), &exit, "", CancellationToken::new()).await);
    assert_eq!(store.outbox(None, None, 9).await.unwrap().items, Vec::new(), "neither sent nor failed");
    opened.store.close().await;
}

#[tokio::test]
async fn who_waits_behind_a_late_answer_is_late_too() {
    let folder = tempfile::tempdir().unwrap();
    let (opened, node) = desk(folder.path()).await;
    let (store, now, hour) = (&opened.store, opened.clock.now(), 3_600_000);
    // Without a message it can't be composed, and waits.
    let answer = |hours: i64| NewOutbox { kind: MailKind::Answer, created_at: now - hours * hour, ..help(now) };
    let outbox = vec![answer(6), answer(5), answer(1)];
    store.run(Cmd::Commit(Box::new(Changes { at: now, outbox, ..Changes::default() }))).await.unwrap();
    let exit = Exit::new(&Relay::Maildir(folder.path().join("out")), "desk.example").unwrap();
    let beat = watch::Sender::new(Instant::now());
    let sender = sender(&opened, node, folder.path(), exit, beat.subscribe());
    let Done::Outbox(rows) = store.run(Cmd::ClaimOutbox { node, now, limit: 9, away: Vec::new() }).await.unwrap() else { panic!("none") };
    assert_eq!(rows.len(), 1, "the others wait for the first");
    let exit = Arc::clone(sender.exits.borrow().main());
    assert!(sender.one(rows[0].clone(), &exit, "", CancellationToken::new()).await);
    let mut rows = store.outbox(None, None, 9).await.unwrap().items;
    rows.sort_by_key(|row| row.id);
    assert_eq!(rows.iter().map(|row| row.told_late).collect::<Vec<_>>(), [true, true, false]);
    assert!(rows.iter().all(|row| row.state == OutboxState::Waiting));
    opened.store.close().await;
}

#[tokio::test]
async fn another_way_out_is_not_left_alone_for_what_the_last_one_said() {
    let folder = tempfile::tempdir().unwrap();
    let (opened, node) = desk(folder.path()).await;
    let store = &opened.store;
    let now = opened.clock.now();
    store.run(Cmd::Commit(Box::new(Changes { at: now, outbox: vec![help(now)], ..Changes::default() }))).await.unwrap();
    let exit = |name: &str| Arc::new(Exits::from(Exit::new(&Relay::Maildir(folder.path().join(name)), "desk.example").unwrap()));
    let (exits, beat) = (watch::Sender::new(exit("old")), watch::Sender::new(Instant::now()));
    let unused = Exit::new(&Relay::Maildir(folder.path().join("unused")), "desk.example").unwrap();
    let sender = Sender { exits: exits.subscribe(), ..sender(&opened, node, folder.path(), unused, beat.subscribe()) };
    let (all, mut at) = (sender.destinations.clone(), Instant::now());
    let held = all.claimed("", 5);
    for _ in 0..6 {
        at += all.is_down("", "421 no", at);
    }
    drop(held);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(run(sender, cancel.clone()));
    // It has seen the old one.
    tokio::task::yield_now().await;
    exits.send_replace(exit("new"));
    let limit = Instant::now() + Duration::from_secs(60);
    while store.outbox(Some(OutboxState::Sent), None, 9).await.unwrap().items.is_empty() {
        assert!(Instant::now() < limit, "it still waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cancel.cancel();
    running.await.unwrap();
    assert!(!folder.path().join("old").exists() && folder.path().join("new").exists());
    opened.store.close().await;
}

#[tokio::test]
async fn who_cannot_say_that_it_lives_stops_before_the_final_dot() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::local(folder.path()).unwrap();
    config.database = database_for_tests(folder.path().join("ombud.db")).await;
    let silence = config.limits.node_silence;
    let opened = Opened::open(Arc::new(config), Clock::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let relay = SmtpRelay { host: "127.0.0.1".into(), port, implicit_tls: false, user: None, password: None, ca: None };
    let exit = Exit::new(&Relay::Smtp(relay), "desk.example").unwrap();
    let maildir = Exit::new(&Relay::Maildir(folder.path().join("out")), "desk.example").unwrap();
    let asked = Arc::new(Notify::new());
    let peer = tokio::spawn(stalls(listener, asked.clone()));
    let beat = watch::Sender::new(Instant::now());
    let sender = sender(&opened, NodeId(1), folder.path(), maildir, beat.subscribe());
    let row = OutboxRow {
        id: OutboxId(1),
        ticket: None,
        mailbox: None,
        recipient: PersonId(1),
        address: "ann@customer.test".into(),
        kind: MailKind::Answer,
        message: None,
        params: Params::default(),
        composed: None,
        state: OutboxState::Claimed,
        due_at: 0,
        attempts: 1,
        created_at: 0,
        last_reply: None,
        told_late: false,
    };
    let mail =
        Composed { from: "support@desk.example".into(), sender: "support@desk.example".into(), bytes: b"Subject: x\r\n\r\nx\r\n".to_vec() };
    let silent = async {
        asked.notified().await;
        beat.send_replace(Instant::now().checked_sub(silence).unwrap());
    };
    let cancel = CancellationToken::new();
    let (settled, ()) = tokio::join!(sender.tried(&opened.desk, &row, &mail, Way { exit: &exit, destination: "" }, &cancel), silent);
    assert!(matches!(&settled, Settled::Postponed(why, _) if why.contains("taken this process for dead")), "{settled:?}");
    peer.await.unwrap();
    opened.store.close().await;
}
