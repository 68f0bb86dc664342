//! What a session does with odd clients, full disks, limits and its own shutdown.

use std::io;
use std::time::Duration;

use super::fakes::{Desk, FakeDoor, FakeGate, limits};
use crate::config::Limits;
use crate::model::{Reply, Transport};
use crate::receive::Protocol;

const MAIL: &[u8] = b"From: ann@example.com\r\n\r\nHello\r\n.\r\n";
const STRAY: &[u8] = b"From: ann@example.com\r\n\r\na\n.\nb\rc\r\n.\r\n";
const OUTSIDE: &str = "192.0.2.1";

#[tokio::test]
async fn a_mail_is_kept_with_its_envelope() {
    let desk = Desk::plain();
    let mut client = desk.greeted("127.0.0.1").await;
    assert_eq!(client.mail(MAIL).await, "250 2.6.0 Queued as 1");
    assert_eq!(client.ask("QUIT").await, "221 2.0.0 Bye");
    assert_eq!(client.until_closed().await, "");
    let (envelope, bytes) = desk.kept().pop().unwrap();
    assert_eq!(bytes, b"From: ann@example.com\r\n\r\nHello\r\n");
    assert_eq!((envelope.transport, envelope.helo.as_deref()), (Transport::Smtp, Some("client.example")));
    assert_eq!((envelope.mail_from.as_str(), envelope.recipients), ("ann@example.com", vec!["support@desk.localhost".to_owned()]));
    assert!(envelope.outside && !envelope.tls && envelope.peer == "127.0.0.1".parse().ok());
}

#[tokio::test]
async fn a_session_is_small() {
    let desk = Desk::plain();
    let (_client, io) = tokio::io::duplex(1);
    let octets = size_of_val(&desk.session(Protocol::Smtp, Some(OUTSIDE), io).run());
    assert!(octets < 4_096, "{octets} octets");
}

#[tokio::test]
async fn refusals_go_over_the_wire_as_they_are() {
    let reply = Reply::new(452, "4.3.1", "Full");
    let gates = [FakeGate { ready: Some(reply.clone()), ..FakeGate::default() }];
    for gate in gates {
        let desk = Desk::new(limits(), gate, FakeDoor::default(), None);
        assert_eq!(desk.greeted(OUTSIDE).await.ask("MAIL FROM:<>").await, "452 4.3.1 Full");
    }
    let refused = [
        (FakeGate { data: Some(reply.clone()), ..FakeGate::default() }, FakeDoor::default()),
        (FakeGate::default(), FakeDoor { refuse: Some(reply), ..FakeDoor::default() }),
    ];
    for (gate, door) in refused {
        let desk = Desk::new(limits(), gate, door, None);
        let mut client = desk.greeted(OUTSIDE).await;
        assert_eq!(client.mail(MAIL).await, "452 4.3.1 Full");
        assert_eq!(client.ask("NOOP").await, "250 2.0.0 OK");
        assert!(desk.kept().is_empty());
    }
}

#[tokio::test]
async fn a_full_disk_is_temporary() {
    for (kind, reply) in [(io::ErrorKind::StorageFull, "452 4.3.1 "), (io::ErrorKind::Other, "451 4.3.0 ")] {
        let desk = Desk::new(limits(), FakeGate::default(), FakeDoor { disk: Some(kind), ..FakeDoor::default() }, None);
        let mut client = desk.greeted(OUTSIDE).await;
        assert!(client.mail(MAIL).await.starts_with(reply));
        assert!(desk.kept().is_empty());
    }
}

#[tokio::test]
async fn size_is_what_was_read_not_what_was_said() {
    let desk = Desk::with(Limits { message_size: 1000, ..limits() });
    let mut client = desk.greeted("127.0.0.1").await;
    let content = |lines: usize| ["....\r\n".repeat(lines).into_bytes(), b".\r\n".to_vec()].concat();
    // Five octets a line without the stuffed dot.
    assert!(client.mail(&content(200)).await.starts_with("250 2.6.0 "));
    assert!(client.mail(&content(201)).await.starts_with("552 5.3.4 "));
    assert!(client.mail(&content(400)).await.starts_with("552 5.3.4 "));
    assert!(client.ask("MAIL FROM:<> SIZE=1001").await.starts_with("552 5.3.4 "));
    assert!(client.mail(&content(401)[..2406]).await.starts_with("552 5.3.4 "));
    assert_eq!(client.until_closed().await, "");
    assert_eq!(desk.kept().len(), 1);
}

#[tokio::test]
async fn a_long_line_is_refused_after_the_dot() {
    let desk = Desk::with(Limits { line: 100, ..limits() });
    let mut client = desk.greeted(OUTSIDE).await;
    let content = |length: usize| format!("{}\r\n.\r\n", "x".repeat(length)).into_bytes();
    assert!(client.mail(&content(101)).await.starts_with("550 5.6.0 "));
    assert!(client.mail(&content(100)).await.starts_with("250 2.6.0 "));
    assert_eq!(desk.kept().len(), 1);
}

#[tokio::test]
async fn stray_line_ends_are_data_from_those_we_trust() {
    let desk = Desk::plain();
    for ip in ["127.0.0.1", OUTSIDE] {
        let mut client = desk.greeted(ip).await;
        assert!(client.mail(STRAY).await.starts_with("550 5.5.2 "));
        assert_eq!(client.until_closed().await, "");
    }
    assert!(desk.kept().is_empty());
    assert!(desk.greeted("10.1.2.3").await.mail(STRAY).await.starts_with("250 2.6.0 "));
    let mut lmtp = desk.connect(Protocol::Lmtp, Some(OUTSIDE));
    lmtp.reply().await;
    lmtp.ask("LHLO mta.example").await;
    assert!(lmtp.mail(STRAY).await.starts_with("250 2.6.0 "));
    for (envelope, bytes) in desk.kept() {
        assert_eq!(bytes, &STRAY[..STRAY.len() - 3]);
        assert!(!envelope.outside);
    }
}

#[tokio::test]
async fn a_client_that_vanishes_breaks_nothing() {
    let desk = Desk::plain();
    let mut client = desk.greeted(OUTSIDE).await;
    for line in ["MAIL FROM:<>", "RCPT TO:<support@desk.localhost>", "DATA"] {
        client.ask(line).await;
    }
    client.send(b"half a mail\r\n").await;
    client.vanish().await;
    assert!(desk.kept().is_empty());

    // With the dot the mail is ours, whether or not the client hears of it.
    let mut client = desk.greeted(OUTSIDE).await;
    for line in ["MAIL FROM:<>", "RCPT TO:<support@desk.localhost>", "DATA"] {
        client.ask(line).await;
    }
    client.send(b"a mail\r\n.\r\n").await;
    client.vanish().await;
    assert_eq!(desk.kept().len(), 1);
}

#[tokio::test]
async fn twenty_errors_are_enough_from_outside() {
    let desk = Desk::plain();
    let mut client = desk.greeted(OUTSIDE).await;
    for _ in 1..20 {
        assert!(client.ask("WHAT").await.starts_with("500 5.5.1 "));
    }
    assert!(client.ask("WHAT").await.starts_with("421 4.7.0 "));
    assert_eq!(client.until_closed().await, "");
    let mut near = desk.greeted("127.0.0.1").await;
    for _ in 0..50 {
        assert!(near.ask("WHAT").await.starts_with("500 "));
    }
}

#[tokio::test]
async fn whoever_tries_names_is_cut_off() {
    const UNKNOWN: &str = "RCPT TO:<nobody@desk.localhost>";
    let desk = Desk::with(Limits { unknown_recipients: 3, unknown_recipients_per_hour: 6, ..limits() });
    let mut client = desk.greeted(OUTSIDE).await;
    client.ask("MAIL FROM:<>").await;
    for _ in 0..2 {
        assert!(client.ask(UNKNOWN).await.starts_with("550 5.1.1 "));
    }
    // A mail that is taken says that this is no guesser.
    client.ask("RSET").await;
    assert!(client.mail(MAIL).await.starts_with("250 "));
    client.ask("MAIL FROM:<>").await;
    for _ in 0..3 {
        assert!(client.ask(UNKNOWN).await.starts_with("550 5.1.1 "));
    }
    assert!(client.until_closed().await.starts_with("421 4.7.0 "));
    let mut again = desk.greeted(OUTSIDE).await;
    again.ask("MAIL FROM:<>").await;
    assert!(again.ask(UNKNOWN).await.starts_with("550 5.1.1 "));
    let mut known = desk.greeted(OUTSIDE).await;
    assert!(known.mail(MAIL).await.starts_with("250 "), "known recipients are taken all the same");
    known.ask("MAIL FROM:<>").await;
    assert!(known.ask(UNKNOWN).await.starts_with("550 5.1.1 "));
    assert!(known.until_closed().await.starts_with("421 4.7.0 "));
    let mut near = desk.greeted("127.0.0.1").await;
    near.ask("MAIL FROM:<>").await;
    for _ in 0..10 {
        assert!(near.ask(UNKNOWN).await.starts_with("550 5.1.1 "));
    }
}

/// A stranger may hand over two mails on a connection, a neighbour more.
async fn two_mails_from_outside(desk: &Desk) {
    let (mut client, mut near) = (desk.greeted(OUTSIDE).await, desk.greeted("127.0.0.1").await);
    for _ in 0..2 {
        assert!(client.mail(MAIL).await.starts_with("250 "));
    }
    assert!(client.ask("MAIL FROM:<>").await.starts_with("421 4.7.0 "));
    for _ in 0..3 {
        assert!(near.mail(MAIL).await.starts_with("250 "));
    }
}

#[tokio::test]
async fn octets_are_counted_from_outside() {
    let desk = Desk::with(Limits { session_size: 2 * MAIL.len() as u64 - 10, ..limits() });
    two_mails_from_outside(&desk).await;
}

#[tokio::test]
async fn junk_and_messages_are_counted_from_outside() {
    let desk = Desk::with(Limits { messages_per_connection: 2, ..limits() });
    let mut client = desk.greeted(OUTSIDE).await;
    for _ in 0..100 {
        assert!(client.ask("NOOP").await.starts_with("250 "));
    }
    assert!(client.ask("RSET").await.starts_with("421 4.7.0 "));

    two_mails_from_outside(&desk).await;
}

#[tokio::test]
async fn a_dripping_client_is_cut() {
    let desk = Desk::with(Limits { command_timeout: Duration::from_millis(100), ..limits() });
    let mut client = desk.greeted(OUTSIDE).await;
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let reply = loop {
        tokio::select! {
            reply = client.line() => break reply,
            _ = tick.tick() => {}
        }
        client.send(b"N").await;
    };
    assert!(reply.unwrap().starts_with("421 4.4.2 "));
}

#[tokio::test]
async fn a_mail_and_a_session_have_their_time() {
    let desk = Desk::with(Limits { data_timeout: Duration::from_millis(50), ..limits() });
    let mut client = desk.greeted(OUTSIDE).await;
    assert!(client.mail(b"half a mail").await.starts_with("421 4.4.2 "));
    assert_eq!(client.until_closed().await, "");

    let desk = Desk::with(Limits { session_time: Duration::from_millis(200), ..limits() });
    let mut client = desk.connect(Protocol::Smtp, Some(OUTSIDE));
    client.reply().await;
    assert!(client.until_closed().await.starts_with("421 4.4.2 "));
}

#[tokio::test]
async fn shutdown_finishes_the_mail_in_hand() {
    let desk = Desk::plain();
    let (mut busy, mut idle) = (desk.greeted(OUTSIDE).await, desk.greeted(OUTSIDE).await);
    for line in ["MAIL FROM:<>", "RCPT TO:<support@desk.localhost>", "DATA"] {
        busy.ask(line).await;
    }
    desk.cancel.cancel();
    assert!(idle.until_closed().await.starts_with("421 4.3.2 "));
    busy.send(b"a mail\r\n.\r\n").await;
    assert_eq!(busy.reply().await, "250 2.6.0 Queued as 1");
    assert!(busy.until_closed().await.starts_with("421 4.3.2 "));
}

#[tokio::test]
async fn a_reload_never_tears_a_session() {
    let desk = Desk::plain();
    let mut client = desk.greeted(OUTSIDE).await;
    desk.config.send_modify(|config| std::sync::Arc::make_mut(config).limits.message_size = 10);
    assert!(client.mail(MAIL).await.starts_with("250 "));
    assert!(desk.greeted(OUTSIDE).await.mail(MAIL).await.starts_with("552 "));
}

#[tokio::test]
async fn pieces_of_a_dialogue_make_no_difference() {
    let dialogue =
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@desk.localhost>\r\nRCPT TO:<support@desk.localhost>\r\nDATA\r\n..x\r\n.\r\nQUIT\r\n";
    let mut replies = Vec::new();
    for at in 0..dialogue.len() {
        let desk = Desk::plain();
        let mut client = desk.greeted("127.0.0.1").await;
        client.send(&dialogue[..at]).await;
        tokio::task::yield_now().await;
        client.send(&dialogue[at..]).await;
        replies.push(client.until_closed().await);
        assert_eq!(desk.kept()[0].1, b".x\r\n");
    }
    let codes: Vec<&str> = replies[0].lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "550", "250", "354", "250", "221"]);
    replies.dedup();
    assert_eq!(replies.len(), 1);
}
