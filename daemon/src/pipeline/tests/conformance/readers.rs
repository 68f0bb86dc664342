//! The part of the story that readers of the log tell: webhooks and the search index.

use super::super::world::World;
use crate::config::Secret;
use crate::model::{DeliveryId, EndpointId, MessageId, TicketId};
use crate::store::{
    ClaimedDelivery, Cmd, DeliveryEnd, Disabling, EndpointChange, FanOut, NewDelivery, NewEndpoint, Outcome, Store, StoreError,
    TestDelivery, Tried, fresh_message,
};

/// Receivers of webhooks, and every end that a delivery can have.
pub(super) async fn webhooks(w: &World) {
    let (store, now) = (&w.opened.store, w.opened.clock.now());
    let add = |url: &str| {
        let (url, secret) = (Secret::new(url), Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        Cmd::AddEndpoint(Box::new(NewEndpoint { url, secret, events: vec!["*".into()], now }))
    };
    let Outcome::Id(id) = store.run(add("https://a.example/")).await.unwrap() else { panic!("no id") };
    let endpoint = EndpointId(id);
    let (from, head) = store.webhooks_place().await.unwrap();
    let new = |seq| NewDelivery { endpoint, seq, kind: "ticket.created".into(), body: "{}".into() };
    let fan = |from, to, deliveries| Cmd::FanOut(Box::new(FanOut { from, to, deliveries, now }));
    store.run(fan(from, head, (1..=6).map(new).collect())).await.unwrap();
    assert!(matches!(store.run(fan(from, head, vec![new(9)])).await, Err(StoreError::Conflict(_))), "an event is fanned out once");
    store.run(fan(head, head, Vec::new())).await.unwrap();
    assert_eq!(store.endpoints().await.unwrap()[0].from_seq, head, "a new one hears of nothing before it");

    let claim = async |node| {
        let cmd = Cmd::ClaimDeliveries { node, now: i64::MAX, limit: 16, per_endpoint: 4 };
        let Outcome::Deliveries(claimed) = store.run(cmd).await.unwrap() else { panic!("no deliveries") };
        claimed
    };
    let claimed = claim(w.node).await;
    assert_eq!((claimed.len(), claimed[0].attempts, claim(w.node).await.len()), (4, 1, 0), "four at once, and each once");
    let tried = |reason: &str| Tried { status: None, reason: reason.into(), ms: 3 };
    let end = |delivery: &ClaimedDelivery, tried, due_at, disable| {
        Cmd::SettleDelivery(Box::new(DeliveryEnd { node: w.node, id: delivery.id, endpoint, tried, due_at, disable, now }))
    };
    store.run(end(&claimed[0], None, Some(now), None)).await.unwrap();
    store.run(end(&claimed[1], Some(tried("timeout")), Some(now), None)).await.unwrap();
    assert_eq!(store.endpoint(endpoint).await.unwrap().unwrap().failing_since, Some(now));
    store.run(end(&claimed[2], Some(Tried { status: Some(204), ..tried("") }), None, None)).await.unwrap();
    assert!(matches!(store.run(end(&claimed[2], None, None, None)).await, Err(StoreError::Fenced)), "settled once");
    let disable = |last_success_at| Some(Disabling { why: "gone".into(), enabled_at: now, last_success_at });
    let stale = store.run(end(&claimed[3], Some(tried("status 410")), None, disable(None))).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "something got through meanwhile: {stale:?}");
    store.run(end(&claimed[3], Some(tried("status 410")), None, disable(Some(now)))).await.unwrap();
    assert!(store.due_timers(now, 10).await.unwrap().iter().any(|timer| timer.kind == "webhook" && timer.key == id.to_string()));
    assert!(claim(w.node).await.is_empty(), "it is disabled");
    for enabled in [true, false, true] {
        let (url, events) = (Some(Secret::new("https://b.example/")), Some(vec!["*".into()]));
        let change = EndpointChange { id: endpoint, url, events, enabled: Some(enabled), now };
        store.run(Cmd::ChangeEndpoint(Box::new(change))).await.unwrap();
    }
    let page = store.deliveries(endpoint, None, 10).await.unwrap();
    let states: Vec<_> = page.items.iter().rev().map(|delivery| (delivery.state.word(), delivery.attempts)).collect();
    assert_eq!(states, [("waiting", 0), ("waiting", 1), ("sent", 1), ("failed", 1), ("waiting", 0), ("waiting", 0)]);
    store.run(Cmd::Redeliver { id: claimed[3].id, now }).await.unwrap();
    let again = store.delivery(claimed[3].id).await.unwrap().unwrap();
    assert_eq!((again.message, again.attempts), (claimed[3].message.clone(), 0), "its receiver knows it");
    let test = TestDelivery {
        endpoint,
        message: fresh_message().unwrap(),
        kind: "webhook.test".into(),
        body: "{}".into(),
        tried: tried("no connection"),
        now,
    };
    let Outcome::Id(test) = store.run(Cmd::TestedEndpoint(Box::new(test))).await.unwrap() else { panic!("no id") };
    assert_eq!(store.delivery(DeliveryId(test)).await.unwrap().unwrap().tries.len(), 1);
    assert!(store.endpoint_secret(endpoint).await.unwrap().is_some());
    assert!(store.message_label(MessageId(1)).await.unwrap().unwrap().public);

    let sweep = async |before, keep| match store.run(Cmd::SweepDeliveries { before, keep, limit: 200 }).await.unwrap() {
        Outcome::Swept { rows, .. } => rows,
        other => panic!("{other:?}"),
    };
    assert_eq!((sweep(now, 10).await, sweep(now, 1).await, sweep(now + 1, 10).await), (0, 1, 1), "too many, then too old");
    store.run(Cmd::RemoveEndpoint { id: endpoint, now }).await.unwrap();
    assert!(matches!(store.run(Cmd::RemoveEndpoint { id: endpoint, now }).await, Err(StoreError::NotFound(_))));
    assert_eq!((sweep(0, 10).await, store.endpoints().await.unwrap().len()), (5, 0), "they go with their receiver");
}

/// What an index reads of the desk.
pub(super) async fn indexed(store: &Store, slug: &str) {
    let Outcome::Id(epoch) = store.run(Cmd::Reindex).await.unwrap() else { panic!("no epoch") };
    let head = store.index_head().await.unwrap();
    assert!(head.epoch == epoch && head.last > 5, "{head:?}");
    let numbers = store.numbers_after(0, 100).await.unwrap();
    assert_eq!(numbers[..2], [TicketId(1), TicketId(2)]);
    assert_eq!(store.slugs_after("", 10).await.unwrap(), [slug]);
    let mut found = store.ticket_texts(&numbers).await.unwrap();
    found.sort_by_key(|text| text.ticket.number);
    assert_eq!(found.len(), numbers.len());
    assert!(found[0].texts[0].contains("It burns.") && found[0].authors.len() == 2, "{:?}", found[0]);
    assert!(store.ticket_texts(&[TicketId(99)]).await.unwrap().is_empty());
    let mut words = store.ticket_words(&numbers).await.unwrap();
    words.sort_by_key(|words| words.number);
    let pairs = words.iter().map(|words| (&words.subject, &words.texts));
    assert!(pairs.eq(found.iter().map(|found| (&found.ticket.subject, &found.texts))), "{words:?}");
    assert_eq!(store.article_texts(&[slug, "nothing"]).await.unwrap()[0].title, "Reset it");
}
