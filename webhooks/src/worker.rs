//! The loop: claim what is due, try it, settle it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::attempt::Reason;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::policy::policy;
use crate::queue::{Claimed, Outcome, Queue};

/// When a delivery comes back that was stopped, or whose endpoint was busy.
const SOON: Duration = Duration::from_secs(2);
/// The next claim after one that brought more of an endpoint than may be tried: others may be due behind it.
const AT_ONCE: Duration = Duration::from_millis(10);

/// How long those that were stopped may take to be settled.
const SETTLING: Duration = Duration::from_secs(5);

/// How the worker works.
#[derive(Clone)]
pub struct Settings {
    /// Tries at once.
    pub in_flight: usize,
    /// Tries at once to one endpoint. What is claimed beyond it goes back unsent, as [`Reason::Busy`].
    pub per_endpoint: usize,
    /// How often to look without a nudge.
    pub poll: Duration,
    /// How long tries may go on after `cancel`.
    pub grace: Duration,
    /// The time, in milliseconds since 1970.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Settings {
    /// 16 tries at once, 4 to one endpoint; a look each second; 5 seconds to stop.
    pub fn new(clock: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self { in_flight: 16, per_endpoint: 4, poll: Duration::from_secs(1), grace: Duration::from_secs(5), clock }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("in_flight", &self.in_flight)
            .field("per_endpoint", &self.per_endpoint)
            .field("poll", &self.poll)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

/// Delivers until `cancel`. Then it claims nothing more, lets tries go on for [`Settings::grace`], gives up the rest as
/// [`Reason::Stopped`], and returns after at most 5 seconds more for settling them.
///
/// A nudge saves the time until the next look; nothing depends on it. While the queue fails, looks get rarer, down to one in
/// 30 seconds.
pub async fn run<Q: Queue + 'static>(
    queue: Arc<Q>,
    client: Arc<Client>,
    settings: Settings,
    nudge: Arc<Notify>,
    cancel: CancellationToken,
) {
    let grace = settings.grace;
    let mut worker = Worker::new(queue, client, settings);
    while !cancel.is_cancelled() {
        let next = tokio::select! {
            next = worker.fill() => next,
            () = overdue(&cancel) => break,
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            Some(done) = worker.tries.join_next_with_id(), if !worker.tries.is_empty() => worker.ended(done),
            () = nudge.notified(), if !worker.pausing() => {}
            () = sleep_until(next) => {}
        }
    }
    if timeout(grace, worker.finish()).await.is_err() {
        worker.stop.cancel();
        if timeout(SETTLING, worker.finish()).await.is_err() {
            tracing::warn!(left = worker.tries.len(), "webhook deliveries could not be settled in time; they are tried again");
        }
    }
}

/// A claim that hangs does not keep the worker from stopping for longer than settling may.
async fn overdue(cancel: &CancellationToken) {
    cancel.cancelled().await;
    sleep(SETTLING).await;
}

struct Worker<Q: Queue> {
    queue: Arc<Q>,
    client: Arc<Client>,
    settings: Settings,
    tries: JoinSet<Result<(), Q::Error>>,
    /// The endpoint of each try.
    endpoints: HashMap<Id, u64>,
    stop: CancellationToken,
    /// Each of these makes us claim nothing for a while: what is claimed and can't be settled would only be sent again.
    claiming: Backoff,
    settling: Backoff,
}

impl<Q: Queue + 'static> Worker<Q> {
    fn new(queue: Arc<Q>, client: Arc<Client>, settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            queue,
            client,
            settings,
            tries: JoinSet::new(),
            endpoints: HashMap::new(),
            stop: CancellationToken::new(),
            claiming: Backoff::new(now),
            settling: Backoff::new(now),
        }
    }

    fn paused(&self) -> Instant {
        self.claiming.until().max(self.settling.until())
    }

    fn pausing(&self) -> bool {
        Instant::now() < self.paused()
    }

    /// Claims as much as there is room for. Answers when to look again.
    async fn fill(&mut self) -> Instant {
        let mut next = self.settings.poll;
        let room = self.settings.in_flight.saturating_sub(self.tries.len());
        if room > 0 && !self.pausing() {
            match self.queue.claim(room).await {
                Ok(claimed) => {
                    self.claiming.worked();
                    for delivery in claimed {
                        if self.has_room(delivery.endpoint) {
                            self.start(delivery);
                        } else {
                            self.hand_back(delivery).await;
                            next = AT_ONCE;
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not look for webhook deliveries");
                    self.claiming.failed(Instant::now());
                }
            }
        }
        (Instant::now() + next).max(self.paused())
    }

    fn has_room(&self, endpoint: u64) -> bool {
        self.endpoints.values().filter(|other| **other == endpoint).count() < self.settings.per_endpoint
    }

    fn start(&mut self, delivery: Claimed) {
        let (queue, client, stop) = (self.queue.clone(), self.client.clone(), self.stop.clone());
        let (endpoint, now) = (delivery.endpoint, (self.settings.clock)().div_euclid(1000));
        let started = self.tries.spawn(async move {
            let outcome = tried(&client, &delivery, now, &stop).await;
            tracing::debug!(?delivery, ?outcome, "settling a webhook delivery");
            queue.settle(delivery, outcome).await
        });
        self.endpoints.insert(started.id(), endpoint);
    }

    async fn hand_back(&mut self, delivery: Claimed) {
        let busy = Outcome::Retry { after: SOON, reason: Reason::Busy, ms: 0 };
        let settled = self.queue.settle(delivery, busy).await;
        self.settled(settled);
    }

    fn ended(&mut self, done: Result<(Id, Result<(), Q::Error>), JoinError>) {
        let id = match &done {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        self.endpoints.remove(&id);
        match done {
            Ok((_, settled)) => self.settled(settled),
            Err(error) => tracing::error!(%error, "a webhook delivery ended badly; it is tried again"),
        }
    }

    fn settled(&mut self, settled: Result<(), Q::Error>) {
        match settled {
            Ok(()) => self.settling.worked(),
            Err(error) => {
                tracing::warn!(%error, "what became of a webhook delivery could not be written; it is tried again");
                self.settling.failed(Instant::now());
            }
        }
    }

    async fn finish(&mut self) {
        while let Some(done) = self.tries.join_next_with_id().await {
            self.ended(done);
        }
    }
}

/// One try, unless it is stopped. A result that is there counts even then.
async fn tried(client: &Client, delivery: &Claimed, now: i64, stop: &CancellationToken) -> Outcome {
    let began = Instant::now();
    tokio::select! {
        biased;
        attempt = client.attempt(delivery, now) => policy(delivery.attempts, &attempt, jitter()),
        () = stop.cancelled() => {
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Outcome::Retry { after: SOON, reason: Reason::Stopped, ms }
        }
    }
}

/// Without random bytes deliveries come back together, which is no reason to fail.
fn jitter() -> u16 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_or(0, |()| u16::from_ne_bytes(bytes))
}
