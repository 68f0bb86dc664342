//! TLS as a client: when it must be there, and whose certificate is believed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Stream;

/// Why TLS can't be used at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The host is neither a name nor an address.
    #[error("`{0}` is no host name")]
    Host(String),
    /// The additional roots cannot be read.
    #[error("ca: {}: {why}", .path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No roots on this system, or the like.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Why there is no TLS with a server now.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("TLS handshake with {host}: nothing within {} s", .limit.as_secs())]
    Timeout {
        /// The server.
        host: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection is lost, or the certificate is not believed.
    #[error("TLS with {host}: {source}")]
    Failed {
        /// The server.
        host: String,
        /// Why not.
        source: io::Error,
    },
}

/// What a connection asks of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// From the first octet, certificate verified.
    Implicit,
    /// STARTTLS or nothing, certificate verified: a password goes over it, and whoever can remove STARTTLS from the dialogue
    /// could read it.
    Required,
    /// STARTTLS when offered, any certificate (RFC 7435).
    Opportunistic,
}

impl Security {
    /// The rule: `smtps://` is `Implicit`; a user makes STARTTLS `Required`, except when the peer is this very machine.
    pub fn of(implicit: bool, user: bool, loopback: bool) -> Self {
        match (implicit, user, loopback) {
            (true, _, _) => Self::Implicit,
            (false, true, false) => Self::Required,
            (false, ..) => Self::Opportunistic,
        }
    }
}

/// Whose certificates are believed: the system's roots, and further ones.
#[derive(Clone)]
pub struct Roots(TlsConnector);

impl Roots {
    /// Reads them. Blocks.
    ///
    /// # Errors
    /// There are none, or `ca` cannot be read.
    pub fn read(ca: Option<&Path>) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(extra_roots(ca)?, provider.clone())?;
        Ok(Self(connector(&provider, Arc::new(verifier))?))
    }
}

/// Ready-made settings for one server.
pub struct Tls {
    name: ServerName<'static>,
    verified: Option<TlsConnector>,
    unverified: TlsConnector,
}

impl Tls {
    /// `verify`: whether a verified connection can be asked for; only then the system's roots are read.
    ///
    /// # Errors
    /// The host is no name, or there are no roots.
    pub fn new(host: &str, verify: bool, ca: Option<&Path>) -> Result<Self, TlsError> {
        let roots = if verify { Some(Roots::read(ca)?) } else { None };
        Self::believing(host, roots.as_ref())
    }

    /// The same with roots that have been read; without any no verified connection can be asked for.
    ///
    /// # Errors
    /// The host is no name.
    pub fn believing(host: &str, roots: Option<&Roots>) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))?;
        let provider = Arc::new(ring::default_provider());
        let any: Arc<dyn ServerCertVerifier> = Arc::new(AnyCertificate(provider.clone()));
        Ok(Self { name, verified: roots.map(|roots| roots.0.clone()), unverified: connector(&provider, any)? })
    }

    /// The handshake, which takes at most `limit`. `Opportunistic` takes any certificate.
    ///
    /// # Errors
    /// The connection is lost or slow, or the certificate is not believed.
    pub async fn handshake(&self, security: Security, stream: Box<dyn Stream>, limit: Duration) -> Result<Box<dyn Stream>, HandshakeError> {
        let host = || self.name.to_str().into_owned();
        let done = timeout(limit, self.connect(security, stream)).await;
        done.map_err(|_| HandshakeError::Timeout { host: host(), limit })?.map_err(|source| HandshakeError::Failed { host: host(), source })
    }

    async fn connect(&self, security: Security, stream: Box<dyn Stream>) -> io::Result<Box<dyn Stream>> {
        let connector = match security {
            Security::Opportunistic => &self.unverified,
            Security::Implicit | Security::Required => self.verified.as_ref().ok_or_else(|| io::Error::other("no roots to verify with"))?,
        };
        Ok(Box::new(connector.connect(self.name.clone(), stream).await?))
    }
}

fn connector(provider: &Arc<CryptoProvider>, verifier: Arc<dyn ServerCertVerifier>) -> Result<TlsConnector, TlsError> {
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates of a PEM file; none where there is no file.
///
/// # Errors
/// It cannot be read, or holds none.
pub fn extra_roots(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let Some(path) = ca else { return Ok(Vec::new()) };
    let bad = |why: String| TlsError::Ca { path: path.to_owned(), why };
    let roots = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|e| bad(e.to_string()))?;
    if roots.is_empty() { Err(bad("no certificate in it".to_owned())) } else { Ok(roots) }
}

/// Believes any certificate. Used only where the alternative is clear text and no password is sent: it keeps out whoever only
/// listens, and never whoever changes the traffic. The handshake's own signature is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_leaves_this_machine_in_clear() {
        assert_eq!(Security::of(false, true, false), Security::Required);
        assert_eq!(Security::of(false, true, true), Security::Opportunistic);
        assert_eq!(Security::of(false, false, false), Security::Opportunistic);
        for (user, loopback) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(Security::of(true, user, loopback), Security::Implicit);
        }
    }

    #[test]
    fn a_ca_file_must_be_there_and_hold_a_certificate() {
        let not_pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        for ca in [Path::new("/nonexistent/ca.pem"), &not_pem] {
            assert!(matches!(Tls::new("mx.example", true, Some(ca)), Err(TlsError::Ca { .. })), "{}", ca.display());
        }
        assert!(matches!(Tls::new("mx example", false, None), Err(TlsError::Host(_))));
    }
}
