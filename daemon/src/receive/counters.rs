//! What the listeners count for `/metrics` and the status page.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since start, over SMTP and LMTP together; read them with `Ordering::Relaxed`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sessions begun.
    pub sessions: AtomicU64,
    /// Sessions open now.
    pub open: AtomicU64,
    /// Connections turned away by a cap.
    pub refused: AtomicU64,
    /// Failed calls of accept(2): above all, no file descriptor left.
    pub accept_errors: AtomicU64,
    /// Sessions that switched to TLS.
    pub tls: AtomicU64,
    /// Mails for which a receipt was given.
    pub accepted: AtomicU64,
    /// Replies by their first digit, 2 to 5 in this order.
    pub replies: [AtomicU64; 4],
}

impl Counters {
    pub(super) fn reply(&self, code: u16) {
        let class = usize::from(code / 100);
        if let Some(counter) = class.checked_sub(2).and_then(|class| self.replies.get(class)) {
            counter.fetch_add(1, Relaxed);
        }
    }
}
