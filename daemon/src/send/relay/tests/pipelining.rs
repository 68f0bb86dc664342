//! MAIL, RCPT and DATA in one write (RFC 2920): what becomes of a mail is what becomes of it without.

use super::*;

const HELLO: [Step; 3] = [Say("220 mx"), Hear("EHLO"), Say("250-mx\r\n250-PIPELINING\r\n250 SIZE")];

/// The three commands, of which the server has heard all before it says a word.
fn batch(replies: &[&'static str]) -> Vec<Step> {
    let mut script = HELLO.to_vec();
    script.extend([Hear("MAIL FROM:<support+t@desk.example> SIZE="), Hear("RCPT TO:<ann@example.com>\r\n"), Hear("DATA\r\n")]);
    script.extend(replies.iter().map(|reply| Say(reply)));
    script
}

async fn delivered(script: Vec<Step>) -> (Outcome, String) {
    deliver(script, MAIL).await
}

#[tokio::test]
async fn three_commands_leave_together_and_the_mail_once() {
    let script = with(batch(&["250 a", "250 b", "354 go"]), &[Mail, Say("250 2.0.0 taken"), Hear("QUIT")]);
    let (outcome, heard) = delivered(script).await;
    assert_eq!(outcome, Outcome::Sent { reply: "250 2.0.0 taken".into() });
    let (mail, rest) = strict_server(heard.split_once("DATA\r\n").unwrap().1.as_bytes()).unwrap();
    assert!(mail.starts_with(b"Subject: x\r\n\r\n.hidden\r\n.\r\nMAIL FROM:<eve@x.test>\r\n"));
    assert_eq!(rest, b"QUIT\r\n");
}

#[tokio::test]
async fn replies_in_one_packet_are_taken_one_by_one() {
    let script = with(batch(&["250-a\r\n250 a\r\n250 b\r\n354 go"]), &[Mail, Say("250 taken"), Hear("QUIT")]);
    assert_eq!(delivered(script).await.0, Outcome::Sent { reply: "250 taken".into() });
}

/// The same words at the same place, with and without: the same outcome.
#[tokio::test]
async fn what_is_said_means_the_same_as_in_lockstep() {
    for (stage, reply) in [
        ("MAIL", "450 4.7.1 later"),
        ("MAIL", "550 5.7.1 sender"),
        ("MAIL", "530 5.7.0 authenticate"),
        ("MAIL", "552 too big"),
        ("MAIL", "421 4.3.2 shutting down"),
        ("MAIL", "garbage"),
        ("MAIL", "354 what?"),
        ("RCPT", "450 4.2.0 greylisted"),
        ("RCPT", "550-5.1.1 no such\r\n550 5.1.1 user"),
        ("RCPT", "530 5.7.0 authenticate"),
        ("RCPT", "421 4.3.2 shutting down"),
        ("RCPT", "354 what?"),
        ("RCPT", "garbage"),
        ("DATA", "451 4.3.0 later"),
        ("DATA", "554 5.5.1 no"),
        ("DATA", "421 4.3.2 shutting down"),
        ("DATA", "250 what?"),
        ("DATA", "garbage"),
    ] {
        let (lockstep, _) = delivered(with(until(stage), &[Say(reply), Stay])).await;
        let before = ["MAIL", "RCPT", "DATA"].iter().position(|name| *name == stage).unwrap();
        let replies = [&["250 ok", "250 ok"][..before], &[reply], &["503 5.5.1 no", "503 5.5.1 no"][before..]].concat();
        let (outcome, heard) = delivered(with(batch(&replies), &[Stay])).await;
        assert_eq!(outcome, lockstep, "{stage}: {reply}");
        assert!(!heard.contains("Subject"), "{stage}: {reply}: {heard}");
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_means_the_same_as_in_lockstep() {
    for (stage, replies) in [("MAIL", &[][..]), ("RCPT", &["250 a"][..]), ("DATA", &["250 a", "250 b"][..])] {
        let (lockstep, _) = delivered(until(stage)).await;
        assert_eq!(delivered(batch(replies)).await.0, lockstep, "{stage}");
    }
    let (outcome, _) = delivered(with(batch(&["250 a", "250 b", "354 go"]), &[Mail])).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "after the dot: {outcome:?}");
    let large = b"0123456789abcde\r\n".repeat(1 << 20);
    let (outcome, _) = deliver(batch(&["250 a", "250 b", "354 go"]), &large).await;
    assert!(matches!(outcome, Outcome::Recipient { temporary: true, .. }), "after 354: {outcome:?}");
}

#[tokio::test]
async fn a_354_for_nobody_is_answered_by_a_lone_dot() {
    let refused = batch(&["250 a", "550 5.1.1 no such user", "354 go"]);
    for last in ["554 5.5.1 no valid recipients", "250 2.0.0 taken (an empty mail)", "garbage"] {
        let (outcome, heard) = delivered(with(refused.clone(), &[Hear(".\r\n"), Say(last), Hear("QUIT")])).await;
        assert_eq!(outcome, Outcome::Recipient { temporary: false, reply: "550 5.1.1 no such user".into() }, "{last}");
        assert!(heard.ends_with("DATA\r\n.\r\nQUIT\r\n"), "{heard}");
    }
    let (outcome, heard) = delivered(with(batch(&["450 4.1.0 not now", "503 no", "354 go"]), &[Hear(".\r\n"), Stay])).await;
    assert!(matches!(outcome, Outcome::Recipient { temporary: true, .. }), "{outcome:?}");
    assert!(heard.contains("DATA\r\n.\r\n"), "{heard}");
}

#[tokio::test]
async fn nobody_gets_an_empty_mail() {
    // The sender is refused and the recipient taken: a dot would be a mail.
    let (outcome, heard) = delivered(with(batch(&["450 4.1.0 not now", "250 b", "354 go"]), &[Stay])).await;
    assert_eq!(outcome, Outcome::Recipient { temporary: true, reply: "MAIL: 450 4.1.0 not now".into() });
    assert!(!heard.contains("\r\n.\r\n"), "{heard}");
}

#[tokio::test]
async fn replies_that_nobody_asked_for_end_it() {
    let early = with(HELLO[..2].to_vec(), &[Say("250-mx\r\n250 PIPELINING\r\n250 a\r\n250 b\r\n354 go\r\n250 taken"), Stay]);
    let (outcome, heard) = delivered(early).await;
    assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("nobody asked")), "{outcome:?}");
    assert!(!heard.contains("MAIL"), "{heard}");

    let (outcome, heard) = delivered(with(batch(&["250 a\r\n250 b\r\n354 go\r\n250 taken"]), &[Stay])).await;
    assert!(matches!(&outcome, Outcome::Recipient { temporary: true, reply } if reply.contains("nobody asked")), "{outcome:?}");
    assert!(!heard.contains("Subject"), "{heard}");
}

#[tokio::test]
async fn fewer_replies_than_commands_hold_nobody_for_ever() {
    let short = Duration::from_millis(50);
    let timeouts = Timeouts { reply: short, data: short, quit: short, idle: Duration::ZERO, ..Timeouts::default() };
    for replies in [&[][..], &["250 a"], &["250 a", "250 b"], &["250 a", "550 no"], &["550 no"]] {
        let (port, heard) = server(with(batch(replies), &[Stay])).await;
        let outcome = exit(port).with_timeouts(timeouts).deliver("1", SENDER, ANN, MAIL, &Fence::default()).await;
        let silent = matches!(&outcome, Outcome::Destination { reply } | Outcome::Recipient { temporary: true, reply }
            if reply.contains("nothing within") || reply == "MAIL: 550 no");
        let refused = matches!(&outcome, Outcome::Recipient { temporary: false, reply } if reply == "550 no");
        assert!(silent || refused, "{replies:?}: {outcome:?}");
        assert!(!heard.await.unwrap().contains("Subject"), "{replies:?}");
    }
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_fit_for_the_next_mail() {
    let mut script = batch(&["250 a", "550 5.1.1 no such user", "554 5.5.1 no valid recipients"]);
    script.extend([Hear("RSET"), Say("250 ok"), Hear("MAIL"), Hear("RCPT"), Hear("DATA")]);
    script.extend([Say("250 a\r\n250 b\r\n354 go"), Mail, Say("250 taken"), Stay]);
    let (port, _heard) = server(script).await;
    let exit = exit(port).with_timeouts(Timeouts::default());
    let refused = exit.deliver("1", SENDER, ANN, MAIL, &Fence::default()).await;
    assert!(matches!(refused, Outcome::Recipient { temporary: false, .. }), "{refused:?}");
    assert_eq!(exit.deliver("2", SENDER, ANN, MAIL, &Fence::default()).await, Outcome::Sent { reply: "250 taken".into() });
}

/// What a connection hears of its second mail before it has said a word about it.
fn again() -> Vec<Step> {
    let mut script = batch(&["250 a\r\n250 b\r\n354 go"]);
    script.extend([Mail, Say("250 first"), Hear("RSET\r\n"), Hear("MAIL"), Hear("RCPT"), Hear("DATA\r\n")]);
    script
}

#[tokio::test]
async fn a_second_mail_leaves_along_with_rset() {
    let (port, heard) = server(with(again(), &[Say("250 reset\r\n250 a\r\n250 b"), Say("354 go"), Mail, Say("250 second"), Stay])).await;
    let exit = exit(port).with_timeouts(Timeouts::default());
    for reply in ["250 first", "250 second"] {
        assert_eq!(exit.deliver("1", SENDER, ANN, MAIL, &Fence::default()).await, Outcome::Sent { reply: reply.into() });
    }
    drop(exit);
    assert_eq!(heard.await.unwrap().matches("Subject").count(), 2);
}

#[tokio::test]
async fn a_server_that_wants_no_second_mail_gets_it_by_another_connection() {
    for last in [&[][..], &[Say("421 4.4.2 too long")], &[Say("500 5.5.1 what?"), Stay], &[Say("500 no\r\n250 a\r\n250 b\r\n354 go"), Stay]]
    {
        let other = with(batch(&["250 a\r\n250 b\r\n354 go"]), &[Mail, Say("250 other"), Stay]);
        let (port, heard) = servers(vec![with(again(), last), other]).await;
        let exit = exit(port).with_timeouts(Timeouts::default());
        for reply in ["250 first", "250 other"] {
            assert_eq!(exit.deliver("1", SENDER, ANN, MAIL, &Fence::default()).await, Outcome::Sent { reply: reply.into() }, "{last:?}");
        }
        drop(exit);
        let heard = heard.await.unwrap();
        assert_eq!(heard.iter().map(|words| words.matches("Subject").count()).collect::<Vec<_>>(), [1, 1], "{last:?}");
    }
}

#[tokio::test]
async fn connections_that_wait_are_ended_in_time() {
    let long = Duration::from_millis(50);
    let script = with(batch(&["250 a\r\n250 b\r\n354 go"]), &[Mail, Say("250 taken"), Hear("QUIT")]);
    let (port, heard) = servers(vec![script.clone(), script]).await;
    let exit = exit(port).with_timeouts(Timeouts { idle: long, ..Timeouts::default() });
    for _ in 0..2 {
        assert_eq!(exit.deliver("1", SENDER, ANN, MAIL, &Fence::default()).await, Outcome::Sent { reply: "250 taken".into() });
        while exit.pool.len() > 0 {
            tokio::time::sleep(long).await;
        }
    }
    assert!(heard.await.unwrap().iter().all(|words| words.ends_with("QUIT\r\n")));
}

#[tokio::test]
async fn nothing_leaves_along_with_starttls() {
    let mut script = vec![Say("220 mx"), Hear("EHLO"), Say("250-mx\r\n250-PIPELINING\r\n250 STARTTLS"), Hear("STARTTLS")];
    script.extend([Say("220 go\r\n250 a\r\n250 b\r\n354 go"), Stay]);
    let (outcome, heard) = delivered(script).await;
    assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("nobody asked")), "{outcome:?}");
    assert_eq!(heard, "EHLO desk.example\r\nSTARTTLS\r\n");
}
