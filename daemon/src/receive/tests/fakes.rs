//! A desk with one mailbox, an inbox that can be looked into, and a client.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Limits, Net, TrustedRelay};
use crate::model::{Envelope, Reply, address};
use crate::receive::counters::Counters;
pub(super) use crate::receive::fake_door::{FakeDoor, Kept};
use crate::receive::gate::Gate;
use crate::receive::peer::Peer;
use crate::receive::smtp::session::Session;
use crate::receive::{Certificates, Protocol, Shared};

/// Nothing here takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The built-in local desk, and one trusted relay.
fn config() -> Config {
    let mut config = Config::local(Path::new("ombud-data")).unwrap();
    let net = Net { address: "10.0.0.0".parse().unwrap(), prefix: 8 };
    config.authentication.trusted_relays = vec![TrustedRelay { net, trust: None, submission: false }];
    config
}

pub(in crate::receive) fn limits() -> Limits {
    config().limits
}

/// Answers as it is told.
#[derive(Clone, Default)]
pub(super) struct FakeGate {
    pub(super) ready: Option<Reply>,
    pub(super) data: Option<Reply>,
}

impl Gate for FakeGate {
    async fn login(&self, user: &str, password: &str) -> Result<String, Reply> {
        if (user, password) == ("jane@agents.test", "right") { Ok(user.into()) } else { Err(Reply::new(535, "5.7.8", "Wrong")) }
    }

    async fn ready(&self) -> Result<(), Reply> {
        self.ready.clone().map_or(Ok(()), Err)
    }

    async fn rcpt(&self, _: &Envelope, recipient: &str) -> Result<(), Reply> {
        match address::fold(recipient).as_str() {
            "postmaster" | "postmaster@desk.localhost" | "support@desk.localhost" | "jörg@desk.localhost" => Ok(()),
            other if other.ends_with("@desk.localhost") => Err(Reply::new(550, "5.1.1", "No such mailbox")),
            _ => Err(Reply::new(550, "5.7.1", "Not a mailbox of this desk")),
        }
    }

    async fn data(&self, _: &mut Envelope, _: &[u8]) -> Result<(), Reply> {
        self.data.clone().map_or(Ok(()), Err)
    }
}

/// A desk to connect to.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared<FakeGate, FakeDoor>>,
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) door: FakeDoor,
    pub(super) cancel: CancellationToken,
}

impl Desk {
    pub(super) fn new(limits: Limits, gate: FakeGate, door: FakeDoor, tls: Option<Arc<ServerConfig>>) -> Self {
        let (config, receiver) = watch::channel(Arc::new(Config { limits, ..config() }));
        let shared = Shared::new(
            door.clone(),
            gate,
            receiver,
            watch::channel(Certificates { smtp: tls.clone(), submission: tls }).1,
            Arc::new(Counters::default()),
        );
        Self { shared: Arc::new(shared), config, door, cancel: CancellationToken::new() }
    }

    pub(super) fn plain() -> Self {
        Self::with(limits())
    }

    pub(super) fn with(limits: Limits) -> Self {
        Self::new(limits, FakeGate::default(), FakeDoor::default(), None)
    }

    /// Begins a session as if from this address; none stands for a unix socket.
    pub(super) fn connect(&self, protocol: Protocol, ip: Option<&str>) -> Client {
        let (near, far) = tokio::io::duplex(1 << 20);
        let task = tokio::spawn(self.session(protocol, ip, far).tarpit(Duration::from_micros(1)).run());
        Client { io: BufReader::new(near), task }
    }

    /// A session that has not begun.
    pub(super) fn session(&self, protocol: Protocol, ip: Option<&str>, io: DuplexStream) -> Session<FakeGate, FakeDoor> {
        let config = Arc::clone(&self.config.borrow());
        let peer = Peer::new(ip.map(|ip| ip.parse().unwrap()), &config.authentication.trusted_relays);
        Session::new(Arc::clone(&self.shared), config, protocol, peer, Box::new(io), self.cancel.clone())
    }

    /// A session over SMTP that has said EHLO.
    pub(super) async fn greeted(&self, ip: &str) -> Client {
        let mut client = self.connect(Protocol::Smtp, Some(ip));
        client.reply().await;
        client.ask("EHLO client.example").await;
        client
    }

    pub(super) fn kept(&self) -> Vec<Kept> {
        self.door.kept.lock().unwrap().clone()
    }
}

/// The other end of a session.
pub(super) struct Client {
    pub(super) io: BufReader<DuplexStream>,
    task: JoinHandle<()>,
}

impl Client {
    pub(super) async fn send(&mut self, octets: &[u8]) {
        // A closed connection shows when a reply is missed.
        let _ = self.io.write_all(octets).await;
    }

    /// One line without its CRLF; `None` when the server has closed.
    pub(super) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.io.read_line(&mut line)).await.expect("a reply in time").unwrap();
        (read > 0).then(|| line.strip_suffix("\r\n").expect("CRLF").to_owned())
    }

    /// One reply; of several lines the last.
    pub(super) async fn reply(&mut self) -> String {
        loop {
            let line = self.line().await.expect("a reply");
            if line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        }
    }

    pub(super) async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// MAIL, RCPT, DATA and the content, which must bring its own end.
    pub(super) async fn mail(&mut self, content: &[u8]) -> String {
        for line in ["MAIL FROM:<ann@example.com>", "RCPT TO:<support@desk.localhost>"] {
            assert!(self.ask(line).await.starts_with("250 "), "{line}");
        }
        assert!(self.ask("DATA").await.starts_with("354 "));
        self.send(content).await;
        self.reply().await
    }

    /// Says nothing more; everything that the server still says until it closes.
    pub(super) async fn rest(mut self) -> String {
        self.io.shutdown().await.unwrap();
        self.until_closed().await
    }

    /// Everything that the server still says until it closes of its own accord.
    pub(super) async fn until_closed(&mut self) -> String {
        let mut rest = String::new();
        timeout(PATIENCE, self.io.read_to_string(&mut rest)).await.expect("closed in time").unwrap();
        rest
    }

    /// Hangs up and waits until the session has noticed.
    pub(super) async fn vanish(self) {
        drop(self.io);
        timeout(PATIENCE, self.task).await.expect("the session ends").unwrap();
    }
}

/// A port to connect to.
pub(super) fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}
