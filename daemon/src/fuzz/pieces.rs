//! Octets that come over a connection in pieces. However they are cut, they must say the same.

use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

/// How octets are cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Not at all.
    Whole,
    /// Into pieces of this size.
    Each(usize),
    /// Into pieces of any size, by this state of a generator.
    Odd(u64),
}

/// A connection whose other end says all of this, piece by piece, and hears nothing of the answers.
pub(super) struct Pieces {
    said: Vec<u8>,
    cut: Cut,
    /// Whether the next piece has been waited for.
    due: bool,
    heard: Arc<Mutex<Vec<u8>>>,
}

/// What was written to the other end.
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    pub(super) fn octets(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sizes of pieces: each so large, or of any size.
fn ways(data: &[u8]) -> [Cut; 3] {
    // FNV-1a: what they are cut by depends on the octets, so that the same ones are always cut in the same places.
    let seed = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3));
    let small = if data.len() <= 2_048 { 1 } else { 61 };
    [Cut::Whole, Cut::Each(small), Cut::Odd(seed | 1)]
}

impl Cut {
    fn next(&mut self, left: usize) -> usize {
        let size = match self {
            Self::Whole => left,
            Self::Each(size) => *size,
            Self::Odd(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                1 + usize::try_from(*state % 23).unwrap_or(0)
            }
        };
        size.min(left)
    }
}

/// The pieces, where there is no connection.
pub(super) fn pieces(data: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    ways(data).into_iter().map(move |mut cut| {
        let (mut rest, mut pieces) = (data, Vec::new());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cut.next(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        pieces
    })
}

/// Reads from such a connection in each way; what is read must not depend on it.
pub(super) fn same<T: Debug + PartialEq, F: Future<Output = T>>(data: &[u8], read: impl Fn(Pieces, Heard) -> F) -> Option<T> {
    let mut found: Option<T> = None;
    for cut in ways(data) {
        let heard = Arc::default();
        let pieces = Pieces { said: data.to_vec(), cut, due: false, heard: Arc::clone(&heard) };
        let this = run(read(pieces, Heard(heard)))?;
        match &found {
            None => found = Some(this),
            Some(first) => assert_eq!(*first, this, "cut {cut:?}"),
        }
    }
    found
}

/// Runs it to its end; none where there is no runtime.
pub(super) fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    thread_local! {
        static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_time().build().ok();
    }
    RUNTIME.with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(future)))
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.due, true) {
            // Whoever waits must find again what it has.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.due = false;
        let left = self.said.len().min(out.remaining());
        let size = self.cut.next(left);
        out.put_slice(self.said.get(..size).unwrap_or_default());
        self.said.drain(..size);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
