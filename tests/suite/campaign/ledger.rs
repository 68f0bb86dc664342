//! The client's side: whoever sends notes down what was answered, and keeps a mail until it was taken, as mail servers do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ombud_tests::desk::Ports;
use ombud_tests::{Dovecot, Draft, Letter, Smtp};

use crate::SUPPORT;

/// Between two mails of a client.
const PAUSE: Duration = Duration::from_millis(60);
/// Every so many mails are given up after their first try, as by people who go away.
const IMPATIENT: usize = 12;

/// How a mail comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Smtp,
    Lmtp,
    Imap,
}

/// What it is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ticket,
    /// Jane's answer, which goes on to Ann.
    Answer,
    /// Jane's note, by a command.
    Note,
}

/// A mail as its sender knows it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    /// A word that stands in it and in no other.
    pub(super) marker: String,
    pub(super) way: Way,
    pub(super) kind: Kind,
    /// How often it was handed over to its end, answered or not.
    pub(super) tries: usize,
    /// How often no answer came to that.
    pub(super) unanswered: usize,
    /// Its last reply; empty where there was none.
    pub(super) reply: String,
    /// Somebody has promised to keep it.
    pub(super) taken: bool,
}

struct Shared {
    /// Where each desk listens, or did before it died.
    ports: Mutex<Vec<Option<Ports>>>,
    over: AtomicBool,
    entries: Mutex<Vec<Entry>>,
    notices: Vec<Letter>,
}

/// Clients that go on.
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// One client for each way, who tries so many desks in turn.
    pub(super) fn start(desks: usize, dovecot: &Arc<Dovecot>, notices: &[Letter]) -> Self {
        let ports = Mutex::new(vec![None; desks]);
        let shared = Shared { ports, over: AtomicBool::new(false), entries: Mutex::default(), notices: notices.to_vec() };
        let shared = Arc::new(shared);
        let clients = [Way::Smtp, Way::Lmtp, Way::Imap].map(|way| {
            let (shared, dovecot) = (Arc::clone(&shared), Arc::clone(dovecot));
            thread::spawn(move || client(&shared, &dovecot, way))
        });
        Self { shared, clients: clients.into() }
    }

    /// Where one of the desks listens now.
    pub(super) fn goes_to(&self, who: usize, ports: Ports) {
        self.shared.ports.lock().unwrap()[who] = Some(ports);
    }

    /// Lets all clients finish what they have begun; their ledger.
    pub(super) fn end(self) -> Vec<Entry> {
        self.shared.over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().expect("a client");
        }
        self.shared.entries.lock().unwrap().clone()
    }
}

fn client(shared: &Shared, dovecot: &Dovecot, way: Way) {
    for count in 0.. {
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let marker = format!("marker{way:?}{count}e").to_lowercase();
        let (kind, draft) = mail(shared, &marker, way, count);
        let mut entry = Entry { id: draft.id.clone(), marker, way, kind, tries: 0, unanswered: 0, reply: String::new(), taken: false };
        for turn in count.. {
            match way {
                Way::Imap => {
                    dovecot.deliver(&draft.bytes(), None);
                    (entry.tries, entry.taken) = (1, true);
                }
                Way::Smtp | Way::Lmtp => hand_over(shared, way, turn, &draft, &mut entry),
            }
            if entry.taken || (count % IMPATIENT == 5 && entry.tries > 0) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        shared.entries.lock().unwrap().push(entry);
        // Nobody holds the postman up while the desk is dead; he must not leave more than is fetched.
        thread::sleep(if way == Way::Imap { PAUSE * 3 } else { PAUSE });
    }
}

fn mail(shared: &Shared, marker: &str, way: Way, count: usize) -> (Kind, Draft) {
    let notice = &shared.notices[count / 5 % shared.notices.len()];
    let jane = "Jane Doe <jane@agents.test>";
    let (kind, draft) = match count % 5 {
        3 => (Kind::Answer, Draft::answer(jane, notice, &format!("An answer, {marker}."))),
        4 => (Kind::Note, Draft::answer(jane, notice, &format!("@note A note, {marker}."))),
        _ => {
            let from = format!("c{count}.{way:?}@customer.test").to_lowercase();
            (Kind::Ticket, Draft::new(&from, SUPPORT, marker, &format!("A question, {marker}.")))
        }
    };
    // Some are so large that their bodies are files, and some are spooled on the way in.
    let draft = if count % 10 == 1 {
        draft.attach("noise.bin", &crate::faults::noise(if count % 20 == 1 { 90_000 } else { 300_000 }, count as u64))
    } else {
        draft
    };
    (kind, draft)
}

fn hand_over(shared: &Shared, way: Way, turn: usize, draft: &Draft, entry: &mut Entry) {
    let desk = {
        let ports = shared.ports.lock().unwrap();
        ports[turn % ports.len()]
    };
    let Some(ports) = desk else { return };
    let (address, hello) = if way == Way::Smtp { (ports.smtp, "EHLO") } else { (ports.lmtp, "LHLO") };
    let Some(mut smtp) = Smtp::try_open(address) else { return };
    if smtp.reply().is_none_or(|reply| reply.code != 220) {
        return;
    }
    smtp.send(format!("{hello} client.test\r\n").as_bytes());
    if smtp.reply().is_none() {
        return;
    }
    let to: Vec<&str> = draft.recipients.iter().map(String::as_str).collect();
    entry.tries += 1;
    match smtp.mail(&draft.sender, &to, &draft.bytes()) {
        None => {
            entry.unanswered += 1;
            entry.reply.clear();
        }
        Some(reply) => {
            assert!(reply.is_yes() || (400..500).contains(&reply.code), "{entry:?}: {}", reply.line);
            (entry.taken, entry.reply) = (reply.is_yes(), reply.line);
        }
    }
}
