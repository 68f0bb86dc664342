//! What the index says about itself, for a status page.

use std::time::Instant;

/// How the index is. Readable at any time through a watch channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The last event that searches know of.
    pub seq: u64,
    /// Documents in the index.
    pub docs: u64,
    /// Searches are answered.
    pub ready: bool,
    /// How many keys of a rebuild are done, while there is one.
    pub building: Option<u64>,
    /// What keeps the index from following, while something does.
    pub failing: Option<Failing>,
}

/// A trouble that lasts. It is tried again until it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Instant,
    /// What, where, what to do.
    pub error: String,
}
