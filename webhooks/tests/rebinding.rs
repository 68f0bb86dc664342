//! Names that resolve to what may not be dialled. 127.0.0.2 stands for the public internet here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ombud_webhooks::{Guard, Reason, UrlError};
use support::{NOW, OK, PATIENT, Receiver, client, client_with, close, delivery, receiver_on, request};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn guard() -> Guard {
    Guard { allow_http: true, allow_networks: vec!["127.0.0.2/32".parse().unwrap()] }
}

async fn listen(address: impl Into<SocketAddr>) -> Receiver {
    listen_on(TcpListener::bind(address.into()).await.unwrap())
}

fn listen_on(listener: TcpListener) -> Receiver {
    receiver_on(listener, |_, mut stream| async move {
        request(&mut stream).await?;
        stream.write_all(OK).await?;
        close(stream).await
    })
}

#[tokio::test]
async fn a_name_of_loopback_is_refused() {
    let trap = listen((LOOPBACK, 0)).await;
    for refused in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "fd00:ec2::254"] {
        let refused: IpAddr = refused.parse().unwrap();
        let client = client_with(guard(), PATIENT, move |_| vec![refused]);
        let url = format!("http://127.0.0.1.nip.example:{}/", trap.address.port());
        assert_eq!(client.attempt(&delivery(url), NOW).await.result, Err(Reason::Refused(refused)));
    }
    assert_eq!(trap.hits(), 0);
}

#[tokio::test]
async fn one_refused_address_refuses_them_all() {
    let public = listen((PUBLIC, 0)).await;
    for answer in [[PUBLIC, LOOPBACK], [LOOPBACK, PUBLIC]] {
        let client = client_with(guard(), PATIENT, move |_| answer.to_vec());
        let tried = client.attempt(&delivery(format!("http://hooks.example:{}/", public.address.port())), NOW).await;
        assert_eq!(tried.result, Err(Reason::Refused(LOOPBACK)));
    }
    assert_eq!(public.hits(), 0);
}

#[tokio::test]
async fn an_address_in_the_url_is_judged_without_a_look_up() {
    let trap = listen((LOOPBACK, 0)).await;
    let client = client(guard(), PATIENT);
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "[::ffff:7f00:1]", "localhost"] {
        let tried = client.attempt(&delivery(format!("http://{host}:{}/", trap.address.port())), NOW).await;
        assert!(matches!(tried.result, Err(Reason::Url(UrlError::Refused(_)))), "{host}: {:?}", tried.result);
    }
    assert_eq!(trap.hits(), 0);
}

/// A resolver that says public first and loopback the second time, and so on, each time with a time to live of zero.
#[tokio::test]
async fn rebinding_comes_to_nothing() {
    let (public, trap) = loop {
        let public = listen((PUBLIC, 0)).await;
        if let Ok(listener) = TcpListener::bind((LOOPBACK, public.address.port())).await {
            break (public, listen_on(listener));
        }
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let client = client_with(guard(), PATIENT, move |_| match counted.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => vec![PUBLIC],
        _ => vec![LOOPBACK],
    });
    let delivery = delivery(format!("http://hooks.example:{}/", public.address.port()));
    for _ in 0..100 {
        assert_eq!(client.attempt(&delivery, NOW).await.result, Ok(200));
        assert_eq!(client.attempt(&delivery, NOW).await.result, Err(Reason::Refused(LOOPBACK)));
    }
    assert_eq!((asked.load(Ordering::SeqCst), public.hits(), trap.hits()), (200, 100, 0));
}

#[tokio::test]
async fn a_name_without_addresses_is_named() {
    let client = client_with(guard(), PATIENT, |_| Vec::new());
    assert_eq!(client.attempt(&delivery("http://hooks.example/"), NOW).await.result, Err(Reason::Dns));
}

#[tokio::test]
async fn a_resolver_that_fails_or_hangs_is_told_from_a_name_without_addresses() {
    for kind in [std::io::ErrorKind::NotFound, std::io::ErrorKind::Other, std::io::ErrorKind::WouldBlock] {
        let limits = ombud_webhooks::Limits { connect: Duration::from_millis(100), ..PATIENT };
        let client = ombud_webhooks::Client::new(guard(), limits, Arc::new(Failing(kind)), vec![root()]).unwrap();
        let expected = if kind == std::io::ErrorKind::NotFound { Reason::Dns } else { Reason::Resolver };
        assert_eq!(client.attempt(&delivery("http://hooks.example/"), NOW).await.result, Err(expected), "{kind}");
    }
}

/// Fails so; `WouldBlock` hangs.
struct Failing(std::io::ErrorKind);

impl ombud_webhooks::Resolve for Failing {
    fn resolve<'a>(&'a self, _: &'a str) -> ombud_webhooks::Resolving<'a> {
        Box::pin(async move {
            match self.0 {
                std::io::ErrorKind::WouldBlock => std::future::pending().await,
                kind => Err(kind.into()),
            }
        })
    }
}

fn root() -> rustls::pki_types::CertificateDer<'static> {
    rcgen::generate_simple_self_signed(["nobody.example".to_owned()]).unwrap().cert.der().clone()
}

#[tokio::test]
async fn the_next_address_is_dialled_when_the_first_is_dead() {
    let public = listen((PUBLIC, 0)).await;
    let dead: IpAddr = "127.0.0.3".parse().unwrap();
    let guard = Guard { allow_http: true, allow_networks: vec!["127.0.0.2/31".parse().unwrap()] };
    let client = client_with(guard, PATIENT, move |_| vec![dead, PUBLIC]);
    let delivery = delivery(format!("http://hooks.example:{}/", public.address.port()));
    assert_eq!(client.attempt(&delivery, NOW).await.result, Ok(200));
}

#[tokio::test]
async fn the_configuration_of_now_decides() {
    let public = listen((PUBLIC, 0)).await;
    let closed = Guard { allow_http: false, ..guard() };
    assert_eq!(client(closed, PATIENT).attempt(&delivery(public.url()), NOW).await.result, Err(Reason::Url(UrlError::Http)));
    let tried = client(Guard { allow_http: true, ..Guard::default() }, PATIENT).attempt(&delivery(public.url()), NOW).await;
    assert_eq!(tried.result, Err(Reason::Url(UrlError::Refused("127.0.0.2".to_owned()))));
    assert_eq!(public.hits(), 0);
}

#[tokio::test]
async fn the_systems_resolver_knows_localhost() {
    let trap = listen((LOOPBACK, 0)).await;
    let url = format!("http://localhost:{}/", trap.address.port());
    let client =
        |guard| ombud_webhooks::Client::new(guard, PATIENT, Arc::new(ombud_webhooks::SystemResolver::default()), vec![root()]).unwrap();
    let open = Guard { allow_networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()], ..guard() };
    assert_eq!(client(open).attempt(&delivery(url), NOW).await.result, Ok(200));
    assert_eq!(trap.hits(), 1);
}
