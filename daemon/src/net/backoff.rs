//! Leaving alone what fails, for longer each time.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row, and until when to wait.
#[derive(Debug)]
pub struct Backoff {
    pauses: &'static [Duration],
    failures: usize,
    until: Option<Instant>,
}

impl Backoff {
    /// One that waits so long after the first failure, the second and so on; the last pause stays.
    pub const fn new(pauses: &'static [Duration]) -> Self {
        Self { pauses, failures: 0, until: None }
    }

    /// Until when to wait, also a time that has passed; none while nothing fails.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// It works; whether it failed before.
    pub fn worked(&mut self) -> bool {
        self.failures = 0;
        self.until.take().is_some()
    }

    /// It failed: how long to wait. What fails while we wait already failed together with what made us wait, and lengthens
    /// nothing.
    pub fn failed(&mut self, now: Instant) -> Duration {
        if let Some(until) = self.until.filter(|until| *until > now) {
            return until - now;
        }
        let pause = self.pauses.get(self.failures).or(self.pauses.last()).copied().unwrap_or_default();
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + pause);
        pause
    }

    /// A person wants it tried now.
    pub fn try_now(&mut self, now: Instant) {
        self.until = self.until.map(|until| until.min(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(60)];

    #[test]
    fn waits_grow_up_to_the_last_one_and_begin_anew() {
        let (mut backoff, mut now) = (Backoff::new(&PAUSES), Instant::now());
        assert!(backoff.until().is_none() && !backoff.worked());
        for pause in [5, 10, 60, 60, 60] {
            assert_eq!(backoff.failed(now), Duration::from_secs(pause));
            now += Duration::from_secs(1);
            assert_eq!(backoff.failed(now), Duration::from_secs(pause - 1), "several that fail together are one failure");
            now += Duration::from_secs(pause - 1);
            assert_eq!(backoff.until(), Some(now));
        }
        assert!(backoff.worked() && backoff.until().is_none());
        assert_eq!(backoff.failed(now), Duration::from_secs(5));
        backoff.try_now(now + Duration::from_secs(1));
        assert_eq!(backoff.until(), Some(now + Duration::from_secs(1)));
    }
}
