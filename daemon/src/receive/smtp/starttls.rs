//! TLS: by STARTTLS (RFC 3207), or from the first octet (RFC 8314).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustls::ServerConfig;
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::Protocol;
use super::line::Wire;
use super::session::{End, Session};
use super::verbs::NOT_HERE;
use crate::model::Reply;
use crate::receive::door::Door;
use crate::receive::gate::Gate;

const TLS_READY: Reply = Reply::new(220, "2.0.0", "Ready for TLS");
const TLS_ALREADY: Reply = Reply::new(503, "5.5.1", "TLS is already on");
const TLS_PIPELINED: Reply = Reply::new(503, "5.5.1", "Nothing may follow STARTTLS before TLS, closing");

impl<G: Gate, D: Door> Session<G, D> {
    /// The certificate of this listener as it is now.
    fn certificate(&self) -> Option<Arc<ServerConfig>> {
        let tls = self.shared.tls.borrow();
        match self.protocol {
            Protocol::Smtp => tls.smtp.clone(),
            Protocol::Submission | Protocol::Submissions => tls.submission.clone(),
            Protocol::Lmtp => None,
        }
    }

    pub(super) fn offers_tls(&self) -> bool {
        !self.tls && self.certificate().is_some()
    }

    /// STARTTLS (RFC 3207 §4). Octets that came with it were sent in the clear and might be taken for protected ones
    /// (CVE-2011-0411), so they end the session; and nothing said before TLS counts after it.
    pub(super) async fn starttls(&mut self) -> Result<(), End> {
        let Some(config) = self.certificate() else { return self.say(&NOT_HERE).await };
        if self.tls {
            return self.say(&TLS_ALREADY).await;
        }
        if !self.wire.buffered().is_empty() {
            return Err(self.part(&TLS_PIPELINED));
        }
        let deadline = self.deadline();
        self.write(&TLS_READY);
        self.wire.flush(deadline).await?;
        self.handshake(config).await?;
        (self.name, self.transaction, self.pipelining) = (None, None, false);
        Ok(())
    }

    /// TLS before the greeting.
    pub(super) async fn implicit_tls(&mut self) -> Result<(), End> {
        let config = self.certificate().ok_or(End::Lost)?;
        self.handshake(config).await
    }

    async fn handshake(&mut self, config: Arc<ServerConfig>) -> Result<(), End> {
        let deadline = self.deadline();
        let handshake = TlsAcceptor::from(config).accept(self.wire.take());
        match timeout_at(deadline, handshake).await {
            Ok(Ok(io)) => self.wire = Wire::new(Box::new(io)),
            Ok(Err(error)) => {
                debug!(peer = ?self.peer.ip, %error, "TLS handshake failed");
                return Err(End::Lost);
            }
            Err(_) => return Err(End::Lost),
        }
        self.shared.counters.tls.fetch_add(1, Relaxed);
        self.tls = true;
        Ok(())
    }
}
