//! Leaving alone what fails, for longer each time.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Failures in a row, and until when to wait.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    until: Instant,
}

impl Backoff {
    pub(crate) fn new(now: Instant) -> Self {
        Self { failures: 0, until: now }
    }

    /// Until when to wait; a time that has passed when there is nothing to wait for.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    pub(crate) fn worked(&mut self) {
        self.failures = 0;
    }

    /// What fails while we wait already failed together with what made us wait, and lengthens nothing.
    pub(crate) fn failed(&mut self, now: Instant) {
        if now >= self.until {
            self.until = now + FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
            self.failures = self.failures.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_anew() {
        let mut now = Instant::now();
        let mut backoff = Backoff::new(now);
        let mut wait = |backoff: &mut Backoff| {
            backoff.failed(now);
            backoff.failed(now);
            let wait = backoff.until() - now;
            now = backoff.until();
            wait.as_secs()
        };
        assert_eq!([1, 2, 4, 8, 16, 30, 30].map(|_| wait(&mut backoff)), [1, 2, 4, 8, 16, 30, 30]);
        for _ in 0..100 {
            wait(&mut backoff);
        }
        assert_eq!(wait(&mut backoff), 30);
        backoff.worked();
        assert_eq!(wait(&mut backoff), 1);
    }
}
