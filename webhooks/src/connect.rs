//! From a target to a connection with somebody who may be talked to.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::Host;

use crate::attempt::Reason;
use crate::capped::Capped;
use crate::fault;
use crate::guard::Guard;
use crate::resolve::Resolve;
use crate::target::Target;

/// Addresses of a name that are dialled; all are checked.
const DIALLED: usize = 6;
/// The next address is dialled when those before it have not answered for this long (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// What a receiver can make us read in all. A handshake, a head and a body at their limits fit in.
const RECEIVED: usize = 256 * 1024;

/// A connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) struct Connector {
    guard: Guard,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

impl Connector {
    pub(crate) fn new(guard: Guard, resolver: Arc<dyn Resolve>, roots: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(roots, provider.clone())?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { guard, resolver, tls: TlsConnector::from(Arc::new(config)) })
    }

    pub(crate) fn target(&self, url: &str) -> Result<Target, Reason> {
        Target::checked(url, &self.guard).map(|(_, target)| target).map_err(Reason::Url)
    }

    /// The addresses of the target. One that may not be dialled refuses them all: a name that has such a one beside a public
    /// one is a mistake or an attack, and not ours to choose from.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Reason> {
        let addresses = match &target.host {
            Host::Domain(name) => self.resolver.resolve(name).await.map_err(|error| fault::look_up(&error))?,
            Host::Ipv4(ip) => vec![IpAddr::from(*ip)],
            Host::Ipv6(ip) => vec![IpAddr::from(*ip)],
        };
        if addresses.is_empty() {
            return Err(Reason::Dns);
        }
        match addresses.iter().find(|ip| !self.guard.allows(**ip)) {
            Some(refused) => Err(Reason::Refused(*refused)),
            None => Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect()),
        }
    }

    /// Connects to one of the target's addresses, and for https shakes hands.
    pub(crate) async fn connect(&self, target: &Target, addresses: &[SocketAddr]) -> Result<Box<dyn Stream>, Reason> {
        let stream = Capped::new(self.dial(addresses).await?, RECEIVED);
        match &target.name {
            None => Ok(Box::new(stream)),
            Some(name) => Ok(Box::new(self.tls.connect(name.clone(), stream).await.map_err(|error| fault::handshake(&error))?)),
        }
    }

    /// The first that answers. The name is not looked up again, so it has no say any more.
    async fn dial(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Reason> {
        let mut dialled = JoinSet::new();
        for (before, &address) in (0..).zip(addresses.iter().take(DIALLED)) {
            dialled.spawn(async move {
                tokio::time::sleep(STAGGER * before).await;
                TcpStream::connect(address).await
            });
        }
        let mut reason = Reason::Connect;
        while let Some(done) = dialled.join_next().await {
            let stream = match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                    reason = Reason::ConnectRefused;
                    continue;
                }
                _ => continue,
            };
            let peer = stream.peer_addr().map_err(|_| Reason::Connect)?.ip();
            if !self.guard.allows(peer) {
                return Err(Reason::Refused(peer));
            }
            return Ok(stream);
        }
        Err(reason)
    }
}
