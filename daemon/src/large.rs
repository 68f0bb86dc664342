//! Whole mails in memory: what large ones take goes back to the system as soon as they are gone.
//!
//! The allocator keeps freed memory for the threads that used it, and any of many threads may read a mail. What is larger
//! than it ever keeps is a mapping of its own; of that, only what is written takes memory.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// A mail of more octets than this is large.
pub const LARGE: usize = 256 * 1024;
/// glibc keeps no more than 32 MiB in one piece.
const MAPPED: usize = 33 << 20;
/// As the threads of the runtime have.
const STACK: usize = 8 << 20;

/// An empty buffer for so many octets.
pub fn buffer(octets: usize) -> Vec<u8> {
    Vec::with_capacity(if octets > LARGE { octets.max(MAPPED) } else { octets })
}

/// Does something with a large mail on a thread that ends with it: the next one takes over its memory. What it found
/// comes, unless it panics.
///
/// # Errors
/// When no thread can be started.
pub fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<oneshot::Receiver<T>> {
    let (done, outcome) = oneshot::channel();
    // Whoever asked may have gone away.
    let work = move || drop(done.send(work()));
    thread::Builder::new().name("large-mail".into()).stack_size(STACK).spawn(work)?;
    Ok(outcome)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_is_larger_than_the_allocator_keeps() {
        assert_eq!([0, 5, LARGE].map(|octets| buffer(octets).capacity()), [0, 5, LARGE]);
        assert!(buffer(LARGE + 1).capacity() > 32 << 20 && buffer(100 << 20).capacity() >= 100 << 20);
    }

    #[tokio::test]
    async fn work_apart_is_awaited_and_may_panic() {
        assert_eq!(apart(|| 6 * 7).unwrap().await, Ok(42));
        assert!(apart(|| panic!("on purpose")).unwrap().await.is_err());
    }
}
