//! The port: where the index learns what has changed.

use std::error::Error;
use std::future::Future;

/// A place in the log that is followed; dense and rising.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// What is found: a ticket or an article.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A ticket, by its number.
    Ticket(u64),
    /// An article, by its slug.
    Article(String),
}

/// Text to be found under a key. All documents of a key are replaced together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    /// What is found.
    pub key: Key,
    /// Subject or title.
    pub title: String,
    /// Everything else that can be searched.
    pub text: String,
}

/// One change of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These are the documents of a key now.
    Put(Key, Vec<Doc>),
    /// Nothing is found under the key any more.
    Remove(Key),
}

/// A log of changes, owned by whoever has the data. The index asks; at least once is enough, order by key is not needed.
pub trait Feed: Send + Sync {
    /// What went wrong on the other side.
    type Error: Error + Send + Sync + 'static;

    /// Changes after a place, oldest first, at most `limit`, with the place that each ends at.
    fn changes(&self, after: Seq, limit: usize) -> impl Future<Output = Result<Vec<(Seq, Change)>, Self::Error>> + Send;

    /// All documents after a key, in the order of keys, at most `limit`: for building the index anew.
    fn all(&self, after: Option<&Key>, limit: usize) -> impl Future<Output = Result<Vec<Doc>, Self::Error>> + Send;
}
