//! How fast mail may leave for one destination: so many mails a second, and after a pause those of one second at once.

use std::time::Duration;

use tokio::time::Instant;

/// What may leave at once after a pause.
const BURST: Duration = Duration::from_secs(1);

/// When the next mail of one destination may leave.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all that was let through would have left one by one.
    even: Option<Instant>,
}

impl Pace {
    /// When one more may leave, at `rate` mails a second (0: at any rate). Whoever asks has their place, and nobody else gets it.
    pub(super) fn next(&mut self, rate: u32, now: Instant) -> Instant {
        let Some(each) = BURST.checked_div(rate) else { return now };
        let even = self.even.map_or(now, |even| even.max(now)) + each;
        self.even = Some(even);
        even.checked_sub(BURST).map_or(now, |at| at.max(now))
    }

    /// Whether nothing of it counts any more.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.even.is_none_or(|even| even <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_a_second_leave_at_once_and_all_others_evenly() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at: Vec<_> = (0..60).map(|_| (pace.next(20, start) - start).as_millis()).collect();
        assert_eq!(at[..20], [0; 20]);
        assert_eq!(at[20..].to_vec(), (1..=40).map(|n| 50 * n).collect::<Vec<_>>());
        assert!(!pace.is_rested(start + Duration::from_millis(2_999)) && pace.is_rested(start + 3 * BURST));
        let later = start + 10 * BURST;
        assert_eq!((0..20).map(|_| pace.next(20, later)).max(), Some(later), "a pause gives no more than a second's");
        assert_eq!(pace.next(20, later), later + Duration::from_millis(50));
    }

    #[test]
    fn no_rate_is_any_rate() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!((0..10_000).all(|_| pace.next(0, now) == now) && pace.is_rested(now));
        assert_eq!((pace.next(1, now), pace.next(1, now)), (now, now + BURST));
    }
}
