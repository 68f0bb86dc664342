//! People: customers and those who work here.

use serde::{Deserialize, Serialize};

use super::ids::PersonId;
use super::refusal::Refusal;
use super::ticket::{Role, words};

words!(
    /// Which notifications an agent gets.
    Notify {
        /// Everything on every ticket of the desk.
        All = "all",
        /// New tickets of their teams, and what they have or follow.
        Team = "team",
        /// What they have or follow.
        Mine = "mine",
        /// Nothing.
        None = "none",
    }
);

/// One person as the desk knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Row id; stands in tokens.
    pub id: PersonId,
    /// Address as we mail to it.
    pub address: String,
    /// Display name.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Raised to revoke every token of theirs.
    pub epoch: i64,
    /// Works here no more.
    pub disabled: bool,
    /// Has answered one of our signed addresses, which proves that they read mail there.
    pub answered: bool,
    /// Mail of theirs is held until then, in ms.
    pub spam_until: Option<i64>,
    /// How an agent wants to work; defaults for customers.
    pub settings: Settings,
    /// Further verified addresses, folded.
    pub aliases: Vec<String>,
    /// That their address has refused mail.
    pub refusal: Option<Box<Refusal>>,
}

/// What an admin sets for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Teams; a team exists by being named.
    pub teams: Vec<String>,
    /// Which notifications they get.
    pub notify: Notify,
    /// Whether each answer is receipted.
    pub receipts_all: bool,
    /// Whether SPF alone proves them.
    pub allow_spf: bool,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// Quiet hours, as written.
    pub quiet: Option<String>,
    /// What stands below each of their answers.
    pub signature: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            teams: Vec::new(),
            notify: Notify::Team,
            receipts_all: false,
            allow_spf: false,
            timezone: None,
            quiet: None,
            signature: None,
        }
    }
}

impl Person {
    /// Works tickets and is allowed to.
    pub fn is_active_agent(&self) -> bool {
        !self.disabled && matches!(self.role, Role::Agent | Role::Admin)
    }

    /// What is known of this address, if it is theirs and nothing is sent there at `now` (ms).
    pub fn suppressed(&self, address: &str, now: i64) -> Option<&Refusal> {
        let is_theirs = super::address::fold(address) == super::address::fold(&self.address);
        self.refusal.as_deref().filter(|refusal| is_theirs && refusal.is_suppressed(now))
    }

    /// When a mail to this address was reported as unwanted (ms), if it is theirs. Whoever works here is mailed all the same: those
    /// mails are their work, and whether they want them is a setting of theirs.
    pub fn complained(&self, address: &str) -> Option<i64> {
        let is_theirs = super::address::fold(address) == super::address::fold(&self.address);
        self.refusal.as_deref().filter(|_| is_theirs && !self.is_staff()).and_then(|refusal| refusal.complained_at)
    }

    /// Works here or did: agent, admin or viewer.
    pub fn is_staff(&self) -> bool {
        self.role != Role::Customer
    }

    /// Whether `address` (folded) is theirs.
    pub fn has_address(&self, address: &str) -> bool {
        super::address::fold(&self.address) == address || self.aliases.iter().any(|a| a == address)
    }

    /// The name to show, else the local part of the address.
    pub fn shown_name(&self) -> &str {
        match &self.name {
            Some(name) if !name.is_empty() => name,
            _ => super::address::split(&self.address).map_or(self.address.as_str(), |(local, _)| local),
        }
    }
}

#[cfg(test)]
impl Person {
    /// An agent of whom nothing else is known.
    pub fn agent(id: PersonId, address: &str) -> Self {
        Self {
            id,
            address: address.to_owned(),
            name: None,
            role: Role::Agent,
            epoch: 0,
            disabled: false,
            answered: false,
            spam_until: None,
            settings: Settings::default(),
            aliases: Vec::new(),
            refusal: None,
        }
    }
}
