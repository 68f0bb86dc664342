//! Accepted mail to tickets: claim an inbox row, understand, verify, decide, one commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::{self, Desk, Mail};
use crate::failpoint;
use crate::model::facts::Facts;
use crate::model::{InboxId, Understood, Verdict};
use crate::store::{ClaimedMail, Cmd, NodeId, Outcome, Queue, Store, StoreError};
use crate::understand::{Limits, glimpse, origin, understand};
use crate::verify::{Subject, Verifier};

/// Mails taken at once.
const BATCH: usize = 16;
/// Mails in hand at most: some may wait for a slow DNS while others go on.
const IN_HAND: usize = 128;
/// How long the next mails wait for those in hand.
const PATIENCE: Duration = Duration::from_millis(500);
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
    /// Who verifies authors.
    pub verifier: Arc<Verifier>,
    /// The clock.
    pub clock: Clock,
}

/// Decides mail until `cancel`; then finishes what is in hand.
pub async fn run(pipeline: Pipeline, cancel: CancellationToken) {
    let mut unsure = false;
    let mut work = JoinSet::new();
    let mut in_hand = HashMap::new();
    loop {
        let found = pipeline.claim(&mut unsure, in_hand.values().copied().collect()).await;
        let idle = found.is_empty();
        // Nothing new beside a mail that may be what ended a process.
        let alone = found.iter().any(|mail| mail.attempts > 1);
        for mail in found {
            let (id, one, cancel) = (mail.id, pipeline.clone(), cancel.clone());
            let task = work.spawn(async move { Box::pin(one.one(mail, &cancel)).await });
            in_hand.insert(task.id(), id);
        }
        let late = sleep(PATIENCE);
        tokio::pin!(late);
        loop {
            let full = alone || cancel.is_cancelled() || in_hand.len() + BATCH > IN_HAND;
            let done = tokio::select! {
                done = work.join_next_with_id() => done,
                () = &mut late, if !full => break,
            };
            let (task, error) = match done {
                None => break,
                Some(Ok((task, ()))) => (task, None),
                Some(Err(error)) => (error.id(), Some(error)),
            };
            let id = in_hand.remove(&task);
            if let (Some(error), Some(id)) = (error, id) {
                tracing::error!(%error, "deciding a mail ended badly; it is tried again, alone");
                pipeline.put_back(id, "deciding it ended badly", true, &cancel).await;
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
    /// Takes mails to decide. After an error nobody knows whether some were claimed: what is ours and not in hand is put
    /// back first.
    async fn claim(&self, unsure: &mut bool, in_hand: Vec<InboxId>) -> Vec<ClaimedMail> {
        match self.claimed(*unsure, in_hand).await {
            Ok(mails) => {
                *unsure = false;
                mails
            }
            Err(error) => {
                *unsure = true;
                tracing::warn!(%error, "could not look for accepted mail");
                Vec::new()
            }
        }
    }

    async fn claimed(&self, unsure: bool, in_hand: Vec<InboxId>) -> Result<Vec<ClaimedMail>, StoreError> {
        if unsure {
            self.store.run(Cmd::FreeStrays { node: self.node, in_hand: Queue::Inbox(in_hand) }).await?;
        }
        match self.store.run(Cmd::ClaimInbox { node: self.node, now: self.clock.now(), limit: BATCH }).await? {
            Outcome::Mails(mails) => {
                mails.iter().for_each(|_| failpoint::reached("claim.after_commit"));
                Ok(mails)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Takes one mail to its fate, or puts it back.
    async fn one(&self, mail: ClaimedMail, cancel: &CancellationToken) {
        let id = mail.id;
        match self.decided(&mail).await {
            Ok(()) => {}
            Err(StoreError::Fenced) => tracing::warn!(%id, "another node has taken a mail over"),
            Err(error) => {
                tracing::error!(%id, %error, attempts = mail.attempts, "a mail could not be decided; it waits");
                self.put_back(id, &error.to_string(), !error.is_nobodys_fault(), cancel).await;
            }
        }
    }

    /// Puts a mail back until the database has it: a mail that stays claimed would wait for the next start. What is
    /// wrong with the database or the disk is not charged to the mail.
    async fn put_back(&self, id: InboxId, reason: &str, charge: bool, cancel: &CancellationToken) {
        loop {
            let due_at = self.clock.now() + PAUSE;
            let defer = Cmd::DeferInbox { node: self.node, id, due_at, reason: reason.to_owned(), charge };
            match self.store.run(defer).await {
                Ok(_) | Err(StoreError::Fenced) => return,
                Err(error) => tracing::error!(%id, %error, "a mail could not be put back yet"),
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn decided(&self, mail: &ClaimedMail) -> Result<(), StoreError> {
        let desk = self.desk.borrow().clone();
        let poison = mail.attempts > i64::from(desk.config.limits.attempts);
        let (understood, verdict) = match poison {
            true => (self.glimpsed(mail).await?, Verdict::default()),
            false => self.read(&desk, mail).await?,
        };
        failpoint::reached("decide.understood");
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

    /// What a mail that can't be understood says of itself; nothing, where even its bytes can't be had.
    async fn glimpsed(&self, mail: &ClaimedMail) -> Result<Understood, StoreError> {
        match self.store.blob(&mail.blob).await {
            Ok(raw) => Ok(glimpse(&raw)),
            Err(error @ (StoreError::Away(_) | StoreError::Busy | StoreError::Closed)) => Err(error),
            Err(_) => Ok(Understood::default()),
        }
    }

    /// What the mail says and who wrote it. What was found while its sender was on the line stands, unless the DNS could
    /// not be asked then.
    async fn read(&self, desk: &Desk, mail: &ClaimedMail) -> Result<(Understood, Verdict), StoreError> {
        let raw = self.store.blob(&mail.blob).await?;
        let limits = Limits::from(&desk.config.limits);
        let known = mail.envelope.verdict.clone().filter(|verdict| !verdict.is_temporary());
        let wanted = known.is_none();
        let task =
            tokio::task::spawn_blocking(move || (understand(&raw, &limits), wanted.then(|| Subject::read(&raw, origin(&raw, &limits)))));
        let (understood, subject) = task.await.map_err(|e| StoreError::Corrupt(format!("understanding it failed: {e}")))?;
        let verdict = match (known, subject) {
            (Some(known), _) => known,
            (None, Some(subject)) => self.verifier.verdict(&desk.config, &mail.envelope, &subject).await,
            (None, None) => Verdict::default(),
        };
        Ok((understood, verdict))
    }
}

#[cfg(test)]
mod tests;
