//! The wire: strict lines in, replies out, each with an absolute deadline.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout_at};

use super::reply;
use crate::model::Reply;
use crate::receive::listen::Stream;

/// Of a longer line this much is read to find its end and stay in step with the client.
const MAX_SKIPPED: usize = 65_536;
/// Size of one read.
const CHUNK: usize = 16 * 1024;
/// Replies that wait for the client to finish its pipelined commands.
const MAX_QUEUED: usize = 4096;

/// One connection with what was read too far and what is not yet written.
pub(in crate::receive) struct Wire {
    io: Box<dyn Stream>,
    input: Vec<u8>,
    used: usize,
    output: Vec<u8>,
    /// How much of a longer one was dropped so far.
    skipped: usize,
}

/// How long a line may be, with its CRLF.
#[derive(Clone, Copy, Debug)]
pub(super) struct Longest {
    /// Any line.
    pub(super) any: usize,
    /// One that begins with AUTH: the first response may stand in it.
    pub(super) auth: usize,
}

impl Longest {
    fn of(self, start: &[u8]) -> usize {
        let is_auth = start.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if is_auth { self.auth } else { self.any }
    }
}

/// Why there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireError {
    /// The client is gone.
    Gone,
    /// The deadline has passed.
    Late,
}

/// Why there is no command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// Nothing to read.
    Wire(WireError),
    /// A CR without LF or an LF without CR.
    Stray,
    /// Too long; it was skipped and the next line can be read.
    Long,
    /// So long that its end was not looked for.
    Endless,
}

impl From<WireError> for LineError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<io::Error> for WireError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Wire {
    pub(in crate::receive) fn new(io: Box<dyn Stream>) -> Self {
        Self { io, input: Vec::new(), used: 0, output: Vec::new(), skipped: 0 }
    }

    /// The next line without its CRLF. Queued replies leave before anything is waited for (RFC 2920 §3.2). What came of a
    /// line is kept, so that this can be given up, or be late, and be called again.
    pub(super) async fn line(&mut self, deadline: Instant, longest: Longest) -> Result<Vec<u8>, LineError> {
        loop {
            let max = longest.of(self.buffered());
            match scan(self.buffered()) {
                Scan::Line(length) => {
                    let line = self.buffered().get(..length).map(<[u8]>::to_vec).unwrap_or_default();
                    self.consume(length + 2);
                    let is_long = std::mem::take(&mut self.skipped) > 0 || length + 2 > max;
                    return if is_long { Err(LineError::Long) } else { Ok(line) };
                }
                Scan::Stray => return Err(LineError::Stray),
                Scan::More if self.skipped > MAX_SKIPPED => return Err(LineError::Endless),
                Scan::More => {}
            }
            if self.buffered().len() > max {
                // A CR at the very end may be half of the CRLF.
                let drop = self.buffered().len() - usize::from(self.buffered().ends_with(b"\r"));
                self.consume(drop);
                self.skipped += drop;
            }
            self.flush(deadline).await?;
            self.lighten();
            self.fill(deadline).await?;
        }
    }

    /// Gives back what the buffers do not need: most sessions wait for a command most of the time.
    fn lighten(&mut self) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.shrink_to_fit();
        self.output.shrink_to_fit();
    }

    /// What was read and not yet used.
    pub(super) fn buffered(&self) -> &[u8] {
        self.input.get(self.used..).unwrap_or_default()
    }

    /// Marks octets of `buffered` as used.
    pub(super) fn consume(&mut self, octets: usize) {
        self.used = (self.used + octets).min(self.input.len());
        if self.used == self.input.len() {
            self.input.clear();
            self.used = 0;
        }
    }

    /// Waits for more octets, after queued replies have left. They are read by way of the stack, so that waiting takes no
    /// buffer.
    pub(super) async fn fill(&mut self, deadline: Instant) -> Result<(), WireError> {
        self.flush(deadline).await?;
        self.input.drain(..self.used);
        self.used = 0;
        let (io, input) = (&mut self.io, &mut self.input);
        let read = poll_fn(|cx| {
            let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut chunk))?;
            input.extend_from_slice(chunk.filled());
            Poll::Ready(io::Result::Ok(chunk.filled().len()))
        });
        match timeout_at(deadline, read).await {
            Ok(Ok(0)) => Err(WireError::Gone),
            Ok(read) => Ok(read.map(|_| ())?),
            Err(_) => Err(WireError::Late),
        }
    }

    /// Queues a reply.
    pub(super) fn say(&mut self, reply: &Reply) {
        reply::render(reply, &mut self.output);
    }

    /// Whether so much is queued that it should leave.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() > MAX_QUEUED
    }

    /// Sends queued replies. What has left is forgotten at once, so that this can be given up and called again.
    pub(super) async fn flush(&mut self, deadline: Instant) -> Result<(), WireError> {
        let write = async {
            while !self.output.is_empty() {
                let sent = self.io.write(&self.output).await?;
                if sent == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.output.drain(..sent);
            }
            self.io.flush().await
        };
        Ok(timeout_at(deadline, write).await.map_err(|_| WireError::Late)??)
    }

    /// Sends the last reply and closes. What the client still sends is read for a moment: closing with octets unread
    /// would reset the connection, and the reply could be lost with it.
    pub(super) async fn close(&mut self, deadline: Instant) {
        let quiet = async {
            self.io.shutdown().await?;
            let mut rest = (&mut self.io).take(MAX_SKIPPED as u64);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
        };
        // Nobody is left to hear of a failure here.
        let _ = timeout_at(deadline, quiet).await;
    }

    /// Takes the connection out to wrap it (STARTTLS); `new` begins again with empty buffers.
    pub(super) fn take(&mut self) -> Box<dyn Stream> {
        std::mem::replace(self, Self::new(Box::new(tokio::io::empty()))).io
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scan {
    Line(usize),
    Stray,
    More,
}

/// Looks for the line that begins `input`: only CRLF ends it (RFC 5321 §2.3.8).
fn scan(input: &[u8]) -> Scan {
    let Some(at) = input.iter().position(|b| matches!(b, b'\r' | b'\n')) else { return Scan::More };
    match input.get(at..) {
        Some([b'\r', b'\n', ..]) => Scan::Line(at),
        Some([b'\r']) => Scan::More,
        _ => Scan::Stray,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;
    use std::time::Duration;

    /// Reads lines until the first error, from a client that has written everything and left.
    fn lines(input: &[u8]) -> (Vec<Vec<u8>>, LineError) {
        in_two(input, b"")
    }

    /// The same from one whose octets come in two pieces.
    fn in_two(first: &[u8], second: &[u8]) -> (Vec<Vec<u8>>, LineError) {
        let input = Cursor::new(first.to_vec()).chain(Cursor::new(second.to_vec()));
        let mut wire = Wire::new(Box::new(tokio::io::join(input, tokio::io::sink())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async move {
            let mut lines = Vec::new();
            loop {
                match wire.line(Instant::now() + Duration::from_secs(60), LONGEST).await {
                    Ok(line) => lines.push(line),
                    Err(LineError::Long) => lines.push(b"long".to_vec()),
                    Err(error) => return (lines, error),
                }
            }
        })
    }

    const MAX_LINE: usize = 2048;
    const LONGEST: Longest = Longest { any: MAX_LINE, auth: 12_288 };
    const GONE: LineError = LineError::Wire(WireError::Gone);

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(lines(b"a\r\n\r\nb\r\nc"), (vec![b"a".to_vec(), vec![], b"b".to_vec()], GONE));
        for stray in [&b"a\r\nb\nc\r\n"[..], b"a\r\nb\rc\r\n", b"a\r\nb\r\r\n", b"a\r\n\n"] {
            assert_eq!(lines(stray), (vec![b"a".to_vec()], LineError::Stray));
        }
    }

    #[test]
    fn a_long_line_is_skipped_as_a_whole() {
        let line = |n: usize| [vec![b'x'; n], b"\r\nnext\r\n".to_vec()].concat();
        assert_eq!(lines(&line(MAX_LINE - 2)).0, vec![vec![b'x'; MAX_LINE - 2], b"next".to_vec()]);
        for n in [MAX_LINE - 1, MAX_LINE, CHUNK - 1, CHUNK, 60_000] {
            assert_eq!(lines(&line(n)), (vec![b"long".to_vec(), b"next".to_vec()], GONE), "{n}");
        }
        assert_eq!(lines(&line(1_000_000)), (vec![], LineError::Endless));
    }

    #[test]
    fn a_log_in_has_longer_lines() {
        let line = |verb: &str, n: usize| format!("{verb} {}\r\nnext\r\n", "x".repeat(n - verb.len() - 3));
        let first = |line: &str| lines(line.as_bytes()).0.swap_remove(0).len();
        assert_eq!([first(&line("auth", 12_288)), first(&line("AUTH", 12_289))], [12_286, "long".len()]);
        assert_eq!([first(&line("AUTHX", MAX_LINE)), first(&line("AUTHX", MAX_LINE + 1))], [MAX_LINE - 2, "long".len()]);
        assert_eq!(in_two(&[b'x'; MAX_LINE + 1], b"AUTH y\r\nnext\r\n").0, [b"long", b"next"], "the middle of a long line is no log-in");
    }

    #[tokio::test]
    async fn waiting_for_a_command_takes_no_buffers() {
        let (mut client, io) = tokio::io::duplex(1 << 20);
        client.write_all(&b"NOOP\r\n".repeat(10_000)).await.unwrap();
        let mut wire = Wire::new(Box::new(io));
        let (mut read, mut most) = (0, 0);
        while wire.line(Instant::now(), LONGEST).await.is_ok() {
            wire.say(&Reply::new(250, "2.0.0", "OK"));
            (read, most) = (read + 1, most.max(wire.input.capacity()));
        }
        assert!(read == 10_000 && most >= CHUNK, "{read} lines, {most} octets");
        assert_eq!((wire.input.capacity(), wire.output.capacity()), (0, 0));
        client.write_all(b"NO").await.unwrap();
        assert_eq!(wire.line(Instant::now(), LONGEST).await, Err(LineError::Wire(WireError::Late)));
        assert!(wire.input.capacity() < 100, "what came of a line is kept");
    }

    proptest! {
        #[test]
        fn a_line_is_found_only_whole(head in "[a-z .]{0,20}", tail in "[a-z\r\n]{0,20}") {
            let whole = format!("{head}\r\n{tail}");
            prop_assert_eq!(scan(whole.as_bytes()), Scan::Line(head.len()));
            for at in 0..head.len() + 2 {
                prop_assert_eq!(scan(&whole.as_bytes()[..at]), Scan::More);
            }
        }
    }
}
