//! Accepted mail to tickets: claim an inbox row, understand, verify, decide, one commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::{self, Desk, Mail, Step};
use crate::model::Understood;
use crate::model::changes::Changes;
use crate::model::facts::Facts;
use crate::store::{ClaimedMail, Cmd, NodeId, Outcome, Store, StoreError};
use crate::understand::{Limits, understand};
use crate::verify;

/// Mails in hand at once.
const IN_HAND: usize = 16;
/// Rounds of asking for facts, and of losing a race, before the mail goes back.
const ROUNDS: usize = 8;
const RACES: usize = 5;
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
        let (due_at, reason) = match self.decided(&mail).await {
            Ok(()) => return,
            Err(StoreError::Fenced) => return tracing::warn!(%id, "another node has taken a mail over"),
            Err(error) => {
                tracing::error!(%id, %error, attempts = mail.attempts, "a mail could not be decided; it waits");
                (self.clock.now() + PAUSE * mail.attempts, error.to_string())
            }
        };
        if let Err(error) = self.store.run(Cmd::DeferInbox { node: self.node, id, due_at, reason }).await {
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
            released_by: mail.released_by,
        };
        let now = self.clock.now();
        settle(&self.store, |facts| match poison {
            true => desk::poison(&desk, &view, facts, now),
            false => desk::decide(&desk, &view, facts, now),
        })
        .await
    }

    async fn understood(&self, desk: &Desk, mail: &ClaimedMail) -> Result<Understood, StoreError> {
        let raw = self.store.blob(&mail.blob).await?;
        let limits = limits(&desk.config);
        tokio::task::spawn_blocking(move || understand(&raw, &limits))
            .await
            .map_err(|e| StoreError::Io(format!("understanding failed: {e}")))
    }
}

/// The limits of understanding that the configuration sets.
pub fn limits(config: &crate::config::Config) -> Limits {
    let c = &config.limits;
    Limits {
        header_size: c.header_size,
        header_fields: c.header_fields,
        received: c.received,
        mime_depth: c.mime_depth,
        mime_parts: c.mime_parts,
        html_size: c.html_size,
        html_depth: c.html_depth,
        text_size: c.text_size,
        ..Limits::default()
    }
}

/// Runs a decision: reads what it needs, commits what it says, and decides anew when it lost a race.
///
/// # Errors
/// What the store says; a conflict after several races is temporary.
pub async fn settle(store: &Store, decide: impl Fn(&Facts) -> Step) -> Result<(), StoreError> {
    for _ in 0..RACES {
        let changes = decided(store, &decide).await?;
        match store.run(Cmd::Commit(changes)).await {
            Err(StoreError::Conflict(what)) => tracing::debug!(what, "lost a race; deciding anew"),
            outcome => return outcome.map(|_| ()),
        }
    }
    Err(StoreError::Conflict("too many others at once"))
}

/// Asks for facts until the decision is made.
///
/// # Errors
/// What the store says, or that the decision never ends.
pub async fn decided(store: &Store, decide: &impl Fn(&Facts) -> Step) -> Result<Box<Changes>, StoreError> {
    let mut facts = Facts::default();
    for _ in 0..ROUNDS {
        match decide(&facts) {
            Step::Done(changes) => return Ok(changes),
            Step::Need(keys) => store.facts(&mut facts, &keys).await?,
        }
    }
    Err(StoreError::Corrupt("a decision asks for ever more".into()))
}

#[cfg(test)]
mod tests;
