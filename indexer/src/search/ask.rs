//! What a search is asked and what it answers.

use std::time::Duration;

use thiserror::Error;

use crate::feed::Key;

/// Deepest hit that can be asked for: offset and limit together.
pub const MAX_HITS: usize = 1000;

/// What is searched at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Tickets and articles.
    #[default]
    All,
    /// Tickets alone.
    Tickets,
    /// Articles alone.
    Articles,
    /// Articles that are published and not internal.
    PublicArticles,
}

/// Which hits are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many at most. Offset and limit together end at [`MAX_HITS`].
    pub limit: usize,
    /// How many of the best ones to leave out.
    pub offset: usize,
    /// What is searched.
    pub scope: Scope,
    /// How long it may take. It is looked at every 512 documents that match.
    pub budget: Duration,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 25, offset: 0, scope: Scope::All, budget: Duration::from_secs(1) }
    }
}

/// One thing found. It is a hint: the thing may have changed or gone since.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// What was found.
    pub key: Key,
    /// How well it fits; comparable within one answer. 0 if no words were asked for.
    pub score: f32,
}

/// The answer of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// The page that was asked for, best first; of equal ones, the newest first.
    pub items: Vec<Hit>,
    /// How many there are in all.
    pub total: u64,
}

/// Why a search has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// There is no index to answer from.
    #[error("the search index is being built; try again later")]
    Rebuilding,
    /// It took too long.
    #[error("the search took longer than {} ms; ask for something more particular", .0.as_millis())]
    Timeout(Duration),
    /// A `me` was never replaced: see [`Query::for_person`](crate::Query::for_person).
    #[error("nobody is \"me\" here; write an address instead")]
    NobodyIsMe,
    /// The files of the index can't be read.
    #[error("the search index can't be read: {0}; it is built anew by itself, or when its folder is deleted")]
    Broken(String),
}

impl SearchError {
    /// Whether the same question may have an answer later.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, Self::NobodyIsMe)
    }
}

impl From<tantivy::TantivyError> for SearchError {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<std::io::Error> for SearchError {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}
