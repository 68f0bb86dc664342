//! SIGTERM, SIGINT, SIGHUP.

use std::time::Duration;

use ombud_tests::{Desk, Options, Smtp, wait_until};

use crate::{SUPPORT, from_ann};

#[test]
fn sigterm_ends_in_order() {
    let mut desk = Desk::with_jane();
    let mut idle = Smtp::greeted(desk.ports().smtp);
    let mails: Vec<_> = (0..10).map(|n| from_ann(&format!("Last {n}"), "just in time")).collect();
    for mail in &mails {
        assert!(desk.send(mail).is_yes());
    }
    let (status, took) = desk.stop();
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    let last = idle.reply();
    assert!(last.as_ref().is_none_or(|reply| reply.code == 421), "{last:?}");
    desk.serve(&[]);
    for mail in &mails {
        assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    }
}

#[test]
fn sigterm_lets_a_mail_in_hand_finish() {
    let mut desk = Desk::with_jane();
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    smtp.ask("MAIL FROM:<ann@customer.test>");
    smtp.ask(&format!("RCPT TO:<{SUPPORT}>"));
    assert_eq!(smtp.ask("DATA").code, 354);
    smtp.send(b"Message-ID: <hand@client.test>\r\nFrom: ann@customer.test\r\nSubject: in hand\r\n\r\nhalf ");
    desk.signal("TERM");
    wait_until("new clients to be turned away", || {
        Smtp::try_open(desk.ports().smtp).and_then(|mut s| s.reply()).is_none_or(|r| r.code != 220)
    });
    smtp.send(b"and whole\r\n.\r\n");
    let reply = smtp.reply();
    let (status, took) = desk.stop();
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    desk.serve(&[]);
    match reply {
        Some(reply) if reply.is_yes() => assert_eq!(desk.fate("hand@client.test")["kind"], "ticket"),
        Some(reply) => assert!((400..500).contains(&reply.code), "the sender keeps it: {}", reply.line),
        None => assert!(desk.fates("hand@client.test").is_empty(), "what was not answered may be kept by neither"),
    }
}

#[test]
fn sigint_ends_too() {
    let mut desk = Desk::with_jane();
    desk.signal("INT");
    let (status, took) = desk.stop();
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
}

#[test]
fn sighup_takes_a_good_configuration_and_refuses_a_bad_one() {
    let desk = Desk::start(Options::default());
    let knows = |address: &str| {
        let mut smtp = Smtp::greeted(desk.ports().smtp);
        smtp.ask("MAIL FROM:<ann@customer.test>");
        smtp.ask(&format!("RCPT TO:<{address}>")).is_yes()
    };
    assert!(knows(SUPPORT) && !knows("sales@desk.test"));

    desk.configure(&desk.configuration().replace("name = \"Acme\"", "nmae = \"Acme\""));
    let before = desk.log().len();
    desk.signal("HUP");
    wait_until("the reason in the log", || desk.log()[before..].contains("nmae"));
    assert!(knows(SUPPORT), "the old configuration stays");

    desk.configure(&format!("{}\n[[mailboxes]]\naddress = \"sales@desk.test\"\n", desk.configuration()));
    desk.signal("HUP");
    wait_until("the new mailbox", || knows("sales@desk.test"));
    let mut mail = from_ann("To sales", "what does it cost?").to("sales@desk.test");
    mail.recipients = vec!["sales@desk.test".into()];
    let fate = desk.deliver(&mail);
    assert_eq!(desk.get(&format!("/api/v1/tickets/{}", fate["ticket"]))["mailbox"], "sales@desk.test");
}

#[test]
fn mail_for_a_mailbox_that_is_gone_is_held() {
    let mut desk = Desk::prepare(Options::default());
    let both = format!("{}\n[[mailboxes]]\naddress = \"sales@desk.test\"\n", desk.configuration());
    desk.configure(&both);
    let mail = from_ann("Too late", "for a mailbox").to("sales@desk.test");
    // Taken while nobody decides; then the mailbox is removed.
    let taken = desk.cli_with(&["deliver", "--to", "sales@desk.test", "--from", crate::ANN], &mail.bytes());
    assert_eq!(taken.code, 0, "{}", taken.err);
    desk.configure(&desk.configuration());
    desk.serve(&[]);
    let fate = desk.fate(&mail.id);
    assert!(fate["kind"] == "held" && fate["reason"] == "mailbox", "{fate}");
}
