//! The mail that a decision is about.

use sha2::{Digest as _, Sha256};

use crate::model::address::fold;
use crate::model::people::Person;
use crate::model::{By, Envelope, Finding, InboxId, Understood, Verdict};

use super::author::Author;
use super::who::{Channel, From, Proof};

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
    /// What content filters said of it.
    pub findings: &'a [Finding],
    /// Reasons for which it was held and that a person has let pass.
    pub passed: &'a [String],
}

impl Mail<'_> {
    /// Whether a person has let it through although it was held for this reason. Every other reason still holds it.
    pub(super) fn has_passed(&self, reason: &str) -> bool {
        self.passed.iter().any(|p| p == reason)
    }

    /// What proves its From: the checks, or a word of the agent whom it names. An author who was taken from the envelope is
    /// never proven, and whoever else lets a mail through has not written it.
    pub(super) fn proof(&self, author: &Author) -> Proof {
        match () {
            () if author.unproven => Proof::None,
            () if self.has_passed("confirm") => Proof::Aligned,
            () if self.has_passed("author") => Proof::None,
            () => Proof::of(self.verdict),
        }
    }

    /// How it came, as far as its author is concerned: only agents hand mail in by logging in, to us or to a trusted relay.
    pub(super) fn channel(&self, from: From, author: Option<&Person>) -> Channel {
        let logged_in = self.verdict.aligned && self.verdict.by == Some(By::Submission);
        let is_theirs = self.envelope.auth_user.as_ref().is_none_or(|user| author.is_some_and(|a| a.has_address(&fold(user))));
        match from {
            From::Owner | From::Agent if logged_in && is_theirs => Channel::Submission,
            _ => Channel::Mail,
        }
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
