//! Automatic mail is never dropped: what opens no ticket is in the ledger, and its bytes are there for a month and longer.

use super::world::{ANN, SUPPORT, World};
use crate::clock::Clock;
use crate::model::changes::Fate;
use crate::store::Cmd;
use crate::store::read::InboxFilter;

const DAY: i64 = 86_400_000;

/// A mail of each class that opens no ticket, with what is its reason.
const CLASSES: &[(&str, &str)] = &[
    ("auto_reply", "Auto-Submitted: auto-replied\r\n\r\nThank you for your mail.\r\n"),
    ("auto_reply", "Precedence: auto_reply\r\n\r\nThank you.\r\n"),
    ("out_of_office", "Auto-Submitted: auto-replied (vacation)\r\n\r\nI am away.\r\n"),
    (
        "bounce",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; a@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n",
    ),
    (
        "delivery_report",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; a@x.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n--b--\r\n",
    ),
    (
        "read_receipt",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\nRead.\r\n--b--\r\n",
    ),
    (
        "feedback_report",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n\
         Feedback-Type: abuse\r\n\r\n--b--\r\n",
    ),
];

/// What no compression makes small.
fn noise(octets: usize) -> String {
    let mut seed = 7_u64;
    let letter = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(seed >> 58) as usize])
    };
    let all: Vec<char> = (0..octets).map(letter).collect();
    all.chunks(76).map(|line| line.iter().collect::<String>() + "\r\n").collect()
}

/// Everything that the desk forgets by itself, at a time.
async fn sweep(w: &World, now: i64) {
    let store = &w.opened.store;
    for cmd in [
        Cmd::SweepOutbox { before: now - DAY, limit: 200 },
        Cmd::SweepDeliveries { before: now - 30 * DAY, keep: 10_000, limit: 200 },
        Cmd::SweepCopies { now, limit: 2_000 },
        Cmd::SweepRefusals { now, limit: 2_000 },
    ] {
        if let crate::store::Outcome::Swept { files, .. } = store.run(cmd).await.unwrap() {
            store.remove_files(files, now).await.unwrap();
        }
    }
    store.remove_strays(now).await.unwrap();
}

#[tokio::test]
async fn automatic_mail_of_every_class_is_there_a_month_later() {
    let w = World::new().await;
    let mut sent = Vec::new();
    for (n, (class, rest)) in CLASSES.iter().enumerate() {
        let raw = format!("From: {ANN}\r\nTo: {SUPPORT}\r\nSubject: Mail {n}\r\nMessage-ID: <k{n}@customer.test>\r\n{rest}");
        sent.push((*class, w.raw(ANN, &[SUPPORT], raw.as_bytes()).await, raw));
    }
    // One of which the body is a file.
    let raw = format!("From: {ANN}\r\nTo: {SUPPORT}\r\nSubject: Large\r\nAuto-Submitted: auto-replied\r\n\r\n{}", noise(300_000));
    sent.push(("auto_reply", w.raw(ANN, &[SUPPORT], raw.as_bytes()).await, raw));

    let (store, now) = (&w.opened.store, w.opened.clock.now());
    for day in 1..=31 {
        sweep(&w, Clock::ahead(day * DAY).now()).await;
    }
    let listed = store.inbox(&InboxFilter { fate: Some(Fate::Automatic), limit: 100, ..InboxFilter::default() }).await.unwrap();
    assert_eq!(listed.items.len(), sent.len(), "the ledger lists each of them");
    for (class, item, raw) in &sent {
        assert_eq!((item.fate, item.ticket, item.reason.as_str()), (Fate::Automatic, None, *class), "{raw:.300}");
        let later = store.inbox_item(item.id).await.unwrap().unwrap();
        assert_eq!((later.fate, later.received_at <= now), (Fate::Automatic, true));
        assert_eq!(store.blob(&later.blob).await.unwrap(), raw.as_bytes(), "{class}");
    }
    assert!(store.ticket(crate::model::TicketId(1)).await.unwrap().is_none(), "none of them opens a ticket");
}
