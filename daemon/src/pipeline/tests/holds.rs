//! What is held, who is told, and how it goes on.

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::config::Require;
use crate::desk::token::Purpose;
use crate::model::InboxId;
use crate::model::changes::Fate;
use crate::model::outgoing::MailKind;
use crate::store::read::TicketFilter;
use crate::store::{AgentChange, Cmd};

async fn world() -> (World, String) {
    let w = World::new().await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    (w, answer)
}

#[tokio::test]
async fn an_unclear_mail_is_held_told_and_let_through_once_as_it_stands() {
    let (w, answer) = world().await;
    let item = w.mail(JANES, &answer, "", "@ntoe he is a liar").await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "command_error"));
    assert!(item.detail.contains("did you mean @note"), "{}", item.detail);
    assert_eq!(w.outbox().await.last().unwrap(), "held agent@desk.localhost");
    let release = w.address(Purpose::Release, JANE, item.id.0).await;
    assert_eq!(w.mail("Eve <eve@evil.test>", &release, "", "yes").await.fate, Fate::Held);
    assert_eq!(w.mail(JANES, &release, "", "").await.reason, "release");
    assert_eq!(w.messages(1).await[1].text, "@ntoe he is a liar");
    assert_eq!(w.mail(JANES, &release, "", "again").await.reason, "release");
    assert_eq!(w.messages(1).await.len(), 2);
    assert_eq!(w.outbox().await.last().unwrap(), "receipt agent@desk.localhost");
}

#[tokio::test]
async fn a_dropped_mail_stays_in_the_inbox_list() {
    let (w, answer) = world().await;
    let item = w.mail(JANES, &answer, "", "@xyzzy").await;
    let drop = w.address(Purpose::Drop, JANE, item.id.0).await;
    w.mail(JANES, &drop, "", "").await;
    let item = w.opened.store.inbox_item(item.id).await.unwrap().unwrap();
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Automatic, "dropped"));
    assert_eq!(w.messages(1).await.len(), 1);
}

#[tokio::test]
async fn traces_of_the_notification_hold_an_answer() {
    let (w, answer) = world().await;
    let note = w.address(Purpose::Note, JANE, 1).await;
    for text in [format!("See below\nNote (stays inside): {note}\nbye"), format!("write to {answer} please")] {
        let item = w.mail(JANES, &answer, "", &text).await;
        assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "leak"), "{text}");
    }
    assert!(!w.outbox().await.iter().any(|o| o.starts_with("answer")));
}

#[tokio::test]
async fn what_looks_internal_waits_for_its_authors_word_and_a_signed_address_never_leaves() {
    let (w, _) = world().await;
    w.agent("bob@agents.test", "Bob Roe").await;
    let note = w.address(Purpose::Note, JANE, 1).await;
    let line = "She has not paid since March, and gets no discount any more.";
    w.mail(JANES, &note, "", line).await;
    for (text, why) in [
        ("Ask bob@agents.test, please.".to_owned(), "an address of Bob Roe is in it"),
        (format!("Hello,\n{line}\nBye"), "a line of an internal note is in it: She has not paid"),
    ] {
        let answer = w.address(Purpose::Answer, JANE, 1).await;
        let before = w.outbox().await.len();
        let item = w.mail(JANES, &answer, "", &text).await;
        assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "leak"), "{text}");
        assert!(item.detail.starts_with(why), "{}", item.detail);
        let release = w.address(Purpose::Release, JANE, item.id.0).await;
        w.mail(JANES, &release, "", "").await;
        let sent: Vec<_> = w.rows().await.into_iter().skip(before).filter(|row| row.kind == MailKind::Answer).collect();
        assert!(sent.len() == 1 && sent[0].params.vouched, "{sent:?}");
    }
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let before = w.outbox().await.iter().filter(|row| row.starts_with("answer")).count();
    let item = w.mail(JANES, &answer, "", &format!("Write to {answer}")).await;
    let release = w.address(Purpose::Release, JANE, item.id.0).await;
    w.mail(JANES, &release, "", "").await;
    let item = w.opened.store.inbox_item(item.id).await.unwrap().unwrap();
    assert_eq!((item.fate, item.reason.as_str(), item.detail.as_str()), (Fate::Held, "leak", crate::desk::inside::NEVER));
    assert_eq!(w.outbox().await.iter().filter(|row| row.starts_with("answer")).count(), before);
}

#[tokio::test]
async fn the_name_of_a_picture_is_looked_at_as_the_text_is() {
    let (w, answer) = world().await;
    w.agent("bob@agents.test", "Bob Roe").await;
    for (name, why) in [("bob@agents.test", "an address of Bob Roe is in it"), (answer.as_str(), crate::desk::inside::NEVER)] {
        let picture =
            format!("Content-Type: image/png; name=\"{name}\"\nContent-ID: <a>\nContent-Disposition: inline; filename=\"{name}\"\n\nx");
        // The words before it differ: it has no place in the text and stands below.
        let words =
            "--a\nContent-Type: text/plain\n\nOther words.\n--a\nContent-Type: text/html\n\n<p>Some words.</p><img src=\"cid:a\">\n--a--";
        let body = format!("--r\nContent-Type: multipart/alternative; boundary=a\n\n{words}\n--r\n{picture}\n--r--\n");
        let item = w.mail(JANES, &answer, "Content-Type: multipart/related; boundary=r\r\n", &body).await;
        assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "leak"), "{name}");
        assert!(item.detail.starts_with(why), "{}", item.detail);
    }
}

#[tokio::test]
async fn an_empty_answer_never_leaves() {
    let (w, answer) = world().await;
    let item = w.mail(JANES, &answer, "", "\n\nOn Sat, 21 Nov 2026 at 10:00, Ann wrote:\n> It burns.").await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "command_error"));
}

#[tokio::test]
async fn an_outdated_answer_is_held_and_a_newer_customer_mail_is_not_a_reason() {
    let (w, answer) = world().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    let bobs = w.address(Purpose::Answer, bob, 1).await;
    w.mail(ANN, SUPPORT, "References: <m0@customer.test>\r\n", "It still burns.").await;
    assert_eq!(w.mail("Bob <bob@agents.test>", &bobs, "", "Pull the plug.").await.reason, "answer");
    assert!(w.outbox().await.contains(&"receipt bob@agents.test".to_owned()));
    let item = w.mail(JANES, &answer, "", "Call the firemen.").await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "collision"));
    let fresh = w.address(Purpose::Answer, JANE, 1).await;
    assert_eq!(w.mail(JANES, &fresh, "", "Call the firemen, please.").await.reason, "answer");
}

#[tokio::test]
async fn without_a_proof_an_agents_mail_waits_for_their_word() {
    let w = World::with(|c| c.authentication.require = Require::Aligned).await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let item = w.mail(JANES, &answer, "", "Pull the plug.").await;
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "confirm"));
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost", "held agent@desk.localhost"]);
    let release = w.address(Purpose::Release, JANE, item.id.0).await;
    w.mail(JANES, &release, "", "yes").await;
    assert_eq!(w.outbox().await.last().unwrap(), "answer ann@customer.test");
}

#[tokio::test]
async fn an_agent_is_asked_about_no_more_than_thirty_mails_an_hour() {
    let w = World::with(|c| c.authentication.require = Require::Aligned).await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    for n in 0..32 {
        let item = w.mail(JANES, &answer, "", &format!("Pull plug {n}.")).await;
        assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "confirm"), "{n}");
    }
    assert_eq!(w.outbox().await.iter().filter(|mail| *mail == "held agent@desk.localhost").count(), 30);
    assert_eq!(w.opened.store.untold(10).await.unwrap().len(), 2, "the admins hear of the rest");
}

#[tokio::test]
async fn a_confirmed_mail_is_read_like_any_other() {
    let w = World::with(|c| c.authentication.require = Require::Aligned).await;
    w.mail(ANN, SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    let item = w.mail(JANES, &answer, "", "@note she is a liar").await;
    assert_eq!(item.reason, "confirm");
    let release = w.address(Purpose::Release, JANE, item.id.0).await;
    w.mail(JANES, &release, "", "yes").await;
    assert!(!w.messages(1).await[1].public, "a confirmed note is a note");
    // Each word lets one reason pass: what else is wrong still holds it.
    let item = w.mail(JANES, &answer, "", "@ntoe she is a liar").await;
    let release = w.address(Purpose::Release, JANE, item.id.0).await;
    w.mail(JANES, &release, "", "yes").await;
    let again = w.opened.store.inbox_item(item.id).await.unwrap().unwrap();
    assert_eq!((again.fate, again.reason.as_str()), (Fate::Held, "command_error"));
    w.mail(JANES, &release, "", "yes, yes").await;
    assert_eq!(w.messages(1).await[2].text, "@ntoe she is a liar");
}

#[tokio::test]
async fn whatever_is_held_for_the_admins_can_be_let_through() {
    let w = World::new().await;
    let two = w.mail("a@x.test\r\nFrom: b@y.test", SUPPORT, "", "hi").await;
    let own = w.mail("support@desk.localhost", SUPPORT, "", "hi there").await;
    for item in [two, own] {
        w.opened.store.run(Cmd::ReleaseInbox { id: item.id, by: None, door: "cli", now: 1 }).await.unwrap();
        w.decide_all().await;
        let item = w.opened.store.inbox_item(item.id).await.unwrap().unwrap();
        assert_eq!(item.fate, Fate::Ticket, "{item:?}");
    }
}

#[tokio::test]
async fn two_who_release_a_mail_make_one_ticket_and_the_second_is_told() {
    let w = World::new().await;
    let id = w.mail("support@desk.localhost", SUPPORT, "", "hi there").await.id;
    let release = |by| w.opened.store.run(Cmd::ReleaseInbox { id, by, door: "cli", now: 1 });
    let both = [release(None).await, release(Some(JANE)).await];
    let (first, second) = tokio::join!(release(None), release(Some(JANE)));
    let told: Vec<_> = both.into_iter().chain([first, second]).map(|done| done.map_err(|e| e.to_string()).err()).collect();
    let waits = Some(format!("mail {id} is not held; it was released before"));
    assert_eq!(told, [None, waits.clone(), waits.clone(), waits]);
    w.decide_all().await;
    let ticket = w.opened.store.inbox_item(id).await.unwrap().unwrap().ticket.unwrap();
    let late = release(None).await.unwrap_err().to_string();
    assert_eq!(late, format!("mail {id} is not held; it was released before and is on ticket #{ticket}"));
    w.decide_all().await;
    assert_eq!(w.opened.store.tickets(&TicketFilter { limit: 10, ..TicketFilter::default() }).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn our_own_address_two_authors_and_former_agents_are_held_for_the_admins() {
    let (w, _) = world().await;
    let bob = w.agent("bob@agents.test", "Bob").await;
    let bobs = w.address(Purpose::Answer, bob, 1).await;
    w.opened.store.run(Cmd::ChangeAgent { address: "bob@agents.test".into(), change: AgentChange::Disable }).await.unwrap();
    assert_eq!(w.mail("support@desk.localhost", SUPPORT, "", "hi").await.reason, "own");
    assert_eq!(w.mail("a@x.test\r\nFrom: b@y.test", SUPPORT, "", "hi").await.reason, "author");
    assert_eq!(w.mail("Bob <bob@agents.test>", &bobs, "", "hi").await.reason, "author");
    assert!(w.outbox().await.iter().all(|o| !o.starts_with("held")));
    assert_eq!(w.opened.store.untold(10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_group_in_from_is_a_ticket_of_the_envelope_sender_unverified() {
    let w = World::new().await;
    let raw = b"From: team: a@x.test, b@x.test;\r\nSubject: Hi\r\n\r\nHello\r\n";
    let item = w.raw("real@sender.test", &[SUPPORT], raw).await;
    assert_eq!(item.fate, Fate::Ticket);
    assert_eq!(w.ticket(1).await.requester.address, "real@sender.test");
    assert_eq!(w.messages(1).await[0].flags, ["unverified"]);
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost"]);
}

#[tokio::test]
async fn a_poison_mail_is_held_the_fourth_time() {
    let mut w = World::new().await;
    let id = w.accept(ANN, &[SUPPORT], b"From: ann@customer.test\r\nMessage-ID: <bad@x.test>\r\nSubject: Deep\r\n\r\nHi\r\n").await;
    for _ in 0..3 {
        assert_eq!(w.pipeline().claim(&mut false, Vec::new()).await.len(), 1);
        // The process died with it in hand.
        w.restart().await;
    }
    w.decide_all().await;
    let item = w.opened.store.inbox_item(id).await.unwrap().unwrap();
    assert_eq!((item.fate, item.reason.as_str()), (Fate::Held, "poison"));
    assert_eq!((item.message_id.as_deref(), item.subject.as_str()), (Some("bad@x.test"), "Deep"), "a person finds it");
    w.opened.store.run(Cmd::ReleaseInbox { id, by: None, door: "cli", now: 1 }).await.unwrap();
    w.decide_all().await;
    assert_eq!(w.opened.store.inbox_item(InboxId(1)).await.unwrap().unwrap().fate, Fate::Ticket);
}

#[tokio::test]
async fn a_suspect_is_claimed_alone() {
    let mut w = World::new().await;
    for text in ["a", "b", "c"] {
        w.accept(ANN, &[SUPPORT], format!("From: ann@customer.test\r\n\r\n{text}\r\n").as_bytes()).await;
    }
    assert_eq!(w.pipeline().claim(&mut false, Vec::new()).await.len(), 3);
    w.restart().await;
    for _ in 0..3 {
        assert_eq!(w.pipeline().claim(&mut false, Vec::new()).await.len(), 1);
    }
}

#[tokio::test]
async fn a_new_conversation_with_a_stranger_in_cc_waits_for_a_word() {
    let w = World::new().await;
    let desk = w.address(Purpose::Desk, JANE, 0).await;
    for (requester, cc, reason) in [
        ("cleo@customer.test", "bob@customer.test", "ticket"),
        ("cleo@customer.test", "eve@evil.test", "confirm"),
        ("cleo@gmail.com", "eve@gmail.com", "confirm"),
    ] {
        let item = w.mail(JANES, &desk, "", &format!("@new {requester}\n@cc add {cc}\nHello.")).await;
        assert_eq!(item.reason, reason, "{requester} {cc}: {}", item.detail);
    }
}
