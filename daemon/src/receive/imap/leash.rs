//! How much a server may say, and for how long: each command has its own leash, and what is not on it is never read.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Fault;

/// Octets of an answer that is no listing and no mail.
pub(super) const CONTROL: u64 = 1 << 20;
/// Octets of a literal that is no mail: a folder's name, a date.
pub(super) const SMALL_LITERAL: u64 = 64 << 10;
/// Stretches of text and literals in one response.
pub(super) const PIECES: usize = 1_000;
/// A server that says nothing for so long is given up.
const QUIET: Duration = Duration::from_secs(60);
/// The whole answer to a command.
const WHOLE: Duration = Duration::from_secs(300);
/// The slowest that a mail may come, in octets a second.
const RATE: u64 = 4 << 10;

/// What is left of an answer's allowance.
#[derive(Clone, Debug)]
pub(super) struct Leash {
    left: u64,
    limit: u64,
    until: Instant,
    quiet: Duration,
}

impl Leash {
    /// So many octets in the usual time.
    pub(super) fn of(limit: u64) -> Self {
        Self::timed(limit, WHOLE, QUIET)
    }

    /// An answer that is no listing and no mail.
    pub(super) fn control() -> Self {
        Self::of(CONTROL)
    }

    /// A mail of so many octets, and what stands around it.
    pub(super) fn mail(octets: u64) -> Self {
        Self::timed(octets.saturating_add(CONTROL), WHOLE + Duration::from_secs(octets / RATE), QUIET)
    }

    /// So many octets within `whole`, and never silent for longer than `quiet`.
    pub(super) fn timed(limit: u64, whole: Duration, quiet: Duration) -> Self {
        Self { left: limit, limit, until: Instant::now() + whole, quiet }
    }

    /// How many of `wanted` octets may be read now.
    ///
    /// # Errors
    /// None at all: the server says more than it may.
    pub(super) fn allow(&self, when: &'static str, wanted: usize) -> Result<usize, Fault> {
        match usize::try_from(self.left).unwrap_or(usize::MAX).min(wanted) {
            0 => Err(Fault::TooMuch { when, limit: self.limit }),
            octets => Ok(octets),
        }
    }

    /// Whether an announced literal fits. Asked before anything of it is read.
    pub(super) fn fits(&self, when: &'static str, octets: u64) -> Result<(), Fault> {
        if octets > self.left { Err(Fault::TooMuch { when, limit: self.limit }) } else { Ok(()) }
    }

    /// Counts what was read.
    pub(super) fn spend(&mut self, octets: usize) {
        self.left = self.left.saturating_sub(octets as u64);
    }

    /// When the next octets must be there, and what to say when they are not.
    pub(super) fn deadline(&self, when: &'static str) -> (Instant, Fault) {
        ((Instant::now() + self.quiet).min(self.until), Fault::Silent { when, limit: self.quiet })
    }
}
