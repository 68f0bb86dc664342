//! The way out to other servers: a connection to a host, and TLS over it.

pub mod dial;
pub mod tls;

use tokio::io::{AsyncRead, AsyncWrite};

pub use dial::{DialError, dial};
pub use tls::{HandshakeError, Security, Tls, TlsError};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
