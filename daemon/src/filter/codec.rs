//! Frames of the milter protocol: a length in four octets, a command in one, its data. Whatever the other side says is
//! measured before it is read.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use crate::net::DialError;

/// Longest frame that is read, in octets: what libmilter allows, and its command.
const FRAME: usize = 65_536;
/// Most frames, and octets, that a filter may say about one mail.
const FRAMES: usize = 1_000;
const OCTETS: usize = 1 << 20;
/// What is gathered before it is sent, in octets.
const GATHERED: usize = 65_536;

/// Why a filter could not be asked. None of it says anything about the mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// No connection to a socket.
    #[error("cannot connect: {0}")]
    Socket(io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// It closed the connection.
    #[error("it hung up")]
    HungUp,
    /// It said nothing, or took too long in all.
    #[error("nothing within {} s", .0.as_secs())]
    Late(Duration),
    /// It said what the protocol does not know.
    #[error("it does not speak the milter protocol ({0})")]
    Garbage(&'static str),
    /// It said more than anybody needs to.
    #[error("it talks too much")]
    Chatty,
    /// It has let others wait for nothing, since this time, and was left alone.
    #[error("it does not answer since {0}; one mail at a time tries it")]
    Away(String),
}

/// How long a conversation may take with a filter that may be silent for so long.
pub(super) fn longest(patience: Duration) -> Duration {
    patience * 3
}

/// How long a conversation may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// How long the filter may be silent.
    patience: Duration,
    /// How long all of it may take.
    whole: Duration,
    end: Instant,
}

impl Time {
    /// Each step within `patience`, all of them within [`longest`].
    pub(super) fn of(patience: Duration) -> Self {
        let whole = longest(patience);
        Self { patience, whole, end: Instant::now() + whole }
    }

    /// How long a step may take from now.
    pub(super) fn patience(&self) -> Duration {
        self.patience.min(self.end.saturating_duration_since(Instant::now()))
    }

    async fn limit<T>(&self, step: impl Future<Output = io::Result<T>>) -> Result<T, Fault> {
        let due = Instant::now() + self.patience;
        let late = if due < self.end { self.patience } else { self.whole };
        match timeout_at(due.min(self.end), step).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Fault::HungUp),
            Ok(Err(error)) => Err(Fault::Broken(error)),
            Err(_) => Err(Fault::Late(late)),
        }
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The command or reply.
    pub(super) code: u8,
    /// What belongs to it.
    pub(super) data: Vec<u8>,
}

/// A connection that speaks in frames.
pub(super) struct Wire<S> {
    io: S,
    time: Time,
    out: Vec<u8>,
    frames: usize,
    octets: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(io: S, time: Time) -> Self {
        Self { io, time, out: Vec::new(), frames: 0, octets: 0 }
    }

    /// Says something; it leaves at the next `flush`, or when much was gathered.
    pub(super) async fn put(&mut self, code: u8, parts: &[&[u8]]) -> Result<(), Fault> {
        let length: usize = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        self.out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        self.out.push(code);
        for part in parts {
            self.out.extend_from_slice(part);
        }
        if self.out.len() >= GATHERED { self.flush().await } else { Ok(()) }
    }

    /// Sends what was gathered.
    pub(super) async fn flush(&mut self) -> Result<(), Fault> {
        self.time.limit(self.io.write_all(&self.out)).await?;
        self.out.clear();
        self.time.limit(self.io.flush()).await
    }

    /// Sends what was gathered and reads one frame.
    pub(super) async fn read(&mut self) -> Result<Frame, Fault> {
        self.flush().await?;
        let mut head = [0; 4];
        self.time.limit(self.io.read_exact(&mut head)).await?;
        let length = length(head)?;
        self.frames += 1;
        self.octets += length;
        if self.frames > FRAMES || self.octets > OCTETS {
            return Err(Fault::Chatty);
        }
        let mut data = vec![0; length];
        self.time.limit(self.io.read_exact(&mut data)).await?;
        let code = data.remove(0);
        Ok(Frame { code, data })
    }
}

/// The announced length of a frame without these four octets: at least its command.
fn length(head: [u8; 4]) -> Result<usize, Fault> {
    match usize::try_from(u32::from_be_bytes(head)) {
        Ok(0) => Err(Fault::Garbage("an empty frame")),
        Ok(length) if length <= FRAME => Ok(length),
        _ => Err(Fault::Garbage("a frame that is too long")),
    }
}
