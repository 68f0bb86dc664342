//! The port: where the index learns what has changed. Whoever has the data implements it.

use std::error::Error;
use std::future::Future;

use crate::doc::Doc;

/// What is found: a ticket or an article.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A ticket, by its number.
    Ticket(u64),
    /// An article, by its slug.
    Article(String),
}

impl Key {
    /// The key as a term of the index: a letter for the kind, then the number or the slug.
    pub(crate) fn term(&self) -> String {
        match self {
            Self::Ticket(number) => format!("t{number}"),
            Self::Article(slug) => format!("a{slug}"),
        }
    }

    /// The key that a term names; nothing if the term is none of ours.
    pub(crate) fn of_term(term: &str) -> Option<Self> {
        match term.split_at_checked(1)? {
            ("t", number) => number.parse().ok().map(Self::Ticket),
            ("a", slug) => Some(Self::Article(slug.to_owned())),
            _ => None,
        }
    }
}

/// Where a log stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Names the log. It changes when the log may have been rewritten, as after a restore; then the index is built anew.
    pub log_id: String,
    /// Raised to have the index built anew from the same log.
    pub epoch: u64,
    /// The last event of the log.
    pub seq: u64,
}

/// The keys that the events after a place have touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The last event that was looked at; the place that was asked for if there is nothing new.
    pub upto: u64,
    /// What those events touched, in any order, the same key any number of times.
    pub keys: Vec<Key>,
}

/// A log of changes, owned by whoever has the data. The index asks, and every question may be asked again: reading at
/// least once is enough.
pub trait Feed: Send + Sync {
    /// What went wrong on the other side.
    type Error: Error + Send + Sync + 'static;

    /// Where the log stands.
    fn head(&self) -> impl Future<Output = Result<Head, Self::Error>> + Send;

    /// What at most `limit` events after a place have touched, oldest events first.
    fn changes(&self, after: u64, limit: usize) -> impl Future<Output = Result<Batch, Self::Error>> + Send;

    /// Today's documents of these keys. A key that comes back without a document is no longer found.
    fn docs(&self, keys: &[Key]) -> impl Future<Output = Result<Vec<Doc>, Self::Error>> + Send;

    /// At most `limit` keys after one, in the order of [`Key`]: for building the index anew.
    fn keys(&self, after: Option<&Key>, limit: usize) -> impl Future<Output = Result<Vec<Key>, Self::Error>> + Send;
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Key;

    #[test]
    fn a_key_comes_back_from_its_term() {
        for key in [Key::Ticket(0), Key::Ticket(u64::MAX), Key::Article("how-to".into()), Key::Article(String::new())] {
            assert_eq!(Key::of_term(&key.term()).unwrap(), key);
        }
        for none in ["", "t", "tx", "z1", "é"] {
            assert_eq!(Key::of_term(none), None, "{none}");
        }
    }
}
