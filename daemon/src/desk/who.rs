//! Who may act by mail: a total function from five closed sets of facts to an outcome.
//!
//! The rules are tried in order and the first that matches decides. Losing a proof never raises what a mail may do.

mod words;

use serde::{Deserialize, Serialize};

use crate::model::{By, Verdict};

/// How the mail came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// From outside, or through a relay.
    Mail,
    /// Handed over by an agent who authenticated (RFC 6409).
    Submission,
}

/// What the checks of From say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// An aligned DKIM signature, or a gateway that has verified for us.
    Aligned,
    /// Aligned SPF alone.
    Spf,
    /// Nothing aligned, nothing published, or not checked.
    None,
    /// DMARC failed where nothing is to be done about it (`p=none`).
    Fail,
    /// DMARC failed where it is to be quarantined or rejected.
    FailPolicy,
    /// The checks could not be made now.
    Temporary,
    /// The records are broken.
    Permanent,
}

impl Proof {
    /// What a verdict amounts to. What a domain denies is denied, whatever else was found.
    pub fn of(verdict: &Verdict) -> Self {
        let says = |word: &Option<String>, wanted: &str| word.as_deref() == Some(wanted);
        match verdict.by {
            Some(By::Submission | By::Nobody) if verdict.aligned => Self::Aligned,
            _ if says(&verdict.dmarc, "fail") && (says(&verdict.policy, "reject") || says(&verdict.policy, "quarantine")) => {
                Self::FailPolicy
            }
            _ if says(&verdict.dmarc, "fail") => Self::Fail,
            Some(By::Spf) if verdict.aligned => Self::Spf,
            _ if verdict.aligned => Self::Aligned,
            _ if verdict.is_temporary() => Self::Temporary,
            _ if says(&verdict.dmarc, "permerror") => Self::Permanent,
            _ => Self::None,
        }
    }

    /// Whether somebody is proven to have written it.
    pub fn is_proof(self) -> bool {
        matches!(self, Self::Aligned | Self::Spf)
    }
}

/// The strongest of our recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A valid address of an agent.
    Agent,
    /// An expired one.
    AgentExpired,
    /// A revoked one.
    AgentRevoked,
    /// A valid address of a customer.
    Customer,
    /// An expired one: a hint.
    CustomerExpired,
    /// A mailbox.
    Plain,
}

/// The author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// The agent whose address it was sent to.
    Owner,
    /// Another active agent.
    Agent,
    /// Somebody who worked here once.
    FormerAgent,
    /// On the ticket.
    Party,
    /// Anybody else.
    Stranger,
    /// One of our own addresses.
    Own,
    /// Nobody that can be told.
    Malformed,
}

/// What the mail may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Act as the agent whose address it was sent to.
    Act,
    /// An internal note by that (other) agent, never public.
    Note,
    /// A customer's message.
    Customer,
    /// The same, marked: nobody proved the author.
    CustomerUnverified,
    /// Shown to agents only.
    ThirdParty,
    /// A new ticket, by an agent who used no signed address.
    OnBehalf,
    /// Held until the agent confirms by a one-use address.
    Confirm,
    /// Held for a person.
    Hold,
    /// Automatic mail: another table decides.
    Automatic,
}

/// What is known of a mail, what it may do, and the rule that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// How it came.
    pub channel: Channel,
    /// What proves its From.
    pub proof: Proof,
    /// What it was sent to.
    pub address: Kind,
    /// Who wrote it.
    pub author: From,
    /// Not written by a person just now.
    pub automatic: bool,
    /// SPF alone is enough for this agent.
    pub allow_spf: bool,
    /// The number of the rule; `tests/golden/who_acts.txt` lists them.
    pub rule: u8,
    /// What it may do.
    pub outcome: Outcome,
}

/// Decides.
pub fn decide(channel: Channel, proof: Proof, address: Kind, author: From, automatic: bool, allow_spf: bool) -> Decision {
    let submitted = channel == Channel::Submission;
    let (rule, outcome) = ruled(submitted, proof, address, author, automatic, allow_spf);
    Decision { channel, proof, address, author, automatic, allow_spf, rule, outcome }
}

fn ruled(submitted: bool, proof: Proof, kind: Kind, from: From, automatic: bool, allow_spf: bool) -> (u8, Outcome) {
    use Outcome::{Act, Automatic, Confirm, Customer, CustomerUnverified, Hold, Note, OnBehalf, ThirdParty};
    let agents = matches!(kind, Kind::Agent | Kind::AgentExpired);
    match (kind, from, proof) {
        (_, From::Malformed, _) => (1, Hold),
        (Kind::AgentRevoked, ..) => (3, Hold),
        (_, _, Proof::FailPolicy) if !submitted => (4, Hold),
        (_, From::Own, _) if !submitted => (5, Hold),
        _ if automatic => (if agents { 6 } else { 7 }, Automatic),
        _ if submitted => match (kind, from) {
            (Kind::Agent, From::Owner) => (8, Act),
            (Kind::AgentExpired, From::Owner) => (20, Confirm),
            (Kind::Customer | Kind::CustomerExpired, From::Owner | From::Agent) => (25, Note),
            (Kind::Plain, From::Owner | From::Agent) => (30, OnBehalf),
            _ => (9, Hold),
        },
        (Kind::Agent, From::Owner, _) => match proof {
            Proof::Aligned => (13, Act),
            Proof::Spf if allow_spf => (14, Act),
            Proof::Spf => (14, Confirm),
            Proof::Fail | Proof::FailPolicy => (10, Hold),
            Proof::Temporary => (15, Confirm),
            Proof::None | Proof::Permanent => (16, Confirm),
        },
        (Kind::AgentExpired, From::Owner, Proof::Aligned) => (20, Confirm),
        (Kind::AgentExpired, From::Owner, _) => (20, Hold),
        (Kind::Agent, From::Agent, Proof::Aligned) => (17, Note),
        (_, From::Agent, _) if agents => (17, Hold),
        (_, From::FormerAgent, _) if agents => (18, Hold),
        (_, _, Proof::Fail | Proof::Permanent) if agents => (19, Hold),
        (_, From::Party, Proof::Aligned | Proof::Spf) if agents => (19, Customer),
        (_, From::Party, _) if agents => (19, CustomerUnverified),
        _ if agents => (19, ThirdParty),
        (Kind::Customer, From::Owner | From::Agent, Proof::Aligned) => (25, Note),
        (Kind::Customer, From::Owner | From::Agent | From::FormerAgent, _) => (25, Hold),
        (Kind::Customer, From::Party, Proof::Fail) => (23, Hold),
        (Kind::Customer, From::Party, Proof::Aligned | Proof::Spf) => (21, Customer),
        (Kind::Customer, From::Party, _) => (22, CustomerUnverified),
        (Kind::Customer, _, Proof::Fail) => (24, Hold),
        (Kind::Customer, ..) => (24, ThirdParty),
        (_, From::Owner | From::Agent, Proof::Aligned) => (30, OnBehalf),
        (_, From::Owner | From::Agent | From::FormerAgent, Proof::Fail) => (30, Hold),
        (_, From::Owner | From::Agent | From::FormerAgent, _) => (30, CustomerUnverified),
        (_, _, Proof::Aligned | Proof::Spf) => (27, Customer),
        // A domain that asks for nothing (`p=none`) keeps its customers from no desk; nobody acts in its name.
        (_, _, Proof::Fail) => (29, CustomerUnverified),
        _ => (28, CustomerUnverified),
    }
}

/// What the outcome becomes when the mail has a ticket, and after a person has let through what was held for its author.
pub fn on_ticket(outcome: Outcome, from: From, on_ticket: bool, let_through: bool) -> Outcome {
    match (outcome, from) {
        // A person has seen it and wants it: on its ticket for agents to see, else as a ticket of its own.
        (Outcome::Hold, _) if let_through && on_ticket => Outcome::ThirdParty,
        (Outcome::Hold, _) if let_through => Outcome::CustomerUnverified,
        // What may be an agent's words, unproven, must not stand there as the customer's.
        (Outcome::CustomerUnverified, From::Owner | From::Agent | From::FormerAgent) if on_ticket => Outcome::ThirdParty,
        _ => outcome,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(c: Channel, d: Proof, t: Kind, f: From, x: bool, spf: bool) -> Outcome {
        decide(c, d, t, f, x, spf).outcome
    }

    const CHANNELS: [Channel; 2] = [Channel::Mail, Channel::Submission];
    const PROOFS: [Proof; 7] =
        [Proof::Aligned, Proof::Spf, Proof::None, Proof::Fail, Proof::FailPolicy, Proof::Temporary, Proof::Permanent];
    const KINDS: [Kind; 6] = [Kind::Agent, Kind::AgentExpired, Kind::AgentRevoked, Kind::Customer, Kind::CustomerExpired, Kind::Plain];
    const FROMS: [From; 7] = [From::Owner, From::Agent, From::FormerAgent, From::Party, From::Stranger, From::Own, From::Malformed];

    fn every(mut check: impl FnMut(Channel, Proof, Kind, From, bool, bool, Outcome)) -> usize {
        let mut n = 0;
        for c in CHANNELS {
            for d in PROOFS {
                for t in KINDS {
                    for f in FROMS {
                        for (x, spf) in [(false, false), (false, true), (true, false), (true, true)] {
                            check(c, d, t, f, x, spf, outcome(c, d, t, f, x, spf));
                            n += 1;
                        }
                    }
                }
            }
        }
        n
    }

    #[test]
    fn only_the_owner_of_a_valid_address_acts_and_only_proven() {
        let mut acting = 0;
        let n = every(|c, d, t, f, x, spf, o| {
            if o == Outcome::Act {
                acting += 1;
                assert!(t == Kind::Agent && f == From::Owner && !x, "{c:?} {d:?} {t:?} {f:?}");
                assert!(c == Channel::Submission || d == Proof::Aligned || (d == Proof::Spf && spf), "{d:?}");
            }
        });
        assert_eq!(n, 2 * 7 * 6 * 7 * 4);
        // Aligned with and without allow_spf, SPF with it, and every proof over submission twice.
        assert_eq!(acting, 2 + 1 + 14);
    }

    #[test]
    fn a_revoked_address_and_an_unknown_author_are_held() {
        every(|_, _, t, f, _, _, o| {
            if t == Kind::AgentRevoked || f == From::Malformed {
                assert_eq!(o, Outcome::Hold);
            }
        });
    }

    #[test]
    fn losing_the_proof_never_raises_what_a_mail_may_do() {
        every(|c, d, t, f, x, spf, o| {
            if d == Proof::Aligned && matches!(o, Outcome::Confirm | Outcome::Hold) {
                for less in PROOFS {
                    assert_ne!(outcome(c, less, t, f, x, spf), Outcome::Act);
                }
            }
            if d != Proof::Aligned && o == Outcome::Note {
                assert_eq!(c, Channel::Submission);
            }
        });
    }

    #[test]
    fn a_ticket_and_a_persons_word_never_let_anybody_act() {
        every(|_, _, _, f, _, _, o| {
            for (on, word) in [(false, false), (false, true), (true, false), (true, true)] {
                let then = on_ticket(o, f, on, word);
                assert!(then == o || matches!(then, Outcome::ThirdParty | Outcome::CustomerUnverified), "{o:?} {f:?} -> {then:?}");
            }
        });
    }

    #[test]
    fn a_stranger_with_a_leaked_address_is_a_third_party() {
        for t in [Kind::Agent, Kind::AgentExpired, Kind::Customer] {
            assert_eq!(outcome(Channel::Mail, Proof::Aligned, t, From::Stranger, false, false), Outcome::ThirdParty);
        }
    }
}
