//! The state of the relay: one that is down is probed, and the mail for it is not to blame.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::net::Backoff;

/// Pauses between probes; the last one stays.
const PAUSES: [Duration; 5] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40), Duration::from_secs(60)];

/// Whether the relay takes mail.
#[derive(Debug)]
pub struct Destination {
    state: Mutex<Backoff>,
}

impl Default for Destination {
    fn default() -> Self {
        Self { state: Mutex::new(Backoff::new(&PAUSES)) }
    }
}

impl Destination {
    /// Mails that may be tried now: all of `free`, one probe, or none.
    pub(super) fn room(&self, free: usize, now: Instant) -> usize {
        match self.next() {
            None => free,
            Some(next) if next <= now => free.min(1),
            Some(_) => 0,
        }
    }

    /// When the next probe is due, if the relay is down.
    pub(super) fn next(&self) -> Option<Instant> {
        self.lock().until()
    }

    /// It took a mail, or refused one for a reason of its own.
    pub(super) fn is_up(&self) {
        if self.lock().worked() {
            tracing::info!("the relay takes mail again");
        }
    }

    /// It can't be used. Returns how long the mail in hand waits.
    pub(super) fn is_down(&self, reply: &str, now: Instant) -> Duration {
        let mut state = self.lock();
        if state.until().is_none() {
            tracing::warn!(reply, "the relay can't be used; mail waits");
        }
        state.failed(now)
    }

    /// A person wants it tried now.
    pub(super) fn try_now(&self) {
        self.lock().try_now(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Backoff> {
        // The lock is never held over anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_fail_together_are_one_failure() {
        let (relay, now) = (Destination::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(relay.is_down("421", now), Duration::from_secs(5));
        }
        assert_eq!((relay.room(5, now), relay.next().is_some()), (0, true));
        let later = now + Duration::from_secs(5);
        assert_eq!(relay.room(5, later), 1);
        assert_eq!(relay.is_down("421", later), Duration::from_secs(10));
        relay.is_up();
        assert_eq!(relay.room(5, later), 5);
    }
}
