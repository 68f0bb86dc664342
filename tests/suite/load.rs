//! Mail that pours in while something breaks, and what must have become of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ombud_tests::{Desk, Draft, Letter, Smtp};

use crate::SUPPORT;

/// Clients at once.
const CLIENTS: usize = 3;

/// Senders that keep their mail until it has been taken, as mail servers do.
pub(crate) struct Load {
    inside: Arc<Inside>,
    clients: Vec<JoinHandle<()>>,
}

struct Inside {
    listener: Mutex<SocketAddr>,
    over: AtomicBool,
    sent: Mutex<Vec<Sent>>,
}

/// A mail that got a 250 in the end.
#[derive(Clone)]
pub(crate) struct Sent {
    /// Its Message-ID.
    pub(crate) id: String,
    /// A word that stands in it and in no other.
    pub(crate) marker: String,
    tries: usize,
    /// It answers the notice; else it opens a ticket.
    pub(crate) is_answer: bool,
}

impl Load {
    /// Begins; every fifth mail is an answer to the notice.
    pub(crate) fn start(listener: SocketAddr, notice: &Letter) -> Self {
        let inside = Arc::new(Inside { listener: Mutex::new(listener), over: AtomicBool::new(false), sent: Mutex::default() });
        let client = |number| {
            let (inside, notice) = (Arc::clone(&inside), notice.clone());
            thread::spawn(move || inside.client(number, &notice))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { inside, clients }
    }

    /// The desk listens elsewhere now.
    pub(crate) fn goes_to(&self, listener: SocketAddr) {
        *self.inside.listener.lock().unwrap() = listener;
    }

    /// Ends when each client's last mail is taken; everything that was.
    pub(crate) fn end(self) -> Vec<Sent> {
        self.inside.over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().expect("a client");
        }
        self.inside.sent.lock().unwrap().clone()
    }
}

impl Inside {
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
                if self.hand_over(&draft) == Some(true) {
                    break;
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

/// Every mail that was taken is there, and led to one ticket or message.
pub(crate) fn once_in_the_inbox(desk: &Desk, sent: &[Sent]) {
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
