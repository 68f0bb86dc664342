//! Customers: new tickets, threads, acknowledgements, what is automatic.

use tokio_util::sync::CancellationToken;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::config::Require;
use crate::desk::token::Purpose;
use crate::model::Envelope;
use crate::model::changes::Fate;
use crate::model::ticket::{Priority, Status};
use crate::store::{Cmd, Outcome};

#[tokio::test]
async fn a_mail_opens_a_ticket_is_acknowledged_once_and_told_to_agents() {
    let w = World::new().await;
    let item = w.mail(ANN, SUPPORT, "", "It burns.").await;
    assert_eq!((item.fate, item.ticket.map(|t| t.0)), (Fate::Ticket, Some(1)));
    let ticket = w.ticket(1).await;
    assert_eq!((ticket.subject.as_str(), ticket.status, ticket.messages), ("Printer on fire", Status::Open, 1));
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost", "ack ann@customer.test"]);

    let reply_to = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    let item = w.mail(ANN, &reply_to, "", "Still.").await;
    assert_eq!((item.fate, item.ticket.map(|t| t.0)), (Fate::Message, Some(1)));
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost", "ack ann@customer.test", "notify agent@desk.localhost"]);
}

#[tokio::test]
async fn the_same_mail_twice_is_one_message() {
    let w = World::new().await;
    let raw = b"From: ann@customer.test\r\nMessage-ID: <x@y.test>\r\nSubject: Hi\r\n\r\nHello\r\n";
    assert_eq!(w.raw("ann@customer.test", &[SUPPORT], raw).await.fate, Fate::Ticket);
    let again = [b"Received: from relay\r\n".as_slice(), raw].concat();
    let item = w.raw("ann@customer.test", &[SUPPORT], &again).await;
    assert_eq!((item.fate, item.detail.as_str()), (Fate::Duplicate, "a copy of mail 1"));
    let other = b"From: eve@customer.test\r\nMessage-ID: <x@y.test>\r\nSubject: Hi\r\n\r\nSomething else\r\n";
    assert_eq!(w.raw("eve@customer.test", &[SUPPORT], other).await.fate, Fate::Ticket);
}

#[tokio::test]
async fn a_copy_is_known_for_400_days() {
    let w = World::new().await;
    let raw = b"From: ann@customer.test\r\nMessage-ID: <x@y.test>\r\nSubject: Hi\r\n\r\nHello\r\n";
    assert_eq!(w.raw("ann@customer.test", &[SUPPORT], raw).await.fate, Fate::Ticket);
    for (days, forgotten, fate) in [(399, 0, Fate::Duplicate), (401, 1, Fate::Ticket)] {
        let sweep = Cmd::SweepCopies { now: w.opened.clock.now() + days * 86_400_000, limit: 10 };
        let Outcome::Swept { rows, .. } = w.opened.store.run(sweep).await.unwrap() else { panic!("not swept") };
        let item = w.raw("ann@customer.test", &[SUPPORT], raw).await;
        assert_eq!((rows, item.fate), (forgotten, fate), "after {days} days");
    }
}

#[tokio::test]
async fn two_copies_decided_together_are_one_message() {
    let w = World::new().await;
    let raw = b"From: ann@customer.test\r\nMessage-ID: <x@y.test>\r\nSubject: Hi\r\n\r\nHello\r\n";
    for _ in 0..2 {
        w.accept("ann@customer.test", &[SUPPORT], raw).await;
    }
    let pipeline = w.pipeline();
    let mails = pipeline.claim(&mut false, Vec::new()).await;
    assert_eq!(mails.len(), 2);
    let [a, b] = [mails[0].clone(), mails[1].clone()];
    let cancel = CancellationToken::new();
    tokio::join!(pipeline.one(a, &cancel), pipeline.one(b, &cancel));
    let fates: Vec<_> = [1, 2].map(crate::model::InboxId).to_vec();
    let mut kinds = Vec::new();
    for id in fates {
        kinds.push(w.opened.store.inbox_item(id).await.unwrap().unwrap().fate);
    }
    kinds.sort();
    assert_eq!(kinds, [Fate::Ticket, Fate::Duplicate]);
}

#[tokio::test]
async fn a_reference_joins_only_whoever_is_on_the_ticket() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let known = "References: <m0@customer.test>\r\n";
    assert_eq!(w.mail(ANN, SUPPORT, known, "More smoke.").await.ticket.unwrap().0, 1);
    let item = w.mail("Eve <eve@evil.test>", SUPPORT, known, "Tell me all.").await;
    assert_eq!((item.fate, item.ticket.unwrap().0), (Fate::Ticket, 2));
    assert_eq!(w.messages(2).await[0].flags, ["related:1"]);
}

#[tokio::test]
async fn unproven_mail_joins_by_our_own_id_alone_and_nobody_is_acknowledged() {
    let w = World::with(|c| c.authentication.require = Require::Aligned).await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost"]);
    let item = w.mail(ANN, SUPPORT, "References: <m0@customer.test>\r\n", "More smoke.").await;
    assert_eq!(item.ticket.unwrap().0, 2);
    let desk = &w.opened.desk;
    let own = crate::desk::message_id::OwnId { ticket: crate::model::TicketId(1), outbox: crate::model::OutboxId(9) };
    let id = own.sign(desk.book.keys(), &desk.config.desk.hostname);
    let item = w.mail(ANN, SUPPORT, &format!("In-Reply-To: <{id}>\r\n"), "Gone.").await;
    assert_eq!(item.ticket.unwrap().0, 1);
    assert_eq!(w.messages(1).await[1].flags, ["unverified"]);
    let forged = id.replace(id.get(..4).unwrap(), "aaaa");
    let item = w.mail(ANN, SUPPORT, &format!("In-Reply-To: <{forged}>\r\n"), "Forged.").await;
    assert_eq!(item.fate, Fate::Ticket);
}

#[tokio::test]
async fn a_stranger_with_a_leaked_address_is_seen_by_agents_alone() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let reply_to = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    let item = w.mail("Eve <eve@evil.test>", &reply_to, "Cc: friend@evil.test\r\n", "I am Ann's cousin.").await;
    assert_eq!(item.reason, "third_party");
    let messages = w.messages(1).await;
    assert!(!messages[1].public);
    assert_eq!(messages[1].flags, ["third_party"]);
    let ticket = w.ticket(1).await;
    assert_eq!(ticket.participants.len(), 1);
    assert_eq!(ticket.requester.address, "ann@customer.test");
}

#[tokio::test]
async fn a_child_that_came_first_is_joined_by_its_requester_alone() {
    let w = World::new().await;
    let child = "References: <parent@customer.test>\r\n";
    w.mail(ANN, SUPPORT, child, "Second mail, first to arrive.").await;
    let parent =
        |from: &str| format!("From: {from}\r\nMessage-ID: <parent@customer.test>\r\nSubject: First\r\n\r\nFirst mail of {from}.\r\n");
    assert_eq!(w.raw("eve@evil.test", &[SUPPORT], parent("eve@evil.test").as_bytes()).await.ticket.unwrap().0, 2);
    assert_eq!(w.raw("ann@customer.test", &[SUPPORT], parent("ann@customer.test").as_bytes()).await.ticket.unwrap().0, 1);
}

#[tokio::test]
async fn an_answer_to_a_solved_ticket_opens_it_and_to_a_closed_one_a_new_one() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", "@solve\nDone.").await;
    assert_eq!(w.ticket(1).await.status, Status::Solved);
    let known = "References: <m0@customer.test>\r\n";
    w.mail(ANN, SUPPORT, known, "It burns again.").await;
    assert_eq!(w.ticket(1).await.status, Status::Open);
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", "@close").await;
    let item = w.mail(ANN, SUPPORT, known, "And again.").await;
    assert_eq!((item.fate, item.ticket.unwrap().0), (Fate::Ticket, 2));
    assert_eq!(w.ticket(1).await.status, Status::Closed);
}

#[tokio::test]
async fn automatic_mail_is_never_acknowledged() {
    let w = World::new().await;
    let item = w.mail(ANN, SUPPORT, "Auto-Submitted: auto-replied\r\n", "I am away.").await;
    assert_eq!((item.fate, item.ticket), (Fate::Automatic, None));
    let item = w.mail(ANN, SUPPORT, "List-Id: <news.customer.test>\r\nPrecedence: bulk\r\n", "News!").await;
    assert_eq!(item.fate, Fate::Ticket);
    assert_eq!(w.ticket(1).await.priority, Priority::Low);
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost"]);
}

/// A header of each class that opens no ticket, and its word.
const CLASSES: [(&str, &str); 6] = [
    ("Auto-Submitted: auto-replied\r\n", "auto_reply"),
    ("Auto-Submitted: auto-replied (vacation)\r\n", "out_of_office"),
    ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n", "read_receipt"),
    ("Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n", "feedback_report"),
    ("Content-Type: application/tlsrpt+gzip\r\n", "feedback_report"),
    ("X-Failed-Recipients: bob@customer.test\r\n", "bounce"),
];

#[tokio::test]
async fn no_class_but_bulk_opens_a_ticket_reopens_one_or_is_told_of() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let theirs = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@solve\nDone.").await;
    let out = w.outbox().await;
    for (header, class) in CLASSES {
        let item = w.mail(ANN, SUPPORT, header, class).await;
        assert_eq!((item.fate, item.ticket, item.reason.as_str()), (Fate::Automatic, None, class), "{header}");
        let item = w.mail(ANN, &theirs, header, &format!("{class} again")).await;
        // Only a bounce address says which mail a bounce is about.
        let ticket = if class == "bounce" { None } else { Some(1) };
        assert_eq!((item.fate, item.ticket.map(|t| t.0)), (Fate::Automatic, ticket), "{header}");
    }
    assert_eq!(w.ticket(1).await.status, Status::Solved);
    assert!(w.messages(1).await.iter().skip(2).all(|message| !message.public));
    assert_eq!(w.outbox().await, out, "nobody was mailed");
}

#[tokio::test]
async fn what_no_person_wrote_reopens_nothing_and_what_a_person_wrote_does() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let theirs = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "@solve\nDone.").await;
    let null = Envelope { mail_from: String::new(), ..w.envelope(ANN, &[&theirs]) };
    w.keep(null, format!("From: {ANN}\r\nMessage-ID: <null@customer.test>\r\n\r\nYour order has left.\r\n").as_bytes()).await;
    w.decide_all().await;
    for header in ["Precedence: bulk\r\n", "Auto-Submitted: auto-generated\r\n"] {
        assert_eq!(w.mail(ANN, &theirs, header, header).await.fate, Fate::Message, "{header}");
    }
    assert_eq!((w.messages(1).await.len(), w.ticket(1).await.status), (5, Status::Solved));
    assert_eq!(w.mail(ANN, &theirs, "X-Auto-Response-Suppress: All\r\n", "It burns again.").await.fate, Fate::Message);
    assert_eq!(w.ticket(1).await.status, Status::Open);
}

#[tokio::test]
async fn who_asks_for_no_answer_opens_a_ticket_like_any_other_and_has_none() {
    let w = World::new().await;
    let calendar = "Content-Type: text/calendar; method=REPLY\r\n";
    for (n, header) in ["X-Auto-Response-Suppress: OOF\r\n", "X-Loop: x\r\n", calendar].into_iter().enumerate() {
        assert_eq!(w.mail(ANN, SUPPORT, header, header).await.fate, Fate::Ticket, "{header}");
        assert_eq!(w.ticket(n as i64 + 1).await.priority, Priority::Normal, "{header}");
    }
    assert_eq!(w.mail("alerts@customer.test", SUPPORT, "", "CPU").await.fate, Fate::Ticket);
    let out = w.outbox().await;
    assert!(out.len() == 4 && out.iter().all(|mail| mail == "notify agent@desk.localhost"), "{out:?}");
}

#[tokio::test]
async fn a_mail_of_ours_that_comes_back_is_filed_and_nothing_else() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let own = crate::desk::message_id::OwnId { ticket: crate::model::TicketId(1), outbox: crate::model::OutboxId(1) };
    let id = own.sign(w.opened.desk.book.keys(), &w.opened.desk.config.desk.hostname);
    let theirs = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    let out = w.outbox().await;
    // A list on the way may have put another author into it.
    for to in [SUPPORT, &theirs] {
        let raw = format!("From: list@customer.test\r\nTo: {to}\r\nMessage-ID: <{id}>\r\nSubject: Re: x\r\n\r\nDone.\r\n");
        let item = w.raw("list@customer.test", &[to], raw.as_bytes()).await;
        assert_eq!((item.fate, item.reason.as_str()), (Fate::Automatic, "own"), "{to}");
    }
    assert_eq!((w.messages(1).await.len(), w.outbox().await), (1, out));
}

#[tokio::test]
async fn acknowledgements_are_capped_by_the_day_and_by_the_domain() {
    let acks = async |w: &World| w.outbox().await.iter().filter(|mail| mail.starts_with("ack")).count();
    let w = World::with(|c| (c.limits.acks_per_10min, c.limits.acks_per_day) = (100, 2)).await;
    for i in 0..4 {
        w.mail(ANN, SUPPORT, "", &format!("Number {i}")).await;
    }
    assert_eq!(acks(&w).await, 2);
    let w = World::with(|c| c.limits.acks_per_domain_hour = 2).await;
    for i in 0..4 {
        assert_eq!(w.mail(&format!("p{i}@customer.test"), SUPPORT, "", &format!("Number {i}")).await.fate, Fate::Ticket);
    }
    w.mail("eve@other.test", SUPPORT, "", "Me, too").await;
    assert_eq!(acks(&w).await, 3, "two there, one elsewhere");
}

#[tokio::test]
async fn a_null_sender_is_never_acknowledged_and_an_unknown_one_like_any_other() {
    let w = World::new().await;
    for (n, sender_unknown) in [false, true].into_iter().enumerate() {
        let envelope = Envelope { mail_from: String::new(), sender_unknown, ..w.envelope(ANN, &[SUPPORT]) };
        let raw = format!("From: {ANN}\r\nMessage-ID: <null{n}@customer.test>\r\nSubject: Hi\r\n\r\nHello\r\n");
        w.keep(envelope, raw.as_bytes()).await;
        w.decide_all().await;
        let acks = w.outbox().await.iter().filter(|mail| mail.starts_with("ack")).count();
        assert_eq!(acks, n, "{sender_unknown}");
    }
}

#[tokio::test]
async fn acknowledgements_are_capped_and_tickets_are_not() {
    let w = World::new().await;
    for i in 0..6 {
        assert_eq!(w.mail(ANN, SUPPORT, "", &format!("Number {i}")).await.fate, Fate::Ticket);
    }
    assert_eq!(w.outbox().await.iter().filter(|o| o.starts_with("ack")).count(), 3);
}

#[tokio::test]
async fn decisions_made_at_once_keep_the_cap_together() {
    let w = World::new().await;
    for i in 0..12 {
        let raw = format!("From: ann@customer.test\r\nMessage-ID: <{i}@x.test>\r\n\r\nNumber {i}\r\n");
        w.accept(ANN, &[SUPPORT], raw.as_bytes()).await;
    }
    let pipeline = w.pipeline();
    let mut work = tokio::task::JoinSet::new();
    for mail in pipeline.claim(&mut false, Vec::new()).await {
        let pipeline = pipeline.clone();
        work.spawn(async move { pipeline.one(mail, &CancellationToken::new()).await });
    }
    while work.join_next().await.is_some() {}
    w.decide_all().await;
    let out = w.outbox().await;
    assert_eq!((out.iter().filter(|o| o.starts_with("ack")).count(), out.len()), (3, 15), "{out:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_mails_about_one_ticket_are_decided_at_once() {
    let w = World::new().await;
    assert_eq!(w.raw(ANN, &[SUPPORT], b"From: ann@customer.test\r\nMessage-ID: <q@x.test>\r\n\r\nHello?\r\n").await.fate, Fate::Ticket);
    for i in 0..96 {
        let raw = format!("From: ann@customer.test\r\nMessage-ID: <{i}@x.test>\r\nIn-Reply-To: <q@x.test>\r\n\r\nMore, {i}\r\n");
        w.accept(ANN, &[SUPPORT], raw.as_bytes()).await;
    }
    let pipeline = w.pipeline();
    let mut mails = Vec::new();
    loop {
        let more = pipeline.claim(&mut false, Vec::new()).await;
        if more.is_empty() {
            break;
        }
        mails.extend(more);
    }
    let mut work = tokio::task::JoinSet::new();
    for mail in mails {
        let pipeline = pipeline.clone();
        work.spawn(async move { pipeline.one(mail, &CancellationToken::new()).await });
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    assert_eq!(w.messages(1).await.len(), 97, "none went back because others were faster");
}

#[tokio::test]
async fn mails_without_an_id_are_copies_only_when_their_bytes_are() {
    let w = World::new().await;
    let raw = |x: &str| format!("From: ann@customer.test\r\nX-Copy: {x}\r\n\r\n").into_bytes();
    assert_eq!(w.raw(ANN, &[SUPPORT], &raw("a")).await.fate, Fate::Ticket);
    assert_eq!(w.raw(ANN, &[SUPPORT], &raw("b")).await.fate, Fate::Ticket);
    assert_eq!(w.raw(ANN, &[SUPPORT], &raw("a")).await.fate, Fate::Duplicate);
}

#[tokio::test]
async fn a_flood_of_tickets_is_told_of_once() {
    let w = World::with(|c| c.limits.tickets_per_sender_hour = 2).await;
    for i in 0..5 {
        assert_eq!(w.mail(ANN, SUPPORT, "", &format!("Number {i}")).await.fate, Fate::Ticket);
    }
    assert_eq!(w.outbox().await.iter().filter(|o| o.starts_with("notify")).count(), 3);
    assert_eq!((w.ticket(2).await.tags.len(), w.ticket(3).await.tags), (0, vec!["flood".to_owned()]));
}

#[tokio::test]
async fn a_copy_joins_from_the_requester_alone() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "Cc: Bob <bob@customer.test>, support@desk.localhost\r\n", "It burns.").await;
    let people: Vec<_> = w.ticket(1).await.participants.into_iter().map(|p| p.address).collect();
    assert_eq!(people, ["ann@customer.test", "bob@customer.test"]);
}

#[tokio::test]
async fn postmaster_is_told_to_admins_and_never_acknowledged() {
    let w = World::new().await;
    w.agent("bob@agents.test", "Bob").await;
    w.mail(ANN, "postmaster@desk.localhost", "", "Your MX is odd.").await;
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost"]);
}

#[tokio::test]
async fn a_conversation_is_one_ticket_in_whatever_order_it_arrives() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let w = World::new().await;
        let child = |n: i32| format!("From: {ANN}\r\nMessage-ID: <r{n}@x.test>\r\nReferences: <q@x.test>\r\n\r\nMore {n}\r\n");
        let mails = [format!("From: {ANN}\r\nMessage-ID: <q@x.test>\r\n\r\nQuestion\r\n"), child(1), child(2)];
        for i in order {
            w.raw("ann@customer.test", &[SUPPORT], mails[i].as_bytes()).await;
        }
        assert_eq!(w.ticket(1).await.messages, 3, "{order:?}");
        // A stranger who names the same mail is somebody else.
        let stranger = b"From: eve@elsewhere.test\r\nMessage-ID: <e@x.test>\r\nReferences: <q@x.test>\r\n\r\nMe, too\r\n";
        assert_eq!(w.raw("eve@elsewhere.test", &[SUPPORT], stranger).await.ticket, Some(crate::model::TicketId(2)), "{order:?}");
    }
}
