//! Between a try and who watches it: whether the mail may have left, and whether it still may be sent.

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by one try and its watcher, in one task.
#[derive(Debug, Default)]
pub struct Fence {
    passed: AtomicBool,
    stopped: AtomicBool,
}

impl Fence {
    /// Whether a final dot is on its way and its answer outstanding: the mail may have left, and the try must not be dropped.
    pub fn is_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }

    /// From here on the mail must not be given to another server.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn pass(&self) {
        self.passed.store(true, Ordering::Relaxed);
    }

    /// No answer is outstanding: what the last server has said of the mail was no.
    pub(super) fn begin(&self) {
        self.passed.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
