//! What reads the octets of an SMTP client, with plain values in and out: for what must hold for any octets.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::command::{self, Command};
use super::data::DataReader;
use super::line::{LineError, Longest, Wire};
use super::session::Session;
use super::{Certificates, Protocol, Shared};
use crate::config::Config;
use crate::model::{Envelope, Reply};
use crate::receive::counters::Counters;
use crate::receive::fake_door::{FakeDoor, Kept};
use crate::receive::gate::Gate;
use crate::receive::listen::Stream;
use crate::receive::peer::Peer;
use crate::receive::proxy::{self, Named};

/// A password that is right.
pub(crate) const PASSWORD: &str = "right";

/// Lines until the first error, and that; `None` stands for one that was too long.
pub(crate) async fn lines(io: Box<dyn Stream>, any: usize, auth: usize) -> (Vec<Option<Vec<u8>>>, String) {
    let (mut wire, mut lines) = (Wire::new(io), Vec::new());
    loop {
        match wire.line(Instant::now() + Duration::from_secs(60), Longest { any, auth }).await {
            Ok(line) => lines.push(Some(line)),
            Err(LineError::Long) => lines.push(None),
            Err(error) => return (lines, format!("{error:?}")),
        }
    }
}

/// A command with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Path, `SIZE`, `SMTPUTF8`.
    Mail(String, Option<u64>, bool),
    /// Path.
    Rcpt(String),
    /// `EHLO`, `HELO` or `LHLO`, and a name.
    Hello(String),
    /// As it is shown.
    Other(String),
}

/// One command line.
pub(crate) fn command(line: &[u8], utf8: bool) -> Result<Verb, Reply> {
    Ok(match command::parse(line, utf8)? {
        Command::Mail(mail) => Verb::Mail(mail.from, mail.size, mail.utf8),
        Command::Rcpt(to) => Verb::Rcpt(to),
        Command::Ehlo(name) | Command::Helo(name) | Command::Lhlo(name) => Verb::Hello(name),
        other => Verb::Other(format!("{other:?}")),
    })
}

/// What came of the octets behind DATA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// Without dot-stuffing and end.
    pub(crate) octets: Vec<u8>,
    /// How many octets belong to the mail, its end included.
    pub(crate) used: usize,
    /// Whether the end was among them.
    pub(crate) ended: bool,
    /// Whether something could be taken for an end elsewhere.
    pub(crate) stray: bool,
    /// Whether a line was too long.
    pub(crate) long_line: bool,
}

/// Reads content that comes in pieces.
pub(crate) fn content<'a>(pieces: impl Iterator<Item = &'a [u8]>, max_line: usize) -> Content {
    let (mut reader, mut found) = (DataReader::new(max_line), Content::default());
    for piece in pieces {
        let progress = reader.feed(piece, &mut found.octets);
        found.used += progress.used;
        found.ended = progress.ended;
    }
    assert_eq!(reader.size(), found.octets.len() as u64);
    (found.stray, found.long_line) = (reader.noted().stray, reader.noted().long_line);
    found
}

/// The client that a load balancer names, none for the load balancer itself, and what follows the header.
pub(crate) async fn named(mut io: impl AsyncRead + Unpin) -> io::Result<(Option<IpAddr>, Vec<u8>)> {
    let client = match proxy::read(&mut io).await? {
        Named::Client(ip) => Some(ip),
        Named::Itself => None,
    };
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await?;
    Ok((client, rest))
}

/// A whole session with a client that was greeted and does not wait for replies; the mails that were taken.
pub(crate) async fn session(io: Box<dyn Stream>, protocol: Protocol) -> Vec<Kept> {
    static CONFIG: OnceLock<Option<Arc<Config>>> = OnceLock::new();
    let Some(config) = CONFIG.get_or_init(|| Config::local(Path::new("ombud-data")).ok().map(Arc::new)) else { return Vec::new() };
    let door = FakeDoor::default();
    let (configs, tls) = (watch::channel(Arc::clone(config)).1, watch::channel(Certificates::default()).1);
    let shared = Arc::new(Shared::new(door.clone(), Anybody, configs, tls, Arc::new(Counters::default())));
    let mut session = Session::new(shared, Arc::clone(config), protocol, Peer::new(None, &[]), io, CancellationToken::new());
    session.tls = protocol.is_submission();
    session.run_greeted().await;
    std::mem::take(&mut *door.kept.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Takes any recipient but those who are nobody.
struct Anybody;

impl Gate for Anybody {
    async fn login(&self, user: &str, password: &str) -> Result<String, Reply> {
        if password == PASSWORD { Ok(user.to_owned()) } else { Err(Reply::new(535, "5.7.8", "Wrong")) }
    }

    async fn ready(&self) -> Result<(), Reply> {
        Ok(())
    }

    async fn rcpt(&self, _: &Envelope, recipient: &str) -> Result<(), Reply> {
        if recipient.starts_with("nobody@") { Err(Reply::new(550, "5.1.1", "Nobody")) } else { Ok(()) }
    }

    async fn data(&self, _: &mut Envelope, _: &[u8]) -> Result<(), Reply> {
        Ok(())
    }
}
