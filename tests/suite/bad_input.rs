//! Mail that was made to harm: each gets a clear answer, nothing is lost, and the daemon lives on.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use ombud_tests::smtp::crlf;
use ombud_tests::{Desk, Reply, Smtp};

use crate::{SUPPORT, from_ann};

/// What the largest of them may cost in memory, in octets.
const CHEAP: usize = 100 << 20;
/// How long one mail may take to be taken or refused.
const QUICK: Duration = Duration::from_secs(20);

/// Sends raw content; the reply after the dot, and how the desk is afterwards.
fn hand_over(desk: &Desk, content: &[u8]) -> Reply {
    let start = Instant::now();
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    let reply = smtp.mail("ann@customer.test", &[SUPPORT], content).expect("a clear answer, not a lost connection");
    assert!(start.elapsed() < QUICK, "{:?} for {}", start.elapsed(), reply.line);
    reply
}

/// The same when it is taken: it is decided in time, and so is the next mail.
fn survives(desk: &Desk, id: &str, content: &str) {
    let head = format!("Message-ID: <{id}>\r\nFrom: Ann <ann@customer.test>\r\nTo: {SUPPORT}\r\nSubject: {id}\r\nMIME-Version: 1.0\r\n");
    let reply = hand_over(desk, format!("{head}{content}").as_bytes());
    assert!(reply.code == 250 || (500..600).contains(&reply.code), "{id}: {}", reply.line);
    if reply.is_yes() {
        let start = Instant::now();
        let fate = desk.fate(id);
        println!("{id}: 250, {} after {:?}", fate["kind"], start.elapsed());
        assert!(["ticket", "held", "automatic"].contains(&fate["kind"].as_str().unwrap_or("")), "{id}: {fate}");
    } else {
        println!("{id}: {}", reply.line);
    }
    assert!(desk.deliver(&from_ann(&format!("after {id}"), "a usual mail"))["kind"] == "ticket", "after {id}");
}

#[test]
fn stray_line_ends_are_refused_from_outside() {
    let desk = Desk::with_jane();
    for (name, body) in [("LF", &b"one\ntwo\r\n"[..]), ("CR", b"one\rtwo\r\n"), ("dot", b"one\n.\ntwo\r\n"), ("dot2", b"one\r\n.\rtwo\r\n")]
    {
        let content = [b"From: ann@customer.test\r\nSubject: stray\r\n\r\n", body].concat();
        let reply = hand_over(&desk, &content);
        assert!(reply.line.starts_with("550 5.5.2"), "{name}: {}", reply.line);
    }
    assert!(desk.list("/api/v1/inbox").is_empty());
}

#[test]
fn nul_octets_are_survived() {
    let desk = Desk::with_jane();
    survives(&desk, "nul@client.test", "X-Odd: \0\0\r\n\r\n\0a\0b\r\n\0\r\n");
}

#[test]
fn over_long_lines() {
    let desk = Desk::with_jane();
    survives(&desk, "line60k@client.test", &format!("\r\n{}\r\n", "x".repeat(60_000)));
    let reply = hand_over(&desk, format!("From: ann@customer.test\r\n\r\n{}\r\n", "x".repeat(70_000)).as_bytes());
    assert_eq!(reply.code, 550, "{}", reply.line);
    survives(&desk, "header60k@client.test", &format!("X-Long: {}\r\n\r\nbody\r\n", "y ".repeat(30_000)));
    survives(&desk, "long-subject@client.test", &format!("X-Fold:{}\r\n\r\nbody\r\n", "\r\n z".repeat(5_000)));
}

#[test]
fn a_loop_is_refused() {
    let desk = Desk::with_jane();
    let hops = |n: usize| {
        format!(
            "{}From: ann@customer.test\r\nSubject: hops\r\n\r\nround\r\n",
            "Received: from a by b; Sat, 21 Nov 2026 10:00:00 +0000\r\n".repeat(n)
        )
    };
    let reply = hand_over(&desk, hops(51).as_bytes());
    assert_eq!(reply.code, 554, "{}", reply.line);
    assert_eq!(hand_over(&desk, hops(40).as_bytes()).code, 250);
}

#[test]
fn two_authors_are_refused() {
    let desk = Desk::with_jane();
    for second in ["From: eve@elsewhere.test", "from : eve@elsewhere.test", "FROM:eve@elsewhere.test"] {
        let content = format!("From: ann@customer.test\r\n{second}\r\nSubject: two\r\n\r\nwho?\r\n");
        let reply = hand_over(&desk, content.as_bytes());
        assert!(reply.line.starts_with("550 5.7.1"), "{second}: {}", reply.line);
    }
    // From a server of ours it can't be refused any more: a person looks at it.
    let mut lmtp = Smtp::open(desk.ports().lmtp);
    lmtp.reply();
    assert_eq!(lmtp.ask("LHLO mta.test").code, 250);
    let content = "Message-ID: <two@client.test>\r\nFrom: ann@customer.test\r\nFrom: eve@elsewhere.test\r\nSubject: two\r\n\r\nwho?\r\n";
    assert_eq!(lmtp.mail("ann@customer.test", &[SUPPORT], content.as_bytes()).map(|r| r.code), Some(250));
    let fate = desk.fate("two@client.test");
    assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &"malformed".into()), "{fate}");
}

#[test]
fn nested_messages_22_000_deep() {
    let desk = Desk::with_jane();
    let level = "Content-Type: message/rfc822\r\n\r\n";
    survives(&desk, "nested@client.test", &format!("{}\r\nhello\r\n", level.repeat(22_000)));
    let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    survives(&desk, "multiparts@client.test", &(0..10_000).map(level).collect::<String>());
}

#[test]
fn two_million_parts() {
    let desk = Desk::with_jane();
    survives(&desk, "parts@client.test", &format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\n".repeat(2_000_000)));
}

#[test]
fn html_half_a_mebibyte_deep() {
    let desk = Desk::with_jane();
    let html = |text: String| format!("Content-Type: text/html; charset=utf-8\r\n\r\n{text}\r\n");
    survives(&desk, "divs@client.test", &html("<div>\r\n".repeat(100_000)));
    survives(
        &desk,
        "formats@client.test",
        &html((0..20_000).map(|n| format!("<b a{n}>\r\n")).collect::<String>() + &"</p><p>x\r\n".repeat(5_000)),
    );
    survives(&desk, "entities@client.test", &html("&amp\r\n".repeat(90_000)));
}

/// Whatever it is made of.
#[test]
fn hostile_mail_is_cheap() {
    let desk = Desk::with_jane();
    let attached = |kind: &str, body: &str| {
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: {kind}\r\n{body}\r\n--b--\r\n")
    };
    let folded = |text: &str| text.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect::<String>();
    let mut within = "Hello\r\n".to_owned();
    for _ in 0..12 {
        within = format!(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            folded(&BASE64.encode(within.as_bytes()))
        );
    }
    let words = |n: usize| (0..n).map(|i| format!("=?utf-8?B?w7w{i}=?=\r\n ")).collect::<String>();
    let cases = [
        ("base64-in-base64", within),
        ("words", format!("Subject: {}\r\n\r\nx\r\n", words(400))),
        ("many-words", format!("Subject: {}\r\n\r\nx\r\n", words(3_000))),
        ("fields", format!("{}\r\nx\r\n", "X-A: b\r\n".repeat(900))),
        ("parameters", attached(&format!("text/plain{}", ";\r\n a=\"b\"".repeat(5_000)), "\r\nx\r\n")),
        ("pieces", attached(&format!("text/plain{}", (0..5_000).map(|n| format!(";\r\n name*{n}*=%41")).collect::<String>()), "\r\nx\r\n")),
        ("comments", format!("Cc: {}\r\n\r\nx\r\n", "(\r\n ".repeat(10_000))),
        ("people", format!("Cc: {}\r\n\r\nx\r\n", (0..3_000).map(|n| format!("a{n}@b.test,\r\n ")).collect::<String>())),
        ("quotes", format!("\r\n{}", "> > > > > > > > x\r\n".repeat(200_000))),
        ("attributions", format!("\r\n{}", "On Sat, Ann <ann@customer.test> wrote:\r\n> x\r\n".repeat(50_000))),
        ("headers-in-text", format!("\r\n{}", "From: Ann\r\nSent: today\r\nTo: x\r\nSubject: y\r\n\r\n".repeat(50_000))),
        ("links", attached("text/html", &format!("\r\n{}", "<a href=\"https://x.test/\">x</a>\r\n".repeat(30_000)))),
        ("tables", attached("text/html", &format!("\r\n{}", "<table><tr><td>\r\n".repeat(20_000)))),
        ("rtf", attached("application/ms-tnef", &format!("\r\n{}", "x\r\n".repeat(500_000)))),
        ("uuencode", format!("\r\n{}", "begin 644 a\r\n#0V%T\r\n`\r\nend\r\n".repeat(50_000))),
        (
            "calendar",
            attached("text/calendar", &format!("\r\nBEGIN:VCALENDAR\r\n{}", "BEGIN:VEVENT\r\nRRULE:FREQ=SECONDLY\r\n".repeat(50_000))),
        ),
        (
            "report",
            attached(
                "message/delivery-status",
                &format!("\r\n{}", "Final-Recipient: rfc822;a@b.test\r\nStatus: 5.1.1\r\n\r\n".repeat(30_000)),
            ),
        ),
        (
            "wide",
            format!(
                "Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                folded(&"AGEA".repeat(500_000))
            ),
        ),
        ("lines", format!("\r\n{}", "\r\n".repeat(2_000_000))),
    ];
    for (name, content) in cases {
        let before = desk.memory();
        survives(&desk, &format!("{name}@cheap.test"), &content);
        let cost = desk.memory_peak().saturating_sub(before);
        println!("{name}: {} octets, {} MiB more", content.len(), cost >> 20);
        assert!(cost < CHEAP, "{name}: {} MiB more", cost >> 20);
    }
}

#[test]
fn headers_that_nobody_should_write() {
    let desk = Desk::with_jane();
    let many: String = (0..100_000).map(|n| format!("<a{n}@x.test>\r\n ")).collect();
    survives(&desk, "references@client.test", &format!("References: {many}\r\n\r\nbody\r\n"));
    survives(&desk, "words@client.test", &format!("X-Y: {}\r\n\r\nbody\r\n", "=?utf-8?Q?=C3=A4?= ".repeat(3_000)));
    survives(&desk, "quotes@client.test", &format!("Cc: {}\r\n\r\nbody\r\n", "\"(".repeat(20_000)));
    survives(&desk, "date@client.test", "Date: 99 Foo 99999999999 99:99:99 +9999\r\n\r\nbody\r\n");
    survives(&desk, "charset@client.test", "Content-Type: text/plain; charset=\"x-\0\"\r\n\r\n\u{fffd}\r\n");
    survives(&desk, "quote@client.test", &format!("\r\n{}\r\n", "> ".repeat(15_000)));
}

#[test]
fn mails_without_an_author_are_kept() {
    let desk = Desk::with_jane();
    for (n, content) in
        ["", "\r\n", "\r\n\r\n", "no header at all\r\nreally\r\n", "From:\r\n\r\n", "From: undisclosed-recipients:;\r\n\r\nhi\r\n"]
            .iter()
            .enumerate()
    {
        let reply = hand_over(&desk, &crlf(content.as_bytes()));
        assert!(reply.code == 250 || (500..600).contains(&reply.code), "{n}: {}", reply.line);
    }
    desk.settle();
    for row in desk.list("/api/v1/inbox") {
        // Nothing tells some of them apart.
        assert!(["ticket", "held", "duplicate"].contains(&row["fate"]["kind"].as_str().unwrap_or("")), "{row}");
    }
}

#[test]
fn the_api_survives_its_callers() {
    let desk = Desk::with_jane();
    assert_eq!(desk.public("/healthz").status, 200);
    assert_eq!(desk.public("/readyz").status, 200);
    assert_eq!(desk.public("/").status, 200);
    assert_eq!(desk.public("/metrics").status, 200);
    assert_eq!(desk.public("/api/v1/tickets").status, 401);
    for path in ["/api/v1/tickets/999999", "/api/v1/tickets/99999999999999999999", "/api/v1/nothing", "/api/v1/messages/x/raw"] {
        let status = desk.request("GET", path, None).status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    for query in ["limit=0", "limit=99999", "limit=x", "cursor=x", "cursor=%00"] {
        let status = desk.request("GET", &format!("/api/v1/inbox?{query}"), None).status;
        assert!(status == 200 || (400..500).contains(&status), "{query}: {status}");
    }
    let mail = from_ann("By HTTP", "handed over");
    let posted = desk.request("POST", &format!("/api/v1/inbox?to={SUPPORT}"), Some(("message/rfc822", &mail.bytes())));
    assert_eq!(posted.status, 201, "{}", String::from_utf8_lossy(&posted.body));
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    desk.settle();
    let page = String::from_utf8_lossy(&desk.public("/").body).into_owned();
    for secret in ["ann@customer.test", "jane@agents.test", "By HTTP", "Jane"] {
        assert!(!page.contains(secret), "{secret} on the status page");
    }
}
