//! `kill -9` at any moment, under load, again and again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::{Desk, Draft, Letter, Options, Smtp};

use crate::{ANN, JANE, SUPPORT, ticket_of_ann};

/// At least so many kills, in about this time.
const KILLS: usize = 24;
const LONG: Duration = Duration::from_secs(40);
/// Clients at once.
const CLIENTS: usize = 3;

/// A sender that keeps its mail until it has been taken, as mail servers do.
struct Load {
    listener: Mutex<SocketAddr>,
    over: AtomicBool,
    sent: Mutex<Vec<Sent>>,
    unsure: AtomicUsize,
}

/// A mail that got a 250 in the end.
#[derive(Clone)]
struct Sent {
    id: String,
    marker: String,
    tries: usize,
    is_answer: bool,
}

impl Load {
    fn client(&self, number: usize, notice: &Letter) {
        for count in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let marker = format!("marker{number}x{count}e");
            let is_answer = count % 5 == 4;
            let draft = match is_answer {
                true => Draft::answer("Jane Doe <jane@agents.test>", notice, &format!("An answer, {marker}.")),
                false => Draft::new(&format!("c{number}x{count}@customer.test"), SUPPORT, &marker, &format!("A question, {marker}.")),
            };
            let mut tries = 0;
            loop {
                tries += 1;
                match self.hand_over(&draft) {
                    Some(true) => break,
                    Some(false) => {}
                    None => {
                        self.unsure.fetch_add(1, Ordering::Relaxed);
                    }
                }
                thread::sleep(Duration::from_millis(10));
            }
            self.sent.lock().unwrap().push(Sent { id: draft.id, marker, tries, is_answer });
        }
    }

    /// Whether it was taken; none when the connection was lost after the mail had been sent.
    fn hand_over(&self, draft: &Draft) -> Option<bool> {
        let listener = *self.listener.lock().unwrap();
        let Some(mut smtp) = Smtp::try_open(listener) else { return Some(false) };
        if smtp.reply().is_none_or(|reply| reply.code != 220) {
            return Some(false);
        }
        smtp.send(b"EHLO client.test\r\n");
        if smtp.reply().is_none() {
            return Some(false);
        }
        let to: Vec<&str> = draft.recipients.iter().map(String::as_str).collect();
        let reply = smtp.mail(&draft.sender, &to, &draft.bytes())?;
        assert!(reply.is_yes() || (400..500).contains(&reply.code), "{} {}", draft.id, reply.line);
        Some(reply.is_yes())
    }
}

#[test]
fn killed_under_load_nothing_is_lost_and_nothing_is_twice() {
    let mut desk = Desk::prepare(Options {
        mailbox: "auto_ack = \"never\"",
        more: "[limits]\nanswers_per_agent_hour = 100000\n",
        ..Options::default()
    });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.serve(&[]);
    let (_, notice) = ticket_of_ann(&desk, "Answered under load");
    let load = Arc::new(Load {
        listener: Mutex::new(desk.ports().smtp),
        over: AtomicBool::new(false),
        sent: Mutex::default(),
        unsure: AtomicUsize::new(0),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (load, notice) = (Arc::clone(&load), notice.clone());
            thread::spawn(move || load.client(number, &notice))
        })
        .collect();
    let kills = kill_again_and_again(&mut desk, &load);
    load.over.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("a client");
    }
    desk.settle();
    let sent = load.sent.lock().unwrap().clone();
    let unsure = load.unsure.load(Ordering::Relaxed);
    println!("{kills} kills, {} mails taken, {unsure} of which may have come twice", sent.len());
    assert!(kills >= KILLS && sent.len() > KILLS, "{kills} kills, {} mails", sent.len());
    once_in_the_inbox(&desk, &sent);
    once_at_the_customer(&desk, &sent);
}

fn kill_again_and_again(desk: &mut Desk, load: &Load) -> usize {
    let (start, mut kills, mut seed) = (Instant::now(), 0, u64::from(std::process::id()));
    while kills < KILLS || start.elapsed() < LONG / 2 {
        // The moment of the kill is what is tried here; nothing is waited for.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis((seed >> 33) % 800));
        desk.kill();
        kills += 1;
        desk.serve(&[]);
        *load.listener.lock().unwrap() = desk.ports().smtp;
        if start.elapsed() > LONG * 2 {
            break;
        }
    }
    kills
}

fn once_in_the_inbox(desk: &Desk, sent: &[Sent]) {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in desk.list("/api/v1/inbox") {
        let kind = row["fate"]["kind"].as_str().unwrap_or("").to_owned();
        if kind == "held" {
            println!("held: {row}");
        }
        rows.entry(row["message_id"].as_str().unwrap_or("").to_owned()).or_default().push(kind);
    }
    for mail in sent {
        let kinds = rows.get(&mail.id).cloned().unwrap_or_default();
        let first = kinds.iter().filter(|kind| *kind != "duplicate").count();
        assert_eq!(first, 1, "{} ({} tries) is there as {kinds:?}", mail.id, mail.tries);
        assert!(kinds.len() <= mail.tries, "{} was sent {} times and is there as {kinds:?}", mail.id, mail.tries);
        let wanted = if mail.is_answer { "message" } else { "ticket" };
        assert!(kinds.iter().any(|kind| kind == wanted), "{}: {kinds:?}", mail.id);
    }
    let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
    for ticket in desk.list("/api/v1/tickets") {
        *subjects.entry(ticket["subject"].as_str().unwrap_or("").to_owned()).or_default() += 1;
    }
    for mail in sent.iter().filter(|mail| !mail.is_answer) {
        assert_eq!(subjects.get(&mail.marker), Some(&1), "one ticket for {}", mail.marker);
    }
}

/// Every answer is with the customer, as one mail with one Message-ID.
fn once_at_the_customer(desk: &Desk, sent: &[Sent]) {
    let letters = desk.out().to(ANN);
    for mail in sent.iter().filter(|mail| mail.is_answer) {
        let copies: Vec<&Letter> = letters.iter().filter(|letter| letter.text().contains(&mail.marker)).collect();
        assert!(!copies.is_empty(), "the answer {} is lost", mail.marker);
        let ids: Vec<_> = copies.iter().map(|letter| letter.header("Message-ID")).collect();
        assert_eq!(copies.len(), 1, "the answer {} was delivered as {ids:?}", mail.marker);
    }
    let told: Vec<String> = desk.out().to(JANE).iter().filter_map(|letter| letter.header("Message-ID")).collect();
    let mut unique = told.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), told.len(), "no notification twice");
}

#[test]
fn a_kill_right_after_the_250_loses_nothing() {
    let mut desk = Desk::with_jane();
    for round in 0..6 {
        let mail = Draft::new("Ann <ann@customer.test>", SUPPORT, &format!("Right after {round}"), "kept?");
        assert!(desk.send(&mail).is_yes());
        desk.kill();
        desk.serve(&[]);
        assert_eq!(desk.fate(&mail.id)["kind"], "ticket", "round {round}");
    }
    desk.settle();
    let told = desk.out().to(JANE).len();
    // A notification that was on its way when the power went may be lost, and says so; it is never sent twice.
    let unknown = desk.list("/api/v1/outbox?state=unknown").into_iter().filter(|row| row["to"] == JANE).count();
    assert!(told <= 6 && told + unknown >= 6, "{told} sent, {unknown} unknown");
}
