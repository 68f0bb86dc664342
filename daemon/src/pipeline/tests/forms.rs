//! Contact forms: whose words they are, and what they may not do.

use super::world::{JANE, SUPPORT, World};
use crate::config::{AutoAck, Config, Require};
use crate::desk::token::Purpose;
use crate::model::changes::Fate;
use crate::model::ticket::Priority;

const FORM: &str = "Web shop <web@shop.test>";
const VISITOR: &str = "Reply-To: Vera <vera@visitor.test>\r\nAuto-Submitted: auto-generated\r\n";

fn with_form(config: &mut Config) {
    config.mailboxes.iter_mut().for_each(|m| m.forms = vec!["web@shop.test".into()]);
}

/// Who asks on ticket 1, and what its first message is marked with.
async fn asked(w: &World) -> (String, Vec<String>) {
    let requester = w.ticket(1).await.requester.address;
    (requester, w.messages(1).await.swap_remove(0).flags)
}

#[tokio::test]
async fn the_visitor_is_the_author_unverified_and_hears_nothing_of_it() {
    let w = World::with(with_form).await;
    assert_eq!(w.mail(FORM, SUPPORT, VISITOR, "Do you ship to Malta?").await.fate, Fate::Ticket);
    assert_eq!(asked(&w).await, ("vera@visitor.test".to_owned(), vec!["unverified".to_owned()]));
    assert_eq!(w.ticket(1).await.priority, Priority::Normal);
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost"]);
}

#[tokio::test]
async fn forms_ack_acknowledges_the_visitor() {
    let w = World::with(|c| {
        with_form(c);
        c.mailboxes.iter_mut().for_each(|m| m.forms_ack = true);
    })
    .await;
    w.mail(FORM, SUPPORT, VISITOR, "Do you ship to Malta?").await;
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost", "ack vera@visitor.test"]);
}

#[tokio::test]
async fn auto_ack_never_is_never_for_forms_too() {
    let w = World::with(|c| {
        with_form(c);
        c.mailboxes.iter_mut().for_each(|m| (m.forms_ack, m.auto_ack) = (true, AutoAck::Never));
    })
    .await;
    w.mail(FORM, SUPPORT, VISITOR, "Do you ship to Malta?").await;
    assert_eq!(w.outbox().await, ["notify agent@desk.localhost"]);
}

#[tokio::test]
async fn a_forged_form_speaks_for_nobody() {
    let w = World::with(|c| {
        with_form(c);
        c.authentication.require = Require::Aligned;
    })
    .await;
    w.mail(FORM, SUPPORT, "Reply-To: vera@visitor.test\r\n", "Do you ship to Malta?").await;
    assert_eq!(asked(&w).await.0, "web@shop.test");
}

#[tokio::test]
async fn who_cannot_be_answered_is_no_visitor() {
    for reply_to in
        ["", "Reply-To: a@visitor.test, b@visitor.test\r\n", "Reply-To: support@desk.localhost\r\n", "Reply-To: web@shop.test\r\n"]
    {
        let w = World::with(with_form).await;
        w.mail(FORM, SUPPORT, reply_to, "Do you ship to Malta?").await;
        assert_eq!(asked(&w).await.0, "web@shop.test", "{reply_to:?}");
    }
}

#[tokio::test]
async fn an_agents_name_in_a_form_moves_nothing() {
    let w = World::with(with_form).await;
    w.mail("ann@customer.test", SUPPORT, "", "It burns.").await;
    let answer = w.address(Purpose::Answer, JANE, 1).await;
    w.mail(FORM, &answer, "Reply-To: agent@desk.localhost\r\n", "@close\n\nGo away.").await;
    assert_eq!(w.ticket(1).await.status, crate::model::ticket::Status::Open);
    let item = w.mail(FORM, SUPPORT, "Reply-To: agent@desk.localhost\r\n", "@assign me\n\nHello").await;
    assert_eq!(item.fate, Fate::Ticket);
    let number = item.ticket.unwrap().0;
    assert_eq!((w.ticket(number).await.assignee, w.messages(number).await[0].flags.clone()), (None, vec!["unverified".to_owned()]));
    assert!(w.outbox().await.iter().all(|mail| !mail.starts_with("answer")), "{:?}", w.outbox().await);
}
