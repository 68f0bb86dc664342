//! What a review found once: each of these was wrong.

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::config::{AutoAck, Require};
use crate::desk::token::Purpose;
use crate::model::changes::Fate;
use crate::model::ticket::{MessageKind, Role};
use crate::store::{AgentChange, Cmd, NewAgent};

async fn world() -> (World, String) {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "Cc: Bob <bob@customer.test>\r\n", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    (w, answer)
}

fn to(out: &[String], address: &str) -> usize {
    out.iter().filter(|o| o.ends_with(address)).count()
}

#[tokio::test]
async fn whoever_is_taken_off_does_not_get_that_mail() {
    let (w, answer) = world().await;
    w.mail(JANES, &answer, "", "@cc remove bob@customer.test\nThe password is x").await;
    let out = w.outbox().await;
    assert_eq!((to(&out, "bob@customer.test"), to(&out, "answer ann@customer.test")), (0, 1), "{out:?}");
    w.mail(JANES, &answer, "", "@cc add bob@customer.test").await;
    assert_eq!(w.ticket(1).await.participants.len(), 2);
}

#[tokio::test]
async fn a_remark_beside_spam_stays_inside() {
    let (w, answer) = world().await;
    w.mail(JANES, &answer, "", "@spam\nobvious phishing").await;
    assert!(!w.outbox().await.iter().any(|o| o.starts_with("answer")));
    assert_eq!(w.messages(1).await[1].kind, MessageKind::Note);
    assert_eq!(w.mail(ANN, SUPPORT, "", "again").await.reason, "spam");
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", "@reopen").await;
    assert_eq!(w.mail(ANN, SUPPORT, "", "once more").await.fate, Fate::Ticket);
}

#[tokio::test]
async fn a_closed_ticket_is_not_taken_over() {
    let (w, answer) = world().await;
    w.mail(JANES, &answer, "", "@close").await;
    let theirs = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    let item = w.mail("Eve <eve@evil.test>", &theirs, "", "go on please").await;
    assert_eq!((item.reason.as_str(), item.ticket.unwrap().0), ("third_party", 1));
    let item = w.mail("Bob <bob@customer.test>", SUPPORT, "References: <m0@customer.test>\r\n", "and?").await;
    assert_eq!((item.fate, item.ticket.unwrap().0), (Fate::Ticket, 2));
    let t = w.ticket(2).await;
    let people: Vec<_> = t.participants.iter().map(|p| p.address.as_str()).collect();
    assert_eq!((t.requester.address.as_str(), people), ("bob@customer.test", vec!["ann@customer.test", "bob@customer.test"]));
    // What comes next on the closed one goes on where it was continued.
    let item = w.mail(ANN, SUPPORT, "References: <m0@customer.test>\r\n", "and me?").await;
    assert_eq!((item.fate, item.ticket.unwrap().0), (Fate::Message, 2));
}

#[tokio::test]
async fn a_mail_to_a_closed_ticket_is_one_message_however_often_it_comes() {
    let (w, answer) = world().await;
    w.mail(JANES, &answer, "", "@close").await;
    let theirs = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    let raw = b"From: ann@customer.test\r\nMessage-ID: <x@y.test>\r\nSubject: Hi\r\n\r\nHello\r\n";
    assert_eq!(w.raw("ann@customer.test", &[&theirs], raw).await.fate, Fate::Ticket);
    for _ in 0..2 {
        assert_eq!(w.raw("ann@customer.test", &[&theirs], raw).await.fate, Fate::Duplicate);
    }
}

#[tokio::test]
async fn the_strongest_address_acts_in_whatever_order_a_relay_splits() {
    let (w, answer) = world().await;
    let raw = format!(
        "From: agent@desk.localhost\r\nTo: {answer}\r\nCc: {SUPPORT}\r\nMessage-ID: <x@y.test>\r\nSubject: Hi\r\n\r\nPull the plug\r\n"
    );
    assert_eq!(w.raw("agent@desk.localhost", &[SUPPORT], raw.as_bytes()).await.reason, "answer");
    assert_eq!(w.raw("agent@desk.localhost", &[&answer], raw.as_bytes()).await.fate, Fate::Duplicate);
    assert_eq!(w.outbox().await.iter().filter(|o| *o == "answer ann@customer.test").count(), 1);
}

#[tokio::test]
async fn a_mail_to_our_envelope_sender_finds_its_ticket() {
    let (w, _) = world().await;
    let row = w.rows().await.into_iter().find(|o| o.kind.word() == "ack").unwrap();
    let bounce = w.address(Purpose::Bounce, row.recipient, row.id.0).await;
    let item = w.mail(ANN, &bounce, "", "Here is my serial number.").await;
    assert_eq!((item.fate, item.ticket.unwrap().0), (Fate::Message, 1));
    let item = w.mail(ANN, &bounce, "Auto-Submitted: auto-replied\r\n", "Out of office.").await;
    assert_eq!((item.fate, item.ticket.unwrap().0), (Fate::Automatic, 1));
}

#[tokio::test]
async fn a_ticket_about_a_vacation_is_answered_by_people() {
    let w = World::new().await;
    let first = b"From: ann@customer.test\r\nMessage-ID: <x@y.test>\r\nSubject: Vacation request portal broken\r\n\r\nHello\r\n";
    w.raw("ann@customer.test", &[SUPPORT], first).await;
    let next = b"From: ann@customer.test\r\nMessage-ID: <z@y.test>\r\nReferences: <x@y.test>\r\nSubject: Re: Vacation request portal broken\r\n\r\nYes, it is still broken, please help.\r\n";
    assert_eq!(w.raw("ann@customer.test", &[SUPPORT], next).await.fate, Fate::Message);
}

#[tokio::test]
async fn a_digest_tells_of_everything_in_the_end() {
    let w = World::new().await;
    for i in 0..130 {
        w.mail("support@desk.localhost", SUPPORT, "", &format!("n{i}")).await;
    }
    for day in 1..=3 {
        let now = w.opened.clock.now() + 86_400_000 * day;
        for timer in w.opened.store.due_timers(now, 200).await.unwrap() {
            let untold = w.opened.store.untold(crate::desk::timers::DIGEST_LINES).await.unwrap();
            w.opened.store.settle(|facts| crate::desk::timers::fire(&w.opened.desk, &timer, &untold, facts, now)).await.unwrap();
        }
    }
    assert!(w.opened.store.untold(1_000).await.unwrap().is_empty());
    assert_eq!(to(&w.outbox().await, "digest agent@desk.localhost"), 2);
    assert!(w.opened.store.due_timers(i64::MAX, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_alias_of_a_colleague_is_refused_and_one_of_a_customer_wins() {
    let w = World::new().await;
    w.mail("Jo <jo@home.test>", SUPPORT, "", "It burns.").await;
    let agent = |alias: &str| {
        let (aliases, settings) = (vec![alias.to_owned()], Default::default());
        Cmd::AddAgent(Box::new(NewAgent {
            address: "jo@work.test".into(),
            name: "Jo".into(),
            role: Role::Agent,
            aliases,
            settings,
            now: 1,
        }))
    };
    assert!(w.opened.store.run(agent("agent@desk.localhost")).await.is_err());
    assert_eq!(w.person("agent@desk.localhost").await, JANE);
    w.opened.store.run(agent("jo@home.test")).await.unwrap();
    assert_eq!(w.person("jo@home.test").await, w.person("jo@work.test").await);
}

#[tokio::test]
async fn an_own_assignment_holds_nothing_and_the_new_owner_sees_the_note() {
    let (w, answer) = world().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    w.mail(JANES, &answer, "", "@assign bob\n@note look at the cable").await;
    assert!(w.outbox().await.contains(&"notify bob@agents.test".to_owned()));
    let fresh = w.address(Purpose::Answer, JANE, 1).await;
    for (address, text) in [(&answer, "One more thing."), (&fresh, "And another.")] {
        assert_eq!(w.mail(JANES, address, "", text).await.reason, "answer", "{text}");
    }
    let theirs = w.address(Purpose::Answer, bob, 1).await;
    w.mail("Bob <bob@agents.test>", &theirs, "", "@assign nobody").await;
    let carol = w.agent("carol@agents.test", "Carol").await;
    let carols = w.address(Purpose::Answer, carol, 1).await;
    w.mail("Bob <bob@agents.test>", &theirs, "", "@assign bob").await;
    let item = w.mail("Carol <carol@agents.test>", &carols, "", "Hello from me.").await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "collision"));
    let later = w.address(Purpose::Answer, carol, 1).await;
    assert_eq!(w.mail("Carol <carol@agents.test>", &later, "", "Hello again.").await.reason, "answer");
}

#[tokio::test]
async fn a_stranger_in_bulk_is_still_a_stranger() {
    let (w, _) = world().await;
    let theirs = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    w.mail("Eve <eve@evil.test>", &theirs, "Precedence: bulk\r\n", "I am Ann").await;
    let message = w.messages(1).await.pop().unwrap();
    assert!(!message.public && message.flags.contains(&"third_party".to_owned()), "{message:?}");
}

#[tokio::test]
async fn auto_ack_always_is_always() {
    let change = |c: &mut crate::config::Config| {
        c.authentication.require = Require::Aligned;
        c.mailboxes.iter_mut().for_each(|m| m.auto_ack = AutoAck::Always);
    };
    let w = World::with(change).await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    assert!(w.outbox().await.contains(&"ack ann@customer.test".to_owned()));
}

#[tokio::test]
async fn every_held_mail_has_a_way_on() {
    let (w, answer) = world().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    let bobs = w.address(Purpose::Answer, bob, 1).await;
    let desk = w.address(Purpose::Desk, JANE, 0).await;
    w.opened.store.run(Cmd::ChangeAgent { address: "bob@agents.test".into(), change: AgentChange::Disable }).await.unwrap();
    let former = w.mail("Bob <bob@agents.test>", &bobs, "", "hi").await;
    let revoked = w.mail(ANN, &bobs, "", "my answer to bob").await;
    let empty = w.mail(JANES, &answer, "", "").await;
    let unclear = w.mail(JANES, &answer, "", "@note she is rude\n@xyzzy").await;
    let nobodys = w.mail(JANES, &desk, "", "@ticket 1").await;
    for item in [&former, &revoked, &empty, &unclear, &nobodys] {
        assert_eq!(item.fate, Fate::Held, "{item:?}");
        w.opened.store.run(Cmd::ReleaseInbox { id: item.id, by: None, door: "cli", now: 1 }).await.unwrap();
        w.decide_all().await;
        let item = w.opened.store.inbox_item(item.id).await.unwrap().unwrap();
        assert_eq!(item.fate, Fate::Message, "{item:?}");
    }
    let out = w.outbox().await;
    assert!(!out.iter().any(|o| o.starts_with("answer")), "{out:?}");
}

#[tokio::test]
async fn an_unproven_agents_words_are_never_the_customers() {
    let w = World::with(|c| c.authentication.require = Require::Aligned).await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let desk = &w.opened.desk;
    let own = crate::desk::message_id::OwnId { ticket: crate::model::TicketId(1), outbox: crate::model::OutboxId(1) };
    let id = own.sign(desk.book.keys(), &desk.config.desk.hostname);
    w.mail(JANES, SUPPORT, &format!("References: <{id}>\r\n"), "She is rude.").await;
    assert!(!w.messages(1).await[1].public);
}

#[tokio::test]
async fn a_whole_mail_does_not_leave_with_an_answer() {
    let (w, answer) = world().await;
    let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";
    let text = "--b\r\n\r\nSee there.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: [#1] x\r\n\r\nNote (stays inside): y\r\n--b--";
    let item = w.mail(JANES, &answer, mixed, &text.replace("\r\n", "\n")).await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "leak"));
}

#[tokio::test]
async fn words_that_nothing_marks_as_a_quote_are_not_cut_silently() {
    let (w, answer) = world().await;
    let text = "Hello Ann,\n\nas our shop wrote to ann@customer.test on 20 Nov 2026:\nplease send the printer back.\n\nBye";
    let item = w.mail(JANES, &answer, "", text).await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "near_miss"), "{}", item.detail);
    let release = w.address(Purpose::Release, JANE, item.id.0).await;
    w.mail(JANES, &release, "", "").await;
    assert!(w.messages(1).await[1].text.contains("send the printer back"), "{:?}", w.messages(1).await[1].text);
}
