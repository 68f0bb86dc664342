//! The outbox worker: claim what is due, compose it once, try it, settle it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::{Desk, delivery};
use crate::model::changes::Changes;
use crate::model::facts::Facts;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::store::{Cmd, NodeId, Outcome as Done, Settled, Settlement, Store, StoreError};

use super::compose::{Composed, Composer};
use super::destination::Destination;
use super::outcome::settled;
use super::relay::{Exit, Outcome};

/// Connections at once.
const CONNECTIONS: usize = 5;
/// Nudges only save time.
const POLL: Duration = Duration::from_secs(1);

/// What sending needs.
#[derive(Clone)]
pub struct Sender {
    /// The store.
    pub store: Store,
    /// This process.
    pub node: NodeId,
    /// The desk as it is configured now.
    pub desk: watch::Receiver<Arc<Desk>>,
    /// Where mail leaves, as it is configured now.
    pub exit: watch::Receiver<Arc<Exit>>,
    /// State of the relay.
    pub destination: Arc<Destination>,
    /// Last sign of life that this node could write; without one for 40 s it sends nothing.
    pub beat: watch::Receiver<Instant>,
    /// The clock.
    pub clock: Clock,
}

/// How long a node without a sign of life goes on sending: others take its mail after 60 s.
const SILENCE: Duration = Duration::from_secs(40);

/// Sends until `cancel`; then finishes what is on its way.
pub async fn run(sender: Sender, cancel: CancellationToken) {
    let mut work = JoinSet::new();
    loop {
        let free = CONNECTIONS.saturating_sub(work.len());
        for row in sender.claim(sender.destination.room(free, Instant::now())).await {
            let sender = sender.clone();
            let cancel = cancel.clone();
            work.spawn(async move { Box::pin(sender.one(row, cancel)).await });
        }
        let probe = sender.destination.next().unwrap_or_else(|| Instant::now() + POLL);
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(done) = work.join_next(), if !work.is_empty() => report(done),
            () = sender.store.nudges().outbox.notified() => {}
            () = sender.store.nudges().foreign.notified() => sender.destination.try_now(),
            () = tokio::time::sleep_until(probe.min(Instant::now() + POLL)) => {}
        }
    }
    while let Some(done) = work.join_next().await {
        report(done);
    }
}

fn report(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done {
        tracing::error!(%error, "sending a mail ended badly; the next start finds it");
    }
}

impl Sender {
    async fn claim(&self, limit: usize) -> Vec<OutboxRow> {
        if limit == 0 || self.beat.borrow().elapsed() > SILENCE {
            return Vec::new();
        }
        match self.store.run(Cmd::ClaimOutbox { node: self.node, now: self.clock.now(), limit }).await {
            Ok(Done::Outbox(rows)) => rows,
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "could not look for mail to send");
                Vec::new()
            }
        }
    }

    async fn one(&self, row: OutboxRow, cancel: CancellationToken) {
        let desk = self.desk.borrow().clone();
        let settled = match self.composed(&desk, &row).await {
            Ok(mail) => self.tried(&desk, &row, &mail, &cancel).await,
            Err(StoreError::Fenced) => return tracing::warn!(id = %row.id, "another node has taken a mail over"),
            Err(error) => {
                tracing::error!(id = %row.id, %error, "a mail could not be composed; it waits");
                let outcome = Outcome::Destination { reply: format!("the desk could not compose it: {error}") };
                settled(&row, outcome, Duration::from_secs(60), &desk.config.limits, self.clock.now())
            }
        };
        tracing::debug!(id = %row.id, kind = %row.kind, ?settled, "settling a mail");
        if let Err(error) = self.settle(&desk, &row, settled).await {
            tracing::error!(id = %row.id, %error, "what became of a mail could not be written; the next start decides");
        }
    }

    /// One try. When the desk stops before the final dot, the mail has not left and waits as if nothing had been tried.
    async fn tried(&self, desk: &Desk, row: &OutboxRow, mail: &Composed, cancel: &CancellationToken) -> Settled {
        let exit = self.exit.borrow().clone();
        let (id, past_dot) = (format!("{}-{}", row.id, row.created_at), AtomicBool::new(false));
        let mut deliver = pin!(exit.deliver(&id, &mail.sender, &row.address, &mail.bytes, &past_dot));
        let outcome = tokio::select! {
            outcome = &mut deliver => outcome,
            () = cancel.cancelled() => {
                if !past_dot.load(Ordering::Relaxed) {
                    return Settled::Postponed("the desk stopped before it could be sent".into(), self.clock.now());
                }
                deliver.await
            }
        };
        let pause = match &outcome {
            Outcome::Destination { reply } => self.destination.is_down(reply, Instant::now()),
            _ => {
                self.destination.is_up();
                Duration::ZERO
            }
        };
        settled(row, outcome, pause, &desk.config.limits, self.clock.now())
    }

    /// The mail's bytes: those of the first try, or composed now and kept before they leave.
    async fn composed(&self, desk: &Arc<Desk>, row: &OutboxRow) -> Result<Composed, StoreError> {
        let composer = Composer { store: &self.store, desk, now: self.clock.now() };
        if let Some(sha) = &row.composed {
            let mailbox = composer.mailbox(row).await?;
            return Ok(Composed { sender: composer.sender(row, mailbox), bytes: self.store.blob(sha).await? });
        }
        let mail = composer.compose(row).await?;
        let (store, bytes) = (self.store.clone(), mail.bytes.clone());
        let blob = tokio::task::spawn_blocking(move || store.prepare(&bytes)).await.map_err(|e| StoreError::Io(e.to_string()))??;
        self.store.run(Cmd::Composed { node: self.node, id: row.id, blob: Box::new(blob) }).await?;
        Ok(mail)
    }

    async fn settle(&self, desk: &Desk, row: &OutboxRow, settled: Settled) -> Result<(), StoreError> {
        loop {
            let now = self.clock.now();
            let changes = match &settled {
                Settled::Failed(reply) => {
                    let decide = |facts: &Facts| Ok::<_, Infallible>(delivery::failed(desk, row, reply, facts, now));
                    match self.store.decided(&decide).await? {
                        Ok(changes) => *changes,
                        Err(never) => match never {},
                    }
                }
                Settled::Sent(_) if row.kind == MailKind::Answer => delivery::sent(row, now),
                _ => Changes { at: now, ..Changes::default() },
            };
            let settlement = Settlement { node: self.node, id: row.id, settled: settled.clone(), now, changes };
            match self.store.run(Cmd::Settle(Box::new(settlement))).await {
                Err(StoreError::Conflict(_)) => {}
                // A mail that stays claimed would block its lane, and the next start would send it again.
                Err(error) if error.is_nobodys_fault() && !matches!(error, StoreError::Closed) => {
                    tracing::warn!(id = %row.id, %error, "what became of a mail could not be written yet");
                    tokio::time::sleep(POLL).await;
                }
                outcome => return outcome.map(|_| ()),
            }
        }
    }
}
