//! Whether mail rushes in: while it does, accepting goes before understanding.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Mails that make a rush when they are accepted in one span: 200 a second, which is what one sender alone can hand over on a slow
/// machine, and more than any team answers.
const MANY: u32 = 20;
/// A rush lasts while this many come: with one bar for both, the first mail that is understood would end what it slows.
const LASTING: u32 = 10;
const SPAN: Duration = Duration::from_millis(100);

/// Counts what is accepted.
#[derive(Default)]
pub struct Rush(Mutex<Option<Spans>>);

#[derive(Clone, Copy)]
struct Spans {
    began: Instant,
    now: u32,
    /// Whether the span before was one of a rush.
    on: bool,
}

impl Rush {
    /// So many mails were accepted.
    pub(super) fn note(&self, at: Instant, mails: usize) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = Spans::at(*spans, at);
        *spans = Some(Spans { now: moved.now.saturating_add(u32::try_from(mails).unwrap_or(u32::MAX)), ..moved });
    }

    /// Whether many mails were accepted within the last moments.
    pub fn is_on(&self, at: Instant) -> bool {
        let spans = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = Spans::at(spans, at);
        spans.on || spans.now >= MANY
    }
}

impl Spans {
    fn at(last: Option<Self>, at: Instant) -> Self {
        match last.map(|last| (last, at.saturating_duration_since(last.began))) {
            Some((last, age)) if age < SPAN => last,
            Some((last, age)) if age < 2 * SPAN => {
                Self { began: last.began + SPAN, now: 0, on: last.now >= if last.on { LASTING } else { MANY } }
            }
            _ => Self { began: at, now: 0, on: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_mails_in_a_moment_are_a_rush_until_they_stop() {
        let (rush, start) = (Rush::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        assert!(!rush.is_on(start));
        for n in 0..u64::from(MANY) {
            assert!(!rush.is_on(after(n)));
            rush.note(after(n), 1);
        }
        assert!(rush.is_on(after(50)) && rush.is_on(after(199)));
        assert!(!rush.is_on(after(200)) && !rush.is_on(after(10_000)));
        for n in 0..100 {
            rush.note(after(20_000 + 10 * n), 1);
            assert!(!rush.is_on(after(20_000 + 10 * n)), "100 a second are none");
        }
    }

    #[test]
    fn half_as_many_keep_a_rush_going() {
        let (rush, start) = (Rush::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        for n in 0..100 {
            rush.note(after(7 * n), 1);
            assert!(!rush.is_on(after(7 * n)), "140 a second begin none");
        }
        rush.note(after(800), 20);
        for n in 0..100 {
            rush.note(after(801 + 7 * n), 1);
            assert!(rush.is_on(after(801 + 7 * n)), "and end none");
        }
        assert!(!rush.is_on(after(1_800)));
    }
}
