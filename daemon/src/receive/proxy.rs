//! The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): a load balancer says whose connection it passes on.
//!
//! Exactly the header's octets are read, so that whatever follows it, TLS included, is untouched.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with (§2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, its CRLF included (§2.1).
const MAX_LINE: usize = 107;
/// Most octets behind the head of version 2: addresses take 216, the rest are extensions that nobody reads here.
const MAX_BODY: usize = 4_096;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// This client's.
    Client(IpAddr),
    /// The load balancer's own, to see whether we are alive, or one that it cannot name.
    Itself,
}

/// Reads the header.
///
/// # Errors
/// When there is none, or not one of these.
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Named> {
    // The shortest header has 15 octets.
    let mut start = [0; SIGNATURE.len()];
    io.read_exact(&mut start).await?;
    let named = if start == SIGNATURE {
        let mut head = [0; 4];
        io.read_exact(&mut head).await?;
        let [command, family, high, low] = head;
        let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        if body.len() > MAX_BODY {
            return Err(io::ErrorKind::InvalidData.into());
        }
        io.read_exact(&mut body).await?;
        binary(command, family, &body)
    } else {
        let mut line = start.to_vec();
        while !line.ends_with(b"\r\n") {
            if !line.starts_with(b"PROXY ") || line.len() >= MAX_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            line.push(io.read_u8().await?);
        }
        text(&line)
    };
    named.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// `PROXY TCP4 192.0.2.1 192.0.2.9 56324 25` (§2.1).
fn text(line: &[u8]) -> Option<Named> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?.strip_suffix("\r\n")?;
    let words: Vec<&str> = line.split(' ').collect();
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|n| n.to_string() == port);
    match words.as_slice() {
        ["UNKNOWN", ..] => Some(Named::Itself),
        ["TCP4", from, to, near, far] if is_port(near) && is_port(far) => {
            to.parse::<Ipv4Addr>().ok()?;
            from.parse().ok().map(|ip: Ipv4Addr| Named::Client(ip.into()))
        }
        ["TCP6", from, to, near, far] if is_port(near) && is_port(far) => {
            to.parse::<Ipv6Addr>().ok()?;
            from.parse().ok().map(|ip: Ipv6Addr| Named::Client(ip.into()))
        }
        _ => None,
    }
}

/// Version and command, family and transport, addresses and extensions (§2.2).
fn binary(command: u8, family: u8, body: &[u8]) -> Option<Named> {
    match (command, family) {
        (0x20, _) | (0x21, 0x00) => Some(Named::Itself),
        // Source, destination, two ports.
        (0x21, 0x11) if body.len() >= 12 => body.first_chunk::<4>().map(|ip| Named::Client(Ipv4Addr::from(*ip).into())),
        (0x21, 0x21) if body.len() >= 36 => body.first_chunk::<16>().map(|ip| Named::Client(Ipv6Addr::from(*ip).into())),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read, and what is left.
    fn run(octets: &[u8]) -> (Option<Named>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut rest = octets;
        let named = runtime.block_on(read(&mut rest)).ok();
        (named, rest.len())
    }

    fn client(ip: &str) -> Option<Named> {
        Some(Named::Client(ip.parse().unwrap()))
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    #[test]
    fn version_1() {
        assert_eq!(run(b"PROXY TCP4 192.0.2.1 192.0.2.9 56324 25\r\nEHLO x\r\n"), (client("192.0.2.1"), 8));
        assert_eq!(run(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n"), (client("2001:db8::1"), 0));
        assert_eq!(run(b"PROXY UNKNOWN\r\n"), (Some(Named::Itself), 0));
        assert_eq!(run(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nx"), (Some(Named::Itself), 1));
        for bad in [
            "EHLO client.example\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 56324\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 99999 25\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 056 25\r\n",
            "PROXY TCP4 2001:db8::1 192.0.2.9 1 25\r\n",
            "PROXY TCP4 192.0.2.1  192.0.2.9 1 25\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 25\n",
            "proxy tcp4 192.0.2.1 192.0.2.9 1 25\r\n",
            "PROXY TCP4 192.0.2.1",
            "",
        ] {
            assert_eq!(run(bad.as_bytes()).0, None, "{bad}");
        }
        let endless = [b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat();
        assert_eq!(run(&endless), (None, endless.len() - MAX_LINE));
    }

    #[test]
    fn version_2() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 9, 0, 1, 0, 25];
        assert_eq!(run(&v2(0x21, 0x11, &v4)), (client("192.0.2.1"), 0));
        assert_eq!(run(&[v2(0x21, 0x11, &[&v4[..], b"extension"].concat()), b"EHLO".to_vec()].concat()), (client("192.0.2.1"), 4));
        let v6 = [&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()[..], &[0; 20]].concat();
        assert_eq!(run(&v2(0x21, 0x21, &v6)).0, client("2001:db8::1"));
        assert_eq!(run(&v2(0x20, 0x00, b"")).0, Some(Named::Itself));
        for (command, family, body) in
            [(0x21, 0x11, &v4[..11]), (0x21, 0x21, &v6[..35]), (0x11, 0x11, &v4), (0x22, 0x11, &v4), (0x21, 0x31, &v6)]
        {
            assert_eq!(run(&v2(command, family, body)).0, None, "{command:x} {family:x}");
        }
        assert_eq!(run(&v2(0x20, 0, &vec![0; MAX_BODY + 1])).0, None);
    }

    proptest! {
        #[test]
        fn no_octets_read_too_far(octets in prop::collection::vec(any::<u8>(), 0..64), binary: bool) {
            let start = if binary { &SIGNATURE[..] } else { b"PROXY " };
            let wire = [start, &octets].concat();
            let (named, left) = run(&wire);
            if let Some(used) = named.map(|_| &wire[..wire.len() - left]) {
                prop_assert!(binary || used.ends_with(b"\r\n"));
            }
        }
    }
}
