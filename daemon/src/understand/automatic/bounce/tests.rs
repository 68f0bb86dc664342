#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::understand::understand;

fn read(raw: &str) -> crate::model::Understood {
    understand(raw.as_bytes(), &Limits::default())
}

#[test]
fn a_report_is_read() {
    let mail = read(
        "From: MAILER-DAEMON@x.test\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x.test\n\nFinal-Recipient: rfc822; ann@y.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.2.2 Mailbox full\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <our@id>\nSubject: x\n\nhello\n--b--\n",
    );
    assert_eq!(mail.automatic, Some(Automatic::Bounce));
    let bounce = mail.bounce.unwrap();
    assert_eq!(bounce.original_message_id.as_deref(), Some("our@id"));
    let one = bounce.recipients.first().unwrap();
    assert_eq!((one.address.as_deref(), one.status.as_deref(), one.reason.as_str()), (Some("ann@y.test"), Some("5.2.2"), "mailbox_full"));
}

#[test]
fn a_success_is_no_bounce() {
    let mail = read(
        "From: postmaster@x.test\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nDone.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x.test\n\nFinal-Recipient: rfc822; ann@y.test\nAction: delivered\nStatus: 2.0.0\n--b--\n",
    );
    assert_eq!((mail.automatic, mail.bounce), (Some(Automatic::DeliveryReport), None));
}

#[test]
fn a_letter_is_read() {
    let mail = read(
        "From: MAILER-DAEMON@x.test\nSubject: failure notice\n\nHi. I wasn't able to deliver your message to the following addresses.\n\n<ann@y.test>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 user unknown\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <our@id>\nTo: ann@y.test\n\nhello\n",
    );
    assert_eq!(mail.automatic, Some(Automatic::Bounce));
    let bounce = mail.bounce.unwrap();
    assert_eq!((bounce.recipients.len(), bounce.original_message_id.as_deref()), (1, Some("our@id")));
}

#[test]
fn a_field_alone_makes_a_report() {
    let mail = read("From: Mail Delivery System <x@y.test>\nX-Failed-Recipients: ann@y.test\nSubject: Mail delivery failed\n\nSorry.\n");
    assert_eq!(mail.automatic, Some(Automatic::Bounce));
    let named: Vec<_> = mail.bounce.unwrap().recipients.into_iter().filter_map(|r| r.address).collect();
    assert_eq!(named, ["ann@y.test"]);
}

#[test]
fn a_person_who_asks_about_a_bounce_is_a_person() {
    let mail = read("From: ann@x.test\nSubject: Re: Undeliverable: x\nIn-Reply-To: <a@b>\n\nMy mail could not be delivered, why?\n");
    assert_eq!(mail.automatic, None);
}

/// A letter of a mail system.
fn letter(from: &str, subject: &str, text: &str) -> crate::model::Understood {
    read(&format!("Return-Path: <>\nFrom: {from}\nTo: desk@d.test\nSubject: {subject}\n\n{text}\n"))
}

#[test]
fn names_without_a_domain_are_the_systems_own() {
    let mail = letter(
        "MAILER-DAEMON@x.test",
        "Mail Delivery Problem",
        "Sorry desk@d.test. Your mail to these recipients could not be delivered:\n\tann\n\tbob.b\n\nBye",
    );
    let named: Vec<_> = mail.bounce.unwrap().recipients.into_iter().filter_map(|r| r.address).collect();
    assert_eq!(named, ["ann@x.test", "bob.b@x.test"]);
}

#[test]
fn a_list_that_refuses_and_a_nameless_robot_report_failures() {
    for mail in [
        letter("cats-admin@x.test", "You desk@d.test are not member (cats ML)", "You are not a member of this mailing list <cats@x.test>."),
        letter("<>", "", "You sent mail to ann@x.test. That's not a valid user here."),
    ] {
        assert_eq!(mail.automatic, Some(Automatic::Bounce), "{}", mail.text);
    }
    assert_eq!(read("From: ann@x.test\nSubject: I am not a member yet\n\nHow do I join?\n").automatic, None);
}

/// A report with one block of fields for each recipient.
fn report(text: &str, blocks: &[&str]) -> Vec<BounceRecipient> {
    let blocks = blocks.join("\n\n");
    let mail = read(&format!(
        "From: MAILER-DAEMON@x.test\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n{text}\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x.test\n\n{blocks}\n--b--\n"
    ));
    mail.bounce.unwrap().recipients
}

#[test]
fn who_still_waits_stands_behind_who_failed() {
    let told = report(
        "Sorry.",
        &[
            "Final-Recipient: rfc822; a@y.test\nAction: delayed\nStatus: 4.0.0",
            "Final-Recipient: rfc822; b@y.test\nAction: failed\nStatus: 5.1.1",
        ],
    );
    let short: Vec<_> = told.iter().map(|r| (r.address.as_deref().unwrap(), r.action.as_deref().unwrap())).collect();
    assert_eq!(short, [("b@y.test", "failed"), ("a@y.test", "delayed")]);
}

#[test]
fn the_letter_says_why_where_the_server_only_refuses() {
    let one = |text: &str, fields: &str| report(text, &[&format!("Final-Recipient: rfc822; a@y.test\n{fields}")]).remove(0).reason;
    assert_eq!(
        one(
            "Address not found: a@y.test couldn't be found.",
            "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 #5.1.0 Address rejected."
        ),
        "user_unknown"
    );
    assert_eq!(
        one("Sorry.", "Action: failed\nStatus: 4.4.1\nDiagnostic-Code: X; connect to y.test[192.0.2.1]:25: Connection timed out"),
        "expired"
    );
    assert_eq!(
        one("Sorry.", "Action: delayed\nStatus: 4.4.1\nDiagnostic-Code: X; connect to y.test[192.0.2.1]:25: Connection timed out"),
        "network"
    );
}
