//! Agents send through the desk: app passwords, log-ins over TLS, and that who has logged in is who wrote.

use ombud_tests::{Desk, Draft, Letter, Options, Reply, Smtp, certificates, wait_for};

use crate::{ANN, BOB, JANE, SUPPORT, answers_to_ann, ticket_of_ann};

/// A desk that believes no From by itself and has both listeners for agents.
fn desk() -> Desk {
    let desk = Desk::prepare(Options { require: "aligned", ..Options::default() });
    certificates::make(&desk.path(""));
    let listen = "listen = [\"tls:127.0.0.1:0\", \"starttls:127.0.0.1:0\"]\ntls = { cert = \"cert.pem\", key = \"key.pem\" }";
    desk.configure(&desk.configuration().replace("[lmtp]", &format!("[submission]\n{listen}\n[lmtp]")));
    desk.agent(JANE, "Jane Doe", "admin");
    desk.agent(BOB, "Bob Roe", "agent");
    desk.running()
}

/// A password of this agent.
fn password(desk: &Desk, agent: &str) -> String {
    let made = desk.cli(&["agent", "app-password", agent]);
    assert_eq!(made.code, 0, "{}", made.err);
    made.out.split_whitespace().last().expect("the password is the last word").to_owned()
}

fn tls(desk: &Desk) -> Smtp {
    Smtp::over_tls(desk.ports().submission[0].expect("a listener"), &desk.path("ca.pem"))
}

fn logged_in(desk: &Desk, agent: &str) -> Smtp {
    let mut smtp = tls(desk);
    let reply = smtp.log_in(agent, &password(desk, agent));
    assert_eq!(reply.code, 235, "{}", reply.line);
    smtp
}

fn send(smtp: &mut Smtp, draft: &Draft) -> Reply {
    assert_eq!(smtp.ask("RSET").code, 250);
    let to: Vec<&str> = draft.recipients.iter().map(String::as_str).collect();
    smtp.mail(&draft.sender, &to, &draft.bytes()).expect("a reply")
}

fn is_refused(reply: &Reply, code: u16, part: &str) {
    assert!(reply.code == code && reply.line.contains(part), "{code} {part} expected, got {}", reply.line);
}

#[test]
fn an_answer_that_is_submitted_is_proven() {
    let desk = desk();
    let (ticket, notice) = ticket_of_ann(&desk, "Submitted");
    let answer = Draft::answer("Jane Doe <jane@agents.test>", &notice, "It works again.");
    let sent = send(&mut logged_in(&desk, JANE), &answer);
    assert_eq!(sent.code, 250, "{}", sent.line);
    assert_eq!(desk.fate(&answer.id)["kind"], "message");
    let letter = desk.out().expect(ANN, "the answer", |l| l.text().contains("It works again."));
    assert!(!letter.everything().contains(JANE), "the agent's address stays inside");

    // By STARTTLS and with AUTH LOGIN; a note, and a command.
    let starttls = desk.ports().submission[1].expect("a listener");
    let mut smtp = Smtp::greeted(starttls).starttls(&desk.path("ca.pem"));
    assert_eq!(smtp.ask("AUTH LOGIN").line, "334 VXNlcm5hbWU6");
    assert_eq!(smtp.ask("amFuZUBhZ2VudHMudGVzdA==").line, "334 UGFzc3dvcmQ6");
    let typed = data_of(&password(&desk, JANE).to_uppercase());
    assert_eq!(smtp.ask(&typed).code, 235);
    let note = Draft::answer(JANE, &notice, "@note Ask Bob.\n@solve");
    assert_eq!(send(&mut smtp, &note).code, 250);
    assert_eq!(desk.fate(&note.id)["reason"], "note");
    assert_eq!(desk.get(&format!("/api/v1/tickets/{ticket}"))["status"], "solved");
    let kinds: Vec<String> = desk.messages(&ticket).iter().map(|m| m["kind"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds, ["customer", "agent", "note"]);
    assert_eq!(answers_to_ann(&desk).len(), 1);
}

fn data_of(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

#[test]
fn what_is_not_submitted_proves_nothing_here() {
    let desk = desk();
    let (_, notice) = ticket_of_ann(&desk, "Forged");
    let answer = Draft::answer(JANE, &notice, "Send your password.");
    assert_eq!(desk.send(&answer).code, 250);
    let fate = desk.fate(&answer.id);
    assert_eq!((fate["kind"].as_str(), fate["reason"].as_str()), (Some("held"), Some("confirm")), "{fate}");
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn an_agent_sends_as_themselves_and_to_the_desk_alone() {
    let desk = desk();
    let (_, notice) = ticket_of_ann(&desk, "Whose");
    let bobs = desk.out().expect(BOB, "his notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Whose")));
    let mut jane = logged_in(&desk, JANE);
    let forged = |from: &str| {
        let mut draft = Draft::answer(from, &notice, "I am somebody else.");
        draft.sender = JANE.to_owned();
        draft
    };
    for from in [BOB, "jane@agents.test.evil.test", SUPPORT, "jane@agents.test, bob@agents.test"] {
        is_refused(&send(&mut jane, &forged(from)), 550, "5.7.1 From must be one of your own addresses");
    }
    let twice = Draft::answer(JANE, &notice, "Two.").header("From", BOB);
    is_refused(&send(&mut jane, &twice), 550, "5.7.1");
    is_refused(&send(&mut jane, &Draft::answer(JANE, &bobs, "As Bob.")), 550, "5.7.1 This address was given to another agent");
    is_refused(&send(&mut jane, &Draft::new(JANE, ANN, "Directly", "Hello Ann")), 550, "5.7.1 Agents send to addresses of this desk only");
    is_refused(&send(&mut jane, &Draft::new(JANE, "support+aaaa@desk.test.evil.test", "x", "x")), 550, "5.7.1");
    assert!(answers_to_ann(&desk).is_empty());

    // To the plain address: a ticket on behalf of Jane, as over any proven way.
    let plain = Draft::new(JANE, SUPPORT, "A printer for me", "Mine is broken.");
    assert_eq!(send(&mut jane, &plain).code, 250);
    assert_eq!(desk.fate(&plain.id)["kind"], "ticket");

    assert_eq!(desk.cli(&["agent", "disable", JANE]).code, 0);
    is_refused(&send(&mut jane, &forged(JANE)), 550, "5.7.1 You do not work here any more");
}

#[test]
fn passwords_go_over_tls_and_do_what_they_should() {
    let desk = desk();
    let right = password(&desk, JANE);
    let address = desk.ports().submission[1].expect("a listener");
    let mut clear = Smtp::greeted(address);
    is_refused(&clear.log_in(JANE, &right), 538, "5.7.11");
    is_refused(&clear.ask("MAIL FROM:<jane@agents.test>"), 530, "5.7.0");
    let mut smtp = clear.starttls(&desk.path("ca.pem"));
    is_refused(&smtp.ask("MAIL FROM:<jane@agents.test>"), 530, "5.7.0");
    is_refused(&smtp.ask("AUTH CRAM-MD5"), 504, "5.5.4");
    is_refused(&smtp.ask("AUTH PLAIN !"), 501, "5.5.2");
    assert_eq!(smtp.ask("AUTH PLAIN").line, "334 ");
    is_refused(&smtp.ask("*"), 501, "5.7.0");
    // A line of a log-in has 12,288 octets (RFC 4954 §4), one of another command 2,048.
    is_refused(&smtp.ask(&format!("AUTH PLAIN {}", "A".repeat(12_272))), 501, "5.5.2");
    for (octets, code, enhanced) in [(12_284, 501, "5.5.2"), (12_288, 500, "5.5.6")] {
        assert_eq!(smtp.ask("AUTH PLAIN").line, "334 ");
        is_refused(&smtp.ask(&"A".repeat(octets)), code, enhanced);
    }
    is_refused(&smtp.ask(&format!("NOOP {}", "A".repeat(2_042))), 500, "5.5.2 Line too long");
    is_refused(&smtp.log_in(BOB, &right), 535, "5.7.8");
    is_refused(&smtp.log_in(JANE, "aaaa-bbbb-cccc-dddd-eeee-ffff"), 535, "5.7.8");
    is_refused(&smtp.log_in(JANE, "secret"), 535, "5.7.8");
    is_refused(&smtp.reply().expect("the last word"), 421, "4.7.0 Too many wrong passwords");
    assert_eq!(smtp.until_closed(), "");

    let mut smtp = tls(&desk);
    assert_eq!(smtp.log_in("Jane@Agents.test", &right).code, 235);
    is_refused(&smtp.log_in(JANE, &right), 503, "5.5.1");
    let gone = desk.cli(&["agent", "app-password", JANE, "--revoke"]);
    assert_eq!((gone.code, gone.out.trim_end()), (0, "the app password of jane@agents.test does not work any more"), "{}", gone.err);
    is_refused(&tls(&desk).log_in(JANE, &right), 535, "5.7.8");

    // On the port for other servers nobody logs in.
    is_refused(&Smtp::greeted(desk.ports().smtp).log_in(JANE, &right), 502, "5.5.1");
    let log = desk.log();
    assert!(!log.contains(&right) && !log.contains(&right.replace('-', "")), "no password in the log");
}

#[test]
fn an_app_password_is_for_active_agents() {
    let desk = desk();
    let json = desk.cli(&["agent", "app-password", BOB, "--json"]);
    assert!(json.out.contains("\"agent\": \"bob@agents.test\"") && json.out.contains("\"password\": "), "{}", json.out);
    for agent in ["nobody@agents.test", ANN] {
        assert_eq!(desk.cli(&["agent", "app-password", agent]).code, 66, "{agent}");
    }
    let right = password(&desk, BOB);
    assert_eq!(desk.cli(&["agent", "disable", BOB]).code, 0);
    is_refused(&tls(&desk).log_in(BOB, &right), 535, "5.7.8");
    assert_ne!(desk.cli(&["agent", "app-password", BOB]).code, 0);
    let letters: Vec<Letter> = desk.out().letters();
    assert!(letters.iter().all(|letter| !letter.everything().contains(&right)));
}

#[test]
fn a_renewed_certificate_drops_nobody() {
    let desk = desk();
    let mut before = logged_in(&desk, JANE);
    let old = before.certificate().expect("a certificate");
    assert_eq!(before.ask("MAIL FROM:<jane@agents.test>").code, 250);
    certificates::make(&desk.path(""));
    desk.signal("HUP");
    wait_for("the new certificate", || desk.log().contains("the configuration was read again").then_some(()));
    let fresh = tls(&desk).certificate().expect("a certificate");
    assert_ne!(fresh, old);
    assert_eq!(before.ask("RCPT TO:<support@desk.test>").code, 250);
    assert_eq!(before.ask("DATA").code, 354);
    before.send(b"From: jane@agents.test\r\nSubject: Still here\r\n\r\nThe session goes on.\r\n.\r\n");
    assert_eq!(before.reply().expect("a reply").code, 250);
    assert_eq!(before.certificate(), Some(old));
}
