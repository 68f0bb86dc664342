//! More answers than one person writes: held, asked about once, and let go by one word.

use std::sync::Arc;
use std::time::Duration;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::desk::Desk;
use crate::desk::act::{self, Said};
use crate::desk::timers;
use crate::desk::token::{Grant, Purpose};
use crate::model::changes::Fate;
use crate::model::outgoing::MailKind;
use crate::model::people::Settings;
use crate::model::{By, InboxId, MailboxId, PersonId, TicketId, Verdict};
use crate::store::read::InboxItem;
use crate::store::{AgentChange, Cmd, Outcome, StoreError};

/// A desk on which one agent may publish two answers within an hour, with two tickets.
async fn world() -> World {
    let w = World::with(|c| {
        c.limits.answers_per_agent_hour = 2;
        c.limits.confirm_token_life = Duration::from_hours(3);
    })
    .await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    w.mail("Ben <ben@customer.test>", SUPPORT, "", "It smokes.").await;
    w
}

async fn answer(w: &World, ticket: i64, text: &str) -> InboxItem {
    let to = w.address(Purpose::Answer, JANE, ticket).await;
    w.mail(JANES, &to, "", text).await
}

/// The state after which everything is held.
async fn braked() -> (World, Vec<InboxItem>) {
    let w = world().await;
    for text in ["One", "Two"] {
        assert_eq!(answer(&w, 1, text).await.reason, "answer");
    }
    let mut held = Vec::new();
    for (ticket, text) in [(1, "Three"), (2, "Four"), (1, "Five")] {
        held.push(answer(&w, ticket, text).await);
    }
    (w, held)
}

/// The answers that leave or have left, with what they say.
async fn sent(w: &World) -> Vec<(i64, String)> {
    let mut sent = Vec::new();
    for row in w.rows().await.into_iter().filter(|row| row.kind == MailKind::Answer) {
        let ticket = row.ticket.unwrap().0;
        let message = w.messages(ticket).await.into_iter().find(|m| Some(m.id) == row.message).unwrap();
        sent.push((ticket, message.text));
    }
    sent
}

async fn lot(w: &World, person: PersonId, about: InboxId) -> String {
    w.address(Purpose::Lot, person, about.0).await
}

fn braked_mails(outbox: &[String]) -> Vec<&str> {
    outbox.iter().filter(|row| row.starts_with("braked")).map(String::as_str).collect()
}

#[tokio::test]
async fn answers_beyond_the_limit_are_held_and_asked_about_once() {
    let (w, held) = braked().await;
    for item in &held {
        assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "rate"), "{item:?}");
    }
    assert_eq!(held[0].detail, "you have published 2 answers within an hour");
    let outbox = w.outbox().await;
    assert_eq!(braked_mails(&outbox), ["braked agent@desk.localhost"]);
    assert!(!outbox.iter().any(|row| row.starts_with("held")), "{outbox:?}");
    assert_eq!(sent(&w).await.len(), 2);
    assert_eq!(w.opened.store.untold(10).await.unwrap(), [], "the admins hear of the lot in a mail of its own");
    // What stays inside goes on.
    let note = w.address(Purpose::Note, JANE, 1).await;
    assert_eq!(w.mail(JANES, &note, "", "I am not a machine.").await.reason, "note");
    assert_eq!(answer(&w, 1, "@tag vip").await.reason, "commands");
}

#[tokio::test]
async fn admins_are_told_that_an_agents_answers_are_held() {
    let w = world().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    for n in 0..4 {
        let to = w.address(Purpose::Answer, bob, 2).await;
        w.mail("Bob <bob@agents.test>", &to, "", &format!("Answer {n}")).await;
    }
    assert_eq!(braked_mails(&w.outbox().await), ["braked bob@agents.test", "braked agent@desk.localhost"]);
}

#[tokio::test]
async fn one_word_lets_the_lot_go_in_its_order_and_lifts_the_brake() {
    let (w, held) = braked().await;
    let confirm = lot(&w, JANE, held[0].id).await;
    assert_eq!(w.mail(JANES, &confirm, "", "").await.reason, "release");
    let first = sent(&w).await;
    let of = |ticket: i64| first.iter().filter(|(t, _)| *t == ticket).map(|(_, text)| text.as_str()).collect::<Vec<_>>();
    assert_eq!((of(1), of(2)), (vec!["One", "Two", "Three", "Five"], vec!["Four"]));
    assert_eq!(answer(&w, 2, "Six").await.reason, "answer", "nothing is held for an hour");
    // It works once.
    assert_eq!(w.mail(JANES, &confirm, "", "again").await.reason, "release");
    assert_eq!(sent(&w).await.len(), 6);
    assert_eq!(w.outbox().await.last().unwrap(), "receipt agent@desk.localhost");
}

#[tokio::test]
async fn the_old_word_says_nothing_about_the_next_lot() {
    let (mut w, held) = braked().await;
    let old = lot(&w, JANE, held[0].id).await;
    w.mail(JANES, &old, "", "").await;
    w.opened.clock = crate::clock::Clock::ahead(3_700_000);
    for text in ["Six", "Seven"] {
        assert_eq!(answer(&w, 1, text).await.reason, "answer", "what was confirmed does not count");
    }
    let next = answer(&w, 1, "Eight").await;
    assert_eq!((next.fate, next.reason.as_str()), (Fate::Held, "rate"));
    w.mail(JANES, &old, "", "").await;
    assert_eq!(w.opened.store.inbox_item(next.id).await.unwrap().unwrap().fate, Fate::Held);
    assert_eq!(braked_mails(&w.outbox().await).len(), 2);
    let fresh = lot(&w, JANE, next.id).await;
    w.mail(JANES, &fresh, "", "").await;
    assert_eq!(sent(&w).await.last().unwrap().1, "Eight");
}

#[tokio::test]
async fn a_forged_word_does_nothing() {
    let (w, held) = braked().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    let right = lot(&w, JANE, held[0].id).await;
    let (others, wrong) = (lot(&w, bob, held[0].id).await, lot(&w, JANE, held[1].id).await);
    let grant = Grant { purpose: Purpose::Lot, subject: held[0].id.0, person: JANE, epoch: 7, expires_at: i64::MAX / 2, turn: 0 };
    let revoked = w.opened.desk.book.sign(MailboxId(1), grant);
    for (from, to) in [
        ("Eve <eve@evil.test>", &right),
        ("Bob <bob@agents.test>", &right),
        ("Bob <bob@agents.test>", &others),
        (JANES, &wrong),
        (JANES, &revoked),
    ] {
        w.mail(from, to, "", "yes").await;
    }
    w.mail(JANES, &right, "Auto-Submitted: auto-replied\r\n", "I am away.").await;
    assert_eq!(sent(&w).await.len(), 2);
    for item in held {
        assert_eq!(w.opened.store.inbox_item(item.id).await.unwrap().unwrap().fate, Fate::Held);
    }
}

#[tokio::test]
async fn a_restart_and_a_quiet_hour_let_nothing_go_and_an_admin_can() {
    let (mut w, held) = braked().await;
    w.restart().await;
    w.opened.clock = crate::clock::Clock::ahead(7_200_000);
    let late = answer(&w, 1, "Six").await;
    assert_eq!((late.fate, late.reason.as_str()), (Fate::Held, "rate"), "no answer overtakes those that are held");
    assert_eq!(braked_mails(&w.outbox().await).len(), 1);
    for id in [held[0].id, held[1].id, held[2].id, late.id] {
        w.opened.store.run(Cmd::ReleaseInbox { id, by: None, door: "cli", now: 1 }).await.unwrap();
        w.decide_all().await;
    }
    let texts: Vec<_> = sent(&w).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["One", "Two", "Three", "Four", "Five", "Six"]);
}

#[tokio::test]
async fn after_the_address_of_the_question_has_expired_it_is_asked_again() {
    let (mut w, held) = braked().await;
    w.opened.clock = crate::clock::Clock::ahead(4 * 3_600_000);
    let late = answer(&w, 1, "Six").await;
    assert_eq!(braked_mails(&w.outbox().await).len(), 2);
    assert_eq!((late.fate, late.reason.as_str()), (Fate::Held, "rate"));
    // It is the same lot: the address in the older question would do, too, had it not expired.
    w.mail(JANES, &lot(&w, JANE, held[0].id).await, "", "").await;
    assert_eq!(sent(&w).await.len(), 6);
}

#[tokio::test]
async fn after_the_address_of_the_question_was_revoked_it_is_asked_again() {
    for revoked in [AgentChange::RevokeAddresses, AgentChange::Disable] {
        let (w, held) = braked().await;
        let old = lot(&w, JANE, held[0].id).await;
        let change = async |change| {
            w.opened.store.run(Cmd::ChangeAgent { address: "agent@desk.localhost".into(), change }).await.unwrap();
        };
        change(revoked).await;
        change(AgentChange::Enable).await;
        w.mail(JANES, &old, "", "").await;
        assert_eq!(sent(&w).await.len(), 2, "the old address is dead");
        for n in 0..2 {
            assert_eq!(answer(&w, 1, &format!("Again {n}")).await.reason, "rate");
        }
        assert_eq!(braked_mails(&w.outbox().await).len(), 2, "asked anew, once");
        w.mail(JANES, &lot(&w, JANE, held[0].id).await, "", "").await;
        assert_eq!(sent(&w).await.len(), 4, "what came to a revoked address stays held");
    }
}

#[tokio::test]
async fn a_day_later_the_question_comes_again() {
    let mut w = world().await;
    let mut config = (*w.opened.desk.config).clone();
    config.limits.confirm_token_life = Duration::from_hours(14 * 24);
    w.opened.desk = Arc::new(Desk { config: Arc::new(config), book: w.opened.desk.book.clone() });
    for text in ["One", "Two", "Three"] {
        answer(&w, 1, text).await;
    }
    w.opened.clock = crate::clock::Clock::ahead(25 * 3_600_000);
    answer(&w, 1, "Four").await;
    assert_eq!(braked_mails(&w.outbox().await).len(), 2);
}

/// Fires what is due so many hours from now.
async fn fire(w: &World, hours: i64) -> usize {
    let now = w.opened.clock.now() + hours * 3_600_000;
    let due = w.opened.store.due_timers(now, 10).await.unwrap();
    for timer in &due {
        w.opened.store.settle(|facts| timers::fire(&w.opened.desk, timer, &[], facts, now)).await.unwrap();
    }
    due.len()
}

#[tokio::test]
async fn while_answers_are_held_the_question_comes_each_day_and_no_longer() {
    let (w, held) = braked().await;
    assert_eq!((fire(&w, 23).await, braked_mails(&w.outbox().await).len()), (0, 1));
    assert_eq!((fire(&w, 25).await, braked_mails(&w.outbox().await).len()), (1, 2), "nobody has said anything");
    assert_eq!((fire(&w, 48).await, fire(&w, 50).await, braked_mails(&w.outbox().await).len()), (0, 1, 3));
    assert_eq!(w.rows().await.last().unwrap().params.inbox, [held[0].id], "about the same lot");
    w.mail(JANES, &lot(&w, JANE, held[0].id).await, "", "").await;
    assert_eq!(sent(&w).await.len(), 5);
    assert_eq!((fire(&w, 80).await, fire(&w, 200).await, braked_mails(&w.outbox().await).len()), (1, 0, 3), "nothing is held any more");
}

#[tokio::test]
async fn who_is_disabled_is_asked_when_they_are_back() {
    let (w, _) = braked().await;
    let change = async |change| {
        w.opened.store.run(Cmd::ChangeAgent { address: "agent@desk.localhost".into(), change }).await.unwrap();
    };
    change(AgentChange::Disable).await;
    assert_eq!((fire(&w, 25).await, braked_mails(&w.outbox().await).len()), (1, 1));
    change(AgentChange::Enable).await;
    assert_eq!((fire(&w, 48).await, braked_mails(&w.outbox().await).len()), (0, 1), "it is looked at once a day");
    assert_eq!((fire(&w, 50).await, braked_mails(&w.outbox().await).len()), (1, 2));
}

#[tokio::test]
async fn the_question_that_comes_again_wakes_nobody() {
    let w = world().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    for n in 0..3 {
        let to = w.address(Purpose::Answer, bob, 2).await;
        w.mail("Bob <bob@agents.test>", &to, "", &format!("Answer {n}")).await;
    }
    let hour = (w.opened.clock.now() + 25 * 3_600_000) / 3_600_000;
    let clock = |ahead: i64| format!("{:02}:00", (hour + ahead).rem_euclid(24));
    for (address, until) in [("bob@agents.test", 2), ("agent@desk.localhost", 5)] {
        let settings = Settings { quiet: Some(format!("{}-{}", clock(-1), clock(until))), ..Settings::default() };
        let change = AgentChange::Set(Box::new(settings));
        w.opened.store.run(Cmd::ChangeAgent { address: address.into(), change }).await.unwrap();
    }
    assert_eq!(fire(&w, 25).await, 1);
    let rows = w.rows().await;
    let asked: Vec<_> = rows.iter().filter(|row| row.kind == MailKind::Braked).map(|row| (row.recipient, row.due_at / 3_600_000)).collect();
    let [(_, first), (_, told), again @ ..] = &asked[..] else { panic!("{asked:?}") };
    assert!(*first < hour - 20 && *told < hour - 20, "the first time it cannot wait: {asked:?}");
    assert_eq!(again, [(bob, hour + 2), (JANE, hour + 5)]);
}

#[tokio::test]
async fn one_word_drops_the_lot_and_the_admins_hear_of_it() {
    for purpose in [Purpose::LotDrop, Purpose::Lot] {
        let w = world().await;
        let bob = w.agent("bob@agents.test", "Bob").await;
        let mut held = Vec::new();
        for n in 0..4 {
            let to = w.address(Purpose::Answer, bob, 2).await;
            held.push(w.mail("Bob <bob@agents.test>", &to, "", &format!("Answer {n}")).await);
        }
        let word = w.address(purpose, bob, held[2].id.0).await;
        assert_eq!(w.mail("Bob <bob@agents.test>", &word, "", "").await.reason, "release");
        let (fate, count, line) = match purpose {
            Purpose::Lot => (Fate::Message, 4, "2 answers let go; nothing more is held for an hour"),
            _ => (Fate::Automatic, 2, "2 answers dropped; further ones are held as before"),
        };
        assert_eq!(sent(&w).await.len(), count);
        assert_eq!(w.opened.store.inbox_item(held[3].id).await.unwrap().unwrap().fate, fate);
        let rows = w.rows().await;
        let told: Vec<_> = rows.iter().filter(|row| row.params.lines == [line]).map(|row| (row.kind, row.address.as_str())).collect();
        assert_eq!(told, [(MailKind::Receipt, "bob@agents.test"), (MailKind::Braked, "agent@desk.localhost")]);
        // It works once, and a later answer is held and asked about anew after a drop.
        w.mail("Bob <bob@agents.test>", &word, "", "again").await;
        let to = w.address(Purpose::Answer, bob, 2).await;
        let later = w.mail("Bob <bob@agents.test>", &to, "", "Later").await;
        assert_eq!(later.reason == "rate", purpose == Purpose::LotDrop);
    }
}

#[tokio::test]
async fn an_admin_ends_a_lot_at_the_command_line() {
    for pass in [true, false] {
        let (w, held) = braked().await;
        let end = || w.opened.store.run(Cmd::EndBrake { address: "agent@desk.localhost".into(), pass, now: w.opened.clock.now() });
        assert!(matches!(end().await, Ok(Outcome::Id(3))));
        w.decide_all().await;
        assert_eq!(sent(&w).await.len(), if pass { 5 } else { 2 });
        assert!(matches!(end().await, Err(StoreError::NotFound(_))));
        let word = lot(&w, JANE, held[0].id).await;
        w.mail(JANES, &word, "", "").await;
        assert_eq!(sent(&w).await.len(), if pass { 5 } else { 2 }, "the word comes too late");
        assert_eq!(answer(&w, 1, "Next").await.reason, if pass { "answer" } else { "rate" });
    }
}

#[tokio::test]
async fn a_new_conversation_is_an_answer_and_so_is_what_is_submitted() {
    let w = world().await;
    let desk = w.address(Purpose::Desk, JANE, 0).await;
    let submitted = async |text: &str| {
        let to = w.address(Purpose::Answer, JANE, 1).await;
        let mut envelope = w.envelope(JANES, &[&to]);
        envelope.auth_user = Some("agent@desk.localhost".into());
        envelope.verdict = Some(Verdict { aligned: true, by: Some(By::Submission), ..Verdict::default() });
        let raw = format!("From: {JANES}\r\nTo: {to}\r\nSubject: x\r\nMessage-ID: <{text}@agents.test>\r\n\r\n{text}\r\n");
        let id = w.keep(envelope, raw.as_bytes()).await;
        w.decide_all().await;
        w.opened.store.inbox_item(id).await.unwrap().unwrap()
    };
    assert_eq!(submitted("One").await.reason, "answer");
    assert_eq!(w.mail(JANES, &desk, "", "@new cleo@customer.test\nHello.").await.reason, "ticket");
    assert_eq!(submitted("Three").await.reason, "rate");
    let new = w.mail(JANES, &desk, "", "@new dan@customer.test\nHello.").await;
    assert_eq!((new.fate, new.reason.as_str()), (Fate::Held, "rate"));
    assert_eq!(braked_mails(&w.outbox().await).len(), 1);
}

#[tokio::test]
async fn answers_over_the_api_do_not_count() {
    let w = world().await;
    let desk = w.opened.desk.clone();
    for n in 0..3 {
        let text = format!("By the API {n}");
        let said = Said { agent: JANE, text: &text, public: true, key: None };
        let now = w.opened.clock.now();
        w.opened.store.try_settle(|facts| act::say(&desk, TicketId(1), &said, facts, now)).await.unwrap().unwrap();
    }
    for text in ["One", "Two"] {
        assert_eq!(answer(&w, 2, text).await.reason, "answer");
    }
    assert_eq!(answer(&w, 2, "Three").await.reason, "rate");
}

#[tokio::test]
async fn an_answer_that_comes_while_the_lot_goes_waits_for_those_before_it() {
    let (w, held) = braked().await;
    let confirm = lot(&w, JANE, held[0].id).await;
    let to = w.address(Purpose::Answer, JANE, 1).await;
    let raw = |to: &str, text: &str| format!("From: {JANES}\r\nTo: {to}\r\nSubject: x\r\nMessage-ID: <{text}@a.test>\r\n\r\n{text}\r\n");
    w.accept(JANES, &[&confirm], raw(&confirm, "yes").as_bytes()).await;
    let cancel = tokio_util::sync::CancellationToken::new();
    let pipeline = w.pipeline();
    for mail in pipeline.claim(&mut false, Vec::new()).await {
        pipeline.one(mail, &cancel).await;
    }
    let last = w.accept(JANES, &[&to], raw(&to, "Six").as_bytes()).await;
    let claimed = pipeline.claim(&mut false, Vec::new()).await;
    let ids: Vec<_> = claimed.iter().map(|mail| mail.id).collect();
    assert_eq!(ids, [held[0].id, held[1].id, last], "of two answers to one ticket the older one");
    // The newest is decided first.
    for mail in claimed.into_iter().rev() {
        pipeline.one(mail, &cancel).await;
    }
    w.decide_all().await;
    let texts: Vec<_> = sent(&w).await.into_iter().filter(|(ticket, _)| *ticket == 1).map(|(_, text)| text).collect();
    assert_eq!(texts, ["One", "Two", "Three", "Five", "Six"]);
}
