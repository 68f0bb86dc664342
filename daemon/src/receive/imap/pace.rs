//! When to try again: soon after a slip, slowly when it goes on, and very slowly where a password was refused, so that
//! no account is locked.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Fault;

/// A session that ended earlier than this is a short one.
const SHORT: Duration = Duration::from_secs(60);
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// After the first, second and every further refused log-in in a row.
const REFUSED: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(60 * 60)];

/// How it went so far.
#[derive(Debug)]
pub(super) struct Pace {
    /// Two log-ins are at least so far apart.
    between: Duration,
    failures: u32,
    refusals: usize,
    connected_at: Option<Instant>,
    /// Sessions in a row that the server ended soon.
    short: u32,
}

impl Pace {
    pub(super) fn new(between: Duration) -> Self {
        Self { between, failures: 0, refusals: 0, connected_at: None, short: 0 }
    }

    /// A connection is begun.
    pub(super) fn connects(&mut self, now: Instant) {
        self.connected_at = Some(now);
    }

    /// All folders were looked through.
    pub(super) fn works(&mut self) {
        (self.failures, self.refusals) = (0, 0);
    }

    /// How long to wait after this.
    pub(super) fn failed(&mut self, fault: &Fault, now: Instant) -> Duration {
        if fault.is_refusal() {
            let wait = REFUSED.get(self.refusals).or(REFUSED.last()).copied().unwrap_or(LONGEST);
            self.refusals += 1;
            return wait;
        }
        let wait = LONGEST.min(FIRST.min(self.between) * 2u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        wait.max(self.until_next(now))
    }

    /// Whether the log-in was refused so often that it is tried seldom.
    pub(super) fn gave_up(&self) -> bool {
        self.refusals >= REFUSED.len()
    }

    /// How long to wait after a server has ended a session in which nothing was wrong. One that does so each time is asked as
    /// often as one that is polled.
    pub(super) fn hung_up(&mut self, poll: Duration, now: Instant) -> Duration {
        let lived = self.connected_at.map_or(Duration::ZERO, |at| now.duration_since(at));
        self.short = if lived < SHORT { self.short.saturating_add(1) } else { 0 };
        let wait = self.between * 2u32.saturating_pow(self.short.saturating_sub(2).min(10));
        if self.short > 1 { wait.min(poll).max(self.until_next(now)) } else { self.until_next(now) }
    }

    /// How long until the next log-in may be tried.
    pub(super) fn until_next(&self, now: Instant) -> Duration {
        self.connected_at.map_or(Duration::ZERO, |at| self.between.saturating_sub(now.duration_since(at)))
    }
}

/// A wait with up to a fifth more, so that many accounts do not come at once.
pub(super) fn spread(wait: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness they do.
    let _ = getrandom::fill(&mut random);
    wait + wait.mul_f64(f64::from(random[0]) / 1280.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_starts_again() {
        let (mut pace, now) = (Pace::new(Duration::from_secs(5)), Instant::now());
        let lost = || Fault::NoTls;
        let waits: Vec<u64> = (0..12).map(|_| pace.failed(&lost(), now).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        pace.works();
        assert_eq!(pace.failed(&lost(), now).as_secs(), 2);
    }

    #[test]
    fn a_refused_password_is_tried_seldom() {
        let (mut pace, now) = (Pace::new(Duration::from_secs(5)), Instant::now());
        let refused = || Fault::LoginRefused { text: "no".into(), advice: "" };
        let waits: Vec<u64> = (0..5).map(|_| pace.failed(&refused(), now).as_secs()).collect();
        assert_eq!(waits, [60, 300, 3600, 3600, 3600]);
        assert!(pace.gave_up());
        pace.works();
        assert!(!pace.gave_up());
    }

    #[test]
    fn log_ins_are_apart_even_when_all_works_between() {
        let (mut pace, now) = (Pace::new(Duration::from_secs(5)), Instant::now());
        pace.connects(now);
        pace.works();
        assert_eq!(pace.until_next(now + Duration::from_secs(1)), Duration::from_secs(4));
        assert_eq!(pace.failed(&Fault::NoTls, now + Duration::from_secs(1)), Duration::from_secs(4));
        assert_eq!(pace.until_next(now + Duration::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn a_server_that_hangs_up_each_time_is_asked_no_more_often_than_one_that_is_polled() {
        let (mut pace, start) = (Pace::new(Duration::from_secs(5)), Instant::now());
        let mut end = |lived: u64| {
            pace.connects(start);
            pace.works();
            pace.hung_up(Duration::from_secs(60), start + Duration::from_secs(lived)).as_secs()
        };
        assert_eq!([1; 7].map(&mut end), [4, 5, 10, 20, 40, 60, 60]);
        assert_eq!([90, 1].map(end), [0, 4], "a long session is none of these");
    }

    #[test]
    fn a_spread_wait_is_a_little_longer() {
        let spread = spread(Duration::from_secs(10));
        assert!(spread >= Duration::from_secs(10) && spread <= Duration::from_secs(12), "{spread:?}");
    }
}
