//! What the transport knows of a mail beside its bytes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use super::verdict::Verdict;

/// How a mail came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Our own SMTP listener (RFC 5321).
    Smtp,
    /// Our own submission listener (RFC 6409), by an agent who has logged in.
    Submission,
    /// Our own LMTP listener (RFC 2033).
    Lmtp,
    /// Fetched from a mailbox (RFC 9051).
    Imap,
    /// `ombud deliver`.
    Pipe,
    /// `POST /api/v1/inbox`.
    Http,
    /// `ombud import`: history, of which nothing is carried out.
    Import,
}

impl Transport {
    /// The word in the database, the API and the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Pipe => "pipe",
            Self::Http => "http",
            Self::Import => "import",
        }
    }
}

/// The envelope of one delivery and the facts of its connection (RFC 5321 §2.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// How it came in.
    pub transport: Transport,
    /// The client's address, where there was a connection.
    pub peer: Option<IpAddr>,
    /// The name the client gave in EHLO, HELO or LHLO.
    pub helo: Option<String>,
    /// MAIL FROM without angle brackets; empty for the null reverse-path, and where it is unknown.
    pub mail_from: String,
    /// Whether nobody has said what MAIL FROM was: the server that a mail is fetched from need not have kept it in a
    /// Return-Path (RFC 5321 §4.4).
    #[serde(default)]
    pub sender_unknown: bool,
    /// RCPT TO of every accepted recipient, in order, as the client wrote them.
    pub recipients: Vec<String>,
    /// Whether the connection was encrypted.
    pub tls: bool,
    /// The agent who authenticated (RFC 4954): their main address. From was then found to be an address of theirs.
    pub auth_user: Option<String>,
    /// Whether an outside client handed it over: neither an agent who authenticated, LMTP, pipe or HTTP nor a trusted relay.
    pub outside: bool,
    /// What the receiver found wrong and kept all the same; such a mail is held.
    #[serde(default)]
    pub malformed: Option<String>,
    /// The mailbox whose account it was fetched from: whose `trust` counts, whatever the mail says.
    #[serde(default)]
    pub account: Option<String>,
    /// What the checks of its author found while its sender was still on the line.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// What content filters said of it while its sender was still on the line.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

impl Envelope {
    /// Whether it came with the null reverse-path, as bounces do: nobody answers it by itself (RFC 5321 §4.5.5).
    pub fn has_null_sender(&self) -> bool {
        self.mail_from.is_empty() && !self.sender_unknown
    }

    /// Of a mail that no client has brought over a connection, and of which nothing is known beside this.
    pub fn without_client(transport: Transport, mail_from: String, recipients: Vec<String>) -> Self {
        Self {
            transport,
            peer: None,
            helo: None,
            mail_from,
            sender_unknown: false,
            recipients,
            tls: false,
            auth_user: None,
            outside: false,
            malformed: None,
            account: None,
            verdict: None,
            findings: Vec::new(),
        }
    }
}
