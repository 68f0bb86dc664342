//! The connection: one command out, one reply in, each within its time.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::Timeouts;
use super::reply::{Answer, ReadError, Reader};
use crate::net::{DialError, HandshakeError, Stream};

/// How much of a mail is written under one timeout, in octets.
const BLOCK: usize = 64 * 1024;

/// Why the destination cannot be used now: nothing of this is the fault of a mail or its recipient.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Dial(#[from] DialError),
    #[error("{when}: nothing within {} s", .limit.as_secs())]
    Timeout { when: &'static str, limit: Duration },
    #[error("{when}: {source}")]
    Read { when: &'static str, source: ReadError },
    #[error("{when}: connection lost: {source}")]
    Write { when: &'static str, source: io::Error },
    #[error("{when}: a reply that nobody asked for")]
    OutOfTurn { when: &'static str },
    #[error("{when}: {reply}")]
    Refused { when: &'static str, reply: String },
    #[error("no STARTTLS offered: neither password nor mail is sent in clear text (smtps://, or no user)")]
    NoTls,
    #[error("no STARTTLS offered")]
    NotOffered,
    #[error("no AUTH PLAIN or AUTH LOGIN offered, but a user is configured")]
    NoAuth,
    #[error("{0}")]
    Tls(#[from] HandshakeError),
    #[error("TLS: {0}")]
    BesideTls(Box<Fault>),
    #[error("it is this desk")]
    Ourselves,
}

impl Fault {
    /// Whether TLS was begun and came to nothing: in the handshake, before its first octet, or with the first words over it.
    pub(super) fn is_broken_tls(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::BesideTls(_))
    }

    /// Whether the server has no TLS that could be believed.
    pub(super) fn is_uncovered(&self) -> bool {
        self.is_broken_tls() || matches!(self, Self::NotOffered | Self::Refused { when: "STARTTLS", .. })
    }

    /// What broke at STARTTLS, or at the first command after the handshake: with TLS 1.3 a server that does not get along with ours
    /// says so only there. What a server has said in order is none of it, and nothing that somebody may have slipped in.
    pub(super) fn beside_tls(self) -> Self {
        match self {
            Self::Timeout { .. } | Self::Read { .. } | Self::Write { .. } => Self::BesideTls(Box::new(self)),
            other => other,
        }
    }

    /// Whether the server is this desk.
    pub(super) fn is_ourselves(&self) -> bool {
        matches!(self, Self::Ourselves)
    }

    pub(super) fn refused(when: &'static str, answer: &Answer) -> Self {
        Self::Refused { when, reply: answer.to_string() }
    }
}

/// A connection to a server. Who sends several commands at once counts their replies.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    reader: Reader,
    timeouts: Timeouts,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, timeouts: Timeouts) -> Self {
        Self { stream, reader: Reader::default(), timeouts }
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Sends a command line and reads its reply. `when` stands in errors, where the line itself could show a password.
    pub(super) async fn command(&mut self, when: &'static str, line: &str) -> Result<Answer, Fault> {
        self.command_within(when, line, self.timeouts.reply).await
    }

    /// The same with a time of its own.
    pub(super) async fn command_within(&mut self, when: &'static str, line: &str, limit: Duration) -> Result<Answer, Fault> {
        self.in_turn(when)?;
        self.write_within(when, format!("{line}\r\n").as_bytes(), limit).await?;
        self.answer(when, limit).await
    }

    /// Sends several command lines in one write (RFC 2920); each has a reply to be read.
    pub(super) async fn send(&mut self, when: &'static str, lines: &[&str]) -> Result<(), Fault> {
        self.in_turn(when)?;
        let octets: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        self.write_within(when, octets.as_bytes(), self.timeouts.reply).await
    }

    /// Whether nothing was received beyond the last reply: one that came before its command would be taken for the next one's.
    pub(super) fn in_turn(&self, when: &'static str) -> Result<(), Fault> {
        if self.reader.is_empty() { Ok(()) } else { Err(Fault::OutOfTurn { when }) }
    }

    /// Reads one reply. 421 is never about a mail: the server is going away (RFC 5321 §3.8).
    pub(super) async fn answer(&mut self, when: &'static str, limit: Duration) -> Result<Answer, Fault> {
        let read = timeout(limit, self.reader.read(&mut self.stream)).await.map_err(|_| Fault::Timeout { when, limit })?;
        let answer = read.map_err(|source| Fault::Read { when, source })?;
        if answer.code == 421 { Err(Fault::refused(when, &answer)) } else { Ok(answer) }
    }

    /// Writes octets of a mail, block by block.
    pub(super) async fn write(&mut self, when: &'static str, octets: &[u8]) -> Result<(), Fault> {
        for block in octets.chunks(BLOCK) {
            self.write_within(when, block, self.timeouts.block).await?;
        }
        Ok(())
    }

    async fn write_within(&mut self, when: &'static str, octets: &[u8], limit: Duration) -> Result<(), Fault> {
        let written = timeout(limit, async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        });
        written.await.map_err(|_| Fault::Timeout { when, limit })?.map_err(|source| Fault::Write { when, source })
    }

    /// The bare stream, to start TLS on. Whatever was received in clear after the reply could come from anybody on the way,
    /// and would be read as if it came over TLS: such a connection is given up.
    pub(super) fn into_stream(self, when: &'static str) -> Result<Box<dyn Stream>, Fault> {
        if self.reader.is_empty() { Ok(self.stream) } else { Err(Fault::OutOfTurn { when }) }
    }

    /// Says goodbye and does not wait for the answer: the fate of the mail is known and should be written down now.
    pub(super) async fn quit(mut self) {
        let limit = self.timeouts.quit;
        let _ = self.write_within("QUIT", b"QUIT\r\n", limit).await;
        let _ = timeout(limit, self.stream.shutdown()).await;
    }
}
