//! The SMTP server (RFC 5321), which also speaks LMTP: connections in, sessions out.

mod auth;
mod command;
mod data;
mod line;
mod listen;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod path;
mod reply;
pub(super) mod session;
mod starttls;
mod transfer;
mod verbs;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::counters::Counters;
use super::door::Door;
use super::gate::Gate;
use super::limits::{Caps, Pass, open_files};
use super::peer::Peer;
use super::proxy::{self, Named};
use super::tally::Tally;
use crate::config::{Config, Net};
use crate::inbox::Inbox;
use crate::model::Reply;
use crate::receive::listen::Stream;
use line::Wire;
pub use listen::Listener;
use session::Session;

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
    /// RFC 6409, with STARTTLS.
    Submission,
    /// The same with TLS from the first octet (RFC 8314 §3.3).
    Submissions,
}

impl Protocol {
    /// Whether agents log in here.
    fn is_submission(self) -> bool {
        matches!(self, Self::Submission | Self::Submissions)
    }
}

/// What TLS is offered with, where it is.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// On SMTP.
    pub smtp: Option<Arc<ServerConfig>>,
    /// Where agents log in.
    pub submission: Option<Arc<ServerConfig>>,
}

/// What all listeners and sessions of a process share.
pub struct Shared<G, D = Inbox> {
    inbox: D,
    gate: G,
    config: watch::Receiver<Arc<Config>>,
    tls: watch::Receiver<Certificates>,
    counters: Arc<Counters>,
    caps: Arc<Caps>,
    /// Refused log-ins of each address.
    guesses: Tally<2>,
    /// Refused recipients of each address.
    misses: Tally<1>,
}

/// After accept(2) has failed, wait before the next try: with no file descriptor left it fails at once, for ever.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long sessions may finish what is in hand when we shut down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// How long a refusal may take to leave.
const REFUSAL: Duration = Duration::from_secs(1);
/// A load balancer that has not named its client after this is none.
const PROXY_PATIENCE: Duration = Duration::from_secs(5);

impl<G, D> Shared<G, D> {
    /// A session takes the configuration as it is when its client comes. TLS is offered while `tls` holds
    /// something for it. At most half of the process's file descriptors (as limited now) are used for sessions.
    pub fn new(
        inbox: D,
        gate: G,
        config: watch::Receiver<Arc<Config>>,
        tls: watch::Receiver<Certificates>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            inbox,
            gate,
            config,
            tls,
            counters,
            caps: Arc::new(Caps::new(open_files())),
            guesses: Tally::default(),
            misses: Tally::default(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

/// Takes connections until `cancel`; then no new ones, a command or mail in hand is finished within 8 s, everybody
/// else hears 421. Returns when all sessions of this listener are over.
pub async fn serve<G: Gate>(listener: Listener, shared: Arc<Shared<G>>, cancel: CancellationToken) {
    serve_through(listener, shared, cancel).await;
}

pub(super) async fn serve_through<G: Gate, D: Door>(listener: Listener, shared: Arc<Shared<G, D>>, cancel: CancellationToken) {
    let sessions = TaskTracker::new();
    let cut = CancellationToken::new();
    let arrival = Arrival { shared: &shared, sessions: &sessions, cancel: &cancel, cut: &cut, protocol: listener.protocol() };
    let mut pause = ACCEPT_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((io, ip)) => {
                pause = ACCEPT_PAUSE;
                arrival.admit(io, ip);
            }
            Err(error) => {
                shared.counters.accept_errors.fetch_add(1, Relaxed);
                warn!(%error, listener = %listener.address(), "cannot take a connection");
                tokio::select! {
                    () = cancel.cancelled() => break,
                    () = sleep(pause) => pause = (pause * 2).min(ACCEPT_PAUSE_MAX),
                }
            }
        }
    }
    drop(listener);
    sessions.close();
    if timeout(SHUTDOWN_GRACE, sessions.wait()).await.is_err() {
        warn!(sessions = sessions.len(), "sessions were cut off at shutdown");
        cut.cancel();
        sessions.wait().await;
    }
}

/// What a new connection begins with.
struct Arrival<'a, G, D> {
    shared: &'a Arc<Shared<G, D>>,
    sessions: &'a TaskTracker,
    cancel: &'a CancellationToken,
    cut: &'a CancellationToken,
    protocol: Protocol,
}

impl<G: Gate, D: Door> Arrival<'_, G, D> {
    /// Starts a session for a new connection, or turns it away.
    fn admit(&self, io: Box<dyn Stream>, ip: Option<IpAddr>) {
        let config = Arc::clone(&self.shared.config.borrow());
        let balanced = ip.is_some_and(|ip| balancers(&config, self.protocol).iter().any(|net| net.contains(ip)));
        let peer = if balanced { Peer::balancer(ip) } else { Peer::new(ip, &config.authentication.trusted_relays) };
        match self.shared.caps.enter(&peer, &config.limits, Instant::now()) {
            Ok(pass) => {
                let open = Open::new(Arc::clone(&self.shared.counters), pass);
                let (shared, protocol, cancel, cut) = (Arc::clone(self.shared), self.protocol, self.cancel.clone(), self.cut.clone());
                self.sessions.spawn(async move {
                    let session = async {
                        let Some((io, peer, _open)) = named(io, peer, balanced, open, &shared, &config).await else { return };
                        Session::new(shared, config, protocol, peer, io, cancel).run().await;
                    };
                    cut.run_until_cancelled(session).await;
                });
            }
            Err(reply) => {
                turned_away(self.shared, &peer, &reply);
                self.sessions.spawn(refuse(io, reply));
            }
        }
    }
}

/// Who must speak the PROXY protocol on such a listener.
fn balancers(config: &Config, protocol: Protocol) -> &[Net] {
    match protocol {
        Protocol::Smtp => config.smtp.as_ref().map_or(&[], |smtp| &smtp.proxy),
        Protocol::Submission | Protocol::Submissions => config.submission.as_ref().map_or(&[], |submission| &submission.proxy),
        Protocol::Lmtp => &[],
    }
}

/// The client that a load balancer names, counted as if it had come by itself; any other connection as it is.
async fn named<G, D>(
    mut io: Box<dyn Stream>,
    balancer: Peer,
    balanced: bool,
    mut open: Open,
    shared: &Shared<G, D>,
    config: &Config,
) -> Option<(Box<dyn Stream>, Peer, Open)> {
    if !balanced {
        return Some((io, balancer, open));
    }
    let peer = match timeout(PROXY_PATIENCE, proxy::read(&mut io)).await {
        Ok(Ok(Named::Client(ip))) => Peer::new(Some(ip), &config.authentication.trusted_relays),
        Ok(Ok(Named::Itself)) => balancer,
        Ok(Err(_)) | Err(_) => {
            shared.counters.refused.fetch_add(1, Relaxed);
            info!(peer = ?balancer.ip, "a load balancer named no client by the PROXY protocol");
            return None;
        }
    };
    if let Err(reply) = shared.caps.name(&mut open.pass, &peer, &config.limits, Instant::now()) {
        turned_away(shared, &peer, &reply);
        refuse(io, reply).await;
        return None;
    }
    Some((io, peer, open))
}

fn turned_away<G, D>(shared: &Shared<G, D>, peer: &Peer, reply: &Reply) {
    shared.counters.refused.fetch_add(1, Relaxed);
    shared.counters.reply(reply.code);
    info!(?peer.ip, %reply, "connection turned away");
}

/// Says why and hangs up at once: here descriptors are short.
async fn refuse(io: Box<dyn Stream>, reply: Reply) {
    let mut wire = Wire::new(io);
    wire.say(&reply);
    // Whoever does not hear it sees the connection close.
    let _ = wire.flush(Instant::now() + REFUSAL).await;
}

/// One open session, counted until it ends in whatever way.
struct Open {
    counters: Arc<Counters>,
    pass: Pass,
}

impl Open {
    fn new(counters: Arc<Counters>, pass: Pass) -> Self {
        counters.open.fetch_add(1, Relaxed);
        Self { counters, pass }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.open.fetch_sub(1, Relaxed);
    }
}
