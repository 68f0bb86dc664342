//! How one composed mail leaves: by a relay over SMTP, straight to the recipient's MX, or into a Maildir. Knows no tickets and no
//! outbox; one call is one try.

mod auth;
mod client;
mod dot;
mod exits;
mod fence;
mod maildir;
mod offers;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod pool;
mod reply;
mod route;
mod straight;
mod sts;
mod wire;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::types::{Relay, SmtpRelay};
use crate::model::address;
use crate::net::{Tls, TlsError};

use auth::Login;
use client::{Plan, Session};
use maildir::Letter;
use pool::Pool;
use straight::{Mx, Parcel};

pub use exits::Exits;
pub use fence::Fence;
pub use straight::domain_of;
use wire::Fault;

/// What became of one try to deliver one mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The relay has it.
    Sent {
        /// The relay's last reply in one line, word for word.
        reply: String,
    },
    /// This mail or this recipient was refused, or the server failed in the middle of it.
    Recipient {
        /// 4xx: try again later; otherwise it will never be taken.
        temporary: bool,
        /// The relay's reply in one line, word for word.
        reply: String,
    },
    /// The relay cannot be used now: down, 421, or trouble with TLS, AUTH or the configuration, before it accepted MAIL. No mail is
    /// to blame.
    Destination {
        /// What happened, in one line, with the relay's reply where it gave one.
        reply: String,
    },
    /// The final dot left and no reply came: it may have been delivered.
    Unknown {
        /// What happened instead.
        reply: String,
    },
}

/// How long each step may take (RFC 5321 §4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name look-up, and the connection to each address (30 s).
    pub connect: Duration,
    /// Greeting, TLS handshake and each reply that is not named below (60 s).
    pub reply: Duration,
    /// Reply to DATA (120 s).
    pub data: Duration,
    /// Writing one block of the mail (180 s).
    pub block: Duration,
    /// Reply to the final dot (600 s); shorter makes duplicates.
    pub dot: Duration,
    /// Goodbyes and last words (5 s).
    pub quit: Duration,
    /// All that comes before the final dot, at all servers of a domain (300 s, and 1 s more for each 32 KiB of the mail).
    pub handover: Duration,
    /// How long a connection waits for another mail (3 s); zero: each mail has its own.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { connect: s(30), reply: s(60), data: s(120), block: s(180), dot: s(600), quit: s(5), handover: s(300), idle: s(3) }
    }
}

/// Why `[outbound]` cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// `[desk] hostname` is no domain that could stand in EHLO.
    #[error("[desk] hostname: `{0}` cannot stand in EHLO")]
    Hostname(String),
    /// A user without a password or with octets that AUTH cannot carry.
    #[error("[outbound] relay: {0}")]
    Login(&'static str),
    /// There is no way to ask the DNS.
    #[error("[outbound] without a relay: {0}")]
    Resolver(String),
    /// The host's name, the additional roots, or the system's.
    #[error("[outbound] {0}")]
    Tls(#[from] TlsError),
}

/// Folder of what other domains ask for, in the data folder.
const POLICIES: &str = "mta-sts";

/// Where mail leaves. Shared by all senders; a connection that has carried a mail waits a moment for the next one.
pub struct Exit {
    hostname: String,
    /// What all mail that leaves here shares its fate with; that of the one relay is empty.
    name: String,
    timeouts: Timeouts,
    clock: Clock,
    pool: Arc<Pool>,
    way: Way,
}

enum Way {
    Smtp { relay: SmtpRelay, tls: Box<Tls> },
    Maildir(PathBuf),
    Mx(Box<Mx>),
}

impl Exit {
    /// Prepares `[outbound]`; reads certificates, touches no network.
    ///
    /// # Errors
    /// It cannot be used at all.
    pub fn of(config: &Config) -> Result<Self, RelayError> {
        Self::main(config, Some(&config.desk.data))
    }

    /// The same, with what other domains ask for kept in the folder `data`, or only as long as this lives.
    fn main(config: &Config, data: Option<&Path>) -> Result<Self, RelayError> {
        Self::asking(&config.outbound.relay, &config.desk.hostname, config.authentication.resolver, data)
    }

    /// The same for one that asks the system's resolver. `hostname` is the EHLO name.
    ///
    /// # Errors
    /// It cannot be used at all.
    pub fn new(relay: &Relay, hostname: &str) -> Result<Self, RelayError> {
        Self::asking(relay, hostname, None, None)
    }

    fn asking(relay: &Relay, hostname: &str, resolver: Option<SocketAddr>, data: Option<&Path>) -> Result<Self, RelayError> {
        if !hostname.is_ascii() || !address::is_plain(&format!("postmaster@{hostname}")) {
            return Err(RelayError::Hostname(hostname.to_owned()));
        }
        let way = match relay {
            Relay::Smtp(relay) => {
                check_login(relay)?;
                let verify = relay.implicit_tls || relay.user.is_some();
                Way::Smtp { relay: relay.clone(), tls: Box::new(Tls::new(&relay.host, verify, relay.ca.as_deref())?) }
            }
            Relay::Maildir(folder) => Way::Maildir(folder.clone()),
            Relay::Mx(straight) => Way::Mx(Box::new(Mx::new(straight, resolver, data.map(|data| data.join(POLICIES)))?)),
        };
        Ok(Self {
            hostname: hostname.to_owned(),
            name: String::new(),
            timeouts: Timeouts::default(),
            clock: Clock::default(),
            pool: Arc::default(),
            way,
        })
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The same with other timeouts.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// Tries once to hand `mail` over for `recipient`. `id` names the mail for ever (its outbox row): a Maildir keeps one file of
    /// the same id and content. `envelope_sender` may be empty. Takes as long as [`Timeouts`] allow; it may be cancelled as long
    /// as the fence is not passed: from then on the mail may have left.
    pub async fn deliver(&self, id: &str, envelope_sender: &str, recipient: &str, mail: &[u8], fence: &Fence) -> Outcome {
        if !(envelope_sender.is_empty() || address::is_plain(envelope_sender)) {
            return Outcome::Recipient { temporary: false, reply: "553 5.1.7 not an envelope sender that can be sent".to_owned() };
        }
        if !address::is_plain(recipient) {
            return Outcome::Recipient { temporary: false, reply: "553 5.1.3 not an address that can be sent to".to_owned() };
        }
        match &self.way {
            Way::Smtp { relay, tls } => {
                let parcel = Parcel { sender: envelope_sender, recipient, mail, fence };
                self.over("", &self.plan(relay, tls), parcel).await.unwrap_or_else(Outcome::from)
            }
            Way::Maildir(folder) => {
                fence.pass();
                into_maildir(folder.clone(), id, envelope_sender, recipient, mail).await
            }
            Way::Mx(mx) => Box::pin(self.straight(mx, Parcel { sender: envelope_sender, recipient, mail, fence })).await,
        }
    }

    /// What a mail shares its fate with when the way is closed: the recipient's domain, or the relay.
    pub fn destination(&self, recipient: &str) -> String {
        if self.is_straight() {
            address::split(&address::fold(recipient)).map_or_else(String::new, |(_, d)| d.to_owned())
        } else {
            self.name.clone()
        }
    }

    /// What it is called among others; the main one has no name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is no relay between us and the recipients' servers.
    pub fn is_straight(&self) -> bool {
        matches!(self.way, Way::Mx(_))
    }

    /// Whether it is a Maildir.
    pub fn is_folder(&self) -> bool {
        matches!(self.way, Way::Maildir(_))
    }

    /// Hands a mail to a server by the connection that waits there, or a new one.
    async fn over(&self, server: &str, plan: &Plan<'_>, parcel: Parcel<'_>) -> Result<Outcome, Fault> {
        if let Some(session) = self.pool.take(server) {
            let outcome = self.by(server, session, parcel).await;
            // Many servers end a session when they have had enough of it; the mail has not been seen.
            if parcel.fence.is_passed() || !matches!(outcome, Outcome::Destination { .. }) {
                return Ok(outcome);
            }
        }
        let session = Session::open(plan).await?;
        Ok(self.by(server, session, parcel).await)
    }

    async fn by(&self, server: &str, mut session: Session, parcel: Parcel<'_>) -> Outcome {
        let outcome = session.deliver(parcel.sender, parcel.recipient, parcel.mail, parcel.fence).await;
        if session.can_go_on() && !self.timeouts.idle.is_zero() {
            self.pool.keep(server, session, self.timeouts.idle);
        } else {
            session.quit().await;
        }
        outcome
    }

    /// Where it leads, in a few words for a person.
    pub fn shown(&self) -> String {
        match &self.way {
            Way::Smtp { relay, .. } => format!("{}:{}", relay.host, relay.port),
            Way::Maildir(folder) => format!("Maildir {}", folder.display()),
            Way::Mx(_) => "straight to MX".to_owned(),
        }
    }

    /// Whether mail could leave now: the relay answers, with TLS and AUTH as configured; the Maildir can be written to.
    /// The error is one line for a person.
    pub async fn probe(&self) -> Result<(), String> {
        match &self.way {
            Way::Smtp { relay, tls } => {
                let session = Session::open(&self.plan(relay, tls)).await.map_err(|fault: Fault| fault.to_string())?;
                session.quit().await;
                Ok(())
            }
            Way::Maildir(folder) => {
                let (shown, folder) = (folder.display().to_string(), folder.clone());
                blocking(move || maildir::probe(&folder)).await.map_err(|e| format!("cannot write to {shown}: {e}"))
            }
            Way::Mx(mx) => mx.probe(&self.hostname).await,
        }
    }

    fn plan<'a>(&'a self, relay: &'a SmtpRelay, tls: &'a Tls) -> Plan<'a> {
        let login = relay.user.as_deref().zip(relay.password.as_ref());
        Plan {
            host: &relay.host,
            port: relay.port,
            at: None,
            implicit_tls: relay.implicit_tls,
            login: login.map(|(user, password)| Login { user, password: password.reveal() }),
            tls,
            hostname: &self.hostname,
            timeouts: self.timeouts,
        }
    }
}

fn check_login(relay: &SmtpRelay) -> Result<(), RelayError> {
    match (&relay.user, &relay.password) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(RelayError::Login("it names a user, but there is no password (set password_file)")),
        // RFC 4616 §2: NUL ends user and password.
        (Some(user), Some(password)) if user.contains('\0') || password.reveal().contains('\0') => {
            Err(RelayError::Login("NUL in user or password"))
        }
        (Some(_), Some(_)) => Ok(()),
    }
}

async fn into_maildir(folder: PathBuf, id: &str, sender: &str, recipient: &str, mail: &[u8]) -> Outcome {
    let shown = folder.display().to_string();
    let (id, sender, recipient, mail) = (id.to_owned(), sender.to_owned(), recipient.to_owned(), mail.to_owned());
    let letter = move || maildir::deliver(&folder, &Letter { id: &id, sender: &sender, recipient: &recipient, mail: &mail });
    match blocking(letter).await {
        Ok(name) => Outcome::Sent { reply: format!("250 2.0.0 kept as {name}") },
        Err(e) => Outcome::Destination { reply: format!("cannot write to {shown}: {e}") },
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
