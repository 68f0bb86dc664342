//! Small loops beside the big ones: the sign of life, and what is due.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::{Desk, timers};
use crate::model::changes::Timer;
use crate::store::{Cmd, NodeId, Outcome, Store, StoreError};

const BEAT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: i64 = 86_400_000;
/// Timers, and mails to sweep, of one look.
const AT_ONCE: i64 = 200;

/// Writes a sign of life every 10 s and says when it last could.
pub(super) async fn beat(store: Store, node: NodeId, clock: Clock, beat: watch::Sender<Instant>, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(BEAT) => {}
        }
        match store.run(Cmd::Beat { node, now: clock.now() }).await {
            Ok(_) => {
                beat.send_replace(Instant::now());
            }
            Err(error) => tracing::error!(%error, "no sign of life could be written; without one for 40 s nothing is sent"),
        }
    }
}

/// Forgets, once an hour, the bytes of mails that were settled a day ago.
pub(super) async fn sweep(store: Store, clock: Clock, cancel: CancellationToken) {
    loop {
        let pause = match swept(&store, clock).await {
            Ok(true) => LOOK,
            Ok(false) => HOUR,
            Err(error) => {
                tracing::warn!(%error, "sent mail could not be swept; it is tried again in an hour");
                HOUR
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One pass; says whether there may be more.
async fn swept(store: &Store, clock: Clock) -> Result<bool, StoreError> {
    match store.run(Cmd::SweepOutbox { before: clock.now() - DAY, limit: AT_ONCE }).await? {
        Outcome::Swept { rows, files } => {
            store.remove_files(&files);
            Ok(i64::try_from(rows).is_ok_and(|rows| rows >= AT_ONCE))
        }
        _ => Ok(false),
    }
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
        if let Err(error) = one(store, desk, clock, &timer).await {
            tracing::error!(%error, kind = timer.kind, ticket = timer.ticket, "a timer could not be fired; it is tried again");
        }
    }
    Ok(())
}

async fn one(store: &Store, desk: &Desk, clock: Clock, timer: &Timer) -> Result<(), StoreError> {
    let untold = store.untold(timers::DIGEST_LINES).await?;
    let now = clock.now();
    store.settle(|facts| timers::fire(desk, timer, &untold, facts, now)).await
}
