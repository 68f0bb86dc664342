//! Large answers: each piece waits until the connection takes it, so that the desk knows what it still keeps for whom.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::serve::Line;

/// Octets of one piece.
const PIECE: usize = 64 << 10;
/// How long a client may take for one.
const SLOW: Duration = Duration::from_secs(30);

/// A body of known length that comes piece by piece.
struct Taken {
    pieces: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Taken {
    fn of(bytes: Vec<u8>, turn: OwnedSemaphorePermit, line: Line) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        let left = bytes.len() as u64;
        tokio::spawn(async move {
            let _turn = turn;
            for piece in bytes.chunks(PIECE) {
                // Copied: a piece that still waits in the connection keeps nothing but itself.
                match timeout(SLOW, sender.send(Bytes::copy_from_slice(piece))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        tracing::debug!("a client that took nothing of its download was cut off");
                        return line.cut();
                    }
                }
            }
        });
        Self { pieces, left }
    }
}

impl hyper::body::Body for Taken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pieces.poll_recv(cx).map(|piece| {
            let piece = piece?;
            self.left = self.left.saturating_sub(piece.len() as u64);
            Some(Ok(Frame::data(piece)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Bytes that strangers wrote: to be saved, never to be shown or run by a browser.
/// They keep their turn until the connection has taken all but the last pieces; whoever takes nothing is cut off.
pub(super) fn download(content_type: &'static str, name: &str, bytes: Vec<u8>, turn: OwnedSemaphorePermit, line: Line) -> Response {
    let disposition = HeaderValue::from_str(&disposition(name)).unwrap_or(HeaderValue::from_static("attachment"));
    let fields = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CONTENT_DISPOSITION, disposition),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    (fields, Body::new(Taken::of(bytes, turn, line))).into_response()
}

/// All but some of what may stand in such a parameter as it is (RFC 8187 §3.2.1).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-').remove(b'+');

/// `attachment` with the name in ASCII for old clients and whole for others (RFC 6266 §4, RFC 8187 §3.2).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " ._-+()".contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let whole = utf8_percent_encode(name, ENCODED);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_leave_its_quotes() {
        assert_eq!(disposition("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
        let nasty = disposition("ü\"; filename=x.html\r\nSet-Cookie: a=b\\");
        assert!(nasty.bytes().all(|b| (0x20..0x7f).contains(&b)), "{nasty}");
        assert_eq!(nasty.matches('"').count(), 2, "{nasty}");
        assert!(nasty.ends_with("filename*=UTF-8''%C3%BC%22%3B%20filename%3Dx.html%0D%0ASet-Cookie%3A%20a%3Db%5C"), "{nasty}");
    }
}
