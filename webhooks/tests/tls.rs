//! Receivers with certificates, good and bad.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ombud_webhooks::{Attempt, Client, Reason, TlsFault};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::{NOW, Names, OK, PATIENT, Receiver, SHORT_CONNECT, delivery, open, receiver, request};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A receiver with a certificate for `name`.
    async fn receiver(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Receiver {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.0).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        receiver(move |_, stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await?;
                request(&mut stream).await?;
                // Only who was asked for by its name, or by an address, answers.
                let status = if matches!(stream.get_ref().1.server_name(), None | Some("hooks.example")) { OK } else { b"" };
                stream.write_all(status).await?;
                stream.shutdown().await
            }
        })
        .await
    }
}

async fn attempt(receiver: &Receiver, host: &str, root: CertificateDer<'static>) -> Attempt {
    let names = Names(|_: &str| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    let client = Client::new(open(), PATIENT, Arc::new(names), vec![root]).unwrap();
    client.attempt(&delivery(format!("https://{host}:{}/", receiver.address.port())), NOW).await
}

#[tokio::test]
async fn a_certificate_for_the_name_is_believed() {
    let ca = Authority::new("Ours");
    let receiver = ca.receiver("hooks.example", |_| {}).await;
    for host in ["hooks.example", "HOOKS.example", "hooks.example."] {
        assert_eq!(attempt(&receiver, host, ca.root()).await.result, Ok(200), "{host}");
    }
    let receiver = ca.receiver("127.0.0.1", |_| {}).await;
    assert_eq!(attempt(&receiver, "127.0.0.1", ca.root()).await.result, Ok(200));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not() {
    let ca = Authority::new("Ours");
    let receiver = ca.receiver("other.example", |_| {}).await;
    for host in ["hooks.example", "other.example.hooks.example", "127.0.0.1"] {
        assert_eq!(attempt(&receiver, host, ca.root()).await.result, Err(Reason::Tls(TlsFault::Name)), "{host}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_not() {
    let receiver = Authority::new("Ours").receiver("hooks.example", |_| {}).await;
    let tried = attempt(&receiver, "hooks.example", Authority::new("Theirs").root()).await;
    assert_eq!(tried.result, Err(Reason::Tls(TlsFault::Untrusted)));
}

#[tokio::test]
async fn an_expired_certificate_is_not() {
    let ca = Authority::new("Ours");
    let receiver = ca.receiver("hooks.example", |params| params.not_after = date_time_ymd(2020, 1, 1)).await;
    assert_eq!(attempt(&receiver, "hooks.example", ca.root()).await.result, Err(Reason::Tls(TlsFault::Expired)));
    let receiver = ca.receiver("hooks.example", |params| params.not_before = date_time_ymd(4000, 1, 1)).await;
    assert_eq!(attempt(&receiver, "hooks.example", ca.root()).await.result, Err(Reason::Tls(TlsFault::Certificate)));
}

#[tokio::test]
async fn no_tls_is_no_handshake() {
    let ca = Authority::new("Ours");
    let receiver = receiver(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
        support::close(stream).await
    })
    .await;
    assert_eq!(attempt(&receiver, "hooks.example", ca.root()).await.result, Err(Reason::Tls(TlsFault::Handshake)));
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_by_the_limit() {
    let receiver = receiver(|_, stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let url = format!("https://{}/", receiver.address);
    assert_eq!(support::attempt(url, SHORT_CONNECT).await.result, Err(Reason::ConnectTimeout));
}

#[test]
fn a_root_that_is_no_certificate_is_an_error() {
    let names = Names(|_: &str| Vec::new());
    assert!(Client::new(open(), PATIENT, Arc::new(names), vec![CertificateDer::from(vec![1, 2, 3])]).is_err());
}
