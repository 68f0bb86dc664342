//! A listener and what is spoken on it.

use std::io;
use std::net::IpAddr;

use super::Protocol;
use crate::config::Listen;
use crate::receive::listen::{self, BindError, Stream};

/// A bound address, not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: listen::Listener,
    protocol: Protocol,
}

impl Listener {
    /// Binds; connections queue up from now on.
    ///
    /// # Errors
    /// When the address is taken or not ours to use.
    pub async fn bind(listen: &Listen, protocol: Protocol) -> Result<Self, BindError> {
        Ok(Self { socket: listen::Listener::bind(listen).await?, protocol })
    }

    /// The real address, for the ready line.
    pub fn address(&self) -> &str {
        self.socket.address()
    }

    /// What is spoken here.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The next connection and where it comes from.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
        self.socket.accept().await
    }
}
