//! The end of an agent's quiet hours.

use super::*;
use crate::model::changes::{MessageRef, NewOutbox, QUIET, quiet_key};
use crate::model::outgoing::Params;

/// Six notifications become one mail, and somebody reads what it says.
pub(super) async fn ends(w: &World) {
    let (store, now, ticket) = (&w.opened.store, w.opened.clock.now(), TicketId(1));
    let (end, message) = (now + 1_000, w.messages(1).await[0].id);
    let notify = NewOutbox {
        ticket: Some(TicketRef::Id(ticket)),
        recipient: PersonRef::Id(JANE),
        address: "agent@desk.localhost".into(),
        kind: MailKind::Notify,
        message: Some(MessageRef::Id(message)),
        params: Params::default(),
        due_at: end,
        created_at: now,
    };
    let timer = NewTimer { kind: QUIET, ticket: None, key: quiet_key(JANE, end), due_at: end, if_untold: false };
    let changes = Changes { at: now, outbox: vec![notify; 6], timers: vec![timer.clone(), timer], ..Changes::default() };
    store.run(Cmd::Commit(Box::new(changes))).await.unwrap();
    for timer in store.due_timers(end, 100).await.unwrap().iter().filter(|timer| timer.kind == QUIET) {
        store.settle(|facts| timers::fire(&w.opened.desk, timer, &[], facts, end)).await.unwrap();
    }
    let digest =
        store.outbox(Some(OutboxState::Waiting), None, 100).await.unwrap().items.into_iter().find(|row| row.kind == MailKind::News);
    let told = store.news(&digest.unwrap().params.news.unwrap().newest).await.unwrap();
    assert_eq!((told.len(), told[0].ticket.number, told[0].messages), (1, ticket, 1));
    assert!(told[0].last.as_ref().is_some_and(|(author, _)| author.is_some()), "{:?}", told[0]);
}
