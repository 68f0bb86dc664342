//! Which addresses may be dialled: those of the public internet, and what the owner allows by name.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

use crate::ranges;
use crate::target::{Target, UrlError};

/// What an endpoint may be. The default is https to the public internet, on any port.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Whether `http://` is taken, too: everybody on the way can read and change what is sent.
    pub allow_http: bool,
    /// Networks that are dialled although they are not of the public internet.
    pub allow_networks: Vec<IpNet>,
}

impl Guard {
    /// Checks the URL of an endpoint that is to be created and answers its normal form, the one to keep.
    ///
    /// Addresses that stand in it are judged here, in any spelling (`0x7f.1`, `2130706433`). A name is judged when it is
    /// resolved, at every try.
    ///
    /// # Errors
    /// [`UrlError`] says what is wrong with it.
    pub fn url(&self, text: &str) -> Result<Url, UrlError> {
        Target::checked(text, self).map(|(url, _)| url)
    }

    /// Whether this address may be dialled. An IPv4-mapped address is never public: it is allowed when the IPv4 address in it is
    /// allowed by name, and no network of IPv6 opens it. One behind NAT64 needs both: its own network by name, and an IPv4 address that may be dialled.
    pub fn allows(&self, ip: IpAddr) -> bool {
        if ranges::public(ip) {
            return true;
        }
        let named = |ip| self.allow_networks.iter().any(|net| net.contains(&ip));
        match ranges::behind_nat64(ip) {
            Some(behind) => named(ip) && (ranges::public(behind) || named(behind)),
            None => named(ip.to_canonical()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowing(networks: &[&str]) -> Guard {
        Guard { allow_http: false, allow_networks: networks.iter().map(|net| net.parse().unwrap()).collect() }
    }

    #[test]
    fn what_is_named_is_allowed_and_nothing_beside_it() {
        let guard = allowing(&["127.0.0.2/32", "10.1.0.0/16", "fd00::/64"]);
        for (ip, allowed) in [
            ("127.0.0.2", true),
            ("::ffff:127.0.0.2", true),
            ("127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.2", false),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("fd00::1", true),
            ("fd00:0:0:1::1", false),
            ("169.254.169.254", false),
            ("8.8.8.8", true),
        ] {
            assert_eq!(guard.allows(ip.parse().unwrap()), allowed, "{ip}");
        }
    }

    #[test]
    fn nat64_opens_no_way_around() {
        let guard = allowing(&["64:ff9b::/96", "10.0.0.0/8"]);
        for (ip, allowed) in [("64:ff9b::8.8.8.8", true), ("64:ff9b::10.0.0.1", true), ("64:ff9b::169.254.169.254", false)] {
            assert_eq!(guard.allows(ip.parse().unwrap()), allowed, "{ip}");
        }
        assert!(!allowing(&["8.8.8.0/24"]).allows("64:ff9b::8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn all_of_ipv6_opens_nothing_of_ipv4() {
        let guard = allowing(&["::/0"]);
        for (ip, allowed) in [
            ("::1", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            ("64:ff9b:1::127.0.0.1", false),
            ("64:ff9b::8.8.8.8", true),
        ] {
            assert_eq!(guard.allows(ip.parse().unwrap()), allowed, "{ip}");
        }
    }

    proptest! {
        #[test]
        fn no_address_is_public_that_the_standard_library_knows_better(bits: u32, wide: u128) {
            let guard = Guard::default();
            let ip = std::net::Ipv4Addr::from(bits);
            let special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_broadcast() || ip.is_documentation()
                || ip.is_multicast() || ip.is_unspecified();
            prop_assert!(!(special && guard.allows(ip.into())), "{}", ip);
            prop_assert!(!guard.allows(ip.to_ipv6_mapped().into()));
            prop_assert!(!guard.allows(ip.to_ipv6_compatible().into()));
            let ip = std::net::Ipv6Addr::from(wide);
            let special = ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local();
            prop_assert!(!(special && guard.allows(ip.into())), "{}", ip);
        }
    }
}
