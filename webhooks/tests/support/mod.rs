//! Receivers written by hand, and a client that may talk to them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ombud_webhooks::{Attempt, Claimed, Client, Guard, Limits, Resolve, Resolving, Secret};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// For receivers that answer: no test waits for it.
pub const PATIENT: Limits = Limits { connect: Duration::from_secs(20), whole: Duration::from_secs(30), drain: Duration::from_secs(20) };
/// For receivers that never answer.
pub const SHORT: Limits = Limits { whole: Duration::from_millis(300), ..PATIENT };
/// For receivers that never shake hands.
pub const SHORT_CONNECT: Limits = Limits { connect: Duration::from_millis(300), ..PATIENT };

pub const NOW: i64 = 1_700_000_000;
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A listener and how many have connected to it.
pub struct Receiver {
    pub address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

impl Receiver {
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

/// Serves every connection, numbered from 0, in a task of its own.
pub async fn receiver<F: Future<Output = io::Result<()>> + Send + 'static>(
    serve: impl Fn(usize, TcpStream) -> F + Send + Sync + 'static,
) -> Receiver {
    receiver_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), serve)
}

/// [`receiver`], where somebody listens already.
pub fn receiver_on<F: Future<Output = io::Result<()>> + Send + 'static>(
    listener: TcpListener,
    serve: impl Fn(usize, TcpStream) -> F + Send + Sync + 'static,
) -> Receiver {
    let (address, hits) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = hits.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A receiver may be cut off at any time: that is no fault of the test.
            tokio::spawn(serve(counted.fetch_add(1, Ordering::SeqCst), stream));
        }
    });
    Receiver { address, hits }
}

/// Answers each request with these bytes and closes.
pub async fn answering(bytes: impl Into<Vec<u8>>) -> Receiver {
    let bytes = Arc::new(bytes.into());
    receiver(move |_, mut stream| {
        let bytes = bytes.clone();
        async move {
            request(&mut stream).await?;
            stream.write_all(&bytes).await?;
            close(stream).await
        }
    })
    .await
}

/// Ends our side and waits for theirs, so that nothing that was written is lost.
pub async fn close(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    while stream.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

/// Reads one whole request: its head, and its body by Content-Length.
pub async fn request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, String)> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let text = String::from_utf8(read[..head].to_vec()).map_err(io::Error::other)?;
    let length = header(&text, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    while read.len() < head + length {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((text, String::from_utf8(read[head..].to_vec()).map_err(io::Error::other)?))
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// http and loopback are allowed.
pub fn open() -> Guard {
    Guard { allow_http: true, allow_networks: vec!["127.0.0.0/8".parse().unwrap()] }
}

pub fn client(guard: Guard, limits: Limits) -> Client {
    client_with(guard, limits, |name| panic!("nobody should ask for {name}"))
}

pub fn client_with(guard: Guard, limits: Limits, resolver: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Client {
    // One root is enough: the tests must not depend on what the machine believes.
    let root = rcgen::generate_simple_self_signed(["nobody.example".to_owned()]).unwrap().cert.der().clone();
    Client::new(guard, limits, Arc::new(Names(resolver)), vec![root]).unwrap()
}

/// A resolver that answers what a function says.
pub struct Names<F>(pub F);

impl<F: Fn(&str) -> Vec<IpAddr> + Send + Sync> Resolve for Names<F> {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move { Ok((self.0)(name)) })
    }
}

pub fn secret() -> Secret {
    Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
}

pub fn delivery(url: impl Into<String>) -> Claimed {
    Claimed {
        id: 1,
        message: "msg_1".to_owned(),
        endpoint: 1,
        url: url.into(),
        secrets: vec![secret()],
        body: r#"{"type":"ticket.created"}"#.to_owned(),
        attempts: 1,
        first_at: NOW * 1000,
    }
}

/// One attempt at a receiver on loopback.
pub async fn attempt(url: impl Into<String>, limits: Limits) -> Attempt {
    client(open(), limits).attempt(&delivery(url), NOW).await
}
