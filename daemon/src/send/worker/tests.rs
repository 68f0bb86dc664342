//! A relay that keeps a mail waiting.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::app::Opened;
use crate::config::Config;
use crate::config::types::{Relay, SmtpRelay};
use crate::feed::index::SearchIndex;
use crate::model::PersonId;
use crate::model::outgoing::{OutboxState, Params};
use crate::store::database_for_tests;

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
    let sender = Sender {
        store: opened.store.clone(),
        node: NodeId(1),
        desk: watch::Sender::new(opened.desk.clone()).subscribe(),
        searcher: SearchIndex::new(folder.path()).searcher(),
        exits: watch::Sender::new(Arc::new(Exits::from(maildir))).subscribe(),
        signer: Arc::new(Signer::new(folder.path())),
        destinations: Arc::new(Destinations::default()),
        beat: beat.subscribe(),
        clock: opened.clock,
    };
    let row = OutboxRow {
        id: OutboxId(1),
        ticket: None,
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
