//! Clients that keep their mail until it has been taken, and what must be true of it in the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ombud_tests::{Desk, Draft, Letter, Smtp};

use crate::{ANN, JANE, SUPPORT};

/// A sender that keeps its mail until it has been taken, as mail servers do.
pub struct Load {
    /// Where the desks listen now; clients are dealt out to them.
    pub listeners: Mutex<Vec<SocketAddr>>,
    over: AtomicBool,
    sent: Mutex<Vec<Sent>>,
    unsure: AtomicUsize,
}

/// A mail that got a 250 in the end.
#[derive(Clone)]
pub struct Sent {
    id: String,
    /// A word that stands in it and in no other.
    pub marker: String,
    tries: usize,
    /// It answers the notice; else it opens a ticket.
    pub is_answer: bool,
}

impl Load {
    /// Clients that begin to send to these desks; every fifth mail is an answer to `notice`.
    pub fn start(desks: &[&Desk], clients: usize, notice: &Letter) -> Running {
        let listeners = Mutex::new(desks.iter().map(|desk| desk.ports().smtp).collect());
        let load = Arc::new(Self { listeners, over: AtomicBool::new(false), sent: Mutex::default(), unsure: AtomicUsize::new(0) });
        let spawn = |number| {
            let (load, notice) = (Arc::clone(&load), notice.clone());
            thread::spawn(move || load.client(number, &notice))
        };
        let clients = (0..clients).map(spawn).collect();
        Running { load, clients }
    }

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
                match self.hand_over(number + tries, &draft) {
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
    fn hand_over(&self, turn: usize, draft: &Draft) -> Option<bool> {
        let listener = {
            let listeners = self.listeners.lock().unwrap();
            listeners[turn % listeners.len()]
        };
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

/// A load that goes on.
pub struct Running {
    /// What it does.
    pub load: Arc<Load>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Running {
    /// Ends it; all mail that was taken.
    pub fn end(self) -> Vec<Sent> {
        self.load.over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().expect("a client");
        }
        let sent = self.load.sent.lock().unwrap().clone();
        println!("{} mails taken, {} of which may have come twice", sent.len(), self.load.unsure.load(Ordering::Relaxed));
        sent
    }
}

/// Every mail that was taken has one fate, and copies of it are duplicates.
pub fn once_in_the_inbox(desk: &Desk, sent: &[Sent]) {
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
pub fn once_at_the_customer(desk: &Desk, sent: &[Sent]) {
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
