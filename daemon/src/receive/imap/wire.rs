//! The connection: command lines out, whole responses in, never more of them than the leash allows.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout_at;

use super::error::Fault;
use super::leash::{Leash, PIECES, SMALL_LITERAL};
use super::response::{self, Piece, Response};
use crate::inbox::Draft;
use crate::net::Stream;

/// Size of one read.
const CHUNK: usize = 16 << 10;

/// A connection with what was read too far.
pub(super) struct Wire {
    io: Box<dyn Stream>,
    input: Vec<u8>,
    used: usize,
}

/// Where a mail's content goes while it comes in.
pub(super) struct Sink<'a> {
    /// The mail.
    pub(super) draft: &'a mut Draft,
    /// Octets that it may have.
    pub(super) most: u64,
    /// Whether it is there.
    pub(super) filled: bool,
}

impl Wire {
    pub(super) fn new(io: Box<dyn Stream>) -> Self {
        Self { io, input: Vec::new(), used: 0 }
    }

    /// Sends octets of a command.
    pub(super) async fn send(&mut self, when: &'static str, octets: &[u8], leash: &Leash) -> Result<(), Fault> {
        let (deadline, silent) = leash.deadline(when);
        let sent = timeout_at(deadline, async {
            self.io.write_all(octets).await?;
            self.io.flush().await
        });
        sent.await.map_err(|_| silent)?.map_err(|source| Fault::Lost { when, source })
    }

    /// Reads one response. The content of a mail goes into the sink, if there is one.
    pub(super) async fn response(
        &mut self,
        when: &'static str,
        leash: &mut Leash,
        mut sink: Option<&mut Sink<'_>>,
    ) -> Result<Response, Fault> {
        let mut pieces = Vec::new();
        loop {
            let mut line = self.line(when, leash).await?;
            // A literal belongs to the response, however its last stretch looks.
            let Some((start, octets)) = response::announced(&line) else {
                pieces.push(Piece::Text(line));
                return response::parse(pieces).ok_or(Fault::Nonsense { when, what: "the server's answer can't be understood" });
            };
            line.truncate(start);
            let piece = match sink.as_deref_mut() {
                Some(sink) if response::before_body(&line) => self.stream(when, octets, leash, sink).await?,
                _ => Piece::Literal(self.literal(when, octets, leash).await?),
            };
            pieces.extend([Piece::Text(line), piece]);
            if pieces.len() > PIECES {
                return Err(Fault::Nonsense { when, what: "the server's answer has too many parts" });
            }
        }
    }

    /// One line without its CRLF.
    async fn line(&mut self, when: &'static str, leash: &mut Leash) -> Result<Vec<u8>, Fault> {
        let mut searched = 0;
        loop {
            let end = self.buffered().iter().skip(searched).position(|b| *b == b'\n').map(|at| at + searched);
            if let Some(end) = end {
                let line = self.buffered().get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.consume(end + 1);
                return Ok(line);
            }
            searched = self.buffered().len();
            self.fill(when, leash).await?;
        }
    }

    async fn literal(&mut self, when: &'static str, octets: u64, leash: &mut Leash) -> Result<Vec<u8>, Fault> {
        let size = usize::try_from(octets.min(SMALL_LITERAL)).unwrap_or(0);
        if octets > SMALL_LITERAL {
            return Err(Fault::TooMuch { when, limit: SMALL_LITERAL });
        }
        while self.buffered().len() < size {
            self.fill(when, leash).await?;
        }
        let literal = self.buffered().get(..size).unwrap_or_default().to_vec();
        self.consume(size);
        Ok(literal)
    }

    async fn stream(&mut self, when: &'static str, octets: u64, leash: &mut Leash, sink: &mut Sink<'_>) -> Result<Piece, Fault> {
        if sink.filled {
            return Err(Fault::Nonsense { when, what: "the server sends a second mail where one was asked for" });
        }
        if octets > sink.most {
            return Err(Fault::TooMuch { when, limit: sink.most });
        }
        leash.fits(when, octets.saturating_sub(self.buffered().len() as u64))?;
        sink.filled = true;
        let mut missing = octets;
        while missing > 0 {
            if self.buffered().is_empty() {
                self.fill(when, leash).await?;
            }
            let take = usize::try_from(missing).unwrap_or(usize::MAX).min(self.buffered().len());
            sink.draft.push(self.buffered().get(..take).unwrap_or_default()).await.map_err(Fault::Spool)?;
            self.consume(take);
            missing -= take as u64;
        }
        Ok(Piece::Streamed(octets))
    }

    fn buffered(&self) -> &[u8] {
        self.input.get(self.used..).unwrap_or_default()
    }

    fn consume(&mut self, octets: usize) {
        self.used = (self.used + octets).min(self.input.len());
    }

    /// Waits for more octets.
    async fn fill(&mut self, when: &'static str, leash: &mut Leash) -> Result<(), Fault> {
        let most = leash.allow(when, CHUNK)?;
        self.input.drain(..self.used);
        self.used = 0;
        // Else each read is as small as the first one was.
        self.input.reserve(CHUNK);
        let (deadline, silent) = leash.deadline(when);
        let mut limited = (&mut self.io).take(most as u64);
        match timeout_at(deadline, limited.read_buf(&mut self.input)).await {
            Err(_) => Err(silent),
            Ok(Ok(0)) => Err(Fault::Lost { when, source: io::ErrorKind::UnexpectedEof.into() }),
            Ok(Ok(octets)) => {
                leash.spend(octets);
                Ok(())
            }
            Ok(Err(source)) => Err(Fault::Lost { when, source }),
        }
    }

    /// The bare stream, to start TLS on. Whatever was received in clear behind the answer could come from anybody on the way,
    /// and would be read as if it came over TLS: such a connection is given up.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, Fault> {
        match self.buffered().is_empty() {
            true => Ok(self.io),
            false => Err(Fault::Nonsense { when: "STARTTLS", what: "the server sends clear text behind its answer" }),
        }
    }
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
