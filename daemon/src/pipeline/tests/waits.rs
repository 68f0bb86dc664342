//! What an agent puts off or takes back.

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::desk::timers;
use crate::desk::token::Purpose;
use crate::model::changes::{Changes, Fate, Timer};
use crate::model::outgoing::MailKind;
use crate::model::people::Settings;
use crate::model::ticket::Status;
use crate::store::{AgentChange, Cmd, Outcome, Settled, Settlement};

const DAY: i64 = 86_400_000;

/// Fires what is due so many days from now.
async fn fire(w: &World, days: i64) -> Vec<Timer> {
    let now = w.opened.clock.now() + days * DAY;
    let due = w.opened.store.due_timers(now, 10).await.unwrap();
    for timer in &due {
        w.opened.store.settle(|facts| timers::fire(&w.opened.desk, timer, &[], facts, now)).await.unwrap();
    }
    due
}

async fn said(w: &World, text: &str) -> Fate {
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", text).await.fate
}

#[tokio::test]
async fn a_ticket_that_was_put_off_opens_and_its_agent_hears_of_it() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    said(&w, "@assign me\n@snooze 3d\n\nWe look at it on Wednesday.").await;
    assert_eq!(w.ticket(1).await.status, Status::OnHold);
    assert!(fire(&w, 2).await.is_empty());
    // Another time takes the place of the first.
    said(&w, "@snooze 10d").await;
    assert!(fire(&w, 9).await.is_empty());
    assert_eq!(fire(&w, 11).await.len(), 1);
    assert_eq!(w.ticket(1).await.status, Status::Open);
    assert_eq!(w.outbox().await.last().unwrap(), "woken agent@desk.localhost");
    assert!(fire(&w, 30).await.is_empty(), "it wakes once");
}

#[tokio::test]
async fn whoever_writes_meanwhile_ends_the_waiting() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    said(&w, "@snooze 3d").await;
    w.mail(ANN, SUPPORT, "References: <m0@customer.test>\r\n", "It burns down!").await;
    assert_eq!(w.ticket(1).await.status, Status::Open);
    said(&w, "@status on_hold").await;
    assert!(fire(&w, 5).await.is_empty());
    assert_eq!(w.ticket(1).await.status, Status::OnHold);
    assert!(w.outbox().await.iter().all(|o| !o.starts_with("woken")));
}

#[tokio::test]
async fn times_are_those_of_the_agents_clock() {
    let w = World::new().await;
    let settings = Settings { timezone: Some("Asia/Tokyo".into()), ..Settings::default() };
    let change = AgentChange::Set(Box::new(settings));
    w.opened.store.run(Cmd::ChangeAgent { address: "agent@desk.localhost".into(), change }).await.unwrap();
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    said(&w, "@snooze tomorrow 9:00").await;
    let due = w.opened.store.due_timers(i64::MAX, 10).await.unwrap();
    let at: i64 = due.first().unwrap().key.split('/').next().unwrap().parse().unwrap();
    assert_eq!(at.rem_euclid(DAY), 0, "nine in the morning there is midnight in UTC");
    let receipt = w.rows().await.pop().unwrap();
    assert!(receipt.params.lines[0].ends_with("09:00 Asia/Tokyo"), "{:?}", receipt.params.lines);
}

#[tokio::test]
async fn the_last_of_two_times_counts_and_two_requesters_are_none() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    said(&w, "@snooze 3d\n@snooze 9d").await;
    assert!(fire(&w, 5).await.is_empty());
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let twice = w.mail(JANES, &answer, "", "@requester a@customer.test\n@requester b@customer.test").await;
    assert_eq!(twice.reason, "confirm");
    let release = w.address(Purpose::Release, JANE, twice.id.0).await;
    w.mail(JANES, &release, "", "").await;
    let twice = w.opened.store.inbox_item(twice.id).await.unwrap().unwrap();
    assert_eq!((twice.reason.as_str(), w.ticket(1).await.requester.address.as_str()), ("command_error", "ann@customer.test"));
}

#[tokio::test]
async fn many_tickets_of_many_people_are_one_decision() {
    let w = World::new().await;
    for n in 1..=30 {
        w.mail(&format!("ann{n}@customer.test"), SUPPORT, "", "It burns.").await;
    }
    let desk = w.address(Purpose::Desk, JANE, 0).await;
    let numbers = |n: i64| (1..=n).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let body = format!("@ticket {}\n@tag fire\n@cc add chief@customer.test\n@history", numbers(30));
    assert_eq!(w.mail(JANES, &desk, "", &body).await.reason, "commands");
    for n in [1, 17, 30] {
        let ticket = w.ticket(n).await;
        assert_eq!((ticket.tags, ticket.participants.len()), (vec!["fire".to_owned()], 2), "{n}");
    }
    let out = w.outbox().await;
    let count = |kind: &str| out.iter().filter(|o| o.starts_with(kind)).count();
    assert_eq!((count("history"), count("receipt")), (30, 1));
    assert_eq!(w.mail(JANES, &desk, "", &format!("@ticket {}\n@close", numbers(31))).await.fate, Fate::Held);
    assert_eq!(w.ticket(1).await.status, Status::Open);
}

#[tokio::test]
async fn an_answer_to_a_search_is_orders_whatever_the_client_quotes() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let desk = w.address(Purpose::Desk, JANE, 0).await;
    let found = format!("Found:\n\n  fire\n\n#1 Printer on fire\n    It burns.\n\n{}\n", crate::understand::MARKER);
    let outlook = format!("From: Acme <support@desk.localhost>\nSent: today\nTo: Jane\nSubject: Search: fire\n\n{found}");
    let gmail = format!("On Sun, 22 Nov 2026 at 10:00, Acme <support@desk.localhost> wrote:\n\n> {}", found.replace('\n', "\n> "));
    for (quote, status) in [(outlook, Status::Solved), (gmail, Status::Closed)] {
        let item = w.mail(JANES, &desk, "", &format!("@ticket 1\n@status {status}\n\n{quote}")).await;
        assert_eq!((item.reason.as_str(), w.ticket(1).await.status), ("commands", status), "{}", item.detail);
    }
}

#[tokio::test]
async fn an_answer_goes_to_all_or_is_taken_back_from_all() {
    let w = World::with(|config| config.outbound.undo = std::time::Duration::from_secs(60)).await;
    w.mail(ANN, SUPPORT, "Cc: bob@customer.test\r\n", "It burns.").await;
    said(&w, "Pull the plug.").await;
    let waiting = || async { w.outbox().await.into_iter().filter(|o| o.starts_with("answer")).collect::<Vec<_>>() };
    assert_eq!(waiting().await.len(), 2);
    assert_eq!(said(&w, "@undo").await, Fate::Message);
    assert!(waiting().await.is_empty());
    said(&w, "Do pull the plug.").await;
    // One of the two is on its way.
    let (node, now) = (w.node, w.opened.clock.now() + 61_000);
    while !w.rows().await.iter().any(|row| row.kind.word() == "answer" && row.state.word() == "claimed") {
        w.opened.store.run(Cmd::ClaimOutbox { node, now, limit: 1, away: Vec::new() }).await.unwrap();
    }
    assert_eq!(said(&w, "@undo").await, Fate::Held);
    assert_eq!(waiting().await.len(), 2);
    assert_eq!(w.ticket(1).await.status, Status::Pending);
}

#[tokio::test]
async fn a_ticket_stands_as_if_an_answer_that_was_taken_back_had_not_been_given() {
    let w = World::with(|config| config.outbound.undo = std::time::Duration::from_secs(60)).await;
    let status = || async { w.ticket(1).await.status };
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    for command in ["@solve", "@close"] {
        said(&w, &format!("{command}\nPull the plug.")).await;
        assert_ne!(status().await, Status::Pending);
        said(&w, "@undo").await;
        assert_eq!(status().await, Status::Open, "{command} went with its answer");
    }
    said(&w, "First.").await;
    said(&w, "Second.").await;
    said(&w, "@undo").await;
    assert_eq!(status().await, Status::Pending, "the first one still stands");
    said(&w, "@undo").await;
    assert_eq!(status().await, Status::Open);
    // A colleague has answered since.
    said(&w, "Third.").await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    let bobs = w.address(Purpose::Answer, bob, 1).await;
    w.mail("Bob <bob@agents.test>", &bobs, "", "I have called her.").await;
    said(&w, "@undo").await;
    assert_eq!(status().await, Status::Pending);
    // And somebody has solved it for another reason.
    said(&w, "Fourth.").await;
    said(&w, "@solve").await;
    said(&w, "@undo").await;
    assert_eq!(status().await, Status::Solved);
}

#[tokio::test]
async fn what_was_composed_of_an_answer_goes_with_it() {
    let w = World::with(|config| config.outbound.undo = std::time::Duration::from_secs(60)).await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    said(&w, "Pull the plug.").await;
    let (store, later) = (&w.opened.store, w.opened.clock.now() + DAY);
    let row = w.rows().await.into_iter().find(|row| row.kind == MailKind::Answer).unwrap();
    let settle = async |id, settled| {
        let settlement = Settlement { node: w.node, id, settled, straight: false, now: later, changes: Changes::default() };
        store.run(Cmd::Settle(Box::new(settlement))).await.unwrap();
    };
    // What goes to her before it leaves first.
    while let Outcome::Outbox(claimed) = store.run(Cmd::ClaimOutbox { node: w.node, now: later, limit: 9, away: Vec::new() }).await.unwrap()
        && !claimed.iter().any(|claimed| claimed.id == row.id)
    {
        assert!(!claimed.is_empty(), "it is never claimed");
        for claimed in claimed {
            settle(claimed.id, Settled::Sent("250 ok".into())).await;
        }
    }
    let blob = store.prepare(b"Subject: x\r\n\r\nPull the plug.\r\n").unwrap();
    let sha = blob.sha.clone();
    store.run(Cmd::Composed { node: w.node, id: row.id, blob: Box::new(blob) }).await.unwrap();
    settle(row.id, Settled::Postponed("down".into(), later)).await;
    assert!(store.blob(&sha).await.is_ok());
    assert_eq!(said(&w, "@undo").await, Fate::Message);
    assert!(store.blob(&sha).await.is_err());
}
