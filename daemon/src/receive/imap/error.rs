//! What can go wrong between us and an IMAP server, each in a line for a person: what, where, what to do.

use std::io;
use std::time::Duration;

use super::oauth::TokenFault;
use crate::model::Reply;
use crate::net::{DialError, HandshakeError, TlsError};
use crate::store::StoreError;

/// Why a mailbox can't be fetched now. All of it may pass, so all of it is tried again; how soon is for `pace` to say.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No connection.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// The roots of this system or the `ca` file.
    #[error("{0}")]
    Roots(#[from] TlsError),
    /// The handshake, above all a certificate that is not believed.
    #[error("{0}")]
    Tls(#[from] HandshakeError),
    /// The server does not answer.
    #[error("{when}: the server said nothing within {} s", .limit.as_secs())]
    Silent {
        /// The command.
        when: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The server answers, and does not come to an end.
    #[error("{when}: the server took longer than {} s", .limit.as_secs())]
    Slow {
        /// The command.
        when: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection ended.
    #[error("{when}: connection lost: {source}")]
    Lost {
        /// The command.
        when: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The server said goodbye.
    #[error("{when}: the server hung up: {text}")]
    Bye {
        /// The command.
        when: &'static str,
        /// Its words.
        text: String,
    },
    /// The server says more than the answer can need.
    #[error("{when}: the server sends more than {limit} octets; the connection was closed")]
    TooMuch {
        /// The command.
        when: &'static str,
        /// What was allowed.
        limit: u64,
    },
    /// The server does not speak IMAP.
    #[error("{when}: {what}")]
    Nonsense {
        /// The command.
        when: &'static str,
        /// What was wrong.
        what: &'static str,
    },
    /// A password would leave in clear text.
    #[error("no STARTTLS offered: the password is not sent in clear text (use imaps://)")]
    NoTls,
    /// PREAUTH.
    #[error("the server skips the log-in (PREAUTH): it can't be told whose mail that is")]
    Preauth,
    /// Neither PLAIN nor LOGIN.
    #[error("the server offers no log-in by password (neither AUTH=PLAIN nor, for ASCII, LOGIN)")]
    NoLogin,
    /// No XOAUTH2.
    #[error("the server offers no log-in by token (AUTH=XOAUTH2)")]
    NoTokenLogin,
    /// No token to log in with.
    #[error("{0}")]
    Token(#[from] TokenFault),
    /// The server does not take user and password, or user and token.
    #[error("log-in refused: {}; {advice}", .text.trim_end_matches('.'))]
    LoginRefused {
        /// Its words.
        text: String,
        /// What to do.
        advice: &'static str,
    },
    /// The server said no.
    #[error("{when}: {text}")]
    Refused {
        /// The command.
        when: &'static str,
        /// Its words.
        text: String,
    },
    /// A mail that the server names can't be had. The connection is well.
    #[error("UID {uid}: {what}")]
    Withheld {
        /// Its UID.
        uid: u32,
        /// What the server does.
        what: &'static str,
    },
    /// More mails than this can't be taken.
    #[error("{0} mails can't be taken; look after them before more is fetched")]
    TooManyLeft(usize),
    /// There is no room or no database now.
    #[error("the mail could not be kept: {}", .0.text)]
    NotKept(Reply),
    /// The database.
    #[error("the mail could not be kept: {0}")]
    Store(#[from] StoreError),
    /// The data folder.
    #[error("the mail could not be kept in the data folder: {0}")]
    Spool(io::Error),
}

impl Fault {
    /// Whether it is about the folder in hand, and the connection can be used for others.
    pub(super) fn is_about_folder(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Withheld { .. } | Self::TooManyLeft(_))
    }

    /// Whether user and password, or the consent behind a token, are refused: to try again soon does no good, and may do harm.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::LoginRefused { .. } | Self::Token(TokenFault::Refused { .. }))
    }

    /// Whether it is our own trouble, which no mail and no server is to blame for.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::NotKept(_) | Self::Store(_) | Self::Spool(_) | Self::TooManyLeft(_))
    }
}
