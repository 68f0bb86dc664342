//! What strangers say to the mail listeners, by the numbers of the threat catalogue (A1 to A15; A6 and A7 are in
//! `threats_pressure`, A16 in `threats_lmtp`): nothing is smuggled, guessed, relayed or bounced, and every refusal is a clear word.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ombud_tests::mail::tokens;
use ombud_tests::smtp::stuffed;
use ombud_tests::{Desk, Dns, Draft, Options, Say, Sink, Smtp, certificates, wait_until};

use crate::{ANN, JANE, SUPPORT, from_ann, ticket_of_ann};

/// A stranger, as a load balancer names them.
pub(crate) const STRANGER: &str = "192.0.2.66";

/// A desk whose clients are named by a load balancer on loopback, so that they count as strangers; with such limits.
pub(crate) fn balanced(limits: &str) -> Desk {
    let desk = Desk::prepare(Options::default());
    let text = desk.configuration().replace("[lmtp]", "proxy = [\"127.0.0.1\"]\n[lmtp]");
    desk.configure(&format!("{text}[limits]\n{limits}\n"));
    desk.running()
}

/// A desk that offers TLS on the port for servers and on these, where agents log in.
pub(crate) fn with_tls(logins: &str) -> Desk {
    let desk = Desk::prepare(Options::default());
    certificates::make(&desk.path(""));
    let tls = "tls = { cert = \"cert.pem\", key = \"key.pem\" }";
    let more = format!("{tls}\n[submission]\nlisten = [{logins}]\n[lmtp]");
    desk.configure(&desk.configuration().replace("[lmtp]", &more));
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

/// As far as the content of a mail of Ann's.
fn to_data(smtp: &mut Smtp, to: &[&str]) {
    assert_eq!(smtp.ask(&format!("MAIL FROM:<{ANN}>")).code, 250);
    for address in to {
        assert_eq!(smtp.ask(&format!("RCPT TO:<{address}>")).code, 250, "{address}");
    }
    assert_eq!(smtp.ask("DATA").code, 354);
}

#[test]
fn a1_no_false_end_lets_a_second_mail_in() {
    let desk = Desk::with_jane();
    let second = format!("MAIL FROM:<{ANN}>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\nFrom: {JANE}\r\nSubject: smuggled\r\n\r\nIn.\r\n");
    let ends = ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r\n\0.\r\n"];
    let content = |end: &str| format!("From: {ANN}\r\nSubject: first\r\n\r\nOut.{end}{second}.\r\nQUIT\r\n");
    for end in ends {
        let mut smtp = Smtp::greeted(desk.ports().smtp);
        to_data(&mut smtp, &[SUPPORT]);
        smtp.send(content(end).as_bytes());
        let said = smtp.until_closed();
        assert!(said.starts_with("550 5.5.2 ") && said.lines().count() == 1, "{end:?}: {said}");
    }
    assert!(desk.list("/api/v1/inbox").is_empty());
    for end in ends {
        let mut lmtp = Smtp::lmtp(desk.ports().lmtp);
        to_data(&mut lmtp, &[SUPPORT]);
        lmtp.send(content(end).as_bytes());
        let said = lmtp.until_closed();
        let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["250", "221"], "one mail with all of it inside, {end:?}: {said}");
    }
    assert_eq!(desk.list("/api/v1/inbox").len(), ends.len());
}

#[test]
fn a2_nothing_is_smuggled_through_us() {
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = Desk::prepare(Options { relay: Some(sink.url()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    let asked = from_ann("Through", "help");
    desk.deliver(&asked);
    let notice = sink.expect(JANE, "her notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Through")));
    let words = "Look:\n.\r\nMAIL FROM:<eve@evil.test>\r\nRCPT TO:<eve@evil.test>\r\nDATA\r\nx\r.\rQUIT\n.\nthe end";
    let answer = Draft::plain_answer(JANE, &notice, "BODY");
    let octets = String::from_utf8(answer.bytes()).unwrap();
    let encoded = data_encoding::BASE64.encode(words.as_bytes());
    let octets = octets.replace("Content-Transfer-Encoding: 8bit", "Content-Transfer-Encoding: base64").replace("BODY", &encoded);
    let to: Vec<&str> = answer.recipients.iter().map(String::as_str).collect();
    let reply = Smtp::greeted(desk.ports().smtp).mail(JANE, &to, octets.as_bytes()).expect("a reply");
    assert_eq!(reply.code, 250, "{}", reply.line);
    let sent = sink.expect(ANN, "the answer", |l| l.text().contains("the end"));
    assert!(sent.text().contains("MAIL FROM:<eve@evil.test>"), "{}", sent.text());
    let raw = &sent.raw;
    let stray = (0..raw.len()).find(|at| match raw[*at] {
        b'\n' => *at == 0 || raw[at - 1] != b'\r',
        b'\r' => raw.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    assert_eq!(stray, None, "only CRLF leaves us");
    assert!(sink.letters().iter().all(|letter| letter.recipient != "eve@evil.test"));
}

#[test]
fn a3_nothing_said_in_the_clear_counts_after_starttls() {
    let desk = with_tls("\"starttls:127.0.0.1:0\"");
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    smtp.send(format!("STARTTLS\r\nMAIL FROM:<{ANN}>\r\nRCPT TO:<{SUPPORT}>\r\n").as_bytes());
    let said = smtp.until_closed();
    assert!(said.starts_with("503 5.5.1 ") && said.lines().count() == 1, "{said}");

    let mut smtp = Smtp::greeted(desk.ports().smtp);
    assert_eq!(smtp.ask(&format!("MAIL FROM:<{ANN}>")).code, 250);
    let mut smtp = smtp.secured_by_starttls(&desk.path("ca.pem"));
    assert_eq!(smtp.ask(&format!("RCPT TO:<{SUPPORT}>")).code, 503);
    assert_eq!(smtp.ask(&format!("MAIL FROM:<{ANN}>")).line, "503 5.5.1 Greet first");
    smtp.send(b"EHLO client.test\r\nMAIL FROM:<>\r\n");
    assert!(smtp.until_closed().starts_with("554 5.5.0 "), "PIPELINING is to be offered anew");
}

#[test]
fn a4_who_talks_before_the_banner_or_before_ehlo_is_cut() {
    let desk = balanced("");
    let mut early = Smtp::named(desk.ports().smtp, STRANGER, "EHLO robot.test\r\n");
    assert_eq!(early.until_closed(), "554 5.5.0 You talk before it is your turn\r\n");
    let mut hasty = Smtp::named(desk.ports().smtp, STRANGER, "");
    assert_eq!(hasty.reply().expect("a greeting").code, 220);
    hasty.send(format!("EHLO robot.test\r\nMAIL FROM:<{ANN}>\r\n").as_bytes());
    assert_eq!(hasty.until_closed(), "554 5.5.0 You talk before it is your turn\r\n");
    let mut polite = Smtp::greeted_as(desk.ports().smtp, STRANGER);
    polite.send(format!("MAIL FROM:<{ANN}>\r\nRCPT TO:<{SUPPORT}>\r\nRSET\r\n").as_bytes());
    assert!((0..3).all(|_| polite.reply().is_some_and(|reply| reply.code == 250)), "PIPELINING was offered");
}

#[test]
fn a5_http_on_the_smtp_port_is_cut_at_once() {
    let desk = balanced("");
    let post = format!("POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 99\r\n\r\nEHLO x\r\nMAIL FROM:<{ANN}>\r\nRCPT TO:<{SUPPORT}>\r\n");
    let hello = "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03";
    for other in [post.as_str(), "GET / HTTP/1.0\r\n\r\n", "CONNECT a:25 HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", hello] {
        let start = Instant::now();
        // Before the greeting, as HTTP clients do, and after it, as those do that a page has told to wait.
        assert!(Smtp::named(desk.ports().smtp, STRANGER, other).until_closed().starts_with("554 5.5.0 "), "{other:?}");
        let mut waits = Smtp::named(desk.ports().smtp, STRANGER, "");
        assert_eq!(waits.reply().expect("a greeting").code, 220);
        waits.send(format!("{other}\r\n").as_bytes());
        let said = waits.until_closed();
        assert!(said.starts_with("554 5.5.0 ") && said.lines().count() == 1, "{other:?}: {said}");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
    assert!(desk.list("/api/v1/inbox").is_empty());
}

#[test]
fn a8_errors_are_answered_ever_more_slowly_then_not_at_all() {
    let desk = balanced("soft_errors = 2\nhard_errors = 4");
    let mut smtp = Smtp::greeted_as(desk.ports().smtp, STRANGER);
    let mut timed = |line: &str| {
        let start = Instant::now();
        (smtp.ask(line).code, start.elapsed().as_secs())
    };
    assert_eq!(timed("WHAT").0, 500);
    let (code, seconds) = timed("WHAT");
    assert!(code == 500 && seconds >= 1, "{seconds} s");
    let (code, seconds) = timed("WHAT");
    assert!(code == 500 && seconds >= 2, "{seconds} s");
    assert_eq!(timed("WHAT").0, 421);
    assert_eq!(smtp.until_closed(), "");
    assert_eq!(Smtp::greeted_as(desk.ports().smtp, STRANGER).ask("NOOP").code, 250);
}

#[test]
fn a8_whoever_tries_names_or_idles_is_cut() {
    let desk = balanced("junk_commands = 7\nunknown_recipients = 3");
    let mut guesser = Smtp::greeted_as(desk.ports().smtp, STRANGER);
    assert_eq!(guesser.ask(&format!("VRFY {SUPPORT}")).code, 252);
    assert_eq!(guesser.ask("EXPN staff").code, 502);
    assert_eq!(guesser.ask("MAIL FROM:<>").code, 250);
    for name in ["root", "admin", "info"] {
        assert_eq!(guesser.ask(&format!("RCPT TO:<{name}@desk.test>")).line, "550 5.1.1 No such address here");
    }
    assert_eq!(guesser.until_closed(), "421 4.7.0 Too many unknown recipients, closing\r\n");

    let mut idler = Smtp::greeted_as(desk.ports().smtp, STRANGER);
    for command in ["NOOP", "RSET", "VRFY x", "HELP", "EHLO again.test", "NOOP", "RSET"] {
        assert!(idler.ask(command).is_yes(), "{command}");
    }
    assert_eq!(idler.ask("NOOP").line, "421 4.7.0 Too many commands without a mail, closing");
    assert_eq!(idler.until_closed(), "");
}

#[test]
fn a8_every_unknown_address_gets_the_same_words_after_the_same_time() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Revoked");
    let real = tokens(&notice.address("Reply-To")).pop().expect("a signed address");
    assert_eq!(desk.cli(&["agent", "revoke-addresses", JANE]).code, 0);
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    assert_eq!(smtp.ask("MAIL FROM:<ann@customer.test>").code, 250);
    wait_until("the revoked address to be refused", || !smtp.ask(&format!("RCPT TO:<support+{real}@desk.test>")).is_yes());
    let (mut forged, mut unknown, mut revoked) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..500 {
        // The letters of a signed address with another signature each, and a name as long.
        let letters = format!("{n:a>44}").replace('0', "b").replace('1', "c").replace('8', "d").replace('9', "e");
        for (address, times) in [
            (format!("support+{letters}@desk.test"), &mut forged),
            (format!("sapport+{letters}@desk.test"), &mut unknown),
            (format!("support+{real}@desk.test"), &mut revoked),
        ] {
            let start = Instant::now();
            let reply = smtp.ask(&format!("RCPT TO:<{address}>"));
            times.push(start.elapsed());
            assert_eq!(reply.line, "550 5.1.1 No such address here", "{address}");
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let unknown = median(&mut unknown);
    for (kind, times) in [("forged", &mut forged), ("revoked", &mut revoked)] {
        let ratio = median(times) / unknown;
        assert!((0.6..1.7).contains(&ratio), "a {kind} address takes {ratio} times as long as an unknown one");
    }
}

#[test]
fn a9_nothing_is_relayed_and_nothing_is_bounced() {
    let desk = Desk::start(Options::default());
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    assert_eq!(smtp.ask("MAIL FROM:<support@desk.test>").code, 250);
    for foreign in
        ["eve@evil.test", "support%desk.test@evil.test", "support@desk.test.evil.test", "eve@[192.0.2.1]", "desk.test!eve@evil.test"]
    {
        let reply = smtp.ask(&format!("RCPT TO:<{foreign}>"));
        assert!(reply.line.starts_with("550 5.7.1 "), "{foreign}: {}", reply.line);
    }
    for odd in ["eve%evil.test@desk.test", "\"eve@evil.test\"@desk.test", "evil.test!eve@desk.test"] {
        let reply = smtp.ask(&format!("RCPT TO:<{odd}>"));
        assert!(reply.line.starts_with("550 5.1.1 "), "{odd}: {}", reply.line);
    }
    for path in ["@desk.test:eve@evil.test", "eve@evil.test@desk.test", "eve@evil.test,support@desk.test"] {
        assert_eq!(smtp.ask(&format!("RCPT TO:<{path}>")).code, 501, "{path}");
    }
    // What was taken and can't be understood waits for a person; its sender, who may be forged, hears nothing.
    let mut lmtp = Smtp::lmtp(desk.ports().lmtp);
    let broken = format!("Message-ID: <broken@client.test>\r\nFrom: {ANN}\r\nFrom: eve@evil.test\r\n\r\nwho?\r\n");
    assert_eq!(lmtp.mail(ANN, &[SUPPORT], broken.as_bytes()).map(|reply| reply.code), Some(250));
    assert_eq!(desk.fate("broken@client.test")["kind"], "held");
    desk.settle();
    assert!(desk.out().letters().is_empty());
}

#[test]
fn a10_a_path_that_two_could_read_in_two_ways_is_refused() {
    let desk = Desk::start(Options::default());
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    let long =
        format!("{}@{}.test", "a".repeat(60), [["b"; 60].concat(), ["c"; 60].concat(), ["d"; 60].concat(), ["e"; 60].concat()].join("."));
    let name = format!("{}@customer.test", "a".repeat(65));
    let paths = [
        "(any@legitimate.test",
        "any@legitimate.test(a.evil.test",
        "@legitimate.test,@any:'any@evil.test",
        "@legitimate.test:any@evil.test",
        "any@legitimate.test\\0@evil.test",
        "any@legitimate.test@evil.test",
        "any@evil.test>(<any@legitimate.test",
        "a b@evil.test",
        "<any@legitimate.test",
        "any",
        "any@",
        "@evil.test",
        "any@evil..test",
        "any@-evil.test",
        "\"any@evil.test",
        "j\u{f6}rg@evil.test",
        "any@[300.0.0.1]",
        long.as_str(),
        name.as_str(),
    ];
    for path in paths {
        for command in ["MAIL FROM", "RCPT TO"] {
            if command == "RCPT TO" {
                assert_eq!(smtp.ask("MAIL FROM:<>").code, 250);
            }
            let reply = smtp.ask(&format!("{command}:<{path}>"));
            assert_eq!(reply.code, 501, "{command} {path}: {}", reply.line);
        }
        assert_eq!(smtp.ask("RSET").code, 250);
    }
    for octets in
        [&b"MAIL FROM:<ann\0@customer.test>\r\n"[..], b"MAIL FROM:<j\xf6rg@customer.test>\r\n", b"MAIL FROM:<a\x7f@customer.test>\r\n"]
    {
        smtp.send(octets);
        assert_eq!(smtp.reply().expect("a reply").code, 501);
    }
    assert_eq!(smtp.ask("MAIL FROM:<j\u{f6}rg@evil.test> SMTPUTF8").code, 250);
    assert_eq!(smtp.ask("RSET").code, 250);
    let endless = format!("MAIL FROM:<{}@customer.test>", "a".repeat(4_000));
    assert_eq!(smtp.ask(&endless).line, "500 5.5.2 Line too long");
    assert_eq!(smtp.ask("MAIL FROM:<\"ann smith\"@customer.test>").code, 250, "and the session goes on");
}

#[test]
fn a11_what_is_not_offered_is_not_spoken() {
    let desk = Desk::start(Options::default());
    let mut smtp = Smtp::open(desk.ports().smtp);
    assert_eq!(smtp.reply().expect("a greeting").code, 220);
    smtp.send(b"EHLO client.test\r\n");
    let mut offered = Vec::new();
    while offered.last().is_none_or(|line: &String| line.as_bytes()[3] == b'-') {
        offered.push(smtp.line().expect("a line"));
    }
    let offered: Vec<&str> = offered[1..].iter().map(|line| &line[4..]).collect();
    assert_eq!(offered, ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]);
    assert_eq!(smtp.ask("BDAT 5 LAST").code, 502);
    assert_eq!(smtp.ask(&format!("MAIL FROM:<{ANN}> BODY=BINARYMIME")).code, 501);
    assert_eq!(smtp.ask(&format!("MAIL FROM:<{ANN}> BODY=8BITMIME")).code, 250);
}

#[test]
fn a12_a_size_is_what_was_read_not_what_was_said() {
    let desk = balanced("message_size = \"2 MiB\"\nsession_size = \"3 MiB\"");
    let lines = |mib: usize| format!("{}\r\n", "x".repeat(62)).repeat(mib << 14);
    let mut smtp = Smtp::greeted_as(desk.ports().smtp, STRANGER);
    assert!(smtp.ask(&format!("MAIL FROM:<{ANN}> SIZE=2097153")).line.starts_with("552 5.3.4 "));
    let mut lie = |mib: usize| {
        assert_eq!(smtp.ask(&format!("MAIL FROM:<{ANN}> SIZE=1")).code, 250);
        assert_eq!(smtp.ask(&format!("RCPT TO:<{SUPPORT}>")).code, 250);
        assert_eq!(smtp.ask("DATA").code, 354);
        smtp.send(&stuffed(lines(mib).as_bytes()));
        smtp.reply().expect("a reply").line
    };
    // Up to twice the limit the end is waited for, and the session goes on; only so many octets, though, on one.
    assert!(lie(3).starts_with("552 5.3.4 "));
    assert_eq!(smtp.ask("MAIL FROM:<>").line, "421 4.7.0 Enough octets on this connection, open another");

    // Who sends without end is cut, and nothing of it stays.
    let before = desk.memory();
    let mut endless = Smtp::greeted_as(desk.ports().smtp, STRANGER);
    to_data(&mut endless, &[SUPPORT]);
    let start = Instant::now();
    let mebibyte = lines(1);
    (0..64).for_each(|_| endless.send(mebibyte.as_bytes()));
    assert_eq!(endless.until_closed().lines().next().map(|line| &line[..9]), Some("552 5.3.4"), "after {:?}", start.elapsed());
    let grown = desk.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} octets more");
    assert!(desk.list("/api/v1/inbox").is_empty());
    let left: u64 =
        fs::read_dir(desk.path("data/blobs")).into_iter().flatten().flatten().map(|e| e.metadata().map_or(0, |m| m.len())).sum();
    assert!(left < 1 << 20, "{left} octets lie about");
    let mail = from_ann("Honest", "small");
    let reply = Smtp::greeted_as(desk.ports().smtp, STRANGER).mail(ANN, &[SUPPORT], &mail.bytes()).expect("a reply");
    assert_eq!(reply.code, 250, "{}", reply.line);
}

#[test]
fn a13_the_51st_hop_is_a_loop() {
    let desk = Desk::with_jane();
    let hops = |n: usize| {
        let line = "Received: from a.test by b.test; Sat, 21 Nov 2026 10:00:00 +0000\r\n";
        format!("{}Message-ID: <hops{n}@client.test>\r\nFrom: {ANN}\r\nSubject: hops\r\n\r\nround\r\n", line.repeat(n))
    };
    let hand_in = |mut smtp: Smtp, n: usize| smtp.mail(ANN, &[SUPPORT], hops(n).as_bytes()).expect("a reply").line;
    let refused = hand_in(Smtp::greeted(desk.ports().smtp), 51);
    assert!(refused.starts_with("554 5.4.6 "), "{refused}");
    assert!(hand_in(Smtp::greeted(desk.ports().smtp), 50).starts_with("250 "));
    assert_eq!(desk.fate("hops50@client.test")["kind"], "ticket");
    // A server of ours has answered for it already: a person looks at it, nobody sends it round again.
    assert!(hand_in(Smtp::lmtp(desk.ports().lmtp), 51).starts_with("250 "));
    assert_eq!(desk.fate("hops51@client.test")["reason"], "malformed");
}

#[test]
fn a14_passwords_go_over_tls_alone_and_tls_is_new() {
    let desk = with_tls("\"starttls:127.0.0.1:0\"");
    let submission = desk.ports().submission[0].expect("a listener");
    assert!(Smtp::greeted(submission).log_in(JANE, "secret").line.starts_with("538 5.7.11 "));
    assert_eq!(Smtp::greeted(desk.ports().smtp).log_in(JANE, "secret").code, 502);
    let dial = |version: &str| {
        let address = desk.ports().smtp.to_string();
        let arguments = ["s_client", "-starttls", "smtp", "-connect", &address, version, "-cipher", "ALL:@SECLEVEL=0", "-brief"];
        let ran = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().expect("openssl (tests/run installs it)");
        String::from_utf8_lossy(&ran.stderr).contains("CONNECTION ESTABLISHED")
    };
    assert_eq!(["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"].map(dial), [false, false, true, true]);
}

#[test]
fn a14_a_renewed_certificate_drops_no_session() {
    let desk = with_tls("\"starttls:127.0.0.1:0\"");
    let (clear, secured) = (Smtp::greeted(desk.ports().smtp), Smtp::greeted(desk.ports().smtp));
    let mut secured = secured.starttls(&desk.path("ca.pem"));
    let old = secured.certificate().expect("a certificate");
    to_data(&mut secured, &[SUPPORT]);
    secured.send(b"Message-ID: <renewed@client.test>\r\nFrom: ann@customer.test\r\n\r\nhalf ");
    certificates::make(&desk.path(""));
    // Nobody has to tell it: the files are looked at now and then; SIGHUP only makes it quick.
    desk.signal("HUP");
    wait_until("the new certificate", || desk.log().contains("the configuration was read again"));
    secured.send(b"and whole\r\n.\r\n");
    assert_eq!(secured.reply().expect("a reply").code, 250);
    assert_eq!(desk.fate("renewed@client.test")["kind"], "ticket");
    assert_eq!(secured.certificate(), Some(old.clone()));
    // A session that was open in the clear gets the new one, under its new authority.
    let clear = clear.starttls(&desk.path("ca.pem"));
    assert!(clear.certificate().is_some_and(|new| new != old));
}

#[test]
fn a15_spf_is_asked_of_the_client_that_the_balancer_names() {
    let dns = Dns::start();
    dns.text("customer.test", &format!("v=spf1 ip4:{STRANGER} -all")).text("_dmarc.customer.test", "v=DMARC1; p=reject");
    let desk = Desk::prepare(Options { require: "aligned", resolver: Some(dns.address()), ..Options::default() });
    desk.configure(&desk.configuration().replace("[lmtp]", "proxy = [\"127.0.0.1\"]\n[lmtp]"));
    let desk = desk.running();
    let hand_in = |client: &str| {
        let mail = from_ann("Balanced", client);
        let reply = Smtp::greeted_as(desk.ports().smtp, client).mail(&mail.sender, &[SUPPORT], &mail.bytes());
        (reply.expect("a reply").line, mail.id)
    };
    let (taken, id) = hand_in(STRANGER);
    assert!(taken.starts_with("250 "), "{taken}");
    desk.fate(&id);
    let row = desk.fates(&id).remove(0);
    assert_eq!((&row["authentication"]["spf"], &row["authentication"]["by"]), (&"pass".into(), &"spf".into()), "{row}");
    let (refused, _) = hand_in("192.0.2.67");
    assert!(refused.starts_with("550 5.7.1 "), "{refused}");
}

#[test]
fn a15_a_balancer_that_names_nobody_is_cut_after_five_seconds() {
    let desk = balanced("");
    let start = Instant::now();
    let mut silent = Smtp::open(desk.ports().smtp);
    let mut dripping = Smtp::open(desk.ports().smtp);
    for octet in b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2".chunks(1).take(8) {
        dripping.send(octet);
    }
    assert_eq!((silent.until_closed(), dripping.until_closed()), (String::new(), String::new()));
    let took = start.elapsed().as_secs();
    assert!((4..15).contains(&took), "{took} s");
}
