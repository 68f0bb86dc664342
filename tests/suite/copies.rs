//! Exactly once: the same mail over every door, as relays change it on their way, is one message.

use ombud_tests::{Desk, Dovecot, Draft, Options, Smtp, wait_for};
use serde_json::Value;

use crate::{JANE, SUPPORT, ticket_of_ann};

const SALES: &str = "sales@desk.test";

/// A mail of Ann's as she has sent it: 8-bit text, a name and a subject with umlauts, and two files.
const ORIGINAL: &str = "From: Ann =?utf-8?Q?M=C3=BCller?= <ann@customer.test>\r\n\
To: support@desk.test\r\n\
Subject: =?utf-8?Q?Der_Drucker_druckt_die_sch=C3=B6nsten_Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?Q?_nicht_mehr?=\r\n\
Date: Sat, 21 Nov 2026 11:00:00 +0100\r\n\
Message-ID: <original@customer.test>\r\n\
MIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=edge\r\n\r\n\
--edge\r\n\
Content-Type: text/plain; charset=utf-8\r\n\
Content-Transfer-Encoding: 8bit\r\n\r\n\
Schöne Grüße, der Drucker in Zimmer 7 druckt nicht mehr, und das schon seit gestern um 11:00.\r\n\
From here on nothing works. \r\n\
..and a line with dots\r\n\r\n\
Ann\r\n\
--edge\r\n\
Content-Type: text/plain; charset=utf-8; name=log.txt\r\n\
Content-Disposition: attachment; filename=log.txt\r\n\
Content-Transfer-Encoding: 8bit\r\n\r\n\
eins\r\nzwei für drei\r\n\
--edge\r\n\
Content-Type: application/octet-stream; name=a.bin\r\n\
Content-Disposition: attachment; filename=a.bin\r\n\
Content-Transfer-Encoding: base64\r\n\r\n\
AAECAwQFBgcICQoLDA0ODw==\r\n\
--edge--\r\n";

/// The same in quoted-printable, with headers folded elsewhere and in another order, and the traces of a relay.
const QUOTED: &str = "Return-Path: <ann@customer.test>\r\n\
Received: from mail.customer.test (mail.customer.test [192.0.2.1])\r\n\tby relay.test with ESMTPS id 4711\r\n\
\tfor <support@desk.test>; Sat, 21 Nov 2026 11:00:03 +0100\r\n\
X-Spam-Status: No, score=-1.2 required=5.0\r\n\
X-Virus-Scanned: by relay.test\r\n\
Message-Id: <original@customer.test>\r\n\
Date: Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n\
Subject: =?utf-8?Q?Der_Drucker_druckt_die?=\r\n =?utf-8?Q?_sch=C3=B6nsten_Gr=C3=BC=C3=9Fe_nicht_mehr?=\r\n\
To: <support@desk.test>\r\n\
From: =?utf-8?Q?Ann_M=C3=BCller?=\r\n\t<ann@customer.test>\r\n\
MIME-Version: 1.0 (relay)\r\n\
Content-Type: multipart/mixed;\r\n\tboundary=\"another_edge\"\r\n\r\n\
This is a multi-part message in MIME format.\r\n\
--another_edge\r\n\
Content-Type: text/plain; charset=\"UTF-8\"\r\n\
Content-Transfer-Encoding: quoted-printable\r\n\r\n\
Sch=C3=B6ne Gr=C3=BC=C3=9Fe, der Drucker in Zimmer 7 druckt nicht mehr, und das sch=\r\n\
on seit gestern um 11:00.\r\n\
=46rom here on nothing works.=20\r\n\
..and a line with dots\r\n\r\n\
Ann\r\n\
--another_edge\r\n\
Content-Type: text/plain; charset=utf-8; name=\"log.txt\"\r\n\
Content-Disposition: attachment; filename=\"log.txt\"\r\n\
Content-Transfer-Encoding: quoted-printable\r\n\r\n\
eins\r\nzwei f=C3=BCr drei\r\n\
--another_edge\r\n\
Content-Type: application/octet-stream; name=\"a.bin\"\r\n\
Content-Disposition: attachment; filename=\"a.bin\"\r\n\
Content-Transfer-Encoding: base64\r\n\r\n\
AAECAwQF\r\nBgcICQoL\r\nDA0ODw==\r\n\
--another_edge--\r\n";

/// The same in base64, as a provider stores it.
fn in_base64() -> String {
    let text = "Schöne Grüße, der Drucker in Zimmer 7 druckt nicht mehr, und das schon seit gestern um 11:00.\r\n\
                From here on nothing works. \r\n..and a line with dots\r\n\r\nAnn\r\n";
    let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let mut out = "Delivered-To: support@desk.test\r\n".to_owned();
    out += &ORIGINAL.replace("8bit\r\n\r\nSchöne", "BASE64TEXT").replace("8bit\r\n\r\neins", "BASE64FILE");
    let (head, rest) = out.split_once("BASE64TEXT").expect("the text");
    let (_, rest) = rest.split_once("--edge").expect("the next part");
    let (between, rest) = rest.split_once("BASE64FILE").expect("the file");
    let (_, rest) = rest.split_once("--edge").expect("the last part");
    let file = base64("eins\r\nzwei für drei");
    format!("{head}base64\r\n\r\n{}\r\n--edge{between}base64\r\n\r\n{file}\r\n--edge{rest}", base64(text))
}

fn desk() -> Desk {
    let more = "[[mailboxes]]\naddress = \"sales@desk.test\"\n";
    Desk::prepare(Options { mailbox: "auto_ack = \"never\"", more, ..Options::default() })
}

/// A transaction on one of the listeners, which is taken.
fn hand_over(smtp: &mut Smtp, from: &str, to: &[&str], raw: &[u8]) {
    let reply = smtp.mail(from, to, raw).expect("a reply");
    assert!(reply.is_yes(), "{}", reply.line);
}

fn lmtp(desk: &Desk) -> Smtp {
    let mut smtp = Smtp::open(desk.ports().lmtp);
    assert_eq!(smtp.reply().expect("a greeting").code, 220);
    assert_eq!(smtp.ask("LHLO client.test").code, 250);
    smtp
}

/// What became of all mails with this id, in the order in which they came, once they are this many.
fn kinds(desk: &Desk, id: &str, count: usize) -> Vec<String> {
    wait_for(&format!("{count} mails {id}"), || {
        let mut rows = desk.fates(id);
        rows.sort_by_key(|row| row["id"].as_i64());
        let kinds: Vec<String> = rows.iter().map(|row| row["fate"]["kind"].as_str().unwrap_or("").to_owned()).collect();
        (kinds.len() == count && !kinds.contains(&"waiting".to_owned())).then_some(kinds)
    })
}

#[test]
fn a_mail_that_comes_by_every_door_is_one_message() {
    let dovecot = Dovecot::start();
    let mut desk = desk();
    desk.configure(&format!("{}{}start = \"all\"\n", desk.configuration(), dovecot.section()));
    desk.serve(&[]);
    hand_over(&mut Smtp::greeted(desk.ports().smtp), "ann@customer.test", &[SUPPORT], ORIGINAL.as_bytes());
    assert_eq!(kinds(&desk, "original@customer.test", 1), ["ticket"]);
    hand_over(&mut lmtp(&desk), "ann@customer.test", &[SUPPORT], QUOTED.as_bytes());
    assert_eq!(kinds(&desk, "original@customer.test", 2)[1], "duplicate", "in quoted-printable, over LMTP");
    dovecot.deliver(in_base64().as_bytes(), None);
    assert_eq!(kinds(&desk, "original@customer.test", 3)[2], "duplicate", "in base64, over IMAP");
    let piped = format!("From ann@customer.test  Sat Nov 21 10:00:00 2026\n{}", ORIGINAL.replace("\r\n", "\n"));
    let ran = desk.cli_with(&["deliver", "--to", SUPPORT], piped.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(kinds(&desk, "original@customer.test", 4)[3], "duplicate", "with line feeds, from a pipe");
    let posted = format!("X-Forwarded-To: support@desk.test\r\nReceived: by somebody\r\n{ORIGINAL}");
    let response = desk.request("POST", &format!("/api/v1/inbox?to={SUPPORT}"), Some(("message/rfc822", posted.as_bytes())));
    assert_eq!(response.status, 201);
    assert_eq!(kinds(&desk, "original@customer.test", 5)[4], "duplicate", "over HTTP");
    let tickets = desk.list("/api/v1/tickets");
    assert_eq!((tickets.len(), &tickets[0]["messages"]), (1, &Value::from(1)), "{tickets:?}");
}

#[test]
fn other_words_under_the_same_id_are_another_message() {
    let desk = desk().running();
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    hand_over(&mut smtp, "ann@customer.test", &[SUPPORT], ORIGINAL.as_bytes());
    let others = [
        ("other words", ORIGINAL.replace("Zimmer 7", "Zimmer 8")),
        ("another file", ORIGINAL.replace("AAECAwQF", "AAECAwQG")),
        ("another subject", ORIGINAL.replace("nicht_mehr", "nie_wieder")),
    ];
    for (n, (what, raw)) in others.iter().enumerate() {
        hand_over(&mut smtp, "ann@customer.test", &[SUPPORT], raw.as_bytes());
        assert_ne!(kinds(&desk, "original@customer.test", n + 2)[n + 1], "duplicate", "{what}");
    }
    let messages: i64 = desk.list("/api/v1/tickets").iter().map(|ticket| ticket["messages"].as_i64().expect("a count")).sum();
    assert_eq!(messages, 4, "all four are kept");
}

#[test]
fn one_mail_to_several_of_our_addresses_is_decided_once_however_it_comes() {
    let desk = desk().running();
    let both = |id: &str| {
        let draft = Draft::new("Ann <ann@customer.test>", &format!("{SUPPORT}, {SALES}"), "For both", "Whoever is there.");
        String::from_utf8(draft.bytes()).expect("text").replace(&draft.id, id)
    };
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    hand_over(&mut smtp, "ann@customer.test", &[SUPPORT, SALES], both("together@x.test").as_bytes());
    assert_eq!(kinds(&desk, "together@x.test", 1), ["ticket"]);
    // A relay that splits it: one transaction for each, the second one over another connection and with its own trace.
    hand_over(&mut smtp, "ann@customer.test", &[SALES], both("split@x.test").as_bytes());
    hand_over(&mut lmtp(&desk), "ann@customer.test", &[SUPPORT], format!("Received: from here\r\n{}", both("split@x.test")).as_bytes());
    let mut fates = kinds(&desk, "split@x.test", 2);
    fates.sort();
    assert_eq!(fates, ["duplicate", "ticket"]);
    let tickets = desk.list("/api/v1/tickets");
    assert_eq!(tickets.len(), 2, "{tickets:?}");
    assert!(tickets.iter().all(|ticket| ticket["mailbox"] == SUPPORT && ticket["messages"] == 1), "the first one in To: {tickets:?}");
}

#[test]
fn an_agent_s_mail_to_two_tickets_reaches_both_and_each_once() {
    let desk = desk();
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    let (first, notice) = ticket_of_ann(&desk, "One");
    let (second, other) = ticket_of_ann(&desk, "Two");
    let (one, two) = (notice.address("Reply-To"), other.address("Reply-To"));
    let draft = Draft::new("Jane Doe <jane@agents.test>", &format!("{one}, {two}"), "Re: both", "It works again.");
    for _ in 0..2 {
        for to in [&one, &two] {
            hand_over(&mut Smtp::greeted(desk.ports().smtp), JANE, &[to], &draft.bytes());
        }
    }
    let mut fates = kinds(&desk, &draft.id, 4);
    fates.sort();
    assert_eq!(fates, ["duplicate", "duplicate", "message", "message"]);
    for ticket in [first, second] {
        let said = desk.messages(&ticket).iter().filter(|message| message["kind"] == "agent").count();
        assert_eq!(said, 1, "ticket {ticket}");
    }
}
