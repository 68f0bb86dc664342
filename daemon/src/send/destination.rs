//! The state of the relay: one that is down is probed, and the mail for it is not to blame.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Pauses between probes; the last one stays.
const PAUSES: [u64; 5] = [5, 10, 20, 40, 60];

/// Whether the relay takes mail.
#[derive(Debug, Default)]
pub struct Destination {
    state: Mutex<Option<Down>>,
}

#[derive(Clone, Debug)]
struct Down {
    probes: usize,
    next: Instant,
}

impl Destination {
    /// Mails that may be tried now: all of `free`, one probe, or none.
    pub(super) fn room(&self, free: usize, now: Instant) -> usize {
        match &*self.lock() {
            None => free,
            Some(down) if down.next <= now => free.min(1),
            Some(_) => 0,
        }
    }

    /// When the next probe is due, if the relay is down.
    pub(super) fn next(&self) -> Option<Instant> {
        self.lock().as_ref().map(|d| d.next)
    }

    /// It took a mail, or refused one for a reason of its own.
    pub(super) fn is_up(&self) {
        if self.lock().take().is_some() {
            tracing::info!("the relay takes mail again");
        }
    }

    /// It can't be used. Returns how long the mail in hand waits.
    pub(super) fn is_down(&self, reply: &str, now: Instant) -> Duration {
        let mut state = self.lock();
        if let Some(down) = state.as_ref().filter(|down| down.next > now) {
            // Several tries were on their way when it went down: that is one failure.
            return down.next - now;
        }
        let probes = state.as_ref().map_or(0, |d| d.probes + 1);
        let pause = Duration::from_secs(PAUSES.get(probes).or(PAUSES.last()).copied().unwrap_or(60));
        if probes == 0 {
            tracing::warn!(reply, "the relay can't be used; mail waits");
        }
        *state = Some(Down { probes, next: now + pause });
        pause
    }

    /// A person wants it tried now.
    pub(super) fn try_now(&self) {
        if let Some(down) = self.lock().as_mut() {
            down.next = Instant::now();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Down>> {
        // The lock is never held over anything that can panic.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
