//! Mail to one person about one ticket, of which one waits for the other.

use super::*;
use crate::model::changes::NewOutbox;
use crate::model::outgoing::Params;

/// Who waits behind a mail that was refused is due when that one is, unless it waits for a time of its own.
pub(super) async fn followers(w: &World) {
    let (store, now, ann) = (&w.opened.store, w.opened.clock.now(), w.person("ann@customer.test").await);
    let (refused_until, own_time) = (now + 2 * DAY, now + 3 * DAY);
    let mail = |due_at| NewOutbox {
        ticket: None,
        recipient: PersonRef::Id(ann),
        address: "ann@customer.test".into(),
        kind: MailKind::Help,
        message: None,
        params: Params::default(),
        due_at,
        created_at: now,
    };
    let outbox = vec![mail(0), mail(0), mail(own_time)];
    store.run(Cmd::Commit(Box::new(Changes { at: now, outbox, ..Changes::default() }))).await.unwrap();
    let times = async || {
        let rows = store.outbox(Some(OutboxState::Waiting), None, 100).await.unwrap().items;
        let mut rows: Vec<_> = rows.into_iter().filter(|row| row.created_at == now && row.kind == MailKind::Help).collect();
        rows.sort_by_key(|row| row.id);
        rows.iter().map(|row| (row.id, row.due_at)).collect::<Vec<_>>()
    };
    let refuse = async || {
        let claim = Cmd::ClaimOutbox { node: w.node, now: refused_until, limit: 1, away: Vec::new() };
        let Outcome::Outbox(rows) = store.run(claim).await.unwrap() else { panic!("no mail") };
        let settled = Settled::Retry("451 later".into(), refused_until);
        let settlement =
            Settlement { node: w.node, id: rows[0].id, settled, straight: false, now, changes: Changes { at: now, ..Changes::default() } };
        store.run(Cmd::Settle(Box::new(settlement))).await.unwrap();
    };
    for by_all in [true, false] {
        refuse().await;
        let [(first, a), (_, b), (_, c)] = times().await[..] else { panic!("{:?}", times().await) };
        assert_eq!([a, b, c], [refused_until, refused_until, own_time]);
        let retry = if by_all { Cmd::RetryAllOutbox { now } } else { Cmd::RetryOutbox { id: first, now } };
        store.run(retry).await.unwrap();
        assert_eq!(times().await.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [now, now, own_time], "all: {by_all}");
    }
    for (id, _) in times().await {
        store.run(Cmd::DropOutbox { id, now, changes: Box::new(Changes { at: now, ..Changes::default() }) }).await.unwrap();
    }
}
