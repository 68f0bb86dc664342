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
/// Pause within an answer, or before one that needs no work. What needs work may take the account's `patience`.
const QUIET: Duration = Duration::from_secs(60);
/// The whole answer to a command that needs no work.
const WHOLE: Duration = Duration::from_secs(300);
/// The whole answer to one that does, in times of the patience.
const LONG: u32 = 3;
/// The slowest that a mail may come, in octets a second.
const RATE: u64 = 4 << 10;

/// What is left of an answer's allowance.
#[derive(Clone, Debug)]
pub(super) struct Leash {
    left: u64,
    limit: u64,
    whole: Duration,
    until: Instant,
    /// Before the first octets.
    first: Duration,
    quiet: Duration,
}

impl Leash {
    /// What a server answers at once.
    pub(super) fn short(patience: Duration) -> Self {
        Self::timed(CONTROL, WHOLE, QUIET.min(patience))
    }

    /// So many octets from a server that may have to work for them.
    pub(super) fn slow(limit: u64, patience: Duration) -> Self {
        Self::timed(limit, patience * LONG, patience)
    }

    /// A mail of so many octets, and what stands around it. The server may have to work before the first of them.
    pub(super) fn mail(octets: u64, patience: Duration) -> Self {
        let whole = patience.max(WHOLE) + Duration::from_secs(octets / RATE);
        Self { first: patience, ..Self::timed(octets.saturating_add(CONTROL), whole, QUIET.min(patience)) }
    }

    /// So many octets within `whole`, and never silent for longer than `quiet`.
    pub(super) fn timed(limit: u64, whole: Duration, quiet: Duration) -> Self {
        Self { left: limit, limit, whole, until: Instant::now() + whole, first: quiet, quiet }
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
        let quiet = if self.left == self.limit { self.first } else { self.quiet };
        let silent = Instant::now() + quiet;
        match silent < self.until {
            true => (silent, Fault::Silent { when, limit: quiet }),
            false => (self.until, Fault::Slow { when, limit: self.whole }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_may_be_long_in_coming_and_not_pause_for_long() {
        let mut leash = Leash::mail(100 << 20, Duration::from_secs(300));
        let limit = |leash: &Leash| match leash.deadline("FETCH") {
            (_, Fault::Silent { limit, .. }) => limit.as_secs(),
            (_, other) => unreachable!("{other}"),
        };
        assert_eq!(limit(&leash), 300);
        leash.spend(1);
        assert_eq!(limit(&leash), 60);
    }

    #[test]
    fn what_took_too_long_in_all_is_told_apart_from_silence() {
        let leash = Leash::timed(10, Duration::from_secs(5), Duration::from_secs(60));
        assert_eq!(leash.deadline("SEARCH").1.to_string(), "SEARCH: the server took longer than 5 s");
    }
}
