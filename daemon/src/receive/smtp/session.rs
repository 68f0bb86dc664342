//! One session (RFC 5321 §3): a loop that reads a command and obeys it, and what all verbs share.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::command::{self, Command};
use super::line::{LineError, Longest, Wire, WireError};
use super::{Protocol, Shared};
use crate::config::Config;
use crate::model::{Envelope, Reply};
use crate::receive::door::Door;
use crate::receive::gate::Gate;
use crate::receive::listen::Stream;
use crate::receive::peer::Peer;

/// By this much longer an outside client waits for each error after the soft ones.
const TARPIT: Duration = Duration::from_secs(1);
/// How long a client may not talk before the greeting. Robots do; the near side of a loopback gets just long enough
/// for octets that were sent with the connection to arrive.
const GREETING_PAUSE: Duration = Duration::from_millis(100);
const GREETING_PAUSE_NEAR: Duration = Duration::from_millis(5);
/// How long the last reply may take to leave, and the client to hang up.
const CLOSING: Duration = Duration::from_secs(1);
/// A trusted relay or local client may stay this many times as long: it sends mail after mail.
const TRUSTED_STAY: u32 = 3;

/// Longest line of a log-in (RFC 4954 §4).
pub(super) const AUTH_LINE: usize = 12_288;

const TIMEOUT: Reply = Reply::new(421, "4.4.2", "Timeout, closing");
const SESSION_OVER: Reply = Reply::new(421, "4.4.2", "Session too long, closing; come again");
pub(super) const SHUTTING_DOWN: Reply = Reply::new(421, "4.3.2", "Shutting down, try again later");
const EARLY: Reply = Reply::new(554, "5.5.0", "You talk before it is your turn");
const FOREIGN: Reply = Reply::new(554, "5.5.0", "This is not the protocol you think it is");
const STRAY: Reply = Reply::new(500, "5.5.2", "Stray CR or LF in a command, closing; end lines with CR LF");
const LONG: Reply = Reply::new(500, "5.5.2", "Line too long");
const TOO_MANY_ERRORS: Reply = Reply::new(421, "4.7.0", "Too many errors, closing");
const TOO_MUCH_JUNK: Reply = Reply::new(421, "4.7.0", "Too many commands without a mail, closing");

/// One client's conversation with us.
pub(in crate::receive) struct Session<G, D> {
    pub(super) shared: Arc<Shared<G, D>>,
    /// As it was when the client came, so that a reload never tears a session.
    pub(super) config: Arc<Config>,
    pub(super) protocol: Protocol,
    pub(super) peer: Peer,
    pub(super) wire: Wire,
    pub(super) cancel: CancellationToken,
    /// The client's name, once it has said EHLO, HELO or LHLO.
    pub(super) name: Option<String>,
    /// Whether PIPELINING was offered; before that a client that does not wait for replies is a robot.
    pub(super) pipelining: bool,
    pub(super) tls: bool,
    /// The agent who has logged in.
    pub(super) agent: Option<String>,
    /// Log-ins refused.
    pub(super) guesses: u32,
    pub(super) transaction: Option<Transaction>,
    /// Mails begun.
    pub(super) messages: usize,
    /// Octets of those that were read to their end.
    pub(super) octets: u64,
    /// Unknown recipients since the last accepted mail.
    pub(super) misses: u32,
    pub(super) junk: u32,
    errors: u32,
    tarpit: Duration,
    ends: Instant,
}

/// One mail between MAIL and the end of DATA.
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    /// Whether it was announced with SMTPUTF8.
    pub(super) utf8: bool,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::receive) enum End {
    /// We had the last word; it may still be queued.
    Said,
    /// The client is gone.
    Lost,
}

impl From<WireError> for End {
    fn from(_: WireError) -> Self {
        Self::Lost
    }
}

impl<G: Gate, D: Door> Session<G, D> {
    pub(in crate::receive) fn new(
        shared: Arc<Shared<G, D>>,
        config: Arc<Config>,
        protocol: Protocol,
        peer: Peer,
        io: Box<dyn Stream>,
        cancel: CancellationToken,
    ) -> Self {
        let stay = config.limits.session_time * if peer.exempt { TRUSTED_STAY } else { 1 };
        let wire = Wire::new(io);
        Self {
            shared,
            config,
            protocol,
            peer,
            cancel,
            wire,
            name: None,
            pipelining: protocol == Protocol::Lmtp,
            tls: false,
            agent: None,
            guesses: 0,
            transaction: None,
            messages: 0,
            octets: 0,
            misses: 0,
            junk: 0,
            errors: 0,
            tarpit: TARPIT,
            ends: Instant::now() + stay,
        }
    }

    /// The whole conversation; returns when the connection can be dropped.
    pub(in crate::receive) async fn run(mut self) {
        let counters = &self.shared.counters;
        counters.sessions.fetch_add(1, Relaxed);
        let (Ok(end) | Err(end)) = self.talk().await.map(|never| match never {});
        if end == End::Said {
            let deadline = Instant::now() + CLOSING;
            if self.wire.flush(deadline).await.is_ok() {
                self.wire.close(deadline).await;
            }
        }
        debug!(peer = ?self.peer.ip, protocol = ?self.protocol, messages = self.messages, errors = self.errors, ?end, "session over");
    }

    async fn talk(&mut self) -> Result<Infallible, End> {
        if self.protocol == Protocol::Submissions {
            Box::pin(self.implicit_tls()).await?;
        }
        self.greet().await?;
        self.converse().await
    }

    /// Everything behind the greeting.
    async fn converse(&mut self) -> Result<Infallible, End> {
        loop {
            let line = self.command().await?;
            self.obey(&line).await?;
            if self.wire.is_full() {
                let deadline = self.deadline();
                self.wire.flush(deadline).await?;
            }
        }
    }

    async fn greet(&mut self) -> Result<(), End> {
        if self.protocol != Protocol::Lmtp {
            let pause = if self.peer.exempt { GREETING_PAUSE_NEAR } else { GREETING_PAUSE };
            match self.wire.fill(Instant::now() + pause).await {
                Err(WireError::Late) => {}
                Err(WireError::Gone) => return Err(End::Lost),
                Ok(()) => return Err(self.part(&EARLY)),
            }
        }
        let word = if self.protocol == Protocol::Lmtp { "LMTP" } else { "ESMTP" };
        self.write(&Reply::with(220, "", format!("{} {word} Ombud", self.config.desk.hostname)));
        Ok(())
    }

    /// The next command line.
    async fn command(&mut self) -> Result<Vec<u8>, End> {
        let any = self.config.limits.command_line;
        let longest = Longest { any, auth: if self.may_log_in() { any.max(AUTH_LINE) } else { any } };
        loop {
            match self.line(longest).await? {
                Some(line) => return Ok(line),
                None => self.say(&LONG).await?,
            }
        }
    }

    /// The next line, or nothing for one that was too long. Here, between two commands, a session ends that must end. It
    /// has its time as a whole, not its next octet; when almost all connections are in use, whoever lets us wait is soon
    /// sent away.
    pub(super) async fn line(&mut self, longest: Longest) -> Result<Option<Vec<u8>>, End> {
        let (time, look) = (self.config.limits.command_timeout, self.config.limits.stress_timeout);
        let begun = Instant::now();
        loop {
            if self.cancel.is_cancelled() {
                return Err(self.part(&SHUTTING_DOWN));
            }
            if Instant::now() >= self.ends {
                return Err(self.part(&SESSION_OVER));
            }
            let deadline = (begun + time).min(Instant::now() + look).min(self.ends);
            let line = tokio::select! {
                biased;
                line = self.wire.line(deadline, longest) => line,
                () = self.cancel.cancelled() => continue,
            };
            match line {
                Ok(line) => return Ok(Some(line)),
                Err(LineError::Long) => return Ok(None),
                Err(LineError::Stray) => return Err(self.part(&STRAY)),
                Err(LineError::Endless) => return Err(self.part(&LONG)),
                Err(LineError::Wire(WireError::Late)) => {
                    let now = Instant::now();
                    if now < self.ends && (now >= begun + time || self.shared.caps.is_crowded(&self.config.limits)) {
                        return Err(self.part(&TIMEOUT));
                    }
                }
                Err(LineError::Wire(WireError::Gone)) => return Err(End::Lost),
            }
        }
    }

    async fn obey(&mut self, line: &[u8]) -> Result<(), End> {
        if !self.pipelining && !self.wire.buffered().is_empty() && !is_starttls(line) {
            return Err(self.part(&EARLY));
        }
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.utf8);
        match command::parse(line, utf8) {
            Ok(Command::Foreign) => Err(self.part(&FOREIGN)),
            Ok(command) => self.verb(command).await,
            Err(reply) => self.say(&reply).await,
        }
    }

    /// When what is waited for now must have come: a command as a whole, not its next octet.
    pub(super) fn deadline(&self) -> Instant {
        (Instant::now() + self.config.limits.command_timeout).min(self.ends)
    }

    /// Queues a reply. An outside client that makes one error after another waits longer for each, then is cut off; at
    /// once when the place it would wait in is wanted by others.
    pub(in crate::receive) async fn say(&mut self, reply: &Reply) -> Result<(), End> {
        if reply.code >= 500 && !self.peer.exempt {
            self.errors += 1;
            let limits = &self.config.limits;
            let late = (self.errors + 1).saturating_sub(limits.soft_errors);
            if self.errors >= limits.hard_errors || (late > 0 && self.shared.caps.is_crowded(limits)) {
                return Err(self.part(&TOO_MANY_ERRORS));
            }
            let pause = self.tarpit * late;
            if !pause.is_zero() {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = self.cancel.cancelled() => {}
                }
            }
        }
        self.write(reply);
        Ok(())
    }

    /// Counts a command that moves nothing; an outside client may not send them for ever.
    pub(super) fn junk(&mut self) -> Result<(), End> {
        self.junk += 1;
        if self.junk > self.config.limits.junk_commands && !self.peer.exempt { Err(self.part(&TOO_MUCH_JUNK)) } else { Ok(()) }
    }

    /// Queues a reply that is no error of the client, or whose error is already counted.
    pub(in crate::receive) fn write(&mut self, reply: &Reply) {
        self.shared.counters.reply(reply.code);
        self.wire.say(reply);
    }

    /// Queues the last reply: `return Err(self.part(…))`.
    pub(super) fn part(&mut self, reply: &Reply) -> End {
        self.write(reply);
        End::Said
    }

    /// What is said to a client that was greeted, has said EHLO and does not wait for replies.
    #[cfg(any(test, fuzzing))]
    pub(super) async fn run_greeted(mut self) {
        (self.name, self.pipelining) = (Some("client.example".to_owned()), true);
        if self.converse().await.map(|never| match never {}) == Err(End::Said) {
            // The client of a test is still there, or is not asked.
            let _ = self.wire.flush(self.deadline()).await;
        }
    }

    #[cfg(test)]
    pub(in crate::receive) fn tarpit(mut self, step: Duration) -> Self {
        self.tarpit = step;
        self
    }
}

/// STARTTLS has its own answer to octets that come too early.
fn is_starttls(line: &[u8]) -> bool {
    line.trim_ascii_end().eq_ignore_ascii_case(b"STARTTLS")
}
