//! The way out to other servers: the DNS, a connection to a host, TLS over it, and leaving alone who fails.

pub mod backoff;
pub mod dial;
pub mod dns;
pub mod tls;

use tokio::io::{AsyncRead, AsyncWrite};

pub use backoff::Backoff;
pub use dial::{DialError, dial, dial_at};
pub use dns::resolver;
pub use tls::{HandshakeError, Roots, Security, Tls, TlsError, extra_roots};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
