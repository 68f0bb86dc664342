//! One story that executes every statement of the store, on both databases: what one of them does not understand shows here.

mod lanes;
mod night;
mod people;
mod readers;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::config::Database;
use crate::desk::token::Purpose;
use crate::desk::{Desk, delivery, timers};
use crate::model::article::Article;
use crate::model::changes::{Changes, Fate, NewParticipant, NewTimer, PersonRef, TicketRef};
use crate::model::facts::{CountKey, Facts, Keys, RecentKey};
use crate::model::outgoing::{MailKind, OutboxState};
use crate::model::people::Settings;
use crate::model::refusal::Refusal;
use crate::model::ticket::Standing;
use crate::model::{Envelope, InboxId, OutboxId, PersonId, TicketId};
use crate::store::read::{ArticleFilter, InboxFilter, Ref, TicketFilter};
use crate::store::{
    Accepted, AgentChange, Away, BackupError, Cmd, Comparison, CursorMove, Expected, FolderCursor, FolderName, FolderReport, Haul, NewNode,
    Outcome, Queue, RemoveArticle, Replay, Restore, Settled, Settlement, Store, StoreError, Words, WriteArticles, not_run,
    postgres_for_tests, restore, walks,
};
use crate::verify;

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn every_statement_runs_on_sqlite() {
    let world = World::with(|config| config.database = Database::Sqlite(config.desk.data.join("ombud.db")));
    let world = world.await;
    let file = world.opened.store.data().join("ombud.db");
    let _folder = story(world).await;
    assert_eq!(not_run(false), Vec::<String>::new(), "statements that the story misses");
    assert_eq!(walks(&file), Vec::<String>::new(), "statements that walk through a table that grows");
}

#[tokio::test]
async fn every_statement_runs_on_postgresql() {
    let Some(database) = postgres_for_tests().await else { return };
    story(World::with(|config| config.database = database).await).await;
    assert_eq!(not_run(true), Vec::<String>::new(), "statements that the story misses");
}

async fn story(mut w: World) -> World {
    conversation(&w).await;
    let store = w.opened.store.clone();
    people::agents(&store).await;
    people::tokens(&store).await;
    people::passwords(&store).await;
    outbox(&w).await;
    tickets(&w).await;
    held(&w).await;
    reading(&store, w.opened.clock.now()).await;
    replayed(&w).await;
    by_command(&w).await;
    braked(&mut w).await;
    night::ends(&w).await;
    large(&w).await;
    folders(&w).await;
    articles(&store).await;
    readers::webhooks(&w).await;
    nodes(&mut w).await;
    backup(&w).await;
    store.run(Cmd::SyncMailboxes { addresses: vec![SUPPORT.into(), "sales@desk.localhost".into()], now: 1 }).await.unwrap();
    store.close().await;
    w
}

/// Mail in, an answer out, a reply, a note.
async fn conversation(w: &World) {
    w.mail(ANN, SUPPORT, "Cc: bob@customer.test\r\nReferences: <before@customer.test>\r\n", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", "@tag fire\nPull the plug.").await;
    let customer = w.person("ann@customer.test").await;
    let reply = w.address(Purpose::Customer, customer, 1).await;
    w.mail(ANN, &reply, "", "Still burning.").await;
    w.mail(JANES, &w.address(Purpose::Note, JANE, 1).await, "", "She is calm.").await;
    w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@solve\nIt is out.").await;
    assert_eq!(w.messages(1).await.len(), 5);
}

/// Every end that a mail to be sent can have.
async fn outbox(w: &World) {
    let (store, desk, now) = (&w.opened.store, w.opened.desk.clone(), w.opened.clock.now());
    let blob = store.prepare(b"From: x\r\n\r\nmail\r\n").unwrap();
    let ends = [
        Settled::Retry("451 later".into(), now),
        Settled::Postponed("421 down".into(), now),
        Settled::Sent("250 ok".into()),
        Settled::Unknown("gone".into()),
        Settled::Failed("550 no".into()),
    ];
    // All mail is of the one mailbox, or of none.
    let away = vec![Away::Domain("nowhere.test".into()), Away::Mailbox(desk.book.first().unwrap()), Away::NoTicket];
    let left = store.run(Cmd::ClaimOutbox { node: w.node, now: now + DAY, limit: 1, away }).await.unwrap();
    assert!(matches!(&left, Outcome::Outbox(rows) if rows.is_empty()), "{left:?}");
    let mut n = 0;
    while let Outcome::Outbox(rows) =
        store.run(Cmd::ClaimOutbox { node: w.node, now: now + DAY, limit: 1, away: Vec::new() }).await.unwrap()
        && let Some(row) = rows.first()
    {
        store.run(Cmd::Composed { node: w.node, id: row.id, blob: Box::new(blob.clone()) }).await.unwrap();
        let last = if row.kind == MailKind::Ack { Settled::Sent("250 ok".into()) } else { Settled::Dropped };
        let settled = ends.get(n).cloned().unwrap_or(last);
        let changes = match &settled {
            Settled::Failed(reply) => {
                let decide = |facts: &Facts| Ok::<_, StoreError>(delivery::failed(&desk, row, reply, facts, now));
                *store.decided(&decide).await.unwrap().unwrap()
            }
            _ => Changes { at: now, bounced: vec![(row.id, "550 bounced".into())], late: vec![row.id], ..Changes::default() },
        };
        let settlement = Settlement { node: w.node, id: row.id, settled, straight: true, now, changes };
        store.run(Cmd::Settle(Box::new(settlement))).await.unwrap();
        n += 1;
    }
    assert!(n > ends.len(), "{n} mails");
    refusals(w).await;
    let failed = store.outbox(Some(OutboxState::Failed), None, 10).await.unwrap().items;
    let id = failed.first().unwrap().id;
    lanes::followers(w).await;
    store.run(Cmd::RetryOutbox { id, now }).await.unwrap();
    store.run(Cmd::RetryAllOutbox { now: now - 1 }).await.unwrap();
    assert_eq!(store.outbox_open(None, 10).await.unwrap().items.len(), 1);
    store.run(Cmd::DropOutbox { id, now, changes: Box::new(Changes { at: now, ..Changes::default() }) }).await.unwrap();
    assert!(store.outbox_row(id).await.unwrap().is_some());
    assert!(store.outbox_behind(id, now, 10).await.unwrap().is_empty());
    let Outcome::Swept { rows, .. } = store.run(Cmd::SweepOutbox { before: now + DAY, limit: 200 }).await.unwrap() else {
        panic!("not swept")
    };
    assert!(rows > 0);
    assert!(matches!(store.run(Cmd::SweepCopies { now, limit: 10 }).await.unwrap(), Outcome::Swept { rows: 0, .. }));
    let stray = store.data().join("blobs/00").join(format!("{}.zst", "00".repeat(32)));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, "no mail").unwrap();
    let gone = store.remove_strays(now + DAY).await.unwrap();
    assert_eq!(gone, usize::from(!store.is_shared()), "bodies are files where one process has them");
}

/// An address that refuses mail, tried again, let through, forgotten.
async fn refusals(w: &World) {
    let (store, now, ann) = (&w.opened.store, w.opened.clock.now(), w.person("ann@customer.test").await);
    let refusal = Refusal { until: now + DAY, refused_at: now, reply: "550 no".into(), ..Refusal::default() };
    let refused = |version| {
        let refusals = vec![(ann, Refusal { version, ..refusal.clone() })];
        store.run(Cmd::Commit(Box::new(Changes { at: now, refusals, ..Changes::default() })))
    };
    refused(0).await.unwrap();
    assert!(matches!(refused(0).await, Err(StoreError::Conflict(_))), "somebody else has counted meanwhile");
    refused(1).await.unwrap();
    store.run(Cmd::TryRefused { person: ann, mail: OutboxId(1), now }).await.unwrap();
    let page = store.suppressed(now, None, 10).await.unwrap();
    assert_eq!(page.items[0].refusal, Refusal { version: 3, tried: Some((OutboxId(1), now)), ..refusal.clone() });
    assert_eq!(store.suppressed(now + DAY, None, 10).await.unwrap().items.len(), 0, "it is over");
    store.run(Cmd::LiftRefusal { key: "ann@customer.test".into(), now }).await.unwrap();
    refused(0).await.unwrap();
    store.run(Cmd::Commit(Box::new(Changes { at: now, alive: vec![ann], ..Changes::default() }))).await.unwrap();
    refused(0).await.unwrap();
    for (days, rows) in [(100, false), (182, true)] {
        let swept = store.run(Cmd::SweepRefusals { now: now + days * DAY, limit: 10 }).await.unwrap();
        assert!(matches!(swept, Outcome::Swept { rows: n, .. } if (n > 0) == rows), "{swept:?}");
    }
}

/// Changes that no mail of the story makes.
async fn tickets(w: &World) {
    let (store, now) = (&w.opened.store, w.opened.clock.now());
    let (ticket, bob) = (TicketId(1), w.person("bob@customer.test").await);
    let changes = Changes {
        at: now,
        leaving: vec![(ticket, bob)],
        revoked: vec![(ticket, bob)],
        participants: vec![NewParticipant { ticket: TicketRef::Id(ticket), person: PersonRef::Id(bob), standing: Standing::Cc }],
        answered: vec![bob],
        spam_until: vec![(bob, now)],
        timers: [true, false].map(|if_untold| NewTimer { kind: "digest", ticket: None, key: String::new(), due_at: now, if_untold }).into(),
        ..Changes::default()
    };
    store.run(Cmd::Commit(Box::new(changes))).await.unwrap();
    let mut facts = Facts::default();
    let said = RecentKey { ticket, words: "Still burning.".into(), since: 0 };
    let keys = Keys {
        persons: [PersonId(99)].into(),
        tickets: [ticket].into(),
        staff: true,
        counts: BTreeSet::from([
            CountKey::AcksToAddress("ann@customer.test".into(), 0),
            CountKey::AcksToDomain("customer.test".into(), 0),
            CountKey::TicketsOf(bob, 0),
            CountKey::AnswersOf(JANE, 0),
            CountKey::HoldsOf(JANE, 0),
        ]),
        last_words: [(ticket, 9)].into(),
        notes: [ticket].into(),
        recent: [said.clone()].into(),
        ..Keys::default()
    };
    store.facts(&mut facts, &keys).await.unwrap();
    assert_eq!(facts.counts.values().sum::<i64>(), 4, "an acknowledgement, counted twice, and two answers: {:?}", facts.counts);
    let recent = &facts.recent[&said];
    assert!(recent.len() > 4 && recent.is_sorted_by(|a, b| a.created_at >= b.created_at), "the newest first: {recent:?}");
    let same: Vec<_> = recent.iter().filter(|m| m.same_words).map(|m| m.author).collect();
    assert_eq!(same, [Some(w.person("ann@customer.test").await)]);
    let due = store.due_timers(now + 40 * DAY, 10).await.unwrap();
    for timer in &due {
        store.settle(|facts| timers::fire(&w.opened.desk, timer, &[], facts, now + 40 * DAY)).await.unwrap();
        let again = store.settle(|facts| timers::fire(&w.opened.desk, timer, &[], facts, now + 40 * DAY)).await;
        assert!(matches!(again, Err(StoreError::Fenced)), "a timer fires once: {again:?}");
    }
    assert!(due.len() >= 2, "{due:?}");
    // The ticket is closed by now: what comes next continues it.
    let customer = w.person("ann@customer.test").await;
    w.mail(ANN, &w.address(Purpose::Customer, customer, 1).await, "", "It burns again.").await;
    let mut facts = Facts::default();
    store.facts(&mut facts, &Keys { tickets: [ticket].into(), ..Keys::default() }).await.unwrap();
    assert_eq!(facts.ticket(ticket).unwrap().continued_by, Some(TicketId(2)));
    let news = w.rows().await.into_iter().find(|row| row.kind == MailKind::Notify && row.ticket == Some(TicketId(2))).unwrap();
    let earlier = store.material(&news, 9).await.unwrap().earlier;
    assert_eq!(earlier.iter().map(|t| t.number).collect::<Vec<_>>(), [ticket]);
}

/// A mail that says something else today, and one that is held.
async fn replayed(w: &World) {
    let store = &w.opened.store;
    let replay = |id: InboxId, text: &str| {
        let words = Words { text: text.into(), reply_text: text.into(), html: None, attachments: "[]".into() };
        store.run(Cmd::Replay(Box::new(Replay { id, words: Some(words), now: 1 })))
    };
    let mail = w.mail(ANN, SUPPORT, "", "It smokes.").await;
    assert!(matches!(replay(mail.id, "It smoked.").await.unwrap(), Outcome::Id(1)));
    assert!(matches!(replay(mail.id, "It smoked.").await.unwrap(), Outcome::Id(0)));
    assert_eq!(w.messages(mail.ticket.unwrap().0).await[0].text, "It smoked.");
    let held = w.mail(JANES, &w.address(Purpose::Answer, JANE, 2).await, "", "@nonsense\nHello.").await;
    assert!(matches!(replay(held.id, "").await.unwrap(), Outcome::Done));
    assert_eq!(store.inbox_item(held.id).await.unwrap().unwrap().fate, Fate::Waiting);
    assert!(matches!(replay(held.id, "").await, Err(StoreError::Refused(_))));
    w.decide_all().await;
    assert_eq!(store.inbox_item(held.id).await.unwrap().unwrap().fate, Fate::Held);
    assert!(matches!(replay(InboxId(9_999), "").await, Err(StoreError::NotFound(_))));
}

/// Put off, given to somebody else, an answer taken back.
async fn by_command(w: &World) {
    let mail = w.mail(ANN, SUPPORT, "", "It smokes again.").await;
    let number = mail.ticket.unwrap().0;
    let answer = w.address(Purpose::Answer, JANE, number).await;
    w.mail(JANES, &answer, "", "@snooze 3d\n\nLater.").await;
    let taken = w.mail(JANES, &answer, "", "@undo\n@reopen\n@requester new@customer.test").await;
    let store = &w.opened.store;
    assert_eq!(taken.reason, "confirm");
    store.run(Cmd::ReleaseInbox { id: taken.id, by: Some(JANE), door: "cli", now: 1 }).await.unwrap();
    w.decide_all().await;
    let ticket = w.ticket(number).await;
    assert_eq!((ticket.requester.address.as_str(), ticket.participants.len()), ("new@customer.test", 1));
    assert_eq!(w.messages(number).await[1].flags, ["taken_back"]);
}

async fn held(w: &World) {
    let store = &w.opened.store;
    let mut held = Vec::new();
    for n in 0..3 {
        let answer = w.address(Purpose::Answer, JANE, 2).await;
        let item = w.mail(JANES, &answer, "", &format!("@nonsense {n}\nHello.")).await;
        held.push(item.id);
    }
    store.untold(10).await.unwrap();
    store.run(Cmd::ReleaseInbox { id: held[0], by: None, door: "cli", now: 1 }).await.unwrap();
    let answer = w.address(Purpose::Answer, JANE, 2).await;
    let fourth = w.mail(JANES, &answer, "", "@nonsense 4\nHello.").await.id;
    store.run(Cmd::DropInbox { id: fourth, by: None, door: "cli", now: 1 }).await.unwrap();
    assert_eq!(store.inbox_item(fourth).await.unwrap().unwrap().reason, "dropped");
    for (id, pass) in [(held[1], true), (held[2], false)] {
        let release = crate::model::changes::Release { inbox: id, pass, by: Some(JANE) };
        let told = vec![id];
        let mut changes = Changes { at: 1, released: vec![release], told, ..Changes::default() };
        changes.guard.held = vec![id];
        store.run(Cmd::Commit(Box::new(changes))).await.unwrap();
    }
    w.decide_all().await;
    let item = store.inbox_item(InboxId(1)).await.unwrap().unwrap();
    store.inbox(&InboxFilter { limit: 10, ..InboxFilter::default() }).await.unwrap();
    assert_eq!(item.ticket, Some(TicketId(1)));
}

/// An answer too many, and the word that lets it go.
async fn braked(w: &mut World) {
    let before = w.opened.desk.clone();
    let mut config = (*before.config).clone();
    config.limits.answers_per_agent_hour = 1;
    w.opened.desk = Arc::new(Desk { config: Arc::new(config), book: before.book.clone() });
    let dropped = w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "Is it out at all?").await;
    let end = || w.opened.store.run(Cmd::EndBrake { address: "agent@desk.localhost".into(), pass: false, now: 1 });
    assert!(matches!(end().await, Ok(Outcome::Id(1))));
    assert!(matches!(end().await, Err(StoreError::NotFound(_))));
    assert_eq!(w.opened.store.inbox_item(dropped.id).await.unwrap().unwrap().reason, "dropped");
    let held = w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "Is it really out?").await;
    assert_eq!(held.reason, "rate");
    w.mail(JANES, &w.address(Purpose::Lot, JANE, held.id.0).await, "", "").await;
    assert_eq!(w.opened.store.inbox_item(held.id).await.unwrap().unwrap().reason, "answer");
    w.opened.desk = before;
}

async fn reading(store: &Store, now: i64) {
    let ticket = TicketId(1);
    let filter = TicketFilter { text: Some("PRINTER".into()), limit: 10, ..TicketFilter::default() };
    assert_eq!(store.tickets(&filter).await.unwrap().items.len(), 2);
    let events = store.events_after(0, 200).await.unwrap();
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    assert!(store.message(Ref::LastCustomer(ticket, 99)).await.unwrap().is_some());
    let first = store.messages(ticket, None, 1).await.unwrap();
    assert!(store.message(Ref::Message(first.items[0].id)).await.unwrap().is_some());
    assert!(!store.messages(ticket, first.next.as_deref(), 10).await.unwrap().items.is_empty());
    assert_eq!(store.people_of(ticket).await.unwrap().len(), 2);
    assert!(store.ticket(ticket).await.unwrap().is_some());
    let counts = store.counts(now).await.unwrap();
    assert!(counts.accepted.count > 5 && counts.sent > 0 && counts.log.last > 5 && counts.nodes.len() == 1, "{counts:?}");
    let totals = store.totals(now).await.unwrap();
    assert_eq!((totals.accepted_day, totals.mailboxes.len()), (counts.accepted.count, 1), "{totals:?}");
    assert!(totals.mailboxes[0].day > 1 && totals.mailboxes[0].newest.is_some(), "{totals:?}");
    assert_eq!(store.totals(now + 2 * DAY).await.unwrap().accepted_day, 0);
    assert!(store.event_time(1).await.unwrap().is_some() && store.event_time(0).await.unwrap().is_none());
    store.ping().await.unwrap();
}

async fn large(w: &World) {
    let mut noise = 1u32;
    let body: String = (0..3_000_000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + u8::try_from(noise >> 27).unwrap() % 26)
        })
        .collect();
    let raw = format!("From: ann@customer.test\r\nSubject: Big\r\n\r\n{body}\r\n");
    let item = w.raw("ann@customer.test", &[SUPPORT], raw.as_bytes()).await;
    assert_eq!(w.opened.store.remove_files(vec![item.blob.clone()], 1).await.unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(w.opened.store.blob(&item.blob).await.unwrap(), raw.as_bytes());
}

/// A folder that is fetched: claimed, its cursor moved with a mail and without, reported on, given up.
async fn folders(w: &World) {
    let store = &w.opened.store;
    let folder = FolderName { mailbox: SUPPORT.into(), folder: "INBOX".into() };
    let claim = Cmd::ClaimFolder { folder: folder.clone(), node: w.node, now: 1 };
    let Outcome::Folder(Some(from)) = store.run(claim).await.unwrap() else { panic!("not claimed") };
    let to = FolderCursor { uidvalidity: 7, last_uid: 3, ..from.clone() };
    let first = CursorMove { folder: folder.clone(), node: w.node, from, to: to.clone() };
    store.run(Cmd::MoveCursor(Box::new(first.clone()))).await.unwrap();
    assert!(matches!(store.run(Cmd::MoveCursor(Box::new(first))).await, Err(StoreError::Fenced)));
    let report = FolderReport { folder: folder.clone(), node: w.node, failing: true, error: "no".into(), looked: true, now: 5 };
    store.run(Cmd::FolderState(Box::new(report))).await.unwrap();
    let folders = store.imap_folders().await.unwrap();
    assert_eq!((folders[0].state.as_str(), folders[0].since, folders[0].polled_at), ("failing", 5, Some(5)));
    let mut envelope: Envelope =
        serde_json::from_str(r#"{"transport":"imap","mail_from":"","recipients":["support@desk.test"],"tls":true,"outside":false}"#)
            .unwrap();
    envelope.verdict = Some(verify::at_once(&w.opened.config).unwrap_or_default());
    let cursor = CursorMove { folder: folder.clone(), node: w.node, from: to.clone(), to: FolderCursor { last_uid: 4, ..to } };
    let blob = store.prepare(b"From: ann@customer.test\r\nSubject: Fetched\r\n\r\nhi\r\n").unwrap();
    let mails = vec![(4, Accepted { received_at: 1, envelope, blob })];
    store.run(Cmd::Haul(Box::new(Haul { mails, cursor }))).await.unwrap();
    w.decide_all().await;
    assert_eq!(store.imap_kept(&folder, 3).await.unwrap(), [4]);
    let found = Comparison { folder: folder.clone(), node: w.node, missed: 1, gone: vec![(1, 9)], now: 6 };
    store.run(Cmd::ComparedFolder(Box::new(found))).await.unwrap();
    assert!(store.imap_kept(&folder, 0).await.unwrap().is_empty());
    store.run(Cmd::LoginRefused { mailbox: SUPPORT.into(), node: w.node, now: 6 }).await.unwrap();
    assert_eq!(store.imap_folders().await.unwrap()[0].told_at, Some(6));
    store.run(Cmd::ReleaseFolder { folder, node: w.node }).await.unwrap();
    assert_eq!(store.imap_folders().await.unwrap().len(), 0);
}

async fn articles(store: &Store) {
    let article = |title: &str| Article::new(Some("reset"), title).unwrap();
    let write = |title: &str| {
        Cmd::WriteArticles(Box::new(WriteArticles {
            articles: vec![article(title)],
            expected: Expected::Anything,
            actor: "cli".into(),
            now: 1,
        }))
    };
    for title in ["Reset", "Reset it", "Reset it"] {
        store.run(write(title)).await.unwrap();
    }
    let slug = article("x").slug().clone();
    assert_eq!(store.article(&slug).await.unwrap().unwrap().article.title(), "Reset it");
    assert_eq!(store.articles(&ArticleFilter { limit: 10, ..ArticleFilter::default() }).await.unwrap().items.len(), 1);
    readers::indexed(store, slug.as_str()).await;
    store.run(Cmd::RemoveArticle(Box::new(RemoveArticle { slug, expected: None, actor: "cli".into(), now: 2 }))).await.unwrap();
    store.log_head().await.unwrap();
}

async fn nodes(w: &mut World) {
    let store = w.opened.store.clone();
    w.accept(ANN, &[SUPPORT], b"From: ann@customer.test\r\n\r\nHi\r\n").await;
    let claim = |node| Cmd::ClaimInbox { node, now: i64::MAX, limit: 16 };
    let count = |outcome: Outcome| match outcome {
        Outcome::Mails(mails) => mails.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(store.run(claim(w.node)).await.unwrap()), 1);
    let stray = |in_hand| Cmd::FreeStrays { node: w.node, in_hand };
    store.run(stray(Queue::Inbox(Vec::new()))).await.unwrap();
    store.run(stray(Queue::Outbox(Vec::new()))).await.unwrap();
    store.run(stray(Queue::Deliveries(Vec::new()))).await.unwrap();
    let Outcome::Mails(mails) = store.run(claim(w.node)).await.unwrap() else { panic!("no mails") };
    assert_eq!(mails[0].attempts, 1, "a stray is not charged");
    store.run(Cmd::DeferInbox { node: w.node, id: mails[0].id, due_at: 0, reason: "test".into(), charge: true }).await.unwrap();
    store.run(Cmd::Beat { node: w.node, now: 1, silence: None, index_seq: 3 }).await.unwrap();
    let old = w.node;
    assert_eq!(count(store.run(claim(old)).await.unwrap()), 1);
    // Whoever is silent is dead: its mail is free, and it claims no more.
    let Outcome::Node(next) =
        store.run(Cmd::StartNode(Box::new(NewNode { place: "elsewhere".into(), ..*NewNode::of("next", 1) }))).await.unwrap()
    else {
        panic!("no node")
    };
    let is_dead = async || store.counts(1).await.unwrap().nodes.iter().any(|node| node.name == "test" && node.dead);
    // The first one may judge nobody: it was silent itself. On SQLite the start was the other's end.
    let beat = |now| Cmd::Beat { node: next, now, silence: Some(200), index_seq: 0 };
    let now = w.opened.clock.now();
    for n in 0..2 {
        store.run(beat(now + n)).await.unwrap();
    }
    while !is_dead().await {
        store.run(beat(now + 2)).await.unwrap();
    }
    let Outcome::Node(next) = store.run(Cmd::StartNode(NewNode::of("last", 1))).await.unwrap() else { panic!("no node") };
    assert_eq!(count(store.run(claim(old)).await.unwrap()), 0);
    assert_eq!(count(store.run(claim(next)).await.unwrap()), 1);
    store.run(Cmd::EndNode { node: next, now: 2 }).await.unwrap();
    assert!(matches!(store.run(Cmd::Beat { node: next, now: 3, silence: None, index_seq: 0 }).await, Err(StoreError::Fenced)));
}

/// Copied, brought back elsewhere.
async fn backup(w: &World) {
    let (store, now) = (&w.opened.store, w.opened.clock.now());
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("backup");
    let manifest = store.backup(&w.opened.config.database, &dir, now, |_| {}).await.unwrap();
    let data = folder.path().join("data");
    let database = match store.is_shared() {
        true => postgres_for_tests().await.unwrap(),
        false => Database::Sqlite(data.join("ombud.db")),
    };
    // A desk that never had mail counts as empty.
    Store::open(&database, &data).await.unwrap().close().await;
    let task = Restore { dir, database: database.clone(), data: data.clone(), now, send: false };
    let restored = restore(&task, |_| {}).await.unwrap();
    assert_eq!((&restored.manifest, restored.next_ticket > 1_000), (&manifest, true));
    let again = restore(&task, |_| {}).await;
    assert!(matches!(again, Err(BackupError::Refused(_))), "{again:?}");
    let store = Store::open(&database, &data).await.unwrap();
    assert_eq!(store.log_head().await.unwrap().log, restored.log_id);
    let (before, day) = (w.opened.store.counts(now).await.unwrap(), w.opened.store.totals(now).await.unwrap().accepted_day);
    let envelope = serde_json::from_str(r#"{"transport":"smtp","mail_from":"","recipients":[],"tls":false,"outside":true}"#).unwrap();
    let mail = Accepted { received_at: now, envelope, blob: store.prepare(b"\r\nHi\r\n").unwrap() };
    store.run(Cmd::Accept(Box::new(mail))).await.unwrap();
    let after = store.counts(now).await.unwrap();
    assert_eq!((after.accepted.count, after.sent >= before.sent), (before.accepted.count + 1, true), "no number that was left out counts");
    assert!(after.sent < 1_000, "{}", after.sent);
    assert_eq!(store.totals(now).await.unwrap().accepted_day, day + 1);
    store.close().await;
}
