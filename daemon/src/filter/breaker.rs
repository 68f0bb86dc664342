//! A filter that costs each mail its whole timeout is left alone for a while; one mail at a time tries it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::codec::longest;
use crate::config::{Filter, FilterAddress, OnError};
use crate::net::Backoff;

/// Failures in a row that somebody had to wait for, after which a filter is away.
const LATE: u32 = 3;
/// A failure that came sooner has cost nobody anything. Who fails so is asked each time: mail shall be filtered again as
/// soon as a filter that was started anew listens.
const COSTLY: Duration = Duration::from_secs(1);
/// How long a filter is left alone between two tries; the last pause stays.
const PAUSES: [Duration; 5] =
    [Duration::from_secs(30), Duration::from_secs(60), Duration::from_secs(120), Duration::from_secs(240), Duration::from_secs(300)];

/// How it stands with all filters, by name.
#[derive(Debug, Default)]
pub(super) struct Breakers(Mutex<BTreeMap<String, Breaker>>);

#[derive(Debug)]
struct Breaker {
    /// Where it was asked: what is configured anew begins anew.
    address: FilterAddress,
    late: u32,
    backoff: Backoff,
    /// Until when a mail may have it to itself. A sender who hangs up meanwhile never says how it ended.
    tried_until: Option<Instant>,
}

impl Breaker {
    fn of(filter: &Filter) -> Self {
        Self { address: filter.address.clone(), late: 0, backoff: Backoff::new(&PAUSES), tried_until: None }
    }
}

impl Breakers {
    /// Whether a filter may be asked now; each who may says later how it ended.
    pub(super) fn admits(&self, filter: &Filter, now: Instant) -> bool {
        let mut all = self.lock();
        let breaker = all.entry(filter.name.clone()).or_insert_with(|| Breaker::of(filter));
        if breaker.address != filter.address {
            *breaker = Breaker::of(filter);
        }
        match breaker.backoff.until() {
            None => true,
            Some(until) if until > now || breaker.tried_until.is_some_and(|until| until > now) => false,
            Some(_) => {
                breaker.tried_until = Some(now + longest(filter.timeout));
                true
            }
        }
    }

    /// A filter has said something.
    pub(super) fn answered(&self, filter: &Filter) {
        if let Some(breaker) = self.lock().get_mut(&filter.name).filter(|b| b.address == filter.address) {
            *breaker = Breaker::of(filter);
        }
    }

    /// A filter that was asked at `begun` could not be asked.
    pub(super) fn failed(&self, filter: &Filter, begun: Instant, now: Instant) {
        if now - begun < COSTLY {
            return self.answered(filter);
        }
        let mut all = self.lock();
        let Some(breaker) = all.get_mut(&filter.name).filter(|b| b.address == filter.address) else { return };
        breaker.late = breaker.late.saturating_add(1);
        breaker.tried_until = None;
        if breaker.late < LATE {
            return;
        }
        if breaker.backoff.until().is_none() {
            let meanwhile = match filter.on_error {
                OnError::Open => "mail passes unfiltered",
                OnError::Closed => "mail waits, and senders are asked to come again",
            };
            tracing::error!(filter = filter.name, "a content filter does not answer and is tried with one mail at a time; {meanwhile}");
        }
        breaker.backoff.failed(now);
    }

    /// Whether a filter is left alone.
    pub(super) fn is_away(&self, filter: &Filter) -> bool {
        self.lock().get(&filter.name).is_some_and(|b| b.address == filter.address && b.backoff.until().is_some())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Breaker>> {
        // The lock is never held over anything that can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn filter(port: u16) -> Filter {
        Filter {
            name: "a".into(),
            address: FilterAddress::Tcp("127.0.0.1".into(), port),
            timeout: TIMEOUT,
            on_error: OnError::Open,
            size: 1,
            hold_on: Vec::new(),
        }
    }

    /// Asks for nothing so many times; when the last of them ended.
    fn late(breakers: &Breakers, filter: &Filter, times: u32, mut now: Instant) -> Instant {
        for _ in 0..times {
            assert!(breakers.admits(filter, now));
            breakers.failed(filter, now, now + TIMEOUT);
            now += TIMEOUT;
        }
        now
    }

    #[test]
    fn who_lets_three_wait_for_nothing_is_tried_with_one_mail_at_a_time() {
        let (breakers, filter) = (Breakers::default(), filter(1));
        let mut now = late(&breakers, &filter, LATE - 1, Instant::now());
        assert!(!breakers.is_away(&filter));
        now = late(&breakers, &filter, 1, now);
        for pause in [30, 60, 120, 240, 300, 300] {
            assert!(breakers.is_away(&filter) && !breakers.admits(&filter, now));
            let due = now + Duration::from_secs(pause);
            assert!(!breakers.admits(&filter, due - Duration::from_millis(1)), "{pause} s");
            assert!(breakers.admits(&filter, due) && !breakers.admits(&filter, due), "one mail alone");
            breakers.failed(&filter, due, due + TIMEOUT);
            now = due + TIMEOUT;
        }
        now += Duration::from_secs(300);
        assert!(breakers.admits(&filter, now));
        breakers.answered(&filter);
        assert!(!breakers.is_away(&filter) && breakers.admits(&filter, now) && breakers.admits(&filter, now));
        late(&breakers, &filter, LATE, now);
        assert!(breakers.is_away(&filter), "it all begins anew");
    }

    #[test]
    fn a_try_that_nobody_ends_is_followed_by_another() {
        let (breakers, filter) = (Breakers::default(), filter(1));
        let now = late(&breakers, &filter, LATE, Instant::now()) + Duration::from_secs(30);
        assert!(breakers.admits(&filter, now));
        assert!(!breakers.admits(&filter, now + TIMEOUT * 3 - Duration::from_millis(1)));
        assert!(breakers.admits(&filter, now + TIMEOUT * 3));
    }

    #[test]
    fn failures_that_cost_nothing_an_answer_and_another_address_leave_it_open() {
        let (breakers, filter, now) = (Breakers::default(), filter(1), Instant::now());
        for _ in 0..9 {
            assert!(breakers.admits(&filter, now));
            breakers.failed(&filter, now, now + Duration::from_millis(999));
        }
        assert!(!breakers.is_away(&filter));
        late(&breakers, &filter, LATE - 1, now);
        breakers.answered(&filter);
        late(&breakers, &filter, LATE - 1, now);
        assert!(!breakers.is_away(&filter), "not in a row");
        late(&breakers, &filter, 1, now);
        let moved = Filter { address: FilterAddress::Tcp("127.0.0.1".into(), 2), ..filter.clone() };
        assert!(!breakers.is_away(&moved) && breakers.admits(&moved, now));
        breakers.failed(&filter, now, now + TIMEOUT);
        assert!(breakers.admits(&moved, now), "what the old one does says nothing of the new one");
    }
}
