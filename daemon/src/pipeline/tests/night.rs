//! Quiet hours: what waits for their end is one mail when it is much, and neither lost nor doubled.

use sqlx::Connection as _;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::clock::Clock;
use crate::config::Database;
use crate::desk::timers;
use crate::desk::token::Purpose;
use crate::model::TicketId;
use crate::model::changes::{Changes, NewTimer, QUIET, TicketRef, Timer, quiet_key};
use crate::model::facts::{Facts, Keys};
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::people::{Notify, Settings};
use crate::store::{AgentChange, Cmd, NewNode, Outcome, StoreError, postgres_for_tests};

const HOUR: i64 = 3_600_000;

/// A desk in Jane's night, and when that ends.
async fn night() -> (World, i64) {
    let w = World::new().await;
    let now = w.opened.clock.now();
    let hour = |ahead: i64| format!("{:02}:00", (now / HOUR + ahead).rem_euclid(24));
    set(&w, Settings { quiet: Some(format!("{}-{}", hour(-1), hour(4))), ..Settings::default() }).await;
    (w, (now / HOUR + 4) * HOUR)
}

/// A desk that tells an agent of so much in an hour, in the middle of one.
async fn in_mid_hour(limit: u32) -> World {
    let mut w = World::with(|c| c.limits.notifications_per_agent_hour = limit).await;
    w.opened.clock = Clock::ahead((HOUR / 2 - w.opened.clock.now()).rem_euclid(HOUR));
    w
}

async fn set(w: &World, settings: Settings) {
    let change = AgentChange::Set(Box::new(settings));
    w.opened.store.run(Cmd::ChangeAgent { address: "agent@desk.localhost".into(), change }).await.unwrap();
}

/// So many new tickets.
async fn tickets(w: &World, count: usize) {
    for n in 0..count {
        w.mail(ANN, SUPPORT, "", &format!("It burns on floor {n}.")).await;
    }
}

async fn due(w: &World, now: i64) -> Vec<Timer> {
    w.opened.store.due_timers(now, 100).await.unwrap()
}

async fn fire(w: &World, timer: &Timer, now: i64) -> Result<(), StoreError> {
    w.opened.store.settle(|facts| timers::fire(&w.opened.desk, timer, &[], facts, now)).await
}

/// What of Jane's a sender gets at a time.
async fn claimed(w: &World, now: i64) -> Vec<OutboxRow> {
    let claim = Cmd::ClaimOutbox { node: w.node, now, limit: 100, away: Vec::new() };
    match w.opened.store.run(claim).await.unwrap() {
        Outcome::Outbox(rows) => rows.into_iter().filter(|row| row.recipient == JANE).collect(),
        other => panic!("{other:?}"),
    }
}

async fn of_jane(w: &World) -> Vec<MailKind> {
    w.rows().await.iter().filter(|row| row.recipient == JANE).map(|row| row.kind).collect()
}

#[tokio::test]
async fn twelve_news_of_a_night_are_one_mail() {
    let (w, end) = night().await;
    tickets(&w, 12).await;
    assert_eq!(of_jane(&w).await, [MailKind::Notify; 12]);
    assert!(due(&w, end - 1).await.is_empty());
    let due_then = due(&w, end).await;
    assert_eq!(due_then.iter().map(|t| t.key.clone()).collect::<Vec<_>>(), [quiet_key(JANE, end)], "one timer for all of it");
    // The timer is late: what waits leaves behind it all the same.
    let late = end + HOUR / 5;
    assert_eq!(claimed(&w, late).await, []);
    fire(&w, &due_then[0], late).await.unwrap();
    assert!(matches!(fire(&w, &due_then[0], late).await, Err(StoreError::Fenced)), "it ends once");
    let rows = claimed(&w, late).await;
    let [digest] = &rows[..] else { panic!("{rows:?}") };
    let news = digest.params.news.as_ref().unwrap();
    assert_eq!((digest.kind, news.count, news.tickets, news.newest[0].ticket), (MailKind::News, 12, 12, TicketId(12)));
    assert_eq!(of_jane(&w).await, [MailKind::News]);
    assert!(due(&w, late).await.is_empty());
    // Who has heard of a ticket in a digest has heard of it.
    let mut facts = Facts::default();
    w.opened.store.facts(&mut facts, &Keys { tickets: [TicketId(3)].into(), ..Keys::default() }).await.unwrap();
    assert_eq!(facts.ticket(TicketId(3)).unwrap().told, [JANE]);
}

#[tokio::test]
async fn what_is_too_much_for_an_hour_is_one_mail_at_its_end() {
    let w = in_mid_hour(3).await;
    let kai = w.agent("kai@desk.localhost", "Kai").await;
    tickets(&w, 3).await;
    let now = w.opened.clock.now();
    let first = claimed(&w, now).await;
    assert_eq!(first.len(), 3, "three leave at once");
    tickets(&w, 7).await;
    let rows = w.rows().await;
    let waiting: Vec<_> = rows.iter().filter(|row| row.recipient == JANE && row.due_at > now + 60_000).collect();
    let end = waiting[0].due_at;
    assert_eq!(end, (now.div_euclid(HOUR) + 1) * HOUR, "the full hour");
    assert_eq!((waiting.len(), rows.iter().filter(|row| row.recipient == kai && row.due_at == end).count()), (7, 7));
    // What she asks for comes at once, and neither counts nor waits.
    w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@history").await;
    let asked = w.rows().await.into_iter().find(|row| row.kind == MailKind::History).unwrap();
    assert_eq!((asked.recipient, asked.due_at), (JANE, asked.created_at));
    let timers = due(&w, end).await;
    assert_eq!(timers.len(), 2, "one for each of them");
    for timer in &timers {
        fire(&w, timer, end).await.unwrap();
    }
    let digest = w.rows().await.into_iter().find(|row| row.recipient == JANE && row.kind == MailKind::News).unwrap();
    let news = digest.params.news.unwrap();
    assert_eq!((news.count, news.tickets, news.hasty), (7, 7, true));
    assert_eq!(of_jane(&w).await, [MailKind::Notify, MailKind::Notify, MailKind::Notify, MailKind::History, MailKind::News]);
}

#[tokio::test]
async fn an_agent_whose_hour_is_full_hears_of_what_is_done_over_http_at_its_end() {
    use crate::desk::act::{self, Said};

    let w = in_mid_hour(1).await;
    let kai = w.agent("kai@desk.localhost", "Kai").await;
    tickets(&w, 1).await;
    let now = w.opened.clock.now();
    let said = Said { agent: kai, text: "@agent, look at this", public: true, key: None };
    w.opened.store.try_settle(|facts| act::say(&w.opened.desk, TicketId(1), &said, facts, now)).await.unwrap().unwrap();
    let last = w.rows().await.into_iter().rfind(|row| row.recipient == JANE).unwrap();
    assert_eq!((last.kind, last.due_at), (MailKind::Taken, (now.div_euclid(HOUR) + 1) * HOUR));
}

#[tokio::test]
async fn a_timer_that_does_not_fire_holds_no_mail_for_ever() {
    let (w, end) = night().await;
    tickets(&w, 9).await;
    let timer = due(&w, end).await.remove(0);
    let quarter = end + HOUR / 4;
    assert_eq!(claimed(&w, quarter - 1).await, []);
    let claim = Cmd::ClaimOutbox { node: w.node, now: quarter, limit: 3, away: Vec::new() };
    assert!(matches!(w.opened.store.run(claim).await.unwrap(), Outcome::Outbox(rows) if rows.len() == 3));
    // What has not left by then is told of all the same.
    fire(&w, &timer, quarter).await.unwrap();
    assert_eq!(of_jane(&w).await, [MailKind::Notify, MailKind::Notify, MailKind::Notify, MailKind::News]);
    assert_eq!(w.rows().await.last().unwrap().params.news.as_ref().unwrap().count, 6);
}

#[tokio::test]
async fn a_desk_that_was_off_when_quiet_hours_ended_makes_one_mail_of_them() {
    let (w, end) = night().await;
    tickets(&w, 7).await;
    let late = end + 2 * HOUR;
    let new = match w.opened.store.run(Cmd::StartNode(NewNode::of("test", late))).await.unwrap() {
        Outcome::Node(node) => node,
        other => panic!("{other:?}"),
    };
    let claim = |now| w.opened.store.run(Cmd::ClaimOutbox { node: new, now, limit: 100, away: Vec::new() });
    let kinds = |outcome| match outcome {
        Outcome::Outbox(rows) => rows.into_iter().filter(|row: &OutboxRow| row.recipient == JANE).map(|row| row.kind).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    // On PostgreSQL the database says when a process began: just now.
    if !w.opened.store.is_shared() {
        assert_eq!(kinds(claim(late + HOUR / 4 - 1).await.unwrap()), []);
    }
    fire(&w, &due(&w, end).await[0], late).await.unwrap();
    assert_eq!(kinds(claim(late + HOUR / 4 - 1).await.unwrap()), [MailKind::News]);
}

#[tokio::test]
async fn ends_of_quiet_hours_come_before_a_backlog_of_other_timers() {
    let (w, end) = night().await;
    tickets(&w, 1).await;
    let timer =
        |n: i64| NewTimer { kind: "close", ticket: Some(TicketRef::Id(TicketId(1))), key: n.to_string(), due_at: n, if_untold: false };
    let changes = Changes { at: 1, timers: (0..5).map(timer).collect(), ..Changes::default() };
    w.opened.store.run(Cmd::Commit(Box::new(changes))).await.unwrap();
    let due = w.opened.store.due_timers(end, 3).await.unwrap();
    assert_eq!(due.iter().map(|timer| timer.kind.as_str()).collect::<Vec<_>>(), [QUIET, "close", "close", "close"]);
    assert_eq!(due[1].key, "0", "the oldest of them");
}

#[tokio::test]
async fn three_news_of_a_night_are_three_mails() {
    let (w, end) = night().await;
    tickets(&w, 3).await;
    fire(&w, &due(&w, end).await[0], end).await.unwrap();
    assert_eq!(claimed(&w, end - 1).await, []);
    assert_eq!(claimed(&w, end).await.iter().map(|row| row.kind).collect::<Vec<_>>(), [MailKind::Notify; 3]);
}

#[tokio::test]
async fn what_comes_while_it_is_decided_is_part_of_it() {
    let (w, end) = night().await;
    tickets(&w, 6).await;
    let timer = due(&w, end).await.remove(0);
    let decide = |facts: &Facts| Ok::<_, StoreError>(timers::fire(&w.opened.desk, &timer, &[], facts, end));
    let changes = w.opened.store.decided(&decide).await.unwrap().unwrap();
    w.mail(ANN, SUPPORT, "", "It burns everywhere.").await;
    let lost = w.opened.store.run(Cmd::Commit(changes)).await;
    assert!(matches!(lost, Err(StoreError::Conflict(_))), "{lost:?}");
    assert_eq!(of_jane(&w).await, [MailKind::Notify; 7], "nothing is written by who has lost a race");
    fire(&w, &timer, end).await.unwrap();
    assert_eq!(of_jane(&w).await, [MailKind::News]);
    assert_eq!(w.rows().await.last().unwrap().params.news.as_ref().unwrap().count, 7);
}

#[tokio::test]
async fn what_is_on_its_way_already_is_not_told_twice() {
    let (w, end) = night().await;
    tickets(&w, 7).await;
    let timer = due(&w, end).await.remove(0);
    let decide = |facts: &Facts| Ok::<_, StoreError>(timers::fire(&w.opened.desk, &timer, &[], facts, end));
    let changes = w.opened.store.decided(&decide).await.unwrap().unwrap();
    let first = w.rows().await.into_iter().find(|row| row.recipient == JANE).unwrap().id;
    let now = w.opened.clock.now();
    w.opened.store.run(Cmd::RetryOutbox { id: first, now }).await.unwrap();
    assert_eq!(claimed(&w, now).await.iter().map(|row| row.id).collect::<Vec<_>>(), [first], "by hand it leaves at once");
    assert!(matches!(w.opened.store.run(Cmd::Commit(changes)).await, Err(StoreError::Conflict(_))));
    fire(&w, &timer, end).await.unwrap();
    assert_eq!(of_jane(&w).await, [MailKind::Notify, MailKind::News]);
    assert_eq!(w.rows().await.last().unwrap().params.news.as_ref().unwrap().count, 6);
}

#[tokio::test]
async fn two_who_fire_at_once_make_one_mail() {
    let (w, end) = night().await;
    tickets(&w, 8).await;
    let timer = due(&w, end).await.remove(0);
    let (one, two) = tokio::join!(fire(&w, &timer, end), fire(&w, &timer, end));
    let fenced = |done: &Result<(), StoreError>| matches!(done, Err(StoreError::Fenced));
    assert!(one.is_ok() && fenced(&two) || fenced(&one) && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(of_jane(&w).await, [MailKind::News]);
}

#[tokio::test]
async fn who_wants_nothing_any_more_gets_nothing() {
    for disabled in [true, false] {
        let (w, end) = night().await;
        tickets(&w, 2).await;
        match disabled {
            true => {
                let change = AgentChange::Disable;
                w.opened.store.run(Cmd::ChangeAgent { address: "agent@desk.localhost".into(), change }).await.unwrap();
            }
            false => set(&w, Settings { notify: Notify::None, ..Settings::default() }).await,
        }
        fire(&w, &due(&w, end).await[0], end).await.unwrap();
        assert_eq!(of_jane(&w).await, [], "disabled: {disabled}");
    }
}

#[tokio::test]
async fn who_put_a_ticket_off_hears_of_it_whatever_they_chose_meanwhile() {
    let (w, end) = night().await;
    tickets(&w, 2).await;
    w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@snooze 3d").await;
    let settings = w.opened.store.persons(&[JANE]).await.unwrap().remove(0).settings;
    set(&w, Settings { notify: Notify::None, ..settings }).await;
    let snooze = due(&w, end + 96 * HOUR).await.into_iter().find(|timer| timer.kind == "snooze").unwrap();
    fire(&w, &snooze, w.opened.clock.now()).await.unwrap();
    fire(&w, &due(&w, end).await[0], end).await.unwrap();
    let left: Vec<_> = claimed(&w, end).await.iter().map(|row| row.kind).filter(|kind| *kind != MailKind::Receipt).collect();
    assert_eq!(left, [MailKind::Woken]);
}

#[tokio::test]
async fn what_answers_the_agent_waits_for_nothing_and_is_no_news() {
    let (w, end) = night().await;
    tickets(&w, 6).await;
    w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@nonsense\nHello.").await;
    assert_eq!(claimed(&w, w.opened.clock.now()).await.iter().map(|row| row.kind).collect::<Vec<_>>(), [MailKind::Held]);
    fire(&w, &due(&w, end).await[0], end).await.unwrap();
    assert_eq!(of_jane(&w).await, [MailKind::Held, MailKind::News]);
}

#[tokio::test]
async fn new_tickets_do_not_wait_for_each_other_and_what_fires_meanwhile_is_set_again() {
    let Some(database) = postgres_for_tests().await else { return };
    let Database::Postgres(url) = database.clone() else { panic!("{database:?}") };
    let w = World::with(|config| config.database = database).await;
    let store = &w.opened.store;
    let timer = |n: i64| NewTimer { kind: QUIET, ticket: None, key: quiet_key(JANE, n), due_at: n, if_untold: false };
    let add = |from: i64| Cmd::Commit(Box::new(Changes { at: 1, timers: (from..from + 3).map(timer).collect(), ..Changes::default() }));
    store.run(add(1)).await.unwrap();
    let mut other = sqlx::PgConnection::connect(url.reveal()).await.unwrap();
    // Another commit that tells the same agent holds on to the timers.
    sqlx::raw_sql("BEGIN; SELECT key FROM timer FOR KEY SHARE").execute(&mut other).await.unwrap();
    store.run(add(2)).await.unwrap();
    // One fires: whoever adds to it waits, and sets it again.
    sqlx::raw_sql("COMMIT; BEGIN; SELECT key FROM timer WHERE due_at = 2 FOR UPDATE").execute(&mut other).await.unwrap();
    let adding = tokio::spawn({
        let (store, add) = (store.clone(), add(1));
        async move { store.run(add).await }
    });
    let waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id_if_assigned()::xid";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    sqlx::raw_sql("DELETE FROM timer WHERE due_at = 2; COMMIT").execute(&mut other).await.unwrap();
    adding.await.unwrap().unwrap();
    let keys: Vec<_> = due(&w, 9).await.into_iter().map(|timer| timer.key).collect();
    assert_eq!(keys, (1..=4).map(|n| quiet_key(JANE, n)).collect::<Vec<_>>());
}
