//! The database as the queue of webhooks.

use ombud_webhooks::{Outcome as Tried, Queue, Reason};
use tokio::sync::watch;
use tokio::time::Instant;

use super::world::World;
use crate::config::Secret;
use crate::feed::hooks::Hooks;
use crate::model::EndpointId;
use crate::store::{Cmd, EndpointChange, FanOut, NewDelivery, NewEndpoint, Outcome};

#[tokio::test]
async fn what_an_old_url_said_does_not_disable_the_new_one() {
    let w = World::new().await;
    let (store, now) = (&w.opened.store, w.opened.clock.now());
    let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let new = NewEndpoint { url: Secret::new("https://a.example/"), secret, events: vec!["*".into()], now };
    let Outcome::Id(id) = store.run(Cmd::AddEndpoint(Box::new(new))).await.unwrap() else { panic!("no id") };
    let endpoint = EndpointId(id);
    let (from, to) = store.webhooks_place().await.unwrap();
    let deliveries = vec![NewDelivery { endpoint, seq: 1, kind: "ticket.created".into(), body: "{}".into() }];
    store.run(Cmd::FanOut(Box::new(FanOut { from, to, deliveries, now }))).await.unwrap();

    let (config, beat) = (watch::Sender::new(w.opened.config.clone()), watch::Sender::new(Instant::now()));
    let hooks = Hooks::new(store.clone(), w.node, config.subscribe(), beat.subscribe(), w.opened.clock);
    let gone = || Tried::Failed { reason: Reason::Status(410), ms: 1 };
    let claimed = hooks.claim(1).await.unwrap().pop().unwrap();
    let url = Some(Secret::new("https://b.example/"));
    let change = EndpointChange { id: endpoint, url, events: None, enabled: None, now };
    store.run(Cmd::ChangeEndpoint(Box::new(change))).await.unwrap();
    hooks.settle(claimed, gone()).await.unwrap();
    assert_eq!(store.endpoint(endpoint).await.unwrap().unwrap().disabled_at, None);

    let claimed = hooks.claim(1).await.unwrap().pop().unwrap();
    assert_eq!(claimed.url, "https://b.example/");
    hooks.settle(claimed, gone()).await.unwrap();
    assert!(store.endpoint(endpoint).await.unwrap().unwrap().disabled_at.is_some());
}
