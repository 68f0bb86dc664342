//! STARTTLS (RFC 3207).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::TlsConnector;

use super::fakes::{Desk, FakeDoor, FakeGate, limits};
use crate::receive::Protocol;

/// Made for this test, valid nowhere.
const CERTIFICATE: &[u8] = include_bytes!("certificate.pem");
const KEY: &[u8] = include_bytes!("key.pem");

fn desk() -> Desk {
    let (certificate, key) = (CertificateDer::from_pem_slice(CERTIFICATE).unwrap(), PrivateKeyDer::from_pem_slice(KEY).unwrap());
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let tls = versions.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    Desk::new(limits(), FakeGate::default(), FakeDoor::default(), Some(Arc::new(tls)))
}

#[tokio::test]
async fn nothing_said_before_tls_counts_after_it() {
    let desk = desk();
    let mut client = desk.greeted("127.0.0.1").await;
    assert_eq!(client.ask("MAIL FROM:<eve@example.com>").await, "250 2.1.0 Sender OK");
    assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 Ready for TLS");
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = versions.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth();
    let name = ServerName::try_from("desk.localhost").unwrap();
    let io = TlsConnector::from(Arc::new(config)).connect(name, client.io.into_inner()).await.unwrap();

    let mut io = BufReader::new(io);
    let dialogue: [(&str, &[&str]); 7] = [
        ("RCPT TO:<support@desk.localhost>", &["503 "]),
        ("MAIL FROM:<ann@example.com>", &["503 "]),
        ("EHLO client.example", &["250-desk", "250-PIPE", "250-SIZE", "250-8BIT", "250-SMTPUTF8", "250 "]),
        ("STARTTLS", &["503 "]),
        ("MAIL FROM:<ann@example.com>\r\nRCPT TO:<support@desk.localhost>", &["250 ", "250 "]),
        ("DATA", &["354 "]),
        ("Hi\r\n.", &["250 2.6.0 "]),
    ];
    for (line, replies) in dialogue {
        io.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        for start in replies {
            let mut reply = String::new();
            io.read_line(&mut reply).await.unwrap();
            assert!(reply.starts_with(start), "{line}: {reply}");
        }
    }
    let (envelope, _) = desk.kept().pop().unwrap();
    assert!(envelope.tls && envelope.mail_from == "ann@example.com");
}

#[tokio::test]
async fn octets_behind_starttls_end_the_session() {
    let desk = desk();
    let mut client = desk.greeted("127.0.0.1").await;
    client.send(b"STARTTLS\r\nMAIL FROM:<eve@example.com>\r\n").await;
    assert_eq!(client.until_closed().await, "503 5.5.1 Nothing may follow STARTTLS before TLS, closing\r\n");

    // Also before EHLO, where nothing at all may be pipelined.
    let mut client = desk.connect(Protocol::Smtp, Some("127.0.0.1"));
    client.reply().await;
    client.send(b"STARTTLS\r\nMAIL FROM:<eve@example.com>\r\n").await;
    assert!(client.until_closed().await.starts_with("503 5.5.1 "));
}

#[tokio::test]
async fn lmtp_does_not_offer_it() {
    let desk = desk();
    let mut client = desk.connect(Protocol::Lmtp, None);
    client.reply().await;
    client.send(b"LHLO x\r\n").await;
    while let Some(line) = client.line().await {
        assert!(!line.contains("STARTTLS"));
        if line.starts_with("250 ") {
            break;
        }
    }
    assert!(client.ask("STARTTLS").await.starts_with("502 "));
}

/// Believes every certificate: it is the session that is tested.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
