//! Accepted mail to tickets: claim an inbox row, understand, verify, decide, one commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::{self, Desk, Mail};
use crate::model::Understood;
use crate::model::facts::Facts;
use crate::store::{ClaimedMail, Cmd, NodeId, Outcome, Store, StoreError};
use crate::understand::{Limits, understand};
use crate::verify;

/// Mails in hand at once.
const IN_HAND: usize = 16;
/// How long a mail that could not be decided waits.
const PAUSE: i64 = 1_000;
/// Nudges only save time.
const POLL: Duration = Duration::from_secs(1);

/// What one mail needs on its way.
#[derive(Clone)]
pub struct Pipeline {
    /// The store.
    pub store: Store,
    /// This process.
    pub node: NodeId,
    /// The desk as it is configured now.
    pub desk: watch::Receiver<Arc<Desk>>,
    /// The clock.
    pub clock: Clock,
}

/// Decides mail until `cancel`; then finishes what is in hand.
pub async fn run(pipeline: Pipeline, cancel: CancellationToken) {
    loop {
        let found = pipeline.claim().await;
        let mut work = JoinSet::new();
        let idle = found.is_empty();
        for mail in found {
            let pipeline = pipeline.clone();
            work.spawn(async move { Box::pin(pipeline.one(mail)).await });
        }
        while let Some(done) = work.join_next().await {
            if let Err(error) = done {
                tracing::error!(%error, "deciding a mail ended badly; it is tried again alone at the next start");
            }
        }
        if cancel.is_cancelled() {
            return;
        }
        if idle {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = pipeline.store.nudges().inbox.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

impl Pipeline {
    async fn claim(&self) -> Vec<ClaimedMail> {
        match self.store.run(Cmd::ClaimInbox { node: self.node, now: self.clock.now(), limit: IN_HAND }).await {
            Ok(Outcome::Mails(mails)) => mails,
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "could not look for accepted mail");
                Vec::new()
            }
        }
    }

    /// Takes one mail to its fate, or puts it back.
    async fn one(&self, mail: ClaimedMail) {
        let id = mail.id;
        let (due_at, reason, charge) = match self.decided(&mail).await {
            Ok(()) => return,
            Err(StoreError::Fenced) => return tracing::warn!(%id, "another node has taken a mail over"),
            Err(error) => {
                tracing::error!(%id, %error, attempts = mail.attempts, "a mail could not be decided; it waits");
                // What is wrong with the database or the disk is not the mail's fault.
                (self.clock.now() + PAUSE, error.to_string(), !error.is_temporary())
            }
        };
        if let Err(error) = self.store.run(Cmd::DeferInbox { node: self.node, id, due_at, reason, charge }).await {
            tracing::error!(%id, %error, "a mail could not be put back; the next start finds it");
        }
    }

    async fn decided(&self, mail: &ClaimedMail) -> Result<(), StoreError> {
        let desk = self.desk.borrow().clone();
        let poison = mail.attempts > i64::from(desk.config.limits.attempts);
        let understood = if poison { Understood::default() } else { self.understood(&desk, mail).await? };
        let verdict = verify::verdict(&desk.config);
        let view = Mail {
            id: mail.id,
            node: self.node.0,
            received_at: mail.received_at,
            envelope: &mail.envelope,
            blob: &mail.blob,
            understood: &understood,
            verdict: &verdict,
            passed: &mail.passed,
        };
        let now = self.clock.now();
        let decide = |facts: &Facts| match poison {
            true => desk::poison(&desk, &view, facts, now),
            false => desk::decide(&desk, &view, facts, now),
        };
        self.store.settle(decide).await
    }

    async fn understood(&self, desk: &Desk, mail: &ClaimedMail) -> Result<Understood, StoreError> {
        let raw = self.store.blob(&mail.blob).await?;
        let limits = Limits::from(&desk.config.limits);
        tokio::task::spawn_blocking(move || understand(&raw, &limits))
            .await
            .map_err(|e| StoreError::Io(format!("understanding failed: {e}")))
    }
}

#[cfg(test)]
mod tests;
