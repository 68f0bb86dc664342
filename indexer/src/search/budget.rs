//! How long a search may take.

use std::time::{Duration, Instant};

use super::ask::SearchError;

/// Documents between two looks at the clock.
pub(super) const BETWEEN_LOOKS: u32 = 512;

/// A span that began with its making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    whole: Duration,
    /// None if it lies beyond what the clock can say.
    until: Option<Instant>,
}

impl Budget {
    pub(super) fn new(whole: Duration) -> Self {
        Self { whole, until: Instant::now().checked_add(whole) }
    }

    /// Once it is, it stays so: who stops for it without a word is told on by the next [`look`](Self::look).
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }

    /// An error when it is over.
    pub(super) fn look(&self) -> Result<(), SearchError> {
        if self.is_over() { Err(SearchError::Timeout(self.whole)) } else { Ok(()) }
    }
}
