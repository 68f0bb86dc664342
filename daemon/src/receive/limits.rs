//! Caps on connections: in all, per address, and new ones per address and minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::peer::Peer;
use crate::config::Limits;
use crate::model::Reply;

const MINUTE: Duration = Duration::from_secs(60);
/// Below this many known addresses nobody is forgotten: sweeping is not worth it.
const SWEEP_ABOVE: usize = 1024;

const FULL: Reply = Reply::new(421, "4.7.0", "Too many connections here, try again later");
const TOO_MANY: Reply = Reply::new(421, "4.7.0", "Too many connections from your address, try again later");
const TOO_MANY_NEAR: Reply = Reply::new(421, "4.7.0", "Too many connections from your network, try again later");
const TOO_FAST: Reply = Reply::new(421, "4.7.0", "Too many new connections from your address, try again in a minute");

/// The connections that are open, shared by all listeners.
#[derive(Debug)]
pub(super) struct Caps {
    state: Mutex<State>,
    /// Half of the file descriptors this process may open, so that the database and the status page keep theirs.
    ceiling: usize,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    addresses: HashMap<IpAddr, Address>,
    /// Open connections of each neighbourhood.
    networks: HashMap<IpAddr, usize>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Address {
    open: usize,
    since: Instant,
    begun: usize,
}

/// One connection's place; leaving gives it back.
#[derive(Debug)]
pub(super) struct Pass {
    caps: Arc<Caps>,
    address: Option<IpAddr>,
}

impl Caps {
    pub(super) fn new(open_files: Option<usize>) -> Self {
        Self { state: Mutex::default(), ceiling: open_files.map_or(usize::MAX, |files| (files / 2).max(1)) }
    }

    /// A place for one more connection, or the 421 that says which cap is reached.
    pub(super) fn enter(self: &Arc<Self>, peer: &Peer, limits: &Limits, now: Instant) -> Result<Pass, Reply> {
        let mut state = self.lock();
        if state.open >= self.places(limits) {
            return Err(FULL);
        }
        let address = state.count(peer, limits, now)?;
        state.open += 1;
        Ok(Pass { caps: Arc::clone(self), address })
    }

    /// The same for a connection that has its place, now that its client is known.
    pub(super) fn name(self: &Arc<Self>, pass: &mut Pass, peer: &Peer, limits: &Limits, now: Instant) -> Result<(), Reply> {
        pass.address = self.lock().count(peer, limits, now)?;
        Ok(())
    }

    /// Whether more than three quarters of all places are taken.
    pub(super) fn is_crowded(&self, limits: &Limits) -> bool {
        self.lock().open > self.places(limits) * 3 / 4
    }

    fn places(&self, limits: &Limits) -> usize {
        limits.connections.min(self.ceiling)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Address {
    fn count(&mut self, limits: &Limits, now: Instant) -> Result<(), Reply> {
        if now.duration_since(self.since) >= MINUTE {
            (self.since, self.begun) = (now, 0);
        }
        if self.open >= limits.connections_per_ip {
            return Err(TOO_MANY);
        }
        if self.begun >= limits.connections_per_minute {
            return Err(TOO_FAST);
        }
        self.open += 1;
        self.begun += 1;
        Ok(())
    }
}

impl State {
    /// Counts a connection of this client, unless it is exempt.
    fn count(&mut self, peer: &Peer, limits: &Limits, now: Instant) -> Result<Option<IpAddr>, Reply> {
        let address = peer.ip.filter(|_| !peer.exempt).map(customer);
        if let Some(address) = address {
            self.sweep(now);
            let known = self.addresses.entry(address).or_insert(Address { open: 0, since: now, begun: 0 });
            let near = self.networks.entry(neighbourhood(address)).or_default();
            if *near >= limits.connections_per_network {
                return Err(TOO_MANY_NEAR);
            }
            known.count(limits, now)?;
            *near += 1;
        }
        Ok(address)
    }

    /// Forgets addresses that are gone, each time their number has doubled: a flood from many addresses costs
    /// memory for a minute, not for ever.
    fn sweep(&mut self, now: Instant) {
        if self.addresses.len() < self.sweep_at.max(SWEEP_ABOVE) {
            return;
        }
        self.addresses.retain(|_, known| known.open > 0 || now.duration_since(known.since) < MINUTE);
        self.networks.retain(|_, open| *open > 0);
        self.sweep_at = self.addresses.len() * 2;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.caps.lock();
        state.open = state.open.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(known) = state.addresses.get_mut(&address) {
            known.open = known.open.saturating_sub(1);
        }
        if let Some(near) = state.networks.get_mut(&neighbourhood(address)) {
            *near = near.saturating_sub(1);
        }
    }
}

/// Who counts as one: an IPv4 address or an IPv6 /64, which is what one customer gets.
pub(super) fn customer(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

/// Whose addresses one owner often has many of: an IPv4 /24 or an IPv6 /48.
fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80))),
    }
}

/// The soft limit on open files, where the system tells (proc(5), `/proc/self/limits`).
pub(super) fn open_files() -> Option<usize> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn soft_limit(table: &str) -> Option<usize> {
    let row = table.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::receive::tests::fakes;

    fn peer(ip: &str) -> Peer {
        Peer::new(Some(ip.parse().unwrap()), &[])
    }

    #[test]
    fn an_address_has_its_own_cap_and_gets_its_place_back() {
        let limits = Limits { connections_per_ip: 2, ..fakes::limits() };
        let (caps, now) = (Arc::new(Caps::new(None)), Instant::now());
        let first = caps.enter(&peer("192.0.2.1"), &limits, now).unwrap();
        let _second = caps.enter(&peer("192.0.2.1"), &limits, now).unwrap();
        assert_eq!(caps.enter(&peer("192.0.2.1"), &limits, now).unwrap_err(), TOO_MANY);
        let _other = caps.enter(&peer("192.0.2.2"), &limits, now).unwrap();
        drop(first);
        caps.enter(&peer("192.0.2.1"), &limits, now).unwrap();
    }

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let limits = Limits { connections_per_ip: 1, ..fakes::limits() };
        let (caps, now) = (Arc::new(Caps::new(None)), Instant::now());
        let _first = caps.enter(&peer("2001:db8::1"), &limits, now).unwrap();
        assert_eq!(caps.enter(&peer("2001:db8::2"), &limits, now).unwrap_err(), TOO_MANY);
        let _other = caps.enter(&peer("2001:db8:0:1::1"), &limits, now).unwrap();
    }

    #[test]
    fn neighbours_have_a_cap_together() {
        let limits = Limits { connections_per_network: 2, ..fakes::limits() };
        let (caps, now) = (Arc::new(Caps::new(None)), Instant::now());
        let first = caps.enter(&peer("192.0.2.1"), &limits, now).unwrap();
        let _second = caps.enter(&peer("192.0.2.2"), &limits, now).unwrap();
        assert_eq!(caps.enter(&peer("192.0.2.3"), &limits, now).unwrap_err(), TOO_MANY_NEAR);
        let _far = caps.enter(&peer("192.0.3.3"), &limits, now).unwrap();
        drop(first);
        caps.enter(&peer("192.0.2.3"), &limits, now).unwrap();
        let _v6 = [1, 2].map(|n| caps.enter(&peer(&format!("2001:db8:0:{n}::1")), &limits, now).unwrap());
        assert_eq!(caps.enter(&peer("2001:db8:0:3::1"), &limits, now).unwrap_err(), TOO_MANY_NEAR);
    }

    #[test]
    fn new_connections_are_counted_by_the_minute() {
        let limits = Limits { connections_per_minute: 3, ..fakes::limits() };
        let (caps, now) = (Arc::new(Caps::new(None)), Instant::now());
        for _ in 0..3 {
            caps.enter(&peer("192.0.2.1"), &limits, now).unwrap();
        }
        assert_eq!(caps.enter(&peer("192.0.2.1"), &limits, now).unwrap_err(), TOO_FAST);
        caps.enter(&peer("192.0.2.1"), &limits, now + MINUTE).unwrap();
    }

    #[test]
    fn the_global_cap_holds_for_everybody_and_leaves_descriptors() {
        let (caps, now) = (Arc::new(Caps::new(Some(4))), Instant::now());
        let _a = caps.enter(&peer("127.0.0.1"), &fakes::limits(), now).unwrap();
        assert!(!caps.is_crowded(&fakes::limits()));
        let _b = caps.enter(&peer("192.0.2.1"), &fakes::limits(), now).unwrap();
        assert_eq!(caps.enter(&Peer::new(None, &[]), &fakes::limits(), now).unwrap_err(), FULL);
        assert!(caps.is_crowded(&fakes::limits()));
    }

    #[test]
    fn addresses_are_forgotten() {
        let (caps, now) = (Arc::new(Caps::new(None)), Instant::now());
        for n in 0..u32::try_from(SWEEP_ABOVE).unwrap() {
            caps.enter(&peer(&std::net::Ipv4Addr::from(0xc633_0000 + n).to_string()), &fakes::limits(), now).unwrap();
        }
        caps.enter(&peer("192.0.2.1"), &fakes::limits(), now + MINUTE).unwrap();
        assert_eq!(caps.lock().addresses.len(), 1);
    }

    #[test]
    fn the_soft_limit_is_the_first_number() {
        assert_eq!(
            soft_limit("Limit  Soft Limit  Hard Limit  Units\nMax open files            256                  4096                 files\n"),
            Some(256)
        );
        assert_eq!(soft_limit("Max open files            unlimited            unlimited            files\n"), None);
    }
}
