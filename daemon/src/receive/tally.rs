//! How often addresses have failed lately, in one or more windows of time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::customer;

/// Below this many known addresses nobody is forgotten: sweeping is not worth it.
const SWEEP_ABOVE: usize = 1_024;
/// With so many failing addresses within a day the rest are not counted: they are too many for one guesser to try much.
const MOST: usize = 100_000;

/// So many failures in such a time are too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) time: Duration,
    pub(super) most: u32,
}

/// Failures by address.
#[derive(Debug)]
pub(super) struct Tally<const N: usize>(Mutex<State<N>>);

#[derive(Debug)]
struct State<const N: usize> {
    addresses: HashMap<IpAddr, [Count; N]>,
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    failures: u32,
}

impl Count {
    fn in_window(self, window: Window, now: Instant) -> u32 {
        if now.duration_since(self.since) < window.time { self.failures } else { 0 }
    }
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self(Mutex::new(State { addresses: HashMap::new(), sweep_at: 0 }))
    }
}

impl<const N: usize> Tally<N> {
    /// Whether this address has failed too often in one of the windows.
    pub(super) fn is_over(&self, ip: IpAddr, windows: [Window; N], now: Instant) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counts) = state.addresses.get(&customer(ip)) else { return false };
        counts.iter().zip(windows).any(|(count, window)| count.in_window(window, now) >= window.most)
    }

    /// Counts a failure.
    pub(super) fn add(&self, ip: IpAddr, windows: [Window; N], now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.sweep(windows, now);
        let ip = customer(ip);
        if state.addresses.len() >= MOST && !state.addresses.contains_key(&ip) {
            return;
        }
        let counts = state.addresses.entry(ip).or_insert([Count { since: now, failures: 0 }; N]);
        for (count, window) in counts.iter_mut().zip(windows) {
            let so_far = count.in_window(window, now);
            *count = Count { since: if so_far == 0 { now } else { count.since }, failures: so_far + 1 };
        }
    }
}

impl<const N: usize> State<N> {
    /// Forgets whoever has not failed lately, each time their number has doubled.
    fn sweep(&mut self, windows: [Window; N], now: Instant) {
        if self.addresses.len() < self.sweep_at.max(SWEEP_ABOVE) {
            return;
        }
        self.addresses.retain(|_, counts| counts.iter().zip(windows).any(|(count, window)| count.in_window(window, now) > 0));
        self.sweep_at = (self.addresses.len() * 2).min(MOST);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const WINDOWS: [Window; 2] = [Window { time: Duration::from_secs(60), most: 3 }, Window { time: Duration::from_secs(86_400), most: 5 }];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_full_until_it_is_over() {
        let (tally, start) = (Tally::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert!(!tally.is_over(ip("192.0.2.1"), WINDOWS, start));
            tally.add(ip("192.0.2.1"), WINDOWS, start);
        }
        assert!(tally.is_over(ip("192.0.2.1"), WINDOWS, at(59)));
        assert!(!tally.is_over(ip("192.0.2.2"), WINDOWS, at(59)));
        assert!(!tally.is_over(ip("192.0.2.1"), WINDOWS, at(60)));
        for _ in 0..2 {
            tally.add(ip("192.0.2.1"), WINDOWS, at(70));
        }
        assert!(tally.is_over(ip("192.0.2.1"), WINDOWS, at(1_000)), "five in a day");
        assert!(!tally.is_over(ip("192.0.2.1"), WINDOWS, at(86_400)));
    }

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let (tally, now) = (Tally::default(), Instant::now());
        for n in 1..=3 {
            tally.add(ip(&format!("2001:db8::{n}")), WINDOWS, now);
        }
        assert!(tally.is_over(ip("2001:db8::9"), WINDOWS, now) && !tally.is_over(ip("2001:db8:0:1::1"), WINDOWS, now));
    }

    #[test]
    fn addresses_are_forgotten() {
        let (tally, now) = (Tally::default(), Instant::now());
        for n in 0..u32::try_from(SWEEP_ABOVE).unwrap() {
            tally.add(std::net::Ipv4Addr::from(0xc633_0000 + n).into(), WINDOWS, now);
        }
        tally.add(ip("192.0.2.1"), WINDOWS, now + Duration::from_secs(86_400));
        assert_eq!(tally.0.lock().unwrap().addresses.len(), 1);
    }
}
