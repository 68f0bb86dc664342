//! Accepted mail to tickets: claim an inbox row, filter, understand, verify, decide, one commit.

pub mod history;
mod room;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::{self, Desk, Mail};
use crate::failpoint;
use crate::filter::{self, Filters};
use crate::large::{self, LARGE};
use crate::model::facts::Facts;
use crate::model::finding::{Action, Finding};
use crate::model::{InboxId, Understood, Verdict};
use crate::store::{ClaimedMail, Cmd, NodeId, Outcome, Queue, Store, StoreError};
use crate::understand::{Limits, glimpse, origin, understand};
use crate::verify::{Subject, Verifier};

pub use room::Room;

/// Mails taken at once.
const BATCH: usize = 16;
/// Mails in hand at most: some may wait for a slow DNS while others go on.
const IN_HAND: usize = 128;
/// How long the next mails wait for those in hand.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a mail that could not be decided waits.
const PAUSE: i64 = 1_000;
/// How long, in ms, a mail waits for a filter that asks to try again later; then a person decides.
const LATER: i64 = 3_600_000;
/// Nudges only save time.
const POLL: Duration = Duration::from_secs(1);
/// How often it is looked whether mail still rushes in.
const LOOK: Duration = Duration::from_millis(20);

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
    /// Who asks content filters.
    pub filters: Arc<Filters>,
    /// What large mails share.
    pub room: Room,
    /// The clock.
    pub clock: Clock,
}

/// Decides mail until `cancel`; then finishes what is in hand.
pub async fn run(pipeline: Pipeline, cancel: CancellationToken) {
    let mut unsure = false;
    let mut waits_since = None;
    let mut work = JoinSet::new();
    let mut in_hand = HashMap::new();
    loop {
        while pipeline.gives_way(&mut waits_since) && !cancel.is_cancelled() {
            sleep(LOOK).await;
        }
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
                pipeline.put_back(id, "deciding it ended badly", true, pipeline.soon(), &cancel).await;
            }
        }
        if cancel.is_cancelled() {
            return;
        }
        if idle {
            waits_since = None;
            tokio::select! {
                () = cancel.cancelled() => return,
                () = pipeline.store.nudges().inbox.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// A mail that can't be decided yet, through no fault of its own.
struct Later {
    /// In ms.
    due_at: i64,
    reason: String,
}

impl Pipeline {
    /// While a burst comes in, accepting goes before understanding, for so long since there was nothing left to do.
    fn gives_way(&self, waits_since: &mut Option<Instant>) -> bool {
        let now = Instant::now();
        if !self.store.nudges().rush.is_on(now) {
            return false;
        }
        let since = *waits_since.get_or_insert(now);
        now.saturating_duration_since(since) < self.desk.borrow().config.limits.burst
    }

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
            Ok(None) => {}
            Ok(Some(Later { due_at, reason })) => self.put_back(id, &reason, false, due_at, cancel).await,
            Err(StoreError::Fenced) => tracing::warn!(%id, "another node has taken a mail over"),
            Err(error) => {
                match &error {
                    // It is decided in a second.
                    StoreError::Conflict(_) => tracing::info!(%id, "others were faster to change what a mail is about; it waits"),
                    _ => tracing::error!(%id, %error, attempts = mail.attempts, "a mail could not be decided; it waits"),
                }
                self.put_back(id, &error.to_string(), !error.is_nobodys_fault(), self.soon(), cancel).await;
            }
        }
    }

    /// Puts a mail back until the database has it: a mail that stays claimed would wait for the next start. What is
    /// wrong with the database or the disk is not charged to the mail.
    async fn put_back(&self, id: InboxId, reason: &str, charge: bool, due_at: i64, cancel: &CancellationToken) {
        loop {
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

    fn soon(&self) -> i64 {
        self.clock.now() + PAUSE
    }

    /// Takes a mail to its fate, or says that it must wait for a filter.
    async fn decided(&self, mail: &ClaimedMail) -> Result<Option<Later>, StoreError> {
        let desk = self.desk.borrow().clone();
        let poison = mail.attempts > i64::from(desk.config.limits.attempts);
        // What a person has let through is not filtered again.
        let (findings, raw) = match poison || mail.passed.iter().any(|reason| reason == "filter") {
            true => (mail.findings.clone(), None),
            false => match self.filtered(&desk, mail).await? {
                Ok(filtered) => filtered,
                Err(later) => return Ok(Some(later)),
            },
        };
        let (understood, verdict) = match poison {
            true => (self.glimpsed(mail).await?, Verdict::default()),
            false => self.read(&desk, mail, raw).await?,
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
            findings: &findings,
            passed: &mail.passed,
        };
        let now = self.clock.now();
        let decide = |facts: &Facts| match poison {
            true => desk::poison(&desk, &view, facts, now),
            false => desk::decide(&desk, &view, facts, now),
        };
        self.store.settle(decide).await.map(|()| None)
    }

    /// What filters say of a mail, and its bytes if they were read for that and are not many; or that it must wait for one.
    /// What was found while its sender was on the line, or before it was held, stands.
    async fn filtered(&self, desk: &Desk, mail: &ClaimedMail) -> Result<Result<(Vec<Finding>, Option<Vec<u8>>), Later>, StoreError> {
        if !Filters::is_asked(&desk.config, &mail.findings) {
            return Ok(Ok((mail.findings.clone(), None)));
        }
        // A filter may take its time, and many large mails may wait for it: not in memory.
        let room = match self.filters.memory(mail.octets) {
            Some(room) => Some(room),
            None => self.filters.memory_later(mail.octets).await,
        };
        let raw = self.store.blob(&mail.blob).await?;
        let findings = self.filters.findings(&desk.config, &mail.envelope, &raw, &mail.findings).await;
        drop(room);
        let raw = (raw.len() <= LARGE).then_some(raw);
        Ok(self.waits(desk, mail, &findings).map_or(Ok((findings, raw)), Err))
    }

    /// Whether a mail must wait for a filter: as long as it can't be asked, and for a while when it says so itself.
    fn waits(&self, desk: &Desk, mail: &ClaimedMail, findings: &[Finding]) -> Option<Later> {
        let new = self.clock.now() - mail.received_at < LATER;
        let later = || findings.iter().find(|finding| finding.action == Action::Tempfail && new);
        let finding = filter::failed_closed(&desk.config, findings).or_else(later)?;
        let reason = format!("waits for the filter {}", finding.filter);
        Some(Later { due_at: self.filters.again_at(&desk.config), reason })
    }

    /// What a mail that can't be understood says of itself; nothing, where even its bytes can't be had.
    async fn glimpsed(&self, mail: &ClaimedMail) -> Result<Understood, StoreError> {
        let _room = self.room.take(mail.octets).await;
        match self.store.blob(&mail.blob).await {
            Ok(raw) => Ok(glimpse(&raw)),
            Err(error @ (StoreError::Away(_) | StoreError::Busy | StoreError::Closed)) => Err(error),
            Err(_) => Ok(Understood::default()),
        }
    }

    /// What the mail says and who wrote it; `raw` are its bytes, if they were read before. What was found while its sender
    /// was on the line stands, unless the DNS could not be asked then.
    async fn read(&self, desk: &Desk, mail: &ClaimedMail, raw: Option<Vec<u8>>) -> Result<(Understood, Verdict), StoreError> {
        let room = self.room.take(mail.octets).await;
        let raw = match raw {
            Some(raw) => raw,
            None => self.store.blob(&mail.blob).await?,
        };
        let limits = Limits::from(&desk.config.limits);
        let known = mail.envelope.verdict.clone().filter(|verdict| !verdict.is_temporary());
        let wanted = known.is_none();
        let work = move || (understand(&raw, &limits), wanted.then(|| Subject::read(&raw, origin(&raw, &limits))));
        let done = match room {
            Some(_) => large::apart(work)?.await.map_err(|e| e.to_string()),
            None => tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string()),
        };
        drop(room);
        let (understood, subject) = done.map_err(|e| StoreError::Corrupt(format!("understanding it failed: {e}")))?;
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
