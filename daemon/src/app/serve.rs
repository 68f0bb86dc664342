//! The daemon: everything is bound, then started, then the ready line is printed; a signal ends it in order.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{Config, Listen, Problems};
use crate::desk::Desk;
use crate::feed::hooks::{self, Hooks};
use crate::feed::index::SearchIndex;
use crate::filter::Filters;
use crate::inbox::Inbox;
use crate::receive::{BindError, Certificates, Counters, Listener, Protocol, Shared};
use crate::send::dkim::Signer;
use crate::send::relay::Exits;
use crate::send::{self, Destinations, Sender};
use crate::store::{Cmd, NewNode, NodeId, Outcome, keys};
use crate::understand::Limits;
use crate::verify::Verifier;
use crate::{http, pipeline, receive};

use super::demo::MARK;
use super::fetch::Fetch;
use super::gate::DeskGate;
use super::lock::lock;
use super::{AppError, Opened, tasks, tls};

/// How long what is in hand may take after a signal.
const GRACE: Duration = Duration::from_secs(9);

/// How long it may take to give up what this process has claimed: with the grace, 10 s are promised.
const FAREWELL: Duration = Duration::from_secs(1);

/// A running daemon.
pub(super) struct Running {
    /// The desk.
    pub(super) opened: Opened,
    /// Real addresses: `smtp`, `lmtp`, `submission`, `http`.
    pub(super) addresses: Vec<(&'static str, String)>,
    node: NodeId,
    settings: Settings,
    verifier: Arc<Verifier>,
    filters: Arc<Filters>,
    index: SearchIndex,
    cancel: CancellationToken,
    dead: CancellationToken,
    tasks: TaskTracker,
    _lock: File,
}

/// What a reload replaces.
struct Settings {
    config: watch::Sender<Arc<Config>>,
    desk: watch::Sender<Arc<Desk>>,
    exits: watch::Sender<Arc<Exits>>,
    certificate: Arc<watch::Sender<Certificates>>,
}

/// Runs the daemon until SIGTERM or SIGINT. `reload` reads the configuration again, for SIGHUP.
///
/// # Errors
/// Why it can't start.
pub async fn run(
    config: Config,
    reload: impl Fn() -> Result<Config, Problems> + Send + Sync + 'static,
    clock: Clock,
) -> Result<(), AppError> {
    let mut signals = Signals::new()?;
    // Whoever serves a demo's desk has made it theirs: the next demo leaves it alone.
    let _ = std::fs::remove_file(config.desk.data.join(MARK));
    let running = start(config, clock).await?;
    running.announce()?;
    let dead = running.dead.clone();
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            () = dead.cancelled() => break,
        };
        match signal {
            Signal::Reload => running.reload(reload()).await,
            Signal::End => break,
        }
    }
    running.stop().await;
    match dead.is_cancelled() {
        true => Err(AppError::Fenced),
        false => Ok(()),
    }
}

pub(super) enum Signal {
    Reload,
    End,
}

/// Signals are listened to before anything starts, so that none is missed.
pub(super) struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
    hup: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, AppError> {
        let listen = |kind| signal(kind).map_err(|e| AppError::Unavailable(format!("signals can't be listened to: {e}")));
        Ok(Self { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())?, hup: listen(SignalKind::hangup())? })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::End,
            _ = self.int.recv() => Signal::End,
            _ = self.hup.recv() => Signal::Reload,
        }
    }
}

/// Opens and starts everything.
pub(super) async fn start(config: Config, clock: Clock) -> Result<Running, AppError> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let lock = lock(&config)?;
    Inbox::clear_spool(&config.desk.data);
    let exits = exits(&config, clock)?;
    let certificate = tls::of(&config)?;
    let config = Arc::new(config);
    let opened = Opened::open(config.clone(), clock).await?;
    let node = node(&opened).await?;
    let (smtp, http) = bind(&config).await?;
    let mut addresses: Vec<(&'static str, String)> = smtp.iter().map(|l| (word(l), l.address().to_owned())).collect();
    addresses.extend(http.iter().map(|l| ("http", l.address().to_owned())));

    let (settings, cancel, tasks) = (
        Settings {
            config: watch::Sender::new(config.clone()),
            desk: watch::Sender::new(opened.desk.clone()),
            exits: watch::Sender::new(Arc::new(exits)),
            certificate: Arc::new(watch::Sender::new(certificate)),
        },
        CancellationToken::new(),
        TaskTracker::new(),
    );
    let inbox = Inbox::new(opened.store.clone(), clock);
    let counters = Arc::new(Counters::default());
    let index = SearchIndex::new(opened.store.data());
    let verifier = Arc::new(Verifier::new(clock));
    let filters = Arc::new(Filters::new(clock));
    let gate = || DeskGate::new(opened.store.clone(), settings.desk.subscribe(), verifier.clone(), filters.clone());
    let fetch = Fetch { store: opened.store.clone(), inbox: inbox.clone(), gate: Arc::new(gate()), node, clock };
    tasks.spawn(fetch.run(settings.config.subscribe(), cancel.clone()));
    let shared = Shared::new(inbox.clone(), gate(), settings.config.subscribe(), settings.certificate.subscribe(), counters.clone());
    let shared = Arc::new(shared);
    for listener in smtp {
        tasks.spawn(receive::serve(listener, shared.clone(), cancel.clone()));
    }
    let state = http::State {
        store: opened.store.clone(),
        clock,
        desk: settings.desk.subscribe(),
        inbox,
        counters,
        index: index.clone(),
        filters: filters.clone(),
        limits: Limits::from(&config.limits),
        started_at: clock.now(),
        guards: http::Guards::default(),
    };
    for listener in http {
        tasks.spawn(http::serve(listener, state.clone(), cancel.clone()));
    }
    let dead = CancellationToken::new();
    let running = Running { opened, addresses, node, settings, verifier, filters, index, cancel, dead, tasks, _lock: lock };
    running.spawn_loops(clock);
    running.tasks.spawn(tls::renew(running.settings.config.subscribe(), running.settings.certificate.clone(), running.cancel.clone()));
    Ok(running)
}

impl Running {
    fn spawn_loops(&self, clock: Clock) {
        let node = self.node;
        let store = || self.opened.store.clone();
        let desk = || self.settings.desk.subscribe();
        let beat = watch::Sender::new(Instant::now());
        let config = || self.settings.config.subscribe();
        let hooks = Arc::new(Hooks::new(store(), node, config(), beat.subscribe(), clock));
        self.tasks.spawn(hooks::fan_out(store(), clock, self.cancel.clone()));
        self.tasks.spawn(hooks::deliver(hooks, config(), clock, self.cancel.clone()));
        let sender = Sender {
            store: store(),
            node,
            desk: desk(),
            exits: self.settings.exits.subscribe(),
            searcher: self.index.searcher(),
            signer: Arc::new(Signer::new(self.opened.store.data())),
            destinations: Arc::new(Destinations::default()),
            beat: beat.subscribe(),
            clock,
        };
        self.tasks.spawn(send::run(sender, self.cancel.clone()));
        let (verifier, filters) = (self.verifier.clone(), self.filters.clone());
        let pipeline = pipeline::Pipeline { store: store(), node, desk: desk(), verifier, filters, room: pipeline::Room::default(), clock };
        self.tasks.spawn(pipeline::run(pipeline, self.cancel.clone()));
        let heart = tasks::Heart { store: store(), node, desk: desk(), clock, index: self.index.clone(), beat, dead: self.dead.clone() };
        self.tasks.spawn(tasks::beat(heart, self.cancel.clone()));
        self.tasks.spawn(self.index.clone().follow(store(), self.cancel.clone()));
        if self.opened.store.is_shared() {
            self.tasks.spawn(tasks::number(store(), self.cancel.clone()));
        }
        self.tasks.spawn(tasks::sweep(store(), clock, self.cancel.clone()));
        self.tasks.spawn(tasks::forget(store(), clock, self.cancel.clone()));
        self.tasks.spawn(tasks::fire(store(), desk(), clock, self.cancel.clone()));
    }

    /// The first line on stdout says that every listener accepts, and where.
    fn announce(&self) -> Result<(), AppError> {
        let parts: Vec<_> = self.addresses.iter().map(|(name, address)| format!(" {name}={address}")).collect();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready{}", parts.concat()).and_then(|()| out.flush()).map_err(|e| AppError::Unavailable(format!("stdout: {e}")))
    }

    /// Takes a new configuration, or keeps the old one and says why.
    async fn reload(&self, read: Result<Config, Problems>) {
        let new = match read {
            Ok(new) => new,
            Err(problems) => return tracing::error!("the new configuration is refused and the old one stays:\n{problems}"),
        };
        let old = self.settings.config.borrow().clone();
        let fixed = old.needs_restart(&new);
        if !fixed.is_empty() {
            return tracing::error!(
                "the new configuration is refused and the old one stays: {} can't change without a restart",
                fixed.join(", ")
            );
        }
        let (exits, certificate) = match exits(&new, self.opened.clock).and_then(|exits| Ok((exits, tls::of(&new)?))) {
            Ok(parts) => parts,
            Err(error) => return tracing::error!(%error, "the new configuration is refused and the old one stays"),
        };
        let new = Arc::new(new);
        match self.opened.reload(new.clone()).await {
            Ok(desk) => {
                for warning in &new.warnings {
                    tracing::warn!("{warning}");
                }
                self.settings.exits.send_replace(Arc::new(exits));
                self.settings.certificate.send_replace(certificate);
                self.settings.desk.send_replace(desk);
                self.settings.config.send_replace(new.clone());
                if !old.leaves_as(&new) {
                    let retried = self.opened.store.run(Cmd::RetryAllOutbox { now: self.opened.clock.now() }).await;
                    if let Err(error) = retried {
                        tracing::warn!(%error, "mail that was put off waits on, though it could leave another way now");
                    }
                }
                tracing::info!("the configuration was read again");
            }
            Err(error) => tracing::error!(%error, "the new configuration is refused and the old one stays"),
        }
    }

    /// No new work; what is in hand is finished; the files are closed.
    pub(super) async fn stop(self) {
        tracing::info!("ending: no new work, finishing what is in hand");
        self.cancel.cancel();
        self.tasks.close();
        if timeout(GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!("not everything in hand was finished; the next start takes it up");
        }
        let end = self.opened.store.run(Cmd::EndNode { node: self.node, now: self.opened.clock.now() });
        match timeout(FAREWELL, end).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what this process had in hand waits until it is missed"),
            Err(_) => tracing::warn!("the database is slow; what this process had in hand waits until it is missed"),
        }
        self.opened.store.close().await;
    }
}

fn exits(config: &Config, clock: Clock) -> Result<Exits, AppError> {
    Exits::of(config, clock).map_err(|e| AppError::Config(e.to_string()))
}

async fn node(opened: &Opened) -> Result<NodeId, AppError> {
    let data = opened.store.data();
    let node = NewNode {
        name: format!("{}/{}", opened.config.desk.hostname, std::process::id()),
        place: keys::place(data)?,
        keys: keys::fingerprints(data)?,
        now: opened.clock.now(),
    };
    match opened.store.run(Cmd::StartNode(Box::new(node))).await? {
        Outcome::Node(node) => Ok(node),
        _ => Err(AppError::Bug("the database gave this process no number".into())),
    }
}

async fn bind(config: &Config) -> Result<(Vec<Listener>, Vec<http::Listener>), AppError> {
    let mut mail = Vec::new();
    let smtp = config.smtp.iter().flat_map(|s| &s.listen).map(|l| (l, Protocol::Smtp));
    let lmtp = config.lmtp.iter().flat_map(|s| &s.listen).map(|l| (l, Protocol::Lmtp));
    for (listen, protocol) in smtp.chain(lmtp) {
        mail.push(Listener::bind(listen, protocol).await.map_err(taken)?);
    }
    for listen in config.submission.iter().flat_map(|s| &s.listen) {
        let protocol = if listen.implicit_tls { Protocol::Submissions } else { Protocol::Submission };
        mail.push(Listener::bind(&Listen::Tcp(listen.address), protocol).await.map_err(taken)?);
    }
    let mut web = Vec::new();
    for listen in config.http.iter().flat_map(|h| &h.listen) {
        web.push(http::Listener::bind(listen).await.map_err(taken)?);
    }
    Ok((mail, web))
}

fn taken(error: BindError) -> AppError {
    match error.source.kind() {
        std::io::ErrorKind::AddrInUse => {
            AppError::Bind(format!("{} is taken: stop what listens there, or change its `listen`", error.address))
        }
        _ => AppError::Bind(error.to_string()),
    }
}

fn word(listener: &Listener) -> &'static str {
    match listener.protocol() {
        Protocol::Smtp => "smtp",
        Protocol::Lmtp => "lmtp",
        Protocol::Submission | Protocol::Submissions => "submission",
    }
}
