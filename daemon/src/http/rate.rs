//! How often one token may ask: a bucket that holds 200 requests and gains 50 a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Requests a second, in the long run.
const RATE: f64 = 50.0;
/// Requests at once.
const BURST: f64 = 200.0;
/// Above so many buckets the full ones are forgotten: a bucket that is not there is full.
const KEPT: usize = 1_000;

/// A bucket for each token that was used lately.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<i64, Bucket>>);

#[derive(Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    fn level(&self, now: Instant) -> f64 {
        (self.level + now.saturating_duration_since(self.at).as_secs_f64() * RATE).min(BURST)
    }
}

impl Rates {
    /// Takes one request of token `id`.
    ///
    /// # Errors
    /// How long to wait when the bucket is empty.
    pub(super) fn take(&self, id: i64, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEPT {
            buckets.retain(|_, bucket| bucket.level(now) < BURST);
        }
        let bucket = buckets.entry(id).or_insert(Bucket { level: BURST, at: now });
        let level = bucket.level(now);
        if level < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - level) / RATE));
        }
        *bucket = Bucket { level: level - 1.0, at: now };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_at_once_then_fifty_a_second() {
        let (rates, start) = (Rates::default(), Instant::now());
        let taken = |at: Instant| (0..400).take_while(|_| rates.take(1, at).is_ok()).count();
        assert_eq!(taken(start), 200);
        assert!(rates.take(1, start).is_err_and(|wait| wait <= Duration::from_millis(100)));
        assert_eq!(taken(start + Duration::from_secs(2)), 100);
        assert_eq!(taken(start + Duration::from_secs(3_600)), 200);
        assert!(rates.take(2, start).is_ok());
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let (rates, start) = (Rates::default(), Instant::now());
        for id in 0..5_000 {
            assert!(rates.take(id, start + Duration::from_secs(id.unsigned_abs())).is_ok());
        }
        assert!(rates.0.lock().is_ok_and(|buckets| buckets.len() <= KEPT));
    }
}
