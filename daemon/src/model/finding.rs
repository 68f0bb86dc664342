//! What content filters said of a mail.

use serde::{Deserialize, Serialize};

/// What one filter said of one mail. It stands with the mail's fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The filter's name in the configuration.
    pub filter: String,
    /// What shall become of the mail.
    pub action: Action,
    /// Why, one line of printable ASCII: in the filter's words, or where it failed in ours.
    #[serde(default)]
    pub why: Option<String>,
    /// Header fields that it wanted to add or change, `Name: value`. The mail itself stays as it came.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// What a filter wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The mail may pass.
    Accept,
    /// A person shall look at it: its own word, or a field that `hold_on` names.
    Quarantine,
    /// It shall vanish; here it is held.
    Discard,
    /// It shall be refused.
    Reject,
    /// It shall come again later.
    Tempfail,
    /// It was too large to be tested.
    Untested,
    /// The filter could not be asked.
    Failed,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Accept, Self::Quarantine, Self::Discard, Self::Reject, Self::Tempfail, Self::Untested, Self::Failed];

    /// The word in the database, the API and the metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Quarantine => "quarantine",
            Self::Discard => "discard",
            Self::Reject => "reject",
            Self::Tempfail => "tempfail",
            Self::Untested => "untested",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    /// Whether asking again later may find something else.
    pub fn is_temporary(&self) -> bool {
        matches!(self.action, Action::Tempfail | Action::Failed)
    }

    /// Whether a mail that is ours already must wait for a person. A filter that failed holds nothing: whoever runs it
    /// has said whether mail passes without it.
    pub fn holds(&self) -> bool {
        matches!(self.action, Action::Quarantine | Action::Discard | Action::Reject | Action::Tempfail)
    }

    /// The finding as a sentence for people.
    pub fn in_words(&self) -> String {
        let says = match self.action {
            Action::Accept => "lets it pass",
            Action::Quarantine => "wants it held",
            Action::Discard => "wants it thrown away",
            Action::Reject => "refuses it",
            Action::Tempfail => "refuses it for now",
            Action::Untested => "was not asked",
            Action::Failed => "could not be asked",
        };
        let why = self.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        let tags = if self.tags.is_empty() { String::new() } else { format!("; adds {}", self.tags.join("; ")) };
        format!("{} {says}{why}{tags}", self.filter)
    }
}
