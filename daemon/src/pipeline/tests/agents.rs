//! Agents: answers, notes, commands, who hears what.

use std::sync::Arc;

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::desk::token::Purpose;
use crate::model::changes::{Changes, Fate};
use crate::model::refusal::Refusal;
use crate::model::ticket::{MessageKind, Status};
use crate::store::{AgentChange, Cmd, Outcome, Settled, Settlement};

#[tokio::test]
async fn an_answer_is_published_without_quote_and_signature() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let text = "Hello Ann,\n\npull the plug.\n\n-- \nJane, +49 30 123\n\nOn Sat, 21 Nov 2026, Ann via Acme wrote:\n> It burns.\n> Note (stays inside): x";
    let item = w.mail(JANES, &answer, "", text).await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Message, "answer"));
    let messages = w.messages(1).await;
    assert_eq!(
        (messages[1].kind, messages[1].public, messages[1].text.as_str()),
        (MessageKind::Agent, true, "Hello Ann,\n\npull the plug.")
    );
    let ticket = w.ticket(1).await;
    assert_eq!((ticket.status, ticket.assignee.unwrap().address.as_str()), (Status::Pending, "agent@desk.localhost"));
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost", "ack ann@customer.test", "answer ann@customer.test"]);
}

#[tokio::test]
async fn others_hear_once_that_somebody_has_it_and_then_nothing() {
    let w = World::new().await;
    w.agent("bob@agents.test", "Bob").await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", "Pull the plug.").await;
    w.mail(ANN, SUPPORT, "References: <m0@customer.test>\r\n", "I did.").await;
    let expected = [
        "notify agent@desk.localhost",
        "notify bob@agents.test",
        "ack ann@customer.test",
        "answer ann@customer.test",
        "taken bob@agents.test",
        "notify agent@desk.localhost",
    ];
    assert_eq!(w.outbox().await, expected);
}

#[tokio::test]
async fn a_note_stays_inside_by_address_anywhere_or_by_command() {
    let w = World::new().await;
    w.agent("bob@agents.test", "Bob").await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let before = w.outbox().await.len();
    let (answer, note) = (w.address(Purpose::Answer, JANE, 1).await, w.address(Purpose::Note, JANE, 1).await);
    w.mail(JANES, &note, "", "He is a liar.").await;
    w.mail(JANES, &answer, &format!("Cc: {note}\r\n"), "He is a liar, I say.").await;
    w.mail(JANES, &answer, "", "@note he is a liar, @Bob").await;
    let messages = w.messages(1).await;
    assert!(messages.iter().skip(1).all(|m| m.kind == MessageKind::Note && !m.public), "{messages:?}");
    assert_eq!(messages.len(), 4);
    assert_eq!(w.outbox().await.into_iter().skip(before).collect::<Vec<_>>(), ["notify bob@agents.test"]);
    assert_eq!(w.ticket(1).await.status, Status::Open);
}

#[tokio::test]
async fn commands_are_carried_out_taken_out_and_receipted() {
    let w = World::new().await;
    w.agent("bob@agents.test", "Bob").await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let item = w.mail(JANES, &answer, "", "@assign bob\n@priority high\n@tag fire, smoke\n@status on_hold").await;
    assert_eq!(item.reason, "commands");
    let t = w.ticket(1).await;
    assert_eq!(
        (t.assignee.unwrap().address.as_str(), t.priority.word(), t.tags.join(","), t.status),
        ("bob@agents.test", "high", "fire,smoke".into(), Status::OnHold)
    );
    let out = w.outbox().await;
    assert!(!out.iter().any(|o| o.starts_with("answer")), "{out:?}");
    assert_eq!(out.iter().filter(|o| *o == "receipt agent@desk.localhost" || *o == "taken bob@agents.test").count(), 2, "{out:?}");
}

#[tokio::test]
async fn an_agent_without_an_address_of_theirs_says_nothing_in_public() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let item = w.mail(JANES, SUPPORT, "References: <m0@customer.test>\r\n", "Pull the plug.").await;
    assert_eq!(item.reason, "note");
    let theirs = w.address(Purpose::Customer, w.person("ann@customer.test").await, 1).await;
    w.mail(JANES, &theirs, "", "Pull the plug now.").await;
    assert!(w.messages(1).await.iter().skip(1).all(|m| !m.public));
    assert_eq!(w.outbox().await.iter().filter(|o| o.starts_with("answer")).count(), 0);
    assert_eq!(w.outbox().await.iter().filter(|o| o.starts_with("receipt")).count(), 2);
}

#[tokio::test]
async fn an_agents_absence_is_never_published() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let item = w.mail(JANES, &answer, "Auto-Submitted: auto-replied\r\n", "@solve\nI am on holiday.").await;
    assert_eq!((item.fate, item.ticket.unwrap().0), (Fate::Automatic, 1));
    assert_eq!(w.ticket(1).await.status, Status::Open);
    assert_eq!(w.outbox().await.iter().filter(|o| o.starts_with("answer")).count(), 0);
}

#[tokio::test]
async fn a_failed_delivery_is_told_to_the_author_and_shown_on_the_ticket() {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(JANES, &answer, "", "Pull the plug.").await;
    let row = w.rows().await.into_iter().find(|o| o.kind.word() == "answer").unwrap();
    let bounce = w.address(Purpose::Bounce, row.recipient, row.id.0).await;
    let dsn = "From: MAILER-DAEMON@relay.test\r\nTo: x\r\nSubject: Undelivered\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n\r\n--b\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.test\r\n\r\nFinal-Recipient: rfc822; ann@customer.test\r\n\
        Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n";
    let item = w.raw("<>", &[&bounce], dsn.as_bytes()).await;
    assert_eq!((item.fate, item.reason.as_str(), item.ticket.unwrap().0), (Fate::Message, "bounce", 1));
    let messages = w.messages(1).await;
    assert_eq!(messages[2].kind, MessageKind::System);
    assert!(messages[2].text.contains("550 5.1.1 no such user"), "{}", messages[2].text);
    assert_eq!(w.outbox().await.last().unwrap(), "failed agent@desk.localhost");
}

#[tokio::test]
async fn who_works_here_is_kept_in_memory_until_it_changes() {
    let w = World::new().await;
    let (store, now) = (&w.opened.store, w.opened.clock.now());
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let ann = w.person("ann@customer.test").await;
    let refused = |person, version| {
        let refusals = vec![(person, Refusal { until: now + 9, reply: "550 no".into(), version, ..Refusal::default() })];
        Cmd::Commit(Box::new(Changes { at: now, refusals, ..Changes::default() }))
    };
    let commit = |changes| Cmd::Commit(Box::new(Changes { at: now, ..changes }));
    let (jane, anns) = ("agent@desk.localhost", "ann@customer.test");
    let change = |change| Cmd::ChangeAgent { address: jane.into(), change };
    let Outcome::Outbox(rows) = store.run(Cmd::ClaimOutbox { node: w.node, now: i64::MAX, limit: 9, away: Vec::new() }).await.unwrap()
    else {
        panic!("nothing waits")
    };
    let id = rows.iter().find(|row| row.recipient == JANE).unwrap().id;
    let changes = Changes { at: now, ..Changes::default() };
    let sent = Settlement { node: w.node, id, settled: Settled::Sent("250 ok".into()), straight: true, now, changes };
    let tried = |person| Cmd::TryRefused { person, mail: id, now };
    // Whether who works here is read anew after each of these, in their order.
    let steps = [
        (change(AgentChange::RevokeAddresses), true),
        (refused(JANE, 0), true),
        (tried(JANE), true),
        (Cmd::Settle(Box::new(sent)), true),
        (Cmd::LiftRefusal { key: jane.into(), now }, true),
        (refused(JANE, 0), true),
        (commit(Changes { alive: vec![JANE], ..Changes::default() }), true),
        (refused(JANE, 0), true),
        (Cmd::SweepRefusals { now: now + 182 * 86_400_000, limit: 10 }, true),
        (refused(ann, 0), false),
        (tried(ann), false),
        (Cmd::LiftRefusal { key: anns.into(), now }, false),
    ];
    for (cmd, is_read) in steps {
        let (before, said) = (store.staff().await.unwrap(), format!("{cmd:?}"));
        store.run(cmd).await.unwrap();
        let after = store.staff().await.unwrap();
        assert_eq!(Arc::ptr_eq(&before, &after), !is_read, "{said}");
        let fresh = store.persons(&[JANE]).await.unwrap();
        assert_eq!(after.person(JANE), fresh.first(), "{said}");
    }
}
