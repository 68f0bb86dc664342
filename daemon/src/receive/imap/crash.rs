//! Mails that broke a task down: a panic counts as a try of the mail in hand, so that it is left behind like any other that
//! can't be taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// What is said of such a mail.
pub(super) const BROKE: &str = "taking it broke down; this is a bug in Ombud";

/// How often, and when last.
type Count = (u32, Instant);

/// What outlives the tasks of an account.
#[derive(Debug, Default)]
pub(super) struct Crashes(Mutex<HashMap<(String, u32), Count>>);

/// A mail in hand.
pub(super) struct InHand {
    crashes: Arc<Crashes>,
    folder: String,
    uid: u32,
}

impl Crashes {
    fn counts(&self) -> MutexGuard<'_, HashMap<(String, u32), Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a mail of a folder in hand, until this is dropped.
    pub(super) fn take(self: &Arc<Self>, folder: &str, uid: u32) -> InHand {
        InHand { crashes: self.clone(), folder: folder.to_owned(), uid }
    }

    /// Those of a folder.
    pub(super) fn of(&self, folder: &str) -> Vec<(u32, Count)> {
        self.counts().iter().filter(|((f, _), _)| f == folder).map(|((_, uid), count)| (*uid, *count)).collect()
    }

    /// UIDs of this folder mean other mails now.
    pub(super) fn forget(&self, folder: &str) {
        self.counts().retain(|(f, _), _| f != folder);
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut counts = self.crashes.counts();
            let count = counts.entry((std::mem::take(&mut self.folder), self.uid)).or_insert((0, Instant::now()));
            *count = (count.0.saturating_add(1), Instant::now());
        }
    }
}
