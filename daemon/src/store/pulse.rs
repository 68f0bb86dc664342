//! When the database answered last, so that an outage can be dated by whoever notices it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::StoreError;

/// The last answer of the database.
pub(super) struct Pulse {
    opened: Instant,
    /// In ms after `opened`.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { opened: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Notes an outcome; also a refusal is an answer.
    pub(super) fn note<T>(&self, outcome: &Result<T, StoreError>) {
        if outcome.as_ref().err().is_none_or(StoreError::is_clean) {
            self.last.store(self.age(), Relaxed);
        }
    }

    /// How long there was no answer.
    pub(super) fn silence(&self) -> Duration {
        Duration::from_millis(self.age().saturating_sub(self.last.load(Relaxed)))
    }

    fn age(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
