//! Reading the replies of a server that is not trusted (RFC 5321 §4.2): strict grammar, bounded memory.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::model::text;

/// Longest line of a reply, in octets with its CRLF; RFC 5321 §4.5.3.1.5 allows 512.
const LINE: usize = 2 * 1024;
/// Longest reply with all its lines, in octets.
const REPLY: usize = 64 * 1024;
/// Longest text that is kept of a reply, in characters.
const SHOWN: usize = 2_000;

/// One whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// 200 to 559.
    pub(super) code: u16,
    /// The text of each line, without code and separator; at least one.
    pub(super) lines: Vec<String>,
}

impl Answer {
    /// 2xx.
    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 4xx.
    pub(super) fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5xx.
    pub(super) fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// Whether the text begins with this enhanced status code (RFC 3463).
    pub(super) fn has_status(&self, status: &str) -> bool {
        self.lines.iter().any(|line| line.split_whitespace().next() == Some(status))
    }
}

/// The server's words in one line, without what could break a header, a log or a terminal.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, text::one_line(&self.lines.join(" "), SHOWN))
    }
}

/// Why no reply could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("connection closed")]
    Closed,
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("a reply that is no SMTP ({0})")]
    Malformed(&'static str),
}

/// What has been received and not yet read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    waiting: Vec<u8>,
}

impl Reader {
    /// Whether nothing was received beyond the last reply.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Reads one reply with all its lines. Not safe to call again after it was cancelled or failed.
    pub(super) async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Result<Answer, ReadError> {
        let mut code = None;
        let mut lines = Vec::new();
        let mut octets = 0;
        loop {
            let line = self.line(stream).await?;
            octets += line.len();
            if octets > REPLY {
                return Err(ReadError::Malformed("too long"));
            }
            let (this, last, words) = parse(&line)?;
            if *code.get_or_insert(this) != this {
                return Err(ReadError::Malformed("two codes in one reply"));
            }
            lines.push(words);
            if last {
                return Ok(Answer { code: this, lines });
            }
        }
    }

    async fn line(&mut self, stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Result<Vec<u8>, ReadError> {
        loop {
            if let Some(end) = self.waiting.iter().position(|&octet| octet == b'\n') {
                let rest = self.waiting.split_off(end + 1);
                let line = std::mem::replace(&mut self.waiting, rest);
                return if line.len() > LINE { Err(ReadError::Malformed("line too long")) } else { Ok(line) };
            }
            if self.waiting.len() >= LINE {
                return Err(ReadError::Malformed("line too long"));
            }
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).await?;
            if count == 0 {
                return Err(ReadError::Closed);
            }
            self.waiting.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
    }
}

/// One line with its CRLF: code, whether it is the last of its reply, text.
fn parse(line: &[u8]) -> Result<(u16, bool, String), ReadError> {
    let line = line.strip_suffix(b"\r\n").ok_or(ReadError::Malformed("line without CRLF"))?;
    if line.contains(&b'\r') {
        return Err(ReadError::Malformed("bare CR"));
    }
    // RFC 5321 §4.2: Reply-code = %x32-35 %x30-35 %x30-39
    let (&[a @ b'2'..=b'5', b @ b'0'..=b'5', c @ b'0'..=b'9'], rest) =
        line.split_first_chunk::<3>().ok_or(ReadError::Malformed("no code"))?
    else {
        return Err(ReadError::Malformed("no code"));
    };
    let code = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    let (last, words) = match rest.split_first() {
        None => (true, &[][..]),
        Some((b' ', words)) => (true, words),
        Some((b'-', words)) => (false, words),
        Some(_) => return Err(ReadError::Malformed("no space after the code")),
    };
    Ok((code, last, String::from_utf8_lossy(words).into_owned()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn read(bytes: &[u8]) -> Result<(Answer, bool), ReadError> {
        let mut reader = Reader::default();
        let mut stream = bytes;
        let answer = reader.read(&mut stream).await?;
        Ok((answer, reader.is_empty() && stream.is_empty()))
    }

    #[tokio::test]
    async fn replies_of_one_and_more_lines() {
        let (answer, all) = read(b"250-mx.example\r\n250-SIZE 100\r\n250 HELP\r\n").await.unwrap();
        assert_eq!((answer.code, answer.lines.join("|").as_str(), all), (250, "mx.example|SIZE 100|HELP", true));
        assert_eq!(read(b"354\r\n").await.unwrap().0.to_string().trim(), "354");
        let (answer, all) = read(b"220 ready\r\n250 injected\r\n").await.unwrap();
        assert_eq!((answer.to_string().as_str(), all), ("220 ready", false));
    }

    #[tokio::test]
    async fn what_is_no_smtp_is_refused() {
        let long_line = [b"250 ".as_slice(), &[b'x'; LINE], b"\r\n"].concat();
        let endless = b"250-x\r\n".repeat(REPLY / 7 + 1);
        for bad in [
            &b"250 ok\n"[..],
            b"250 o\rk\r\n",
            b"25 ok\r\n",
            b"650 ok\r\n",
            b"199 ok\r\n",
            b"250_ok\r\n",
            b"250-a\r\n251 b\r\n",
            b"\r\n",
            &long_line,
            &endless,
        ] {
            assert!(matches!(read(bad).await, Err(ReadError::Malformed(_))), "{:?}", String::from_utf8_lossy(&bad[..bad.len().min(40)]));
        }
        assert!(matches!(read(b"250-a\r\n").await, Err(ReadError::Closed)));
    }

    #[test]
    fn shown_in_one_harmless_line() {
        let answer = Answer { code: 550, lines: vec!["5.1.1 no\u{1b}[31m such".into(), "5.1.1 user".into()] };
        assert_eq!(answer.to_string(), "550 5.1.1 no [31m such 5.1.1 user");
        assert!(answer.has_status("5.1.1") && !answer.has_status("5.1"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer_or_an_error(bytes in "[2-6 \r\n0-9a-]{0,80}", step in 1_usize..9) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let whole = runtime.block_on(read(bytes.as_bytes()));
            let pieces = runtime.block_on(async {
                let mut reader = Reader::default();
                let mut stream = tokio_test_chunks(bytes.as_bytes(), step);
                reader.read(&mut stream).await
            });
            prop_assert_eq!(whole.map(|(answer, _)| answer).map_err(|e| e.to_string()), pieces.map_err(|e| e.to_string()));
        }
    }

    /// A stream that gives at most `step` octets at a time.
    fn tokio_test_chunks(bytes: &[u8], step: usize) -> impl AsyncRead + Unpin + '_ {
        struct Steps<'a>(&'a [u8], usize);
        impl AsyncRead for Steps<'_> {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                out: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                let (now, later) = self.0.split_at(self.1.min(self.0.len()));
                out.put_slice(now);
                self.0 = later;
                std::task::Poll::Ready(Ok(()))
            }
        }
        Steps(bytes, step)
    }
}
