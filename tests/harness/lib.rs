//! What the suites share: a real daemon with a configuration of its own, and peers to talk to it.
//!
//! Nothing here knows the daemon's code. A test starts a [`Desk`], speaks SMTP, LMTP and HTTP to it, reads what it
//! sends from a [`Maildir`] or a [`Sink`], and waits on facts, never on time.

mod api;
pub mod browser;
pub mod certificates;
pub mod chance;
pub mod client;
pub mod desk;
pub mod dns;
pub mod dovecot;
pub mod filters;
pub mod follow;
pub mod http;
pub mod imap_liar;
mod inside;
pub mod internet;
mod listening;
pub mod mail;
pub mod maildir;
pub mod options;
pub mod places;
pub mod postfix;
pub mod postgres;
pub mod program;
pub mod receiver;
pub mod secure;
pub mod signer;
pub mod sink;
pub mod site;
pub mod smtp;
mod tls;
pub mod wait;

pub use chance::Chance;
pub use desk::Desk;
pub use dns::Dns;
pub use dovecot::Dovecot;
pub use filters::{Clamav, Rspamd};
pub use imap_liar::{Act, Liar};
pub use internet::{Internet, Peer, Talk};
pub use mail::{Draft, Letter};
pub use maildir::Maildir;
pub use options::Options;
pub use program::Ran;
pub use receiver::{Answer, Receiver};
pub use secure::Authority;
pub use signer::Signer;
pub use sink::{Gate, Say, Sink};
pub use site::Site;
pub use smtp::{Reply, Smtp};
pub use wait::{wait_for, wait_until};
