//! The database as the queue of `ombud-webhooks`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ombud_webhooks::{Claimed, Disable, History, Outcome, Queue, Reason, Secret, lasting_failure};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::PER_ENDPOINT;
use crate::clock::{Clock, millis, rfc3339};
use crate::config::Config;
use crate::failpoint;
use crate::model::{DeliveryId, EndpointId};
use crate::store::{self, ClaimedDelivery, Cmd, DeliveryEnd, Disabling, Endpoint, NodeId, Store, StoreError, Tried};

/// No try takes as long, settled or not. Whoever is in hand for longer was lost.
const LEASE: Duration = Duration::from_secs(120);
/// Races that a settlement may lose.
const RACES: usize = 5;

/// The deliveries of one process.
pub struct Hooks {
    store: Store,
    node: NodeId,
    config: watch::Receiver<Arc<Config>>,
    beat: watch::Receiver<Instant>,
    clock: Clock,
    in_hand: Mutex<HashMap<u64, Instant>>,
    /// Whether this process may have claimed what it does not know of.
    unsure: AtomicBool,
}

impl Hooks {
    /// `beat` says when the last sign of life could be written.
    pub fn new(store: Store, node: NodeId, config: watch::Receiver<Arc<Config>>, beat: watch::Receiver<Instant>, clock: Clock) -> Self {
        Self { store, node, config, beat, clock, in_hand: Mutex::default(), unsure: AtomicBool::new(false) }
    }

    /// Told when there may be something to deliver.
    pub(super) fn nudge(&self) -> Arc<Notify> {
        self.store.nudges().deliveries.clone()
    }

    fn in_hand(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether others still count on this process: well before they take its deliveries, it makes no more.
    fn is_alive(&self) -> bool {
        self.beat.borrow().elapsed() < self.config.borrow().limits.node_silence * 2 / 3
    }

    /// Puts back what is claimed in this process's name and in nobody's hands.
    async fn free_strays(&self) -> Result<(), StoreError> {
        let known: Vec<DeliveryId> = {
            let mut in_hand = self.in_hand();
            let before = in_hand.len();
            in_hand.retain(|_, since| since.elapsed() < LEASE);
            if in_hand.len() == before && !self.unsure.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.unsure.store(true, Ordering::Relaxed);
            in_hand.keys().map(|id| DeliveryId(id.cast_signed())).collect()
        };
        self.store.run(Cmd::FreeStrays { node: self.node, in_hand: store::Queue::Deliveries(known) }).await?;
        self.unsure.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn end(&self, delivery: &Claimed, outcome: &Outcome) -> Result<DeliveryEnd, StoreError> {
        let now = self.clock.now();
        let (tried, due_at) = match outcome {
            Outcome::Delivered { status, ms } => (Some(tried(Ok(*status), *ms)), None),
            Outcome::Retry { after, reason, ms } => {
                let counts = reason.counts().then(|| tried(Err(reason), *ms));
                (counts, Some(now.saturating_add(millis(*after))))
            }
            Outcome::Failed { reason, ms } => (Some(tried(Err(reason), *ms)), None),
        };
        let endpoint = EndpointId(delivery.endpoint.cast_signed());
        let (mut due_at, mut disable) = (due_at, None);
        if let Outcome::Failed { reason, .. } = outcome
            && let Some(found) = self.store.endpoint(endpoint).await?
        {
            if found.url == delivery.url {
                disable = disabling(&found, delivery.first_at, reason);
            } else {
                // What the old URL said is no word of the new one.
                due_at = Some(now);
            }
        }
        Ok(DeliveryEnd { node: self.node, id: DeliveryId(delivery.id.cast_signed()), endpoint, tried, due_at, disable, now })
    }

    async fn settled(&self, delivery: &Claimed, outcome: &Outcome) -> Result<(), StoreError> {
        for _ in 0..RACES {
            let end = self.end(delivery, outcome).await?;
            let disables = end.disable.is_some();
            match self.store.run(Cmd::SettleDelivery(Box::new(end))).await {
                Err(StoreError::Conflict(_)) => {}
                Ok(_) if disables => {
                    tracing::warn!(webhook = delivery.endpoint, "a webhook is disabled; its deliveries say why");
                    return Ok(());
                }
                outcome => return outcome.map(drop),
            }
        }
        Err(StoreError::Conflict("too many others at once"))
    }
}

/// Unless it is taken away, what was claimed is not known: the claim has failed, or was dropped while it was made.
struct Doubt<'a>(Option<&'a AtomicBool>);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(unsure) = self.0 {
            unsure.store(true, Ordering::Relaxed);
        }
    }
}

impl Queue for Hooks {
    type Error = StoreError;

    async fn claim(&self, limit: usize) -> Result<Vec<Claimed>, StoreError> {
        if !self.is_alive() {
            return Ok(Vec::new());
        }
        self.free_strays().await?;
        let cmd = Cmd::ClaimDeliveries { node: self.node, now: self.clock.now(), limit, per_endpoint: PER_ENDPOINT };
        let mut doubt = Doubt(Some(&self.unsure));
        let claimed = match self.store.run(cmd).await {
            Ok(store::Outcome::Deliveries(claimed)) => claimed,
            Ok(_) => Vec::new(),
            Err(error) => return Err(error),
        };
        let claimed: Vec<Claimed> = claimed.into_iter().map(handed_over).collect();
        claimed.iter().for_each(|_| failpoint::reached("hook.claimed"));
        let now = Instant::now();
        self.in_hand().extend(claimed.iter().map(|delivery| (delivery.id, now)));
        doubt.0 = None;
        Ok(claimed)
    }

    async fn settle(&self, delivery: Claimed, outcome: Outcome) -> Result<(), StoreError> {
        failpoint::reached("hook.after_post");
        let settled = self.settled(&delivery, &outcome).await;
        self.in_hand().remove(&delivery.id);
        match settled {
            Err(StoreError::Fenced) => {
                tracing::warn!(?delivery, "another node has taken a webhook delivery over");
                Ok(())
            }
            Err(error) => {
                self.unsure.store(true, Ordering::Relaxed);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }
}

fn disabling(found: &Endpoint, first_at: i64, reason: &Reason) -> Option<Disabling> {
    let history = History { enabled_at: found.enabled_at, last_success_at: found.last_success_at };
    let why = match lasting_failure(reason, first_at, &history)? {
        Disable::Gone => "it answered 410 Gone: it wants no more".to_owned(),
        Disable::Failing { since } => format!("nothing got through since {}; the last try: {reason}", rfc3339(since)),
    };
    Some(Disabling { why, enabled_at: found.enabled_at, last_success_at: found.last_success_at })
}

fn handed_over(row: ClaimedDelivery) -> Claimed {
    Claimed {
        id: row.id.0.cast_unsigned(),
        message: row.message,
        endpoint: row.endpoint.0.cast_unsigned(),
        url: row.url.reveal().to_owned(),
        // Without one it is not sendable, and its log says so.
        secrets: Secret::parse(row.secret.reveal()).into_iter().collect(),
        body: row.body,
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        first_at: row.first_at,
    }
}

/// What a try came to, for the log.
pub fn tried(result: Result<u16, &Reason>, ms: u64) -> Tried {
    let status = match result {
        Ok(status) => Some(status),
        Err(Reason::Status(status) | Reason::Redirect(status)) => Some(*status),
        Err(_) => None,
    };
    Tried { status, reason: result.err().map(ToString::to_string).unwrap_or_default(), ms: i64::try_from(ms).unwrap_or(i64::MAX) }
}
