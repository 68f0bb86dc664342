//! The mail that a decision is about.

use sha2::{Digest as _, Sha256};

use crate::model::address::fold;
use crate::model::people::Person;
use crate::model::{Envelope, InboxId, Transport, Understood, Verdict};

/// A mail to decide.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// Its inbox row.
    pub id: InboxId,
    /// The node that has claimed it.
    pub node: i64,
    /// When it came in, in ms.
    pub received_at: i64,
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// SHA-256 of its bytes.
    pub blob: &'a [u8],
    /// What it says.
    pub understood: &'a Understood,
    /// What the checks of its author found.
    pub verdict: &'a Verdict,
    /// Reasons for which it was held and that a person has let pass.
    pub passed: &'a [String],
}

impl Mail<'_> {
    /// Whether a person has let it through although it was held for this reason. Every other reason still holds it.
    pub(super) fn has_passed(&self, reason: &str) -> bool {
        self.passed.iter().any(|p| p == reason)
    }

    /// Whether this agent has logged in to hand it over.
    pub(super) fn is_submitted_by(&self, agent: &Person) -> bool {
        let user = self.envelope.auth_user.as_deref().filter(|_| self.envelope.transport == Transport::Submission);
        user.is_some_and(|user| agent.has_address(&fold(user)))
    }

    /// Whether its From is proven: by the checks, by a log-in, or by a person's word.
    pub(super) fn is_proven(&self) -> bool {
        self.verdict.aligned || self.envelope.transport == Transport::Submission || self.has_passed("confirm") || self.has_passed("author")
    }

    /// What tells a copy of this mail from another mail. What it says is enough when it has a Message-ID; without one
    /// its bytes count as well, and without a Date only copies of the same ten minutes are copies.
    pub(super) fn fingerprint(&self) -> Vec<u8> {
        let mut print = Sha256::new_with_prefix(self.understood.facts.fingerprint);
        if self.understood.message_id.is_none() {
            print.update(self.blob);
            if self.understood.date.is_none() {
                print.update(self.received_at.div_euclid(600_000).to_be_bytes());
            }
        }
        print.finalize().to_vec()
    }
}
