//! The loop breaker: every mail is kept and reopens its ticket; agents hear of the first that is too many.

use tokio_util::sync::CancellationToken;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::clock::Clock;
use crate::desk::token::Purpose;
use crate::model::ticket::Status;
use crate::model::{Envelope, Verdict};

const MINUTE: i64 = 60_000;
const BULK: &str = "Precedence: bulk\r\n";

/// A ticket of Ann's, and the address to which she answers.
async fn begun() -> (World, String) {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let ann = w.person("ann@customer.test").await;
    let to = w.address(Purpose::Customer, ann, 1).await;
    (w, to)
}

/// How many notifications there are so far.
async fn told(w: &World) -> usize {
    w.outbox().await.iter().filter(|mail| mail.starts_with("notify")).count()
}

/// Which messages of ticket 1 have a flag, the first being 0.
async fn flagged(w: &World, flag: &str) -> Vec<usize> {
    let messages = w.messages(1).await;
    let with = messages.iter().enumerate().filter(|(_, m)| m.flags.iter().any(|f| f == flag));
    with.map(|(n, _)| n).collect()
}

fn later(w: &mut World, minutes: i64) {
    let ahead = w.opened.clock.now() - Clock::default().now();
    w.opened.clock = Clock::ahead(ahead + minutes * MINUTE);
}

#[tokio::test]
async fn the_first_of_too_many_is_told_and_reopens_as_those_after_it_do() {
    let (mut w, to) = begun().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@assign bob@agents.test").await;
    for n in 1..10 {
        w.mail(ANN, &to, "", &format!("More, {n}")).await;
    }
    let news = async |w: &World| w.outbox().await.into_iter().filter(|mail| mail.starts_with("notify")).skip(10).collect::<Vec<_>>();
    assert_eq!((told(&w).await, flagged(&w, "loop").await), (10, vec![]));
    for n in 10..13 {
        w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@solve").await;
        w.mail(ANN, &to, "", &format!("More, {n}")).await;
        assert_eq!(w.ticket(1).await.status, Status::Open);
    }
    assert_eq!(news(&w).await, ["notify bob@agents.test", "notify agent@desk.localhost"], "the admin hears of the first, too");
    assert_eq!(flagged(&w, "loop").await, [10, 11, 12]);
    assert_eq!(w.outbox().await.iter().filter(|mail| mail.ends_with("ann@customer.test")).count(), 1, "the acknowledgement");

    later(&mut w, 11);
    let item = w.mail(ANN, &to, "", "Calm again.").await;
    assert_eq!((item.reason.as_str(), news(&w).await.len(), w.ticket(1).await.messages), ("message", 3, 14));
    assert_eq!(w.ticket(1).await.assignee.map(|a| a.address), Some("bob@agents.test".into()), "{bob}");
}

#[tokio::test]
async fn the_same_words_are_told_three_times_an_hour() {
    let (mut w, to) = begun().await;
    let answers = ["Any news?", "Any news?", "Any news?\n\n> It burns.", "Any news?", "Other words."];
    for (text, expected) in answers.into_iter().zip([2, 3, 4, 4, 5]) {
        later(&mut w, 11);
        w.mail(ANN, &to, "", text).await;
        assert_eq!(told(&w).await, expected, "{text}");
    }
    assert_eq!(flagged(&w, "loop").await, [3, 4]);
    later(&mut w, 61);
    w.mail(ANN, &to, "", "Any news?").await;
    assert_eq!(told(&w).await, 6);
    for _ in 0..5 {
        later(&mut w, 1);
        w.mail(ANN, &to, "", "").await;
    }
    assert_eq!(told(&w).await, 11, "pictures without a word are no repetition");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_mails_decided_at_once_one_is_the_first_that_is_too_many() {
    let (w, to) = begun().await;
    for n in 1..30 {
        let raw = format!("From: {ANN}\r\nMessage-ID: <{n}@x.test>\r\n\r\nMore, {n}\r\n");
        w.accept(ANN, &[&to], raw.as_bytes()).await;
    }
    let pipeline = w.pipeline();
    let mut work = tokio::task::JoinSet::new();
    while let mails = pipeline.claim(&mut false, Vec::new()).await
        && !mails.is_empty()
    {
        for mail in mails {
            let pipeline = pipeline.clone();
            work.spawn(async move { pipeline.one(mail, &CancellationToken::new()).await });
        }
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    w.decide_all().await;
    assert_eq!((w.messages(1).await.len(), told(&w).await, flagged(&w, "loop").await.len()), (30, 11, 20));
}

#[tokio::test]
async fn nobody_is_silenced_by_what_others_send_in_their_name_nor_by_their_own_newsletter() {
    let (w, to) = begun().await;
    for n in 0..12 {
        w.mail(ANN, &to, BULK, &format!("News {n}")).await;
        let envelope = Envelope { verdict: Some(Verdict::default()), ..w.envelope(ANN, &[&to]) };
        let raw = format!("From: {ANN}\r\nMessage-ID: <forged{n}@x.test>\r\n\r\nForged {n}\r\n");
        w.keep(envelope, raw.as_bytes()).await;
        w.decide_all().await;
    }
    assert_eq!((told(&w).await, flagged(&w, "loop").await.len()), (1 + 11 + 11, 4));
    w.mail(ANN, &to, "", "It is really me.").await;
    assert_eq!((told(&w).await, flagged(&w, "loop").await.len()), (1 + 11 + 11 + 1, 4));
}

#[tokio::test]
async fn whoever_works_here_is_not_counted() {
    let (w, to) = begun().await;
    w.agent("bob@agents.test", "Bob").await;
    for n in 0..12 {
        w.mail(JANES, &to, BULK, &format!("News {n}")).await;
    }
    let messages = w.messages(1).await;
    assert_eq!((messages.len(), flagged(&w, "loop").await), (13, vec![]));
}

#[tokio::test]
async fn of_automatic_mail_the_first_of_too_many_a_day_is_told() {
    let (mut w, to) = begun().await;
    w.mail(ANN, &to, "Auto-Submitted: auto-replied\r\n", "I am away.").await;
    for n in 1..=22 {
        w.mail(&format!("news{n}@elsewhere.test"), &to, BULK, &format!("News {n}")).await;
        assert_eq!(told(&w).await, 1 + n.min(20), "{n}");
    }
    assert_eq!((flagged(&w, "flood").await, flagged(&w, "loop").await), (vec![21, 22, 23], vec![]));
    w.mail(ANN, &to, "", "A person writes.").await;
    assert_eq!(told(&w).await, 22);
    later(&mut w, 24 * 60);
    w.mail("news@elsewhere.test", &to, BULK, "News of tomorrow").await;
    assert_eq!((told(&w).await, flagged(&w, "flood").await.len()), (23, 3));
}
