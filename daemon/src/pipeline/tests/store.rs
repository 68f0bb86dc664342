//! What the store promises: dense events, few statements, settled claims.

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::desk::token::Purpose;
use crate::model::TicketId;
use crate::model::changes::Changes;
use crate::model::facts::{Facts, Keys};
use crate::model::people::Settings;
use crate::model::ticket::Ticket;
use crate::store::{AgentChange, Cmd, Settled, Settlement, StoreError, statements};

#[tokio::test]
async fn a_standard_mail_costs_few_statements() {
    let w = World::new().await;
    let each = each_of_many(&w).await;
    assert!(each <= 25 || !is_alone(), "{each} statements a mail");
    assert!(each >= 10, "{each} statements a mail: the count is not connected");
}

#[tokio::test]
async fn agents_in_quiet_hours_cost_no_statements_of_their_own() {
    let w = World::new().await;
    let hour = w.opened.clock.now() / 3_600_000;
    let hour = |ahead: i64| format!("{:02}:00", (hour + ahead).rem_euclid(24));
    let quiet = Some(format!("{}-{}", hour(-1), hour(4)));
    for n in 0..5 {
        let address = format!("agent{n}@agents.test");
        w.agent(&address, "Ina").await;
        let change = AgentChange::Set(Box::new(Settings { quiet: quiet.clone(), ..Settings::default() }));
        w.opened.store.run(Cmd::ChangeAgent { address, change }).await.unwrap();
    }
    let each = each_of_many(&w).await;
    assert_eq!(w.opened.store.due_timers(i64::MAX, 100).await.unwrap().len(), 5, "one for each of them");
    assert!(each <= 27 || !is_alone(), "{each} statements a mail");
}

/// Other tests of this process run statements, too, unless the runner gives each a process.
fn is_alone() -> bool {
    std::env::var_os("NEXTEST").is_some()
}

/// Statements that a mail with a new question costs; the watch adds 4 a second.
async fn each_of_many(w: &World) -> u64 {
    let mails = 32;
    let before = statements();
    for i in 0..mails {
        let raw = format!(
            "From: ann{i}@customer.test\r\nMessage-ID: <{i}@customer.test>\r\nReferences: <r{i}@x.test>\r\nSubject: Hi\r\n\r\nHello {i}\r\n"
        );
        w.accept(&format!("ann{i}@customer.test"), &[SUPPORT], raw.as_bytes()).await;
    }
    w.decide_all().await;
    let each = (statements() - before) / mails;
    tracing::info!(each, "statements a mail");
    each
}

#[tokio::test]
async fn what_very_many_agents_were_told_is_counted() {
    use crate::model::PersonId;
    use crate::model::facts::CountKey;

    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    w.mail(ANN, SUPPORT, "", "It burns still.").await;
    let counts = (1..=1_200).map(|n| CountKey::NewsOf(PersonId(n), 0, 1));
    let mut facts = Facts::default();
    w.opened.store.facts(&mut facts, &Keys { counts: counts.collect(), ..Keys::default() }).await.unwrap();
    let told: Vec<_> = facts.counts.iter().filter(|(_, count)| **count > 0).collect();
    assert_eq!(told, [(&CountKey::NewsOf(JANE, 0, 1), &1)], "no further than was asked");
    assert_eq!(facts.counts.len(), 1_200);
}

#[tokio::test]
async fn acknowledgements_of_an_hour_are_counted() {
    use crate::store::read::Acked;

    let w = World::new().await;
    let before = w.opened.clock.now();
    for n in 0..3 {
        w.mail(&format!("new{n}@customer.test"), SUPPORT, "", "It burns.").await;
    }
    w.mail("robot@customer.test", SUPPORT, "Precedence: bulk\r\n", "News.").await;
    let at = |ahead: i64| w.opened.store.acked(before + ahead);
    let hour = 3_600_000;
    assert_eq!(at(1_000).await.unwrap(), Acked { accepted: 4, acks: 3 });
    assert_eq!(at(2 * hour).await.unwrap(), Acked::default());
    assert_eq!(w.opened.store.totals(before + 1_000).await.unwrap().acked, Acked { accepted: 4, acks: 3 });
}

#[tokio::test]
async fn events_are_dense_and_hold_no_addresses() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "Cc: bob@customer.test\r\n", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", "@solve\nPull the plug.").await;
    let events = w.opened.store.events_after(0, 100).await.unwrap();
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    let kinds: Vec<_> = events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds.first(), Some(&"ticket.created"));
    assert!(kinds.contains(&"ticket.status_changed"), "{kinds:?}");
    assert!(events.iter().all(|e| !e.data.contains("customer.test") && !e.data.contains("plug")), "{events:?}");
}

#[tokio::test]
async fn only_the_node_that_claimed_a_mail_settles_it() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let now = w.opened.clock.now();
    let store = &w.opened.store;
    store.run(Cmd::ClaimOutbox { node: w.node, now, limit: 1, away: Vec::new() }).await.unwrap();
    let settle = |node| {
        let changes = crate::model::changes::Changes { at: now, ..Default::default() };
        let id = crate::model::OutboxId(1);
        Cmd::Settle(Box::new(Settlement { node, id, settled: Settled::Sent("250 ok".into()), straight: false, now, changes }))
    };
    let stranger = crate::store::NodeId(w.node.0 + 1);
    assert!(matches!(store.run(settle(stranger)).await, Err(StoreError::Fenced)));
    store.run(settle(w.node)).await.unwrap();
    assert!(matches!(store.run(settle(w.node)).await, Err(StoreError::Fenced)));
}

#[tokio::test]
async fn a_large_mail_goes_into_a_file_and_comes_back_whole() {
    let w = World::new().await;
    let mut noise = 1u32;
    let body: String = (0..400_000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + u8::try_from(noise >> 27).unwrap() % 26)
        })
        .collect();
    let raw = format!("From: ann@customer.test\r\nSubject: Big\r\n\r\n{body}\r\n");
    let item = w.raw("ann@customer.test", &[SUPPORT], raw.as_bytes()).await;
    assert_eq!(w.opened.store.blob(&item.blob).await.unwrap(), raw.as_bytes());
    for most in [0, 10, 70_000, 1 << 30] {
        let head = raw.as_bytes().get(..most).unwrap_or(raw.as_bytes());
        assert_eq!(w.opened.store.blob_head(&item.blob, most as u64).await.unwrap(), head, "{most}");
    }
    // Where several processes share the database, a file of one of them would help nobody.
    let files = std::fs::read_dir(w.opened.store.data().join("blobs")).unwrap().count();
    assert_eq!(files, usize::from(!w.opened.store.is_shared()));
}

#[tokio::test]
async fn of_a_long_ticket_the_newest_texts_are_searched() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let customer = w.person("ann@customer.test").await;
    for n in 0..3 {
        let reply = w.address(Purpose::Customer, customer, 1).await;
        w.mail(ANN, &reply, "", &format!("part {n}\n{}", "words and words \n".repeat(12_000))).await;
    }
    let found = w.opened.store.ticket_texts(&[TicketId(1)]).await.unwrap().remove(0);
    let begins: Vec<_> = found.texts.iter().map(|text| text.get(..6).unwrap()).collect();
    assert_eq!(begins, ["part 1", "part 2"], "what does not fit is not even read");
    assert!(!found.attachments && found.authors.len() == 1, "{:?}", found.authors);
}

#[tokio::test]
async fn a_merged_ticket_is_not_found_itself() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    w.mail("Bob <bob@customer.test>", SUPPORT, "", "It burns here, too.").await;
    let store = &w.opened.store;
    let mut facts = Facts::default();
    store.facts(&mut facts, &Keys { tickets: [TicketId(2)].into(), ..Keys::default() }).await.unwrap();
    let merged = Ticket { merged_into: Some(TicketId(1)), ..facts.ticket(TicketId(2)).unwrap().ticket.clone() };
    store.run(Cmd::Commit(Box::new(Changes { at: 1, updates: vec![merged], ..Changes::default() }))).await.unwrap();
    assert_eq!(store.numbers_after(0, 10).await.unwrap(), [TicketId(1)]);
    let found = store.ticket_texts(&[TicketId(1), TicketId(2)]).await.unwrap();
    assert_eq!(found.iter().map(|text| text.ticket.number).collect::<Vec<_>>(), [TicketId(1)]);
}
