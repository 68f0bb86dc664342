//! What is known of a person's address that has refused mail, or that mail was unwanted at.

use super::ids::OutboxId;

/// Begins the reason of a mail that was not tried, where else a server's reply stands.
pub const UNTRIED: &str = "not tried:";

/// The refusals of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// How often it was suppressed because there is nobody at it.
    pub hard: i64,
    /// Other refusals since `soft_since`.
    pub soft: i64,
    /// In ms.
    pub soft_since: i64,
    /// The last refusal, in ms.
    pub refused_at: i64,
    /// Its words.
    pub reply: String,
    /// Nothing is sent there before this, in ms.
    pub until: i64,
    /// The answer that was let through all the same, and when, in ms.
    pub tried: Option<(OutboxId, i64)>,
    /// Whether admins were told that somebody who works here gets no mail.
    pub told: bool,
    /// When a mail of ours was reported as unwanted there, in ms: nothing automatic is sent there until a person says so.
    pub complained_at: Option<i64>,
    /// The version that was read; 0 when there was none.
    pub version: i64,
}

impl Refusal {
    /// Whether nothing is sent there at `now` (ms).
    pub fn is_suppressed(&self, now: i64) -> bool {
        self.until > now
    }

    /// Whether any mail was refused there.
    pub fn has_refused(&self) -> bool {
        self.refused_at > 0 || self.until > 0
    }
}
