//! The ledger: every mail that was ever accepted has exactly one fate, and the desk holds what those fates say.

use std::collections::BTreeMap;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::app::Opened;
use crate::archive::Archive;
use crate::desk::token::Purpose;
use crate::model::TicketId;
use crate::model::changes::Fate;
use crate::model::ticket::MessageKind;
use crate::pipeline::history::{Counts, History, ImportError};
use crate::store::read::{InboxFilter, TicketFilter};
use crate::understand::{Kept, when};

/// A small generator of numbers: each run has the same load.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// One mail of each kind that a desk gets, in no order.
async fn load(w: &World, mails: usize) -> usize {
    let (mut dice, mut sent, mut ids) = (Dice(7), Vec::new(), Vec::new());
    for n in 0..mails {
        let (mut from, mut to, mut head, mut text) = (ANN.to_owned(), SUPPORT.to_owned(), String::new(), format!("Mail {n}."));
        match dice.below(9) {
            0 => from = format!("new{n}@customer.test"),
            1 => head = format!("In-Reply-To: <l{}@customer.test>\r\n", dice.below(n as u64 + 1)),
            2 => head = "Auto-Submitted: auto-replied\r\n".into(),
            3 => head = "Precedence: bulk\r\nList-Id: <list.customer.test>\r\n".into(),
            4 => head = "From: eve@else.test\r\n".into(),
            5 => from = SUPPORT.into(),
            6 => {
                (from, to) = (JANES.into(), w.address(Purpose::Answer, JANE, 1).await);
                text = ["@note For us.", "An answer.", "@nonsense"][usize::try_from(dice.below(3)).unwrap()].into();
            }
            7 if !sent.is_empty() => {
                let (from, to, raw): &(String, String, String) = &sent[usize::try_from(dice.below(sent.len() as u64)).unwrap()];
                ids.push(w.accept(from, &[to], raw.as_bytes()).await);
                continue;
            }
            _ => {}
        }
        let raw = format!("From: {from}\r\nTo: {to}\r\nSubject: Load {n}\r\nMessage-ID: <l{n}@customer.test>\r\n{head}\r\n{text}\r\n");
        ids.push(w.accept(&from, &[&to], raw.as_bytes()).await);
        sent.push((from, to, raw));
        if dice.below(4) == 0 {
            w.decide_all().await;
        }
    }
    w.decide_all().await;
    ids.len()
}

/// An archive that holds a thread, a mail that is there already, and one that nobody can tell the author of.
async fn history(w: &World) -> Result<Counts, ImportError> {
    let mail = |id: &str, from: &str, head: &str| {
        format!("From x@y Sat Nov 21 10:00:00 2020\nFrom: {from}\nTo: {SUPPORT}\nSubject: s\nMessage-ID: <{id}@old.test>\n{head}\nOld\n\n")
    };
    let text = [
        mail("a", ANN, ""),
        mail("b", ANN, "In-Reply-To: <a@old.test>\n"),
        mail("a", ANN, ""),
        mail("c", "x@y.test", "From: z@y.test\n"),
        mail("d", ANN, "Auto-Submitted: auto-replied\n"),
    ];
    let path = w.opened.store.data().join("old.mbox");
    std::fs::write(&path, text.concat()).unwrap();
    let now = w.opened.clock.now();
    let archive = Archive::open(&path, 1 << 20, &|header, line, file| when(header, Kept { line, file }, now))?;
    let Opened { store, desk, clock, .. } = w.opened.clone();
    let history = History { store, desk, clock, mailbox: SUPPORT.into(), open: false };
    history.run(archive.into(), || false, |_| {}).await
}

#[tokio::test]
async fn received_is_tickets_and_messages_and_duplicates_and_held_and_automatic() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "The first.").await;
    let accepted = load(&w, 150).await + 1;
    let sent = w.outbox().await.len();
    let imported = history(&w).await.unwrap();
    assert_eq!(imported, Counts { tickets: 1, messages: 1, automatic: 1, held: 1, duplicates: 1 });
    assert_eq!(history(&w).await.unwrap(), Counts { duplicates: 5, ..Counts::default() });
    assert_eq!(w.outbox().await.len(), sent, "history is told to nobody");

    let store = &w.opened.store;
    let rows = store.inbox(&InboxFilter { limit: 1_000, ..InboxFilter::default() }).await.unwrap().items;
    assert_eq!(rows.len(), accepted + 4, "a mail that was there is not received");
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    for row in &rows {
        *fates.entry(row.fate).or_default() += 1;
    }
    let of = |fate: Fate| fates.get(&fate).copied().unwrap_or(0);
    assert_eq!(of(Fate::Waiting), 0);
    for fate in [Fate::Ticket, Fate::Message, Fate::Duplicate, Fate::Held, Fate::Automatic] {
        assert!(of(fate) > 0, "no mail of the load is {fate}: {fates:?}");
    }
    let known: usize = [Fate::Ticket, Fate::Message, Fate::Duplicate, Fate::Held, Fate::Automatic].into_iter().map(of).sum();
    assert_eq!(known, rows.len(), "{fates:?}");

    // And the desk holds exactly that.
    let tickets = store.tickets(&TicketFilter { limit: 1_000, ..TicketFilter::default() }).await.unwrap().items;
    assert_eq!(tickets.len(), of(Fate::Ticket));
    let mut from_mail: BTreeMap<_, usize> = BTreeMap::new();
    let mut messages = 0;
    for ticket in &tickets {
        let said = store.messages(TicketId(ticket.number.0), None, 1_000).await.unwrap().items;
        assert_eq!(i64::try_from(said.len()).unwrap(), ticket.messages, "ticket {}", ticket.number);
        messages += said.iter().filter(|m| m.kind != MessageKind::System).count();
        for inbox in said.iter().filter_map(|m| m.inbox) {
            *from_mail.entry(inbox).or_default() += 1;
        }
    }
    let shown = |row: &&crate::store::read::InboxItem| match row.fate {
        Fate::Ticket | Fate::Message => row.reason != "commands",
        Fate::Automatic => row.ticket.is_some(),
        _ => false,
    };
    let expected: Vec<_> = rows.iter().filter(shown).map(|row| row.id).collect();
    assert_eq!(messages, expected.len());
    assert!(expected.iter().all(|id| from_mail.get(id) == Some(&1)), "a mail is one message");
}
