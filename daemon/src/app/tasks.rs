//! Small loops beside the big ones: the sign of life, and what is due.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, millis};
use crate::desk::{Desk, timers};
use crate::feed::index::SearchIndex;
use crate::model::changes::Timer;
use crate::store::read::Acked;
use crate::store::{Cmd, NodeId, Outcome, Store, StoreError};

/// Events of commits that come together are numbered together.
const GATHER: Duration = Duration::from_millis(20);
const EVENTS: i64 = 2_000;
/// How often the log is looked at for what other processes have written.
const GLANCE: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: i64 = 86_400_000;
/// How long settled webhook deliveries are shown, in ms, and how many of each receiver.
const SHOWN: i64 = 30 * DAY;
const SHOWN_EACH: i64 = 10_000;
/// Fingerprints that are forgotten at once.
const COPIES: i64 = 2_000;
/// Timers, and rows to sweep, of one look.
const AT_ONCE: i64 = 200;

/// What a sign of life needs.
pub(super) struct Heart {
    pub(super) store: Store,
    pub(super) node: NodeId,
    pub(super) desk: watch::Receiver<Arc<Desk>>,
    pub(super) clock: Clock,
    /// How far it is stands in each one.
    pub(super) index: SearchIndex,
    /// When the last one was written.
    pub(super) beat: watch::Sender<Instant>,
    /// Told when others take this process for dead.
    pub(super) dead: CancellationToken,
}

/// Signs of life in a row before a process judges others: after an outage of the database everybody is silent.
const STEADY: u32 = 4;

/// Writes signs of life, six in the time after which others take this process for dead, and says when it last could.
pub(super) async fn beat(heart: Heart, cancel: CancellationToken) {
    let mut steady = 0;
    loop {
        let silence = heart.desk.borrow().config.limits.node_silence;
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(silence / 6) => {}
        }
        let begun = Instant::now();
        steady = if begun.duration_since(*heart.beat.borrow()) < silence / 3 { steady + 1 } else { 0 };
        let judge = (steady > STEADY).then_some(millis(silence));
        let sign = Cmd::Beat { node: heart.node, now: heart.clock.now(), silence: judge, index_seq: heart.index.seq() };
        match heart.store.run(sign).await {
            Ok(_) => {
                heart.beat.send_replace(begun);
            }
            Err(StoreError::Fenced) => {
                heart.dead.cancel();
                return;
            }
            Err(error) => tracing::error!(%error, "no sign of life could be written; nothing is sent before one is"),
        }
    }
}

/// Gives committed events their place in the log, soon after each commit, and tells followers when it has grown, by
/// whomever.
pub(super) async fn number(store: Store, cancel: CancellationToken) {
    let mut seen = 0;
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = store.nudges().unnumbered.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(GLANCE) => {}
        }
        match numbered(&store).await {
            Ok(last) => {
                if std::mem::replace(&mut seen, last) != last {
                    store.nudges().events.notify_waiters();
                }
            }
            Err(error) => tracing::warn!(%error, "new events could not be numbered; it is tried again"),
        }
    }
}

/// Numbers all there are; the last place.
async fn numbered(store: &Store) -> Result<i64, StoreError> {
    loop {
        match store.run(Cmd::NumberEvents { limit: EVENTS }).await? {
            Outcome::Numbered { events, .. } if events >= EVENTS => {}
            Outcome::Numbered { last, .. } => return Ok(last),
            _ => return Ok(0),
        }
    }
}

/// Forgets, once an hour, the bytes of mails that were settled a day ago, and old webhook deliveries; and looks at how much is
/// acknowledged.
pub(super) async fn sweep(store: Store, clock: Clock, cancel: CancellationToken) {
    let mut files = Vec::new();
    loop {
        let pause = match swept(&store, clock, &mut files).await {
            Ok(true) => LOOK,
            Ok(false) => HOUR,
            Err(error) => {
                tracing::warn!(%error, "what was sent could not be swept; it is tried again in an hour");
                HOUR
            }
        };
        if pause == HOUR {
            look_at_acks(&store, clock).await;
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Says so where very much of what came in within the hour was acknowledged.
async fn look_at_acks(store: &Store, clock: Clock) {
    match store.acked(clock.now()).await {
        Ok(acked) if acked.is_alarming() => {
            let Acked { accepted, acks } = acked;
            tracing::warn!(acks, accepted, "very many acknowledgements for the mails of an hour: `ombud queue list` shows to whom");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "acknowledgements could not be counted; it is tried again in an hour"),
    }
}

/// One pass; says whether there may be more. `files` are those whose time has not come.
async fn swept(store: &Store, clock: Clock, files: &mut Vec<Vec<u8>>) -> Result<bool, StoreError> {
    let now = clock.now();
    let mut more = false;
    for cmd in [
        Cmd::SweepOutbox { before: now - DAY, limit: AT_ONCE },
        Cmd::SweepDeliveries { before: now - SHOWN, keep: SHOWN_EACH, limit: AT_ONCE },
    ] {
        if let Outcome::Swept { rows, files: gone } = store.run(cmd).await? {
            files.extend(gone);
            *files = store.remove_files(files.clone(), now).await?;
            more |= i64::try_from(rows).is_ok_and(|rows| rows >= AT_ONCE);
        }
    }
    Ok(more)
}

/// Forgets, once a day, fingerprints and refusals that are old enough and files that a crash has left behind.
pub(super) async fn forget(store: Store, clock: Clock, cancel: CancellationToken) {
    loop {
        if let Err(error) = forgotten(&store, clock.now()).await {
            tracing::warn!(%error, "old fingerprints and left-over files could not be swept; it is tried again tomorrow");
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(HOUR * 24) => {}
        }
    }
}

async fn forgotten(store: &Store, now: i64) -> Result<(), StoreError> {
    loop {
        match store.run(Cmd::SweepCopies { now, limit: COPIES }).await? {
            Outcome::Swept { rows, .. } if i64::try_from(rows).is_ok_and(|rows| rows >= COPIES) => {}
            _ => break,
        }
    }
    store.run(Cmd::SweepRefusals { now, limit: COPIES }).await?;
    let files = store.remove_strays(now).await?;
    if files > 0 {
        tracing::info!(files, "files that no mail needs were removed");
    }
    Ok(())
}

/// Fires timers that are due.
pub(super) async fn fire(store: Store, desk: watch::Receiver<Arc<Desk>>, clock: Clock, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let desk = desk.borrow().clone();
        if let Err(error) = due(&store, &desk, clock).await {
            tracing::warn!(%error, "what is due could not be done; it is tried again");
        }
    }
}

async fn due(store: &Store, desk: &Desk, clock: Clock) -> Result<(), StoreError> {
    for timer in store.due_timers(clock.now(), AT_ONCE).await? {
        // One that can't be fired must not stand before the others.
        match one(store, desk, clock, &timer).await {
            // Another process was faster.
            Ok(()) | Err(StoreError::Fenced) => {}
            Err(error) => {
                tracing::error!(%error, kind = timer.kind, ticket = timer.ticket, "a timer could not be fired; it is tried again")
            }
        }
    }
    Ok(())
}

async fn one(store: &Store, desk: &Desk, clock: Clock, timer: &Timer) -> Result<(), StoreError> {
    let untold = store.untold(timers::DIGEST_LINES).await?;
    let now = clock.now();
    store.settle(|facts| timers::fire(desk, timer, &untold, facts, now)).await
}
