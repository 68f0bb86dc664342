//! Who is on the other end of a connection, as far as the address tells.

use std::net::IpAddr;

use crate::config::TrustedRelay;

/// The client of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Its address, IPv4-mapped ones as IPv4; `None` on a unix socket.
    pub(super) ip: Option<IpAddr>,
    /// Whether it is one of `trusted_relays`. Loopback is not unless it is named there.
    pub(super) trusted: bool,
    /// Whether counts per address, minute and connection are waived: loopback, unix sockets, trusted relays.
    pub(super) exempt: bool,
}

impl Peer {
    pub(super) fn new(ip: Option<IpAddr>, relays: &[TrustedRelay]) -> Self {
        let ip = ip.map(|ip| ip.to_canonical());
        let trusted = ip.is_some_and(|ip| relays.iter().any(|relay| relay.net.contains(ip)));
        let exempt = trusted || ip.is_none_or(|ip| ip.is_loopback());
        Self { ip, trusted, exempt }
    }

    /// A load balancer: nothing is counted before it has named its client.
    pub(super) fn balancer(ip: Option<IpAddr>) -> Self {
        Self { ip: ip.map(|ip| ip.to_canonical()), trusted: false, exempt: true }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Net;

    #[test]
    fn loopback_is_exempt_from_counts_but_not_trusted() {
        let relay = TrustedRelay { net: Net { address: "10.0.0.0".parse().unwrap(), prefix: 8 }, trust: None, submission: false };
        let peer = |ip: &str| Peer::new(Some(ip.parse().unwrap()), std::slice::from_ref(&relay));
        assert!(peer("127.0.0.1").exempt && !peer("127.0.0.1").trusted);
        assert!(peer("::ffff:127.0.0.1").exempt);
        assert!(peer("::ffff:10.1.2.3").exempt && peer("10.1.2.3").trusted);
        assert!(!peer("192.0.2.1").exempt && !peer("192.0.2.1").trusted);
        assert!(Peer::new(None, &[]).exempt && !Peer::new(None, &[]).trusted);
    }
}
