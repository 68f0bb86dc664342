//! The numbers behind the status page and `/metrics`, which need no token: counting is done for all askers at once and
//! rests many times as long as it took, so that asking costs a large desk no more than a small one. When the database
//! does not answer, the last numbers stay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, timeout};

use super::App;
use crate::feed::index::Health;
use crate::store::StoreError;
use crate::store::read::{Counts, Totals};

/// How long an asker waits for new numbers; then the last ones are good enough.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long counting may take.
const LIMIT: Duration = Duration::from_secs(60);
/// What fails sooner has waited for a connection in vain, or lost it.
const UNREACHED: Duration = Duration::from_secs(10);
/// A tenth of a connection's time for what indexes give, and a hundredth for walks through large tables.
const REST: u32 = 10;
const LONG_REST: u32 = 100;

/// The desk in numbers.
#[derive(Clone)]
pub(super) struct Numbers {
    /// What waits, fails and works.
    pub(super) counts: Arc<Counts>,
    /// Traffic, and the desk as a whole.
    pub(super) totals: Arc<Totals>,
    /// The search index, and since when (ms) it has an event to read.
    pub(super) index: (Health, Option<i64>),
    /// When `counts` was counted, in ms.
    pub(super) at: i64,
}

/// Where the last numbers hang, and who counts.
#[derive(Clone, Default)]
pub(super) struct Board {
    last: Arc<Mutex<Option<Kept>>>,
    failed_until: Arc<Mutex<Option<Instant>>>,
    turn: Arc<Turn<()>>,
}

#[derive(Clone)]
struct Kept {
    numbers: Numbers,
    counts_until: Instant,
    totals_until: Instant,
}

/// The numbers as they are now, or as they were when the database last gave some; `None` when it never did.
pub(super) async fn numbers(app: &App) -> Option<Numbers> {
    let board = &app.state.guards.board;
    let counting = async {
        let turn = Arc::clone(&board.turn).lock_owned().await;
        if board.rests(Instant::now()) {
            return;
        }
        let app = app.clone();
        // Whoever asked may go away; what was begun is of use to the next.
        let counted = tokio::spawn(async move {
            let _turn = turn;
            let begun = Instant::now();
            let counted = timeout(LIMIT, count(&app)).await.unwrap_or_else(|_| Err(StoreError::Away("no answer".into())));
            match counted {
                Ok(kept) => *lock(&app.state.guards.board.last) = Some(kept),
                Err(error) => {
                    *lock(&app.state.guards.board.failed_until) = Some(Instant::now() + rest_after(begun.elapsed()));
                    tracing::warn!(%error, "the desk could not be counted");
                }
            }
        });
        // It ends badly only where the numbers stay as they were.
        let _ = counted.await;
    };
    let _ = timeout(PATIENCE, counting).await;
    board.last().map(|kept| kept.numbers)
}

impl Board {
    fn last(&self) -> Option<Kept> {
        lock(&self.last).clone()
    }

    /// Whether nothing is to be counted now.
    fn rests(&self, now: Instant) -> bool {
        lock(&self.failed_until).is_some_and(|until| until > now) || lock(&self.last).as_ref().is_some_and(|kept| kept.counts_until > now)
    }
}

/// How long nothing is counted after counting has failed. A database in trouble is left alone for as long as one that answers late, and
/// not for ever; one that was not reached at all has had no trouble, and may be back soon.
fn rest_after(took: Duration) -> Duration {
    if took < UNREACHED { took } else { (took * REST).min(LIMIT) }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // The lock is never held over anything that can panic.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn count(app: &App) -> Result<Kept, StoreError> {
    let store = &app.state.store;
    // A database that comes back is waited for here: that is no time of its own, and says nothing of how long it should rest.
    store.ping().await?;
    let (now, begun) = (app.now(), Instant::now());
    let counts = Arc::new(store.counts(now).await?);
    let index = behind(app, app.state.index.health(now)).await?;
    let counted = Instant::now();
    let last = app.state.guards.board.last().filter(|kept| kept.totals_until > counted);
    let (totals, totals_until) = match last {
        Some(kept) => (kept.numbers.totals, kept.totals_until),
        None => {
            let totals = Arc::new(store.totals(now).await?);
            let ended = Instant::now();
            (totals, ended + (ended - counted) * LONG_REST)
        }
    };
    let counts_until = Instant::now() + (counted - begun) * REST;
    Ok(Kept { numbers: Numbers { counts, totals, index, at: now }, counts_until, totals_until })
}

async fn behind(app: &App, health: Health) -> Result<(Health, Option<i64>), StoreError> {
    let next = if health.seq < health.head { app.state.store.event_time(health.seq + 1).await? } else { None };
    Ok((health, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_was_not_reached_is_asked_again_soon_and_a_busy_one_is_left_alone() {
        let rests = [0, 5, 10, 60].map(|took| rest_after(Duration::from_secs(took)).as_secs());
        assert_eq!(rests, [0, 5, 60, 60]);
    }
}
