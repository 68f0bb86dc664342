//! A decision in plain words, for whoever asks later why a mail did what it did.

use super::{Channel, Decision, From, Kind, Outcome, Proof};

impl Decision {
    /// What was known, the rule, and what followed.
    pub fn in_words(&self) -> String {
        let Self { rule, outcome, .. } = self;
        let written = if self.automatic { "automatic mail" } else { "a mail" };
        format!(
            "{written} {channel}, to {address}, by {author}, {proof}. Rule {rule}: {why}. So it {outcome}.",
            channel = came(self.channel),
            address = sent_to(self.address),
            author = by(self.author),
            proof = proven(self.proof),
            why = why(*rule),
            outcome = does(*outcome),
        )
    }
}

fn came(channel: Channel) -> &'static str {
    match channel {
        Channel::Mail => "that came from outside",
        Channel::Submission => "from an agent who has logged in",
    }
}

fn sent_to(address: Kind) -> &'static str {
    match address {
        Kind::Agent => "the signed address of an agent",
        Kind::AgentExpired => "an expired address of an agent",
        Kind::AgentRevoked => "a revoked address of an agent",
        Kind::Customer => "the signed address of a customer",
        Kind::CustomerExpired => "an expired address of a customer",
        Kind::Plain => "a mailbox",
    }
}

fn by(author: From) -> &'static str {
    match author {
        From::Owner => "the agent whose address that is",
        From::Agent => "an agent",
        From::FormerAgent => "somebody who works here no more",
        From::Party => "somebody on the ticket",
        From::Stranger => "somebody who is not on its ticket",
        From::Own => "an address of this desk",
        From::Malformed => "nobody that can be told",
    }
}

fn proven(proof: Proof) -> &'static str {
    match proof {
        Proof::Aligned => "which is proven or was vouched for",
        Proof::Spf => "which SPF alone proves",
        Proof::None => "which nothing proves",
        Proof::Fail => "which their domain denies (DMARC) without asking for more",
        Proof::FailPolicy => "which their domain denies (DMARC)",
        Proof::Temporary => "which could not be checked, for the DNS did not answer",
        Proof::Permanent => "which can't be checked, for their domain's records are broken",
    }
}

fn why(rule: u8) -> &'static str {
    match rule {
        1 => "where From names no one author, nobody acts",
        3 => "a revoked address is good for nothing",
        4 => "what a domain wants kept away in its name waits for a person",
        5 => "nobody writes to the desk as the desk",
        6 => "automatic mail to an agent's address is kept, and never published or carried out",
        7 => "automatic mail is filed by its class",
        8 => "an agent who has logged in acts through an address of theirs",
        9 => "whoever has logged in uses their own addresses alone",
        10 => "what the agent's own domain denies waits for a person",
        13 => "an agent acts through an address of theirs when the mail is proven",
        14 => "SPF alone proves an agent where an admin has allowed it, else they are asked",
        15 | 16 => "an agent whom nothing proves is asked whether the mail is theirs",
        17 => "through another agent's address one leaves a note at most, and only proven",
        18 => "who works here no more does not act",
        19 => "an agent's address does nothing for others: they are heard as who they are",
        20 => "an expired address asks its agent once more, if the mail is proven",
        21 => "who is on the ticket is heard",
        22 => "who is on the ticket is heard, and marked while nothing proves them",
        23 => "what the author's own domain denies waits for a person, where it would join a ticket",
        24 => "who is not on the ticket is seen by agents alone, and not believed against their domain",
        25 => "an agent's mail to a customer's address stays inside, and only proven",
        27 => "a proven mail is a customer's",
        28 | 29 => "a customer's mail is taken, and marked while nothing proves them",
        30 => "an agent's mail to a mailbox opens a ticket in their name when it is proven, else it is anybody's",
        _ => "it is not known any more",
    }
}

fn does(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Act => "acts as that agent",
        Outcome::Note => "is an internal note",
        Outcome::Customer => "is a customer's message",
        Outcome::CustomerUnverified => "is a customer's message, marked as unverified",
        Outcome::ThirdParty => "is shown to agents alone",
        Outcome::OnBehalf => "opens a ticket in the agent's name",
        Outcome::Confirm => "waits until the agent has confirmed it",
        Outcome::Hold => "waits for a person",
        Outcome::Automatic => "is filed as automatic mail",
    }
}

#[cfg(test)]
mod tests {
    use super::super::decide;
    use super::*;

    #[test]
    fn a_decision_says_what_it_was_made_from() {
        let decision = decide(Channel::Mail, Proof::Spf, Kind::Agent, From::Owner, false, false);
        assert_eq!(
            decision.in_words(),
            "a mail that came from outside, to the signed address of an agent, by the agent whose address that is, which SPF alone \
             proves. Rule 14: SPF alone proves an agent where an admin has allowed it, else they are asked. So it waits until the agent \
             has confirmed it."
        );
    }
}
