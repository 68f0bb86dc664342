//! A TCP connection to a host by name.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Most addresses of one host that are tried.
const ADDRESSES: usize = 5;

/// Why there is no connection; all of it may pass.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or nobody could say.
    #[error("cannot find {host}: {source}")]
    Lookup {
        /// The host.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("cannot connect to {host}:{port}: {source}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// It took too long.
    #[error("{when}: nothing within {} s", .limit.as_secs())]
    Timeout {
        /// Which step.
        when: &'static str,
        /// How long was waited.
        limit: Duration,
    },
}

/// The first address that answers, and whether it is this very machine. Each step takes at most `limit`.
///
/// # Errors
/// The last address's reason.
pub async fn dial(host: &str, port: u16, limit: Duration) -> Result<(TcpStream, bool), DialError> {
    let named = || host.to_owned();
    let found = timeout(limit, lookup_host((host, port))).await.map_err(|_| DialError::Timeout { when: "name look-up", limit })?;
    let addresses: Vec<SocketAddr> = found.map_err(|source| DialError::Lookup { host: named(), source })?.take(ADDRESSES).collect();
    let mut last = DialError::Lookup { host: named(), source: io::Error::other("no address") };
    for address in addresses {
        match dial_at(host, address, limit).await {
            Ok(stream) => return Ok((stream, address.ip().to_canonical().is_loopback())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One address of a host, which stands in errors.
///
/// # Errors
/// Nobody answers there within `limit`.
pub async fn dial_at(host: &str, address: SocketAddr, limit: Duration) -> Result<TcpStream, DialError> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Small commands in lockstep: waiting for more to send costs 40 ms each.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(source)) => Err(DialError::Connect { host: host.to_owned(), port: address.port(), source }),
        Err(_) => Err(DialError::Timeout { when: "connect", limit }),
    }
}
