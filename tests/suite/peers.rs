//! Real peers: swaks and smtp-source as clients, a Postfix in front that hands over by LMTP.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::{Command, Output};

use ombud_tests::places::lacks;
use ombud_tests::postfix::Postfix;
use ombud_tests::{Desk, Draft, Options, Smtp, wait_until};

use crate::threats_smtp::with_tls;
use crate::{ANN, JANE, SUPPORT, answers_to_ann, from_ann, ticket_of_ann};

/// Where agents log in: over TLS from the first octet, and by STARTTLS.
const LOGINS: &str = "\"tls:127.0.0.1:0\", \"starttls:127.0.0.1:0\"";

/// Runs a client to its end; none where it is not installed.
fn client(test: &str, program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(ran) => Some(ran),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            lacks(test, &format!("no {program} here"));
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// swaks, which believes our authority alone; its words.
fn swaks(test: &str, desk: &Desk, arguments: &[&str]) -> Option<String> {
    let authority = desk.path("ca.pem").display().to_string();
    let all = [&["--tls-verify", "--tls-ca-path", &authority, "--helo", "client.test", "--timeout", "20"][..], arguments].concat();
    let ran = client(test, "swaks", &all)?;
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}");
    Some(said)
}

#[test]
fn swaks_delivers_over_starttls() {
    let desk = with_tls(LOGINS);
    let server = desk.ports().smtp.to_string();
    let id = "Message-Id: <swaks@client.test>";
    let arguments = ["--server", &server, "--tls", "--from", ANN, "--to", SUPPORT, "--header", id, "--body", "It does not print."];
    let Some(said) = swaks("swaks_delivers_over_starttls", &desk, &arguments) else { return };
    assert!(said.contains("=== TLS started"), "{said}");
    assert_eq!(desk.fate("swaks@client.test")["kind"], "ticket");
}

#[test]
fn swaks_submits_an_answer_with_a_password() {
    let desk = with_tls(LOGINS);
    let (_, notice) = ticket_of_ann(&desk, "By swaks");
    let made = desk.cli(&["agent", "app-password", JANE]);
    assert_eq!(made.code, 0, "{}", made.err);
    let password = made.out.split_whitespace().last().expect("the password is the last word").to_owned();
    let to = notice.address("Reply-To");
    for (port, tls, mechanism) in [(0, "--tls-on-connect", "PLAIN"), (1, "--tls", "LOGIN")] {
        let server = desk.ports().submission[port].expect("a listener").to_string();
        let words = format!("It works again, says {mechanism}.");
        let subject = format!("Subject: Re: {}", notice.header("Subject").expect("a subject"));
        let whom = ["--server", &server, tls, "--from", JANE, "--to", &to, "--header", &subject, "--body", &words];
        let log_in = ["--auth", mechanism, "--auth-user", JANE, "--auth-password", &password, "--auth-hide-password"];
        let Some(said) = swaks("swaks_submits_an_answer_with_a_password", &desk, &[&whom[..], &log_in].concat()) else { return };
        assert!(said.contains(" 235 2.7.0 "), "{said}");
        desk.out().expect(ANN, "the answer", |letter| letter.text().contains(&words));
    }
    assert_eq!(answers_to_ann(&desk).len(), 2);
}

#[test]
fn smtp_source_hands_over_500_mails_each_once() {
    let desk = Desk::with_jane();
    let address = desk.ports().smtp.to_string();
    let arguments = ["-s", "20", "-m", "500", "-l", "2048", "-f", ANN, "-t", SUPPORT, &address];
    let Some(ran) = client("smtp_source_hands_over_500_mails_each_once", "/usr/sbin/smtp-source", &arguments) else { return };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    wait_until("all of them to be decided", || desk.list("/api/v1/inbox?state=waiting").is_empty());
    let rows = desk.list("/api/v1/inbox");
    let ids: BTreeSet<String> = rows.iter().map(|row| row["message_id"].to_string()).collect();
    assert_eq!((rows.len(), ids.len()), (500, 500));
    assert!(rows.iter().all(|row| row["fate"]["kind"] == "ticket"), "{:?}", rows.iter().find(|row| row["fate"]["kind"] != "ticket"));
}

/// A Postfix, or the word that there is none.
fn postfix(test: &str) -> Option<Postfix> {
    Postfix::prepare().map_err(|why| lacks(test, why)).ok()
}

#[track_caller]
fn hand_to(postfix: &Postfix, mail: &Draft) {
    let to: Vec<&str> = mail.recipients.iter().map(String::as_str).collect();
    let reply = Smtp::greeted(postfix.address()).mail(&mail.sender, &to, &mail.bytes()).expect("a reply");
    assert_eq!(reply.code, 250, "{}", reply.line);
}

/// How often this fate fell to mails of this id.
fn tickets(desk: &Desk, mail: &Draft) -> usize {
    desk.fates(&mail.id).iter().filter(|row| row["fate"]["kind"] == "ticket").count()
}

#[test]
fn postfix_hands_over_by_lmtp_and_one_refused_recipient_harms_no_other() {
    let Some(postfix) = postfix("postfix_hands_over_by_lmtp_and_one_refused_recipient_harms_no_other") else { return };
    let desk = Desk::with_jane();
    postfix.start(&format!("inet:{}", desk.ports().lmtp));
    let plain = from_ann("Through Postfix", "A line with a dot:\n.\n..two\nand Jörg.");
    hand_to(&postfix, &plain);
    let fate = desk.fate(&plain.id);
    let message = desk.messages(&fate["ticket"]).remove(0);
    let raw = desk.request("GET", &format!("/api/v1/messages/{}/raw", message["id"]), None).body;
    let kept = String::from_utf8_lossy(&raw);
    assert!(kept.contains("A line with a dot:\r\n.\r\n..two\r\nand Jörg."), "{kept}");

    let mut mail = from_ann("To two", "one of you is not there");
    mail.recipients = vec![SUPPORT.into(), "nobody@desk.test".into()];
    hand_to(&postfix, &mail);
    wait_until("Postfix to have no mail left", || postfix.queued() == 0);
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    assert_eq!((desk.fates(&mail.id).len(), tickets(&desk, &mail)), (1, 1));
    let log = postfix.log();
    let said = |to: &str, status: &str| log.lines().any(|line| line.contains(&format!("to=<{to}>")) && line.contains(status));
    assert!(said(SUPPORT, "status=sent (250 2.6.0 Queued as") && said("nobody@desk.test", "status=bounced"), "{log}");
    assert!(said("nobody@desk.test", "550 5.1.1 No such address here"), "{log}");
}

#[test]
fn postfix_keeps_the_mail_while_the_desk_is_stopped() {
    let Some(postfix) = postfix("postfix_keeps_the_mail_while_the_desk_is_stopped") else { return };
    let mut desk = Desk::prepare(Options::default());
    desk.listens_at(&postfix.socket());
    desk.serve(&[]);
    postfix.start(&format!("unix:{}", postfix.socket().display()));
    let before = from_ann("Before", "over a unix socket");
    hand_to(&postfix, &before);
    assert_eq!(desk.fate(&before.id)["kind"], "ticket");

    desk.stop();
    let meanwhile: Vec<Draft> = (0..5).map(|n| from_ann(&format!("Meanwhile {n}"), "is anybody there?")).collect();
    meanwhile.iter().for_each(|mail| hand_to(&postfix, mail));
    wait_until("Postfix to have tried", || postfix.log().matches("status=deferred").count() >= meanwhile.len());
    assert_eq!(postfix.queued(), meanwhile.len());
    desk.serve(&[]);
    wait_until("Postfix to have no mail left", || {
        postfix.flush();
        postfix.queued() == 0
    });
    desk.settle();
    for mail in &meanwhile {
        assert_eq!((desk.fates(&mail.id).len(), tickets(&desk, mail)), (1, 1));
    }
}
