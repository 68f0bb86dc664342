//! Limits of the listeners, and that asking for too much harms nobody else.

use ombud_tests::smtp::stuffed;
use ombud_tests::{Desk, Draft, Letter, Options, Smtp};

use crate::{SUPPORT, from_ann};

fn small() -> Desk {
    Desk::prepare(Options { more: "[limits]\nmessage_size = \"1 MiB\"\n", ..Options::default() }).running()
}

#[test]
fn a_mail_over_the_size_is_refused_for_good() {
    let desk = small();
    let big = from_ann("Big", &format!("{}\n", "x".repeat(60)).repeat(30_000));
    let reply = desk.send(&big);
    assert_eq!(reply.code, 552, "{}", reply.line);
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    let declared = smtp.ask("MAIL FROM:<ann@customer.test> SIZE=2000000");
    assert_eq!(declared.code, 552, "{}", declared.line);
    assert_eq!(desk.deliver(&from_ann("Small", "fits"))["kind"], "ticket");
    assert!(desk.fates(&big.id).is_empty());
}

#[test]
fn a_size_may_not_be_a_lie() {
    let desk = small();
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    assert_eq!(smtp.ask("MAIL FROM:<ann@customer.test> SIZE=10").code, 250);
    assert_eq!(smtp.ask(&format!("RCPT TO:<{SUPPORT}>")).code, 250);
    assert_eq!(smtp.ask("DATA").code, 354);
    smtp.send(&stuffed(format!("{}\r\n", "x".repeat(62)).repeat(40_000).as_bytes()));
    assert_eq!(smtp.reply().map(|reply| reply.code), Some(552));
}

#[test]
fn an_idle_client_does_not_hold_up_others() {
    let desk = small();
    let mut idle: Vec<Smtp> = (0..50).map(|_| Smtp::open(desk.ports().smtp)).collect();
    let mut half = Smtp::greeted(desk.ports().smtp);
    half.ask("MAIL FROM:<ann@customer.test>");
    half.ask(&format!("RCPT TO:<{SUPPORT}>"));
    half.ask("DATA");
    half.send(b"From: ann@customer.test\r\nSubject: half");
    assert_eq!(desk.deliver(&from_ann("Meanwhile", "still there?"))["kind"], "ticket");
    for smtp in &mut idle {
        assert_eq!(smtp.reply().map(|reply| reply.code), Some(220));
    }
    drop(half);
    assert_eq!(desk.list("/api/v1/inbox").len(), 1, "half a mail is no mail");
}

#[test]
fn a_burst_of_one_sender_is_kept_whole() {
    let desk = Desk::with_jane();
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    let mails: Vec<_> = (0..40).map(|n| from_ann(&format!("Flood {n}"), &format!("mail {n}"))).collect();
    for mail in &mails {
        let reply = smtp.mail(&mail.sender, &[SUPPORT], &mail.bytes()).expect("a reply");
        assert_eq!(reply.code, 250, "{}", reply.line);
    }
    desk.settle();
    for mail in &mails {
        assert_eq!(desk.fate(&mail.id)["kind"], "ticket", "no cap drops or merges mail");
    }
    let told = desk.out().to(crate::JANE).len();
    assert!(told <= 22, "over 20 tickets an hour the agents are not told of each: {told}");
    let acks = desk.out().to(crate::ANN).len();
    assert!((1..=3).contains(&acks), "3 acknowledgements in ten minutes: {acks}");
    let tagged = desk.list("/api/v1/tickets").into_iter().filter(|t| t["tags"].to_string().contains("flood")).count();
    assert!(tagged > 0, "the tickets over the limit are tagged");
}

/// Jane was told of so many and no more; the one that begins so says that she is not told of each further one.
fn is_told_until(desk: &Desk, count: usize, last: &str) {
    let told = desk.out().to(crate::JANE);
    assert_eq!(told.len(), count, "not told of each");
    let why: Vec<_> = told.iter().map(Letter::text).filter(|text| text.contains("You are not told of each further one")).collect();
    assert!(why.len() == 1 && why[0].starts_with(last), "{why:?}");
}

#[test]
fn whoever_writes_on_and_on_is_kept_and_told_of_until_it_is_too_much() {
    let desk = Desk::with_jane();
    let (number, _) = crate::ticket_of_ann(&desk, "Again");
    let ack = desk.out().expect(crate::ANN, "the acknowledgement", |_| true);
    for n in 2..=14 {
        let fate = desk.deliver(&Draft::answer("Ann Smith <ann@customer.test>", &ack, &format!("This is number {n}.")));
        assert_eq!((&fate["kind"], &fate["ticket"]), (&"message".into(), &number), "{fate}");
    }
    desk.settle();
    let messages = desk.messages(&number);
    assert_eq!(messages.len(), 14, "no cap drops mail");
    assert_eq!(messages.iter().filter(|message| message["flags"].to_string().contains("loop")).count(), 4);
    is_told_until(&desk, 11, "This is number 11.");
    assert_eq!(desk.out().to(crate::ANN).len(), 1, "nothing but the acknowledgement");
}

#[test]
fn automatic_mail_on_a_ticket_is_told_of_until_it_is_too_much() {
    let desk = Desk::with_jane();
    let (number, _) = crate::ticket_of_ann(&desk, "Letters");
    let ack = desk.out().expect(crate::ANN, "the acknowledgement", |_| true);
    for n in 1..=23 {
        let letter = Draft::plain_answer(&format!("news{n}@elsewhere.test"), &ack, &format!("News, part {n}."));
        assert_eq!(desk.deliver(&letter.header("Precedence", "bulk"))["ticket"], number);
    }
    desk.settle();
    assert_eq!(desk.messages(&number).len(), 24, "no cap drops mail");
    is_told_until(&desk, 22, "News, part 21.");
}

#[test]
fn several_recipients_make_one_message() {
    let desk = Desk::with_jane();
    let mut mail = from_ann("Both", "to two of your addresses");
    mail.recipients = vec![SUPPORT.into(), "support+shop@desk.test".into(), "postmaster@desk.test".into()];
    assert_eq!(desk.deliver(&mail)["kind"], "ticket");
    desk.settle();
    assert_eq!((desk.fates(&mail.id).len(), desk.list("/api/v1/tickets").len()), (1, 1));
}
