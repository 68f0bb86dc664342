//! Whole mails in memory: what they share of it, and that what large ones take goes back to the system as soon as they
//! are gone.
//!
//! The allocator keeps freed memory for the threads that used it, and any of many threads may read a mail. What is larger
//! than it ever keeps is a mapping of its own; of that, only what is written takes memory.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// A mail of so many octets is read or compressed on the spot: another thread would take longer to wake.
pub const SMALL: usize = 32 * 1024;

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

/// Does something with a mail of so many octets: a small one on the spot, any other where blocking is allowed.
///
/// # Errors
/// When it panics there.
pub async fn beside<T: Send + 'static>(octets: usize, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    match octets {
        ..=SMALL => Ok(work()),
        _ => tokio::task::spawn_blocking(work).await.map_err(io::Error::other),
    }
}

/// Memory that mails share while something is done with them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room {
    kib: Arc<Semaphore>,
    most: u32,
}

impl Room {
    /// Room for so many KiB.
    pub fn new(kib: u32) -> Self {
        Self { kib: Arc::new(Semaphore::new(usize::try_from(kib).unwrap_or(Semaphore::MAX_PERMITS))), most: kib }
    }

    /// Waits for room for so many octets; who asks for more than there is has all of it. Whoever waits longest comes
    /// first. Give it back when the bytes are gone.
    pub async fn take(&self, octets: u64) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.kib.clone().acquire_many_owned(self.share(octets)).await.ok()
    }

    /// The same at once; none where others have it.
    pub fn try_take(&self, octets: u64) -> Option<OwnedSemaphorePermit> {
        self.kib.clone().try_acquire_many_owned(self.share(octets)).ok()
    }

    fn share(&self, octets: u64) -> u32 {
        u32::try_from(octets.div_ceil(1024)).unwrap_or(self.most).clamp(1, self.most)
    }
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
