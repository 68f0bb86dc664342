//! The outbox worker: claim what is due, compose it once, try it, settle it.

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
mod tests;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ombud_indexer::Searcher;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, millis};
use crate::config::Mailbox;
use crate::desk::{Desk, Step, delivery};
use crate::failpoint;
use crate::large;
use crate::model::OutboxId;
use crate::model::changes::Changes;
use crate::model::facts::Facts;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::store::{Away, Cmd, NodeId, Outcome as Done, Queue, Settled, Settlement, Store, StoreError};

use super::compose::{ComposeError, Composed, Composer, mailbox};
use super::destination::{AHEAD, Destinations, Down, Room};
use super::dkim::Signer;
use super::outcome::{Pause, is_late, late_behind, settled, spread};
use super::relay::{Exit, Exits, Fence, Outcome};

/// Mails in hand at once by a relay.
const IN_HAND: usize = 40;
/// The same straight to many domains: a few that are slow must not hold all places.
const IN_HAND_STRAIGHT: usize = 200;
/// Nudges only save time.
const POLL: Duration = Duration::from_secs(1);
/// Until the end of a mail is written again that the database did not take, and until there may be room for a large one.
const SLOW_POLL: Duration = Duration::from_secs(5);

/// Answers behind a late one that are told of at once.
const TOLD_AT_ONCE: i64 = 20;

/// Until a mail without a mailbox is looked at again.
const NOWHERE: Duration = Duration::from_secs(60);
/// Why it waits.
const GONE: &str = "its mailbox is not in the configuration any more: bring it back, or drop the mail";

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
    pub exits: watch::Receiver<Arc<Exits>>,
    /// Finds what agents ask for.
    pub searcher: Searcher,
    /// Signs what leaves.
    pub signer: Arc<Signer>,
    /// State of the relay, or of the domains.
    pub destinations: Arc<Destinations>,
    /// Last sign of life that this node could write.
    pub beat: watch::Receiver<Instant>,
    /// The clock.
    pub clock: Clock,
}

/// Decides who hears of a mail that does not arrive, from the last reply and the time.
type Tells = fn(&Desk, &OutboxRow, &str, &Facts, i64) -> Step;

/// How one mail leaves.
#[derive(Clone, Copy)]
struct Way<'a> {
    exit: &'a Exit,
    /// What it shares its fate with.
    destination: &'a str,
}

/// Sends until `cancel`; then finishes what is on its way.
pub async fn run(sender: Sender, cancel: CancellationToken) {
    let mut work = JoinSet::new();
    // What was tried and whose end could not be written stays in here: it may have left, and nobody may put it back.
    let mut in_hand = BTreeSet::new();
    let mut unsure = false;
    let mut last = sender.exits.borrow().clone();
    loop {
        let exits = sender.exits.borrow().clone();
        if !Arc::ptr_eq(&exits, &last) {
            // What is known of the last ones says nothing about these.
            sender.destinations.try_now();
            last = exits.clone();
        }
        let connections = sender.desk.borrow().config.outbound.connections;
        let most = if exits.are_many() { IN_HAND_STRAIGHT } else { IN_HAND };
        let free = most.max(connections.saturating_mul(AHEAD)).saturating_sub(work.len());
        let strays = unsure.then(|| in_hand.iter().copied().collect());
        let room = sender.destinations.room(free, connections, exits.are_many(), Instant::now());
        let wanted = room.limit;
        let claimed = sender.claim(&exits, room, strays).await;
        unsure = claimed.is_none();
        let claimed = claimed.unwrap_or_default();
        // There may be more, for others than these.
        let more = exits.are_many() && wanted > 0 && claimed.len() == wanted;
        for row in claimed {
            let (id, sender, cancel) = (row.id, sender.clone(), cancel.clone());
            in_hand.insert(id);
            let Some(exit) = sender.exit_of(&exits, &row) else {
                work.spawn(async move { sender.stays(&row).await.then_some(id) });
                continue;
            };
            let name = exit.destination(&row.address);
            let destination = sender.destinations.claimed(&name, connections);
            work.spawn(async move { Box::pin(sender.one(row, &exit, destination.name(), cancel)).await.then_some(id) });
        }
        let now = Instant::now();
        let probe = sender.destinations.next(now).unwrap_or(now + POLL);
        let pause = if more { now } else { probe.min(now + POLL) };
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(done) = work.join_next(), if !work.is_empty() => {
                if let Some(id) = reported(done) {
                    in_hand.remove(&id);
                }
            }
            () = sender.store.nudges().outbox.notified() => {}
            () = sender.store.nudges().foreign.notified() => sender.destinations.try_now(),
            () = tokio::time::sleep_until(pause) => {}
        }
    }
    while let Some(done) = work.join_next().await {
        reported(done);
    }
}

/// As it stands in a selector.
fn day(now: i64) -> String {
    jiff::Timestamp::from_millisecond(now).unwrap_or_default().strftime("%Y%m%d").to_string()
}

/// The mail of a task, if it is no longer ours.
fn reported(done: Result<Option<OutboxId>, JoinError>) -> Option<OutboxId> {
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "sending a mail ended badly; the next start finds it");
        None
    })
}

impl Sender {
    /// Whether others still count on this process: well before they take its mail, it sends nothing more.
    fn is_alive(&self) -> bool {
        self.beat.borrow().elapsed() < self.desk.borrow().config.limits.node_silence * 2 / 3
    }

    /// Takes mails to send; `None` when nobody knows whether some were claimed. Then `strays` comes next time: what is in
    /// hand, so that all else of ours is put back.
    async fn claim(&self, exits: &Exits, room: Room, strays: Option<Vec<OutboxId>>) -> Option<Vec<OutboxRow>> {
        if room.limit == 0 || !self.is_alive() {
            return strays.is_none().then(Vec::new);
        }
        match self.claimed(room.limit, self.away(exits, room), strays).await {
            Ok(rows) => Some(rows),
            Err(error) => {
                tracing::warn!(%error, "could not look for mail to send");
                None
            }
        }
    }

    /// What a claim leaves where it is: mail for a domain or by a relay that would be given nothing more.
    fn away(&self, exits: &Exits, room: Room) -> Vec<Away> {
        let desk = self.desk.borrow().clone();
        let is_shut = |mailbox: &Mailbox| {
            let exit = exits.of_mailbox(&mailbox.address);
            !exit.is_straight() && room.shut.iter().any(|name| name == exit.name())
        };
        let shut: Vec<_> = desk.book.mailboxes().filter(|(_, mailbox)| is_shut(mailbox)).map(|(id, _)| id).collect();
        let rest = desk.book.first().filter(|first| shut.contains(first)).map(|_| Away::NoTicket);
        room.away.into_iter().map(Away::Domain).chain(shut.into_iter().map(Away::Mailbox)).chain(rest).collect()
    }

    async fn claimed(&self, limit: usize, away: Vec<Away>, strays: Option<Vec<OutboxId>>) -> Result<Vec<OutboxRow>, StoreError> {
        if let Some(in_hand) = strays {
            self.store.run(Cmd::FreeStrays { node: self.node, in_hand: Queue::Outbox(in_hand) }).await?;
        }
        match self.store.run(Cmd::ClaimOutbox { node: self.node, now: self.clock.now(), limit, away }).await? {
            Done::Outbox(rows) => {
                rows.iter().for_each(|_| failpoint::reached("send.claimed"));
                Ok(rows)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Where a mail leaves: what its mailbox says; nowhere, when that is gone from the configuration.
    fn exit_of(&self, exits: &Exits, row: &OutboxRow) -> Option<Arc<Exit>> {
        let desk = self.desk.borrow();
        desk.book.mailbox(mailbox(&desk, row)?).map(|mailbox| exits.of_mailbox(&mailbox.address).clone())
    }

    /// Nothing was tried, and the mail comes again soon; what a server has said of it is worth more than why. Says whether it is
    /// no longer ours.
    async fn put_back(&self, row: &OutboxRow, why: String) -> bool {
        let at = self.clock.now() + spread(millis(SLOW_POLL), row.id.0);
        let desk = self.desk.borrow().clone();
        self.end(&desk, row, Settled::Postponed(row.last_reply.clone().unwrap_or(why), at), false).await
    }

    /// The mail waits until its mailbox is configured again, or it is too old; says whether it is no longer ours.
    async fn stays(&self, row: &OutboxRow) -> bool {
        let desk = self.desk.borrow().clone();
        let outcome = Outcome::Destination { reply: GONE.to_owned() };
        let settled = settled(row, outcome, Pause { length: NOWHERE, charged: false }, &desk.config.limits, self.clock.now());
        self.end(&desk, row, settled, false).await
    }

    /// Tries a mail and settles it; says whether it is no longer ours.
    async fn one(&self, row: OutboxRow, exit: &Exit, destination: &str, cancel: CancellationToken) -> bool {
        const CROWDED: &str = "it waits for other large mails to leave";
        let desk = self.desk.borrow().clone();
        if self.destinations.is_crowded(row.id) {
            return self.put_back(&row, CROWDED.into()).await;
        }
        let settled = match self.composed(&desk, &row).await {
            Ok(mail) => match self.destinations.memory(row.id, mail.bytes.len()) {
                Some(_held) => self.tried(&desk, &row, &mail, Way { exit, destination }, &cancel).await,
                None => return self.put_back(&row, CROWDED.into()).await,
            },
            Err(ComposeError::Store(StoreError::Fenced)) => {
                tracing::warn!(id = %row.id, "another node has taken a mail over");
                return true;
            }
            Err(stopped @ ComposeError::Internal(_)) => {
                tracing::warn!(id = %row.id, kind = %row.kind, "a mail was stopped, for something internal would leave with it");
                Settled::Failed(stopped.to_string())
            }
            Err(ComposeError::Refused(why)) => Settled::Failed(why),
            Err(ComposeError::Later(why, at)) => Settled::Postponed(why, at),
            Err(ComposeError::Gone) => {
                tracing::info!(id = %row.id, kind = %row.kind, "a notice is dropped, for its agent was disabled meanwhile");
                Settled::Dropped
            }
            Err(ComposeError::Store(error)) => {
                tracing::error!(id = %row.id, %error, "a mail could not be composed; it waits");
                // A database that comes back is used at once; what is wrong with the mail itself stays wrong for a while.
                let pause = if error.is_nobodys_fault() { POLL } else { Duration::from_secs(60) };
                let outcome = Outcome::Destination { reply: format!("the desk could not compose it: {error}") };
                settled(&row, outcome, Pause { length: pause, charged: false }, &desk.config.limits, self.clock.now())
            }
        };
        self.end(&desk, &row, settled, exit.is_straight()).await
    }

    /// Writes down what became of a mail; says whether it is no longer ours.
    async fn end(&self, desk: &Desk, row: &OutboxRow, settled: Settled, straight: bool) -> bool {
        tracing::debug!(id = %row.id, kind = %row.kind, ?settled, "settling a mail");
        match self.settle(desk, row, settled, straight).await {
            Ok(()) => true,
            Err(StoreError::Fenced) => {
                tracing::warn!(id = %row.id, "another node has taken a mail over");
                true
            }
            Err(error) => {
                tracing::error!(id = %row.id, %error, "what became of a mail could not be written; the next start decides");
                false
            }
        }
    }

    /// One try. When the desk stops before the final dot, or can no longer say that it lives, the mail has not left and
    /// waits as if nothing had been tried.
    async fn tried(&self, desk: &Desk, row: &OutboxRow, mail: &Composed, way: Way<'_>, cancel: &CancellationToken) -> Settled {
        let (id, fence) = (format!("{}-{}", row.id, row.created_at), Fence::default());
        let rate = if way.exit.is_folder() { 0 } else { desk.config.outbound.rate };
        let mut deliver = pin!(async {
            let _slot = self.destinations.enter(way.destination, rate).await?;
            Ok(way.exit.deliver(&id, &mail.sender, &row.address, &mail.bytes, &fence).await)
        });
        let stopped = tokio::select! {
            // Nothing is begun that must not be.
            biased;
            () = cancel.cancelled() => "the desk stopped before it could be sent",
            () = self.is_missed() => "others may have taken this process for dead before it could be sent",
            outcome = &mut deliver => return self.ended(desk, row, way, outcome),
        };
        if fence.is_passed() {
            fence.stop();
            return self.ended(desk, row, way, deliver.await);
        }
        self.destinations.is_unknown(way.destination);
        Settled::Postponed(stopped.into(), self.clock.now())
    }

    /// Ends when others may soon count on this process no more.
    async fn is_missed(&self) {
        while self.is_alive() {
            tokio::time::sleep(POLL).await;
        }
    }

    /// What the outcome of a try means for its mail; also the state of the destination follows from it. Mail for a destination that
    /// is down waits until somebody finds it up again.
    fn ended(&self, desk: &Desk, row: &OutboxRow, way: Way<'_>, outcome: Result<Outcome, Down>) -> Settled {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(Down { reply, wait }) => {
                let (reply, pause) = (Outcome::Destination { reply }, Pause { length: wait, charged: false });
                return settled(row, reply, pause, &desk.config.limits, self.clock.now());
            }
        };
        let length = match &outcome {
            Outcome::Destination { reply } => self.destinations.is_down(way.destination, reply, Instant::now()),
            _ => {
                self.destinations.is_up(way.destination);
                Duration::ZERO
            }
        };
        let pause = Pause { length, charged: way.exit.is_straight() };
        settled(row, outcome, pause, &desk.config.limits, self.clock.now())
    }

    /// The mail's bytes: those of the first try, or composed now and kept before they leave.
    async fn composed(&self, desk: &Arc<Desk>, row: &OutboxRow) -> Result<Composed, ComposeError> {
        let composer = Composer { store: &self.store, desk, searcher: &self.searcher, now: self.clock.now() };
        if let Some(sha) = &row.composed {
            let mailbox = composer.mailbox(row)?;
            return Ok(Composed { from: String::new(), sender: composer.sender(row, mailbox), bytes: self.store.blob(sha).await? });
        }
        let mut mail = composer.compose(row).await?;
        let day = day(self.clock.now());
        let signed = self.signer.signed(&desk.config, &mail.from, mail.bytes, &day).await;
        mail.bytes = signed.map_err(|error| StoreError::Refused(error.to_string()))?;
        let (store, bytes) = (self.store.clone(), mail.bytes);
        let (blob, bytes) = large::beside(bytes.len(), move || (store.prepare(&bytes), bytes)).await.map_err(StoreError::from)?;
        mail.bytes = bytes;
        self.store.run(Cmd::Composed { node: self.node, id: row.id, blob: Box::new(blob?) }).await?;
        Ok(mail)
    }

    async fn settle(&self, desk: &Desk, row: &OutboxRow, settled: Settled, straight: bool) -> Result<(), StoreError> {
        loop {
            let error = match self.written(desk, row, &settled, straight).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict(_)) => continue,
                Err(error) => error,
            };
            // A mail that stays claimed would block its lane, and nobody could say later whether it left.
            if !error.is_temporary() || matches!(error, StoreError::Closed) {
                return Err(error);
            }
            tracing::warn!(id = %row.id, %error, "what became of a mail could not be written yet");
            tokio::time::sleep(if error.is_nobodys_fault() { POLL } else { SLOW_POLL }).await;
        }
    }

    async fn written(&self, desk: &Desk, row: &OutboxRow, settled: &Settled, straight: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        let told: Option<(Tells, &str)> = match settled {
            Settled::Failed(reply) => Some((delivery::failed, reply)),
            Settled::Retry(reply, _) | Settled::Postponed(reply, _) if is_late(row, settled, now) => Some((delivery::late, reply)),
            _ => None,
        };
        let changes = match told {
            Some((decide, reply)) => {
                let decide = |facts: &Facts| Ok::<_, Infallible>(decide(desk, row, reply, facts, now));
                match self.store.decided(&decide).await? {
                    Ok(changes) => *changes,
                    Err(never) => match never {},
                }
            }
            None if row.kind == MailKind::Answer && matches!(settled, Settled::Sent(_)) => delivery::sent(row, now),
            None => Changes { at: now, ..Changes::default() },
        };
        let settlement = Settlement { node: self.node, id: row.id, settled: settled.clone(), straight, now, changes };
        self.store.run(Cmd::Settle(Box::new(settlement))).await?;
        if let (Some(before), Settled::Retry(reply, _) | Settled::Postponed(reply, _)) = (late_behind(row, settled, now), settled)
            && let Err(error) = self.tell_behind(desk, row, reply, before, now).await
        {
            tracing::warn!(id = %row.id, %error, "the authors of answers behind a late mail could not be told yet");
        }
        Ok(())
    }

    /// What waits for a late mail to leave is not tried itself, and its author hears of it all the same. What is missed now is told
    /// with the next try.
    async fn tell_behind(&self, desk: &Desk, first: &OutboxRow, reply: &str, before: i64, now: i64) -> Result<(), StoreError> {
        for row in self.store.outbox_behind(first.id, before, TOLD_AT_ONCE).await? {
            self.store.settle(|facts| delivery::late(desk, &row, reply, facts, now)).await?;
        }
        Ok(())
    }
}
