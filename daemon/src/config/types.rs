//! The checked configuration: what the rooms read. Made only by `check`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::limits::Limits;
use super::secret::Secret;

/// Everything that a running desk needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[desk]`.
    pub desk: DeskConfig,
    /// `[database]`.
    pub database: Database,
    /// `[smtp]`; `None` when the section is absent.
    pub smtp: Option<Smtp>,
    /// `[submission]`.
    pub submission: Option<Submission>,
    /// `[lmtp]`.
    pub lmtp: Option<Lmtp>,
    /// `[http]`.
    pub http: Option<Http>,
    /// `[outbound]`.
    pub outbound: Outbound,
    /// `[authentication]`.
    pub authentication: Authentication,
    /// `[[filters]]`, asked in this order.
    pub filters: Vec<Filter>,
    /// `[[mailboxes]]`, at least one.
    pub mailboxes: Vec<Mailbox>,
    /// `[webhooks]`.
    pub webhooks: Webhooks,
    /// `[limits]`.
    pub limits: Limits,
    /// Whether this is the built-in local desk (no configuration file at all).
    pub local: bool,
    /// Sentences to log at start: keys whose part is not built yet, risky combinations.
    pub warnings: Vec<String>,
}

/// `[desk]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeskConfig {
    /// Name in From lines.
    pub name: String,
    /// EHLO name and right side of our Message-IDs; a domain, lower case.
    pub hostname: String,
    /// Folder of index, blobs and keys.
    pub data: PathBuf,
    /// A solved ticket closes after this (30 days).
    pub close_after: Duration,
    /// A customer's mail opens a new ticket when the old one was solved longer ago than this (30 days).
    pub reopen_within: Duration,
    /// Digest of held mail goes out at most this often (15 minutes).
    pub digest_every: Duration,
    /// Mail of an address whose mail was marked `@spam` is held for this long (30 days).
    pub spam_hold: Duration,
}

/// `[database] url`.
#[derive(Clone, Debug, PartialEq)]
pub enum Database {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
    /// `postgres://…`, kept as written.
    Postgres(Secret),
}

/// `[smtp]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Smtp {
    /// Addresses to listen on.
    pub listen: Vec<Listen>,
    /// Certificate and key for STARTTLS.
    pub tls: Option<TlsFiles>,
    /// Who speaks the PROXY protocol, and must.
    pub proxy: Vec<Net>,
}

/// `[submission]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Addresses to listen on.
    pub listen: Vec<SubmissionListen>,
    /// Certificate and key: its own, or those of `[smtp]`.
    pub tls: Option<TlsFiles>,
    /// Who speaks the PROXY protocol, and must.
    pub proxy: Vec<Net>,
}

/// One of `[submission] listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmissionListen {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// `tls:`, from the first octet (RFC 8314 §3.3); else STARTTLS.
    pub implicit_tls: bool,
}

/// `[lmtp]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Lmtp {
    /// Addresses to listen on.
    pub listen: Vec<Listen>,
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Addresses to listen on.
    pub listen: Vec<Listen>,
    /// Whether `/` and `/metrics` need no token.
    pub public: bool,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP; port 0 takes a free one.
    Tcp(SocketAddr),
    /// Unix socket.
    Unix(PathBuf),
    /// TCP, and a free port when this one is taken (the built-in local desk).
    TcpOrFree(SocketAddr),
}

/// Certificate and key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// `[outbound]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Outbound {
    /// Where mail leaves.
    pub relay: Relay,
    /// How long an agent's answer waits so that it can be taken back.
    pub undo: Duration,
    /// Connections at once to the relay, or to the servers of one domain.
    pub connections: usize,
    /// Mails a second to each of these, at most; 0: at any rate.
    pub rate: u32,
    /// Whether mail is signed.
    pub dkim: Dkim,
}

/// `[outbound] dkim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dkim {
    /// Where there are keys whose records are in the DNS.
    Published,
    /// Always; keys are made where there are none, and until a record is in the DNS the newest ones sign.
    Always,
    /// Never.
    Never,
}

/// `[outbound] relay`.
#[derive(Clone, Debug, PartialEq)]
pub enum Relay {
    /// `smtp://` or `smtps://`.
    Smtp(SmtpRelay),
    /// `maildir:DIR`.
    Maildir(PathBuf),
    /// No relay: straight to the recipients' MX.
    Mx(Straight),
}

/// How mail leaves without a relay.
#[derive(Clone, Debug, PartialEq)]
pub struct Straight {
    /// Where other servers listen: 25.
    pub port: u16,
    /// Where policies of domains are fetched (MTA-STS): 443.
    pub policy_port: u16,
    /// Networks that mail is sent to although they are not of the public internet.
    pub allow_networks: Vec<Net>,
    /// Additional roots where a policy asks for a valid certificate, PEM (`[outbound] ca`).
    pub ca: Option<PathBuf>,
}

impl Default for Straight {
    fn default() -> Self {
        Self { port: 25, policy_port: 443, allow_networks: Vec::new(), ca: None }
    }
}

/// A relay reached by SMTP.
#[derive(Clone, Debug, PartialEq)]
pub struct SmtpRelay {
    /// Host name or address.
    pub host: String,
    /// Port: 25 for `smtp://` (587 with a user), 465 for `smtps://` where none is given.
    pub port: u16,
    /// `smtps://`: TLS from the first octet.
    pub implicit_tls: bool,
    /// User for AUTH.
    pub user: Option<String>,
    /// Password for AUTH.
    pub password: Option<Secret>,
    /// Additional roots, PEM (`[outbound] ca`).
    pub ca: Option<PathBuf>,
}

/// `[authentication]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Authentication {
    /// `require = "none"`: every From counts as aligned.
    pub require: Require,
    /// DNS resolver.
    pub resolver: Option<SocketAddr>,
    /// Relays whose word is believed.
    pub trusted_relays: Vec<TrustedRelay>,
}

/// `[authentication] require`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Require {
    /// From must be proven (SPF or DKIM in its organizational domain).
    Aligned,
    /// A gateway before us has already verified.
    None,
}

/// One of `trusted_relays`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedRelay {
    /// Network in CIDR notation.
    pub net: Net,
    /// Whose Authentication-Results is believed.
    pub trust: Option<String>,
    /// Whether its ESMTPSA counts as submission through us.
    pub submission: bool,
}

/// One of `[[filters]]`: a content filter that speaks the milter protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Its name in findings and metrics.
    pub name: String,
    /// Where it listens.
    pub address: FilterAddress,
    /// How long it may be silent (10 s).
    pub timeout: Duration,
    /// Whether mail passes when it can't be asked.
    pub on_error: OnError,
    /// Larger mails pass untested, in octets (25 MiB).
    pub size: u64,
    /// Header fields, name and value, of which one holds the mail when the filter adds it.
    pub hold_on: Vec<(String, String)>,
}

/// `[[filters]] address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterAddress {
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `HOST:PORT`.
    Tcp(String, u16),
}

/// `[[filters]] on_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Mail passes unfiltered.
    Open,
    /// Mail waits: an outside client is told to come again.
    Closed,
}

/// An IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Network address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

impl Net {
    /// Whether `ip` is in the network; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let bits = u32::from(self.prefix).min(32);
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let bits = u32::from(self.prefix).min(128);
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

/// One of `[[mailboxes]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// The support address, folded.
    pub address: String,
    /// Name in From lines of notifications; `[desk] name` stands in.
    pub name: String,
    /// `reply`: pattern of reply addresses with `{token}` in its local part.
    pub reply: String,
    /// Further addresses of this mailbox, folded.
    pub aliases: Vec<String>,
    /// Team whose agents hear of its tickets.
    pub team: Option<String>,
    /// Language of our own sentences (ISO 639-1).
    pub language: Option<String>,
    /// Signature below answers.
    pub signature: Option<String>,
    /// Name of an SLA.
    pub sla: Option<String>,
    /// Who is acknowledged.
    pub auto_ack: AutoAck,
    /// What a customer's mail to a closed ticket does.
    pub reopen: Reopen,
    /// What is quoted below an answer.
    pub quote: Quote,
    /// What happens to an outdated answer.
    pub collision: Collision,
    /// Addresses of contact forms, folded.
    pub forms: Vec<String>,
    /// Whether what comes from a form is acknowledged.
    pub forms_ack: bool,
    /// Whether a mail to this and another mailbox makes a ticket in each.
    pub separate: bool,
    /// Where its mail leaves; else by `[outbound]`.
    pub relay: Option<Relay>,
    /// Where its mail is fetched.
    pub imap: Option<Imap>,
}

/// `auto_ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoAck {
    /// Whoever proved their From, or answered a signed address of ours before.
    Aligned,
    /// Everybody.
    Always,
    /// Nobody.
    Never,
}

/// `reopen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// Opens the old ticket again, however old.
    Reopen,
    /// Opens a new, linked ticket.
    New,
    /// Is held.
    Refuse,
}

/// `quote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// The customer's last message.
    Last,
    /// Nothing.
    None,
}

/// `collision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collision {
    /// Held with a "send anyway" address.
    Hold,
    /// Sent, and the agent is told.
    Tell,
    /// Sent.
    Off,
}

/// `[mailboxes.imap]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Imap {
    /// Server host.
    pub host: String,
    /// Server port.
    pub port: u16,
    /// `imaps://`.
    pub implicit_tls: bool,
    /// User.
    pub user: String,
    /// Password, where no OAuth is used.
    pub password: Option<Secret>,
    /// Where a token in place of a password comes from.
    pub oauth: Option<OAuth>,
    /// Folders.
    pub folders: Vec<String>,
    /// `keep`, `seen`, `move:FOLDER` or `delete`.
    pub after: String,
    /// `now` or `all`.
    pub start: String,
    /// Whose Authentication-Results is believed.
    pub trust: Option<String>,
    /// Additional roots, PEM.
    pub ca: Option<PathBuf>,
    /// Polling interval.
    pub poll: Duration,
    /// A server that says nothing for so long is given up (5 min).
    pub patience: Duration,
    /// Two log-ins are at least so far apart (5 s).
    pub pause: Duration,
}

/// `[mailboxes.imap.oauth]`: an access token is had for a refresh token (RFC 6749 section 6).
#[derive(Clone, Debug, PartialEq)]
pub struct OAuth {
    /// The token endpoint: https, or http on this very machine.
    pub token_url: String,
    /// What is asked for, where the endpoint wants it said.
    pub scope: Option<String>,
    /// Who asks.
    pub client_id: String,
    /// Their secret, where they have one.
    pub client_secret: Option<Secret>,
    /// What a person's consent gave. A newer one may stand in the data folder.
    pub refresh_token: Secret,
}

/// `[webhooks]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Webhooks {
    /// Whether `http://` receivers are allowed.
    pub allow_http: bool,
    /// Private networks that may be reached.
    pub allow_networks: Vec<Net>,
}
