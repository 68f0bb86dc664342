//! What content filters say decides only as far as it must: held, waiting, let through once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::clock::Clock;
use crate::config::{Filter, FilterAddress, OnError};
use crate::desk::token::Purpose;
use crate::model::InboxId;
use crate::model::changes::Fate;
use crate::model::finding::Action;
use crate::store::read::InboxItem;
use crate::store::{ClaimedMail, Cmd};

/// A world with a filter that says the same of each mail, and how often it was asked.
async fn saying(said: &'static [u8]) -> (World, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            // It does without all but the end of the mail.
            let agreed = b"\0\0\0\x0dO\0\0\0\x06\0\0\0\0\0\0\x02\x7f";
            io.write_all(&[&agreed[..], said].concat()).await.unwrap();
            let _ = io.read_to_end(&mut Vec::new()).await;
        }
    });
    let address = FilterAddress::Tcp("127.0.0.1".into(), port);
    let filter = Filter {
        name: "fake".into(),
        address,
        timeout: Duration::from_secs(5),
        on_error: OnError::Open,
        size: 1 << 20,
        hold_on: Vec::new(),
    };
    (World::with(|config| config.filters = vec![filter]).await, asked)
}

async fn item(w: &World, id: InboxId) -> InboxItem {
    w.opened.store.inbox_item(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_a_filter_refuses_is_held_and_let_through_once() {
    let (w, asked) = saying(b"\0\0\0\x15y550 5.7.1 Bad thing\0").await;
    let held = w.mail(ANN, SUPPORT, "", "It burns.").await;
    assert_eq!((held.fate, held.reason.as_str(), held.detail.as_str()), (Fate::Held, "filter", "fake refuses it (Bad thing)"));
    assert!(w.outbox().await.is_empty(), "the admins hear of it in their digest");
    w.opened.store.run(Cmd::ReleaseInbox { id: held.id, by: None, door: "cli", now: 1 }).await.unwrap();
    w.decide_all().await;
    let passed = item(&w, held.id).await;
    assert_eq!((passed.fate, asked.load(Ordering::Relaxed)), (Fate::Ticket, 1));
    assert_eq!(passed.findings(), held.findings(), "what was found stays");
    // A proven agent hears of their own mail at once, and lets it through.
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let held = w.mail(JANES, &answer, "", "Pull the plug.").await;
    assert_eq!((held.fate, held.reason.as_str()), (Fate::Held, "filter"));
    assert_eq!(w.outbox().await.last().unwrap(), "held agent@desk.localhost");
}

#[tokio::test]
async fn a_mail_that_was_filtered_is_not_read_again_to_be_understood() {
    let (w, asked) = saying(b"\0\0\0\x01c").await;
    let id = w.accept(ANN, &[SUPPORT], b"From: ann@customer.test\r\nSubject: Hi\r\n\r\nHello\r\n").await;
    let pipeline = w.pipeline();
    let mails = pipeline.claim(&mut false, Vec::new()).await;
    let desk = w.opened.desk.clone();
    let (findings, raw) = pipeline.filtered(&desk, &mails[0]).await.unwrap().unwrap_or_else(|_| panic!("it waits"));
    assert_eq!((mails[0].id, findings.len(), asked.load(Ordering::Relaxed)), (id, 1, 1));
    // Nothing is kept under this name: what was read before must do.
    let gone = ClaimedMail { blob: vec![0; 32], ..mails[0].clone() };
    assert!(pipeline.read(&desk, &gone, None).await.is_err());
    let (understood, _) = pipeline.read(&desk, &gone, raw).await.unwrap();
    assert_eq!(understood.subject, "Hi");
}

#[tokio::test]
async fn a_mail_that_shall_come_again_waits_and_is_then_held() {
    let (mut w, asked) = saying(b"\0\0\0\x01t").await;
    let waits = w.mail(ANN, SUPPORT, "", "It burns.").await;
    assert_eq!((waits.fate, waits.reason.as_str(), waits.attempts), (Fate::Waiting, "waits for the filter fake", 0));
    w.decide_all().await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "it is not asked again at once");
    w.opened.clock = Clock::ahead(3_600_001);
    w.decide_all().await;
    let held = item(&w, waits.id).await;
    assert_eq!((held.fate, held.reason.as_str(), asked.load(Ordering::Relaxed)), (Fate::Held, "filter", 2));
    assert_eq!(held.findings().first().unwrap().action, Action::Tempfail);
}
