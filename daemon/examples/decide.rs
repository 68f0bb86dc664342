//! How long the desk decides about a mail that is understood, with everything known that it asks for: `decide`. Prints a line a
//! kind of mail, in µs, with few and with many agents and tickets.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ombud::config::Config;
use ombud::desk::addresses::Book;
use ombud::desk::token::{Grant, KeyRing, Purpose};
use ombud::desk::{Desk, Mail, decide};
use ombud::model::changes::MailboxRow;
use ombud::model::facts::{Facts, Keys, Step, TicketFacts, Words};
use ombud::model::people::{Notify, Person, Settings};
use ombud::model::staff::Staff;
use ombud::model::ticket::{Participant, Priority, Role, Standing, Status, Ticket};
use ombud::model::{By, Envelope, InboxId, MailboxId, PersonId, TicketId, Transport, Understood, Verdict};
use ombud::understand::{Limits, understand};

/// Decisions in one round; the quickest of [`ROUNDS`] counts.
const MAILS: u32 = 100;
const ROUNDS: u32 = 5;
/// 2026-11-22.
const NOW: i64 = 1_795_305_600_000;
const SUPPORT: &str = "support@desk.localhost";
const CUSTOMER: i64 = 1_000_000;

/// A desk in memory: people 1 to `n` are agents, the others customers, and each ticket is of a customer and an agent.
struct World {
    desk: Desk,
    n: i64,
}

/// A mail that is understood.
struct Case {
    name: &'static str,
    envelope: Envelope,
    understood: Understood,
    verdict: Verdict,
}

impl World {
    fn new(n: i64) -> Option<Self> {
        let config = Config::local(Path::new("/nowhere")).ok()?;
        let rows = [MailboxRow { id: MailboxId(1), address: SUPPORT.into() }];
        let book = Book::new(&config, &rows, KeyRing::new(&[(1, [7; 32])])?);
        Some(Self { desk: Desk { config: Arc::new(config), book }, n })
    }

    fn person(&self, id: PersonId) -> Option<Person> {
        let is_agent = (1..=self.n).contains(&id.0);
        let role = if is_agent { Role::Agent } else { Role::Customer };
        let address = if is_agent { format!("agent{}@agents.test", id.0) } else { format!("ann{}@customer.test", id.0 - CUSTOMER) };
        // A desk of ten thousand does not mail all of them about each new ticket.
        let notify = if id.0 <= 10 { Notify::Team } else { Notify::Mine };
        let (name, settings, aliases) = (Some(format!("Name{} Last", id.0)), Settings { notify, ..Settings::default() }, Vec::new());
        Some(Person {
            id,
            address,
            name,
            role,
            epoch: 0,
            disabled: false,
            answered: true,
            spam_until: None,
            refusal: None,
            settings,
            aliases,
        })
    }

    fn person_at(&self, address: &str) -> Option<PersonId> {
        let number = |before: &str, after: &str| address.strip_prefix(before)?.strip_suffix(after)?.parse::<i64>().ok();
        let agent = number("agent", "@agents.test").map(PersonId);
        agent.or_else(|| number("ann", "@customer.test").map(|n| PersonId(CUSTOMER + n)))
    }

    fn ticket(&self, id: TicketId) -> Option<TicketFacts> {
        let (requester, assignee) = (PersonId(CUSTOMER + id.0), Some(PersonId(id.0)));
        let ticket = Ticket {
            id,
            version: 3,
            turn: 2,
            status: Status::Open,
            priority: Priority::Normal,
            subject: "Printer on fire".into(),
            mailbox: MailboxId(1),
            requester,
            assignee,
            assigned_turn: 0,
            assigned_by: assignee,
            team: None,
            tags: Vec::new(),
            merged_into: None,
            continues: None,
            messages: 2,
            solved_at: None,
            created_at: NOW - 9_000,
            updated_at: NOW - 5_000,
        };
        let participants = vec![Participant { person: requester, standing: Standing::Requester, epoch: 0 }];
        (1..=self.n).contains(&id.0).then(|| TicketFacts {
            ticket,
            participants,
            answers: Vec::new(),
            customer_turn: 1,
            continued_by: None,
            told: assignee.into_iter().collect(),
        })
    }

    /// What the store would say.
    fn tell(&self, facts: &mut Facts, keys: Keys) {
        facts.people_version = 1;
        let people: Vec<_> = keys.addresses.iter().map(|address| (address.clone(), self.person_at(address))).collect();
        let ids = people.iter().filter_map(|(_, id)| *id).chain(keys.persons).collect::<Vec<_>>();
        facts.persons.extend(ids.into_iter().map(|id| (id, self.person(id))));
        facts.addresses.extend(people);
        facts.tickets.extend(keys.tickets.into_iter().map(|id| (id, self.ticket(id))));
        facts.refs.extend(keys.refs.into_iter().map(|hash| (hash, Vec::new())));
        facts.fingerprints.extend(keys.fingerprints.into_iter().map(|print| (print, Vec::new())));
        facts.inbox.extend(keys.inbox.into_iter().map(|id| (id, None)));
        facts.outbox.extend(keys.outbox.into_iter().map(|id| (id, None)));
        facts.counts.extend(keys.counts.into_iter().map(|key| (key, 0)));
        let words = || Words { own: "It burns, and it smells.".into(), whole: "It burns, and it smells.\n-- \nAnn".into() };
        facts.last_words.extend(keys.last_words.into_iter().map(|key| (key, words())));
        facts.last_answers.extend(keys.last_answers.into_iter().map(|key| (key, None)));
        facts.notes.extend(keys.notes.into_iter().map(|id| (id, "Beware, she has called twice today and was not amused.".to_owned())));
        facts.recent.extend(keys.recent.into_iter().map(|key| (key, Vec::new())));
        facts.brakes.extend(keys.brakes.into_iter().map(|id| (id, ombud::model::facts::Brake::default())));
        if keys.staff {
            facts.staff = Some(Arc::new(Staff::new((1..=self.n).filter_map(|n| self.person(PersonId(n))).collect())));
        }
    }

    fn address(&self, purpose: Purpose, person: i64, subject: i64) -> String {
        let grant = Grant { purpose, subject, person: PersonId(person), epoch: 0, expires_at: NOW + 86_400_000, turn: 2 };
        self.desk.book.sign(MailboxId(1), grant)
    }

    fn case(&self, name: &'static str, from: &str, to: &str, more: &str, text: &str) -> Case {
        let raw =
            format!("From: {from}\r\nTo: {to}\r\nSubject: Re: Printer on fire\r\nMessage-ID: <{name}@mail.test>\r\n{more}\r\n{text}\r\n");
        let understood = understand(raw.as_bytes(), &Limits::default());
        let verdict = Verdict { aligned: true, by: Some(By::Nobody), ..Verdict::default() };
        let envelope = Envelope {
            transport: Transport::Smtp,
            peer: None,
            helo: None,
            mail_from: from.to_owned(),
            sender_unknown: false,
            recipients: vec![to.to_owned()],
            tls: true,
            auth_user: None,
            outside: true,
            malformed: None,
            account: None,
            verdict: None,
            findings: Vec::new(),
        };
        Case { name, envelope, understood, verdict }
    }

    fn cases(&self) -> Vec<Case> {
        let (number, agent) = (self.n, format!("agent{}@agents.test", self.n));
        let answer = self.address(Purpose::Answer, number, number);
        let quote = "\r\n\r\nOn Sun, 22 Nov 2026 at 10:00, Acme Support wrote:\r\n> It burns, and it smells.\r\n";
        let reply = self.address(Purpose::Customer, CUSTOMER + number, number);
        vec![
            self.case("new ticket", "new@stranger.test", SUPPORT, "", "Hello,\r\nmy printer burns.\r\n\r\nBest regards\r\nAnn"),
            self.case("reply", &format!("ann{number}@customer.test"), &reply, "", &format!("It still does.{quote}")),
            self.case("answer", &agent, &answer, "", &format!("@tag fire\r\n@priority high\r\nPull the plug.{quote}")),
            self.case("note", &agent, &self.address(Purpose::Note, number, number), "", &format!("She is calm.{quote}")),
            self.case("orders", &agent, &self.address(Purpose::Desk, number, 0), "", "@ticket 1, 2, 3\r\n@tag fire\r\n@note for all"),
            self.case("out of office", "ann3@customer.test", &reply, "Auto-Submitted: auto-replied\r\n", "I am away."),
        ]
    }

    /// How long one decision takes once all is known, and what it comes to.
    fn time(&self, case: &Case) -> Option<(Duration, String)> {
        let mail = Mail {
            id: InboxId(1),
            node: 1,
            received_at: NOW,
            envelope: &case.envelope,
            blob: &[7; 32],
            understood: &case.understood,
            verdict: &case.verdict,
            findings: &[],
            passed: &[],
        };
        let mut facts = Facts::default();
        let changes = loop {
            match decide(&self.desk, &mail, &facts, NOW) {
                Step::Need(keys) => self.tell(&mut facts, *keys),
                Step::Done(changes) => break changes,
            }
        };
        let round = |_| {
            let start = Instant::now();
            for _ in 0..MAILS {
                black_box(decide(&self.desk, black_box(&mail), &facts, NOW));
            }
            start.elapsed() / MAILS
        };
        Some(((0..ROUNDS).map(round).min()?, changes.inbox?.reason))
    }
}

fn main() -> io::Result<()> {
    let missing = || io::Error::other("no desk");
    let (few, many) = (World::new(10).ok_or_else(missing)?, World::new(10_000).ok_or_else(missing)?);
    let mut out = io::stdout();
    writeln!(out, "{:16} {:>10} {:>10}  decided", "µs a mail", few.n, many.n)?;
    for (one, other) in few.cases().iter().zip(&many.cases()) {
        let ((small, reason), (large, _)) = (few.time(one).ok_or_else(missing)?, many.time(other).ok_or_else(missing)?);
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        writeln!(out, "{:16} {:>10.1} {:>10.1}  {reason}", one.name, us(small), us(large))?;
    }
    Ok(())
}
