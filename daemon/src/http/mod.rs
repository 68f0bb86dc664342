//! The HTTP side: status page, health, metrics and the API. Small, HTTP/1 only, and never on the way of a mail that
//! comes in by another door.
//!
//! Every route stands in `routes` with what it takes to call it, so that none is open by oversight.

mod acts;
mod articles;
mod attachments;
mod auth;
mod body;
mod download;
mod events;
mod health;
mod inbox;
mod intake;
mod messages;
mod metrics;
mod numbers;
mod outbox;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod page;
mod problem;
mod rate;
mod routes;
mod search;
mod serve;
mod status;
mod stream;
mod suppressed;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod tickets;
pub mod views;
pub mod webhook_views;
mod webhooks;

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::desk::Desk;
use crate::feed::index::SearchIndex;
use crate::filter::Filters;
use crate::inbox::Inbox;
use crate::receive::Counters;
use crate::store::Store;
use crate::understand::Limits;

pub use crate::receive::listen::{BindError, Listener};
pub use serve::serve;

/// Connections open at once, over all listeners.
const CONNECTIONS: usize = 512;
/// Mails that are read back at once: each may be as large as the largest mail.
const READ_BACK: usize = 4;
/// Searches at once: each may keep a processor for a second.
const SEARCHES: usize = 4;
/// Clients that follow the log at once.
const STREAMS: usize = 64;

/// What the HTTP side works with. One value serves all listeners of a process.
#[derive(Clone)]
pub struct State {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The desk as it is configured now.
    pub desk: watch::Receiver<Arc<Desk>>,
    /// The door for mail that is handed in here.
    pub inbox: Inbox,
    /// What the mail listeners count.
    pub counters: Arc<Counters>,
    /// The search index of this process.
    pub index: SearchIndex,
    /// What content filters have said.
    pub filters: Arc<Filters>,
    /// Bounds for understanding a mail again.
    pub limits: Limits,
    /// When this process started, in ms.
    pub started_at: i64,
    /// Caps; `Guards::default()`.
    pub guards: Guards,
}

/// Caps that all listeners share.
#[derive(Clone)]
pub struct Guards {
    connections: Arc<Semaphore>,
    read_back: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    pace: stream::Pace,
    age: serve::Age,
    rates: Arc<rate::Rates>,
    board: numbers::Board,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            read_back: Arc::new(Semaphore::new(READ_BACK)),
            searches: Arc::new(Semaphore::new(SEARCHES)),
            streams: Arc::new(Semaphore::new(STREAMS)),
            pace: stream::Pace::default(),
            age: serve::Age::default(),
            rates: Arc::default(),
            board: numbers::Board::default(),
        }
    }
}

/// What a handler gets.
#[derive(Clone)]
struct App {
    state: State,
    cancel: CancellationToken,
}

impl App {
    /// The desk as it is now; a request keeps what it took.
    fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.state.desk.borrow())
    }

    fn now(&self) -> i64 {
        self.state.clock.now()
    }
}
