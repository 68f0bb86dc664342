//! Servers with TLS, whose certificates are of an authority that only this test knows.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::certificates;
use crate::tls::Line;

/// An authority with one certificate.
pub struct Authority {
    folder: TempDir,
    /// What a server with that certificate needs.
    pub server: Arc<ServerConfig>,
}

impl Authority {
    /// One that has certified these names.
    ///
    /// # Panics
    /// When openssl is missing.
    pub fn of(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        certificates::make_for(folder.path(), &names.join(","));
        let at = |name: &str| folder.path().join(name);
        let chain = vec![CertificateDer::from_pem_file(at("cert.pem")).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(at("key.pem")).expect("a key");
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        Self { folder, server: Arc::new(server) }
    }

    /// Its own certificate.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// The far end of TLS over this connection; none when the client does not go along.
pub(crate) fn served(mut stream: TcpStream, config: &Arc<ServerConfig>) -> Option<Line<ServerConnection>> {
    let mut tls = ServerConnection::new(Arc::clone(config)).ok()?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).ok()?;
    }
    Some(Line::Tls(Box::new(StreamOwned::new(tls, stream))))
}
