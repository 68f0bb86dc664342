//! Room in memory: small mails are read side by side, large ones one or two at a time.

use tokio::sync::OwnedSemaphorePermit;

use crate::large::{self, LARGE};

/// KiB of larger mails that may be read at once. Understanding one takes two or three times its size.
const KIB: u32 = 32 * 1024;

/// What the mails share that are being read. Cheap to clone.
#[derive(Clone)]
pub struct Room(large::Room);

impl Default for Room {
    fn default() -> Self {
        Self(large::Room::new(KIB))
    }
}

impl Room {
    /// Waits for the room that a mail of this size needs: none, unless it is large.
    pub(super) async fn take(&self, octets: u64) -> Option<OwnedSemaphorePermit> {
        if octets > LARGE as u64 { self.0.take(octets).await } else { None }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn large_mails_wait_for_each_other_and_small_ones_for_nobody() {
        let room = Room::default();
        let first = room.take(20 << 20).await.unwrap();
        let mut second = pin!(room.take(1 << 40));
        assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await, "it would take all");
        assert!(room.take(LARGE as u64).await.is_none());
        drop(first);
        let _all = second.await.unwrap();
        let mut third = pin!(room.take(LARGE as u64 + 1));
        assert!(poll_fn(|cx| Poll::Ready(third.as_mut().poll(cx).is_pending())).await);
    }
}
