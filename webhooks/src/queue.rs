//! The port: where deliveries come from and where their outcome goes.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

/// A delivery that this process alone may make now. Settling takes it by value: it can't be settled twice.
#[derive(Debug)]
pub struct Claimed {
    /// The delivery.
    pub id: u64,
    /// `webhook-id` of every try of it.
    pub event: String,
    /// Where it goes.
    pub url: String,
    /// The body, the same in every try.
    pub body: String,
    /// Tries, this one included.
    pub attempts: u32,
}

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Any 2xx.
    Done,
    /// Try again after this.
    Retry(Duration, String),
    /// Never again.
    Fail(String),
}

/// A durable queue of deliveries, owned by whoever has the data.
pub trait Queue: Send + Sync {
    /// What went wrong on the other side.
    type Error: Error + Send + Sync + 'static;

    /// Takes deliveries that are due, at most `limit`.
    fn claim(&self, limit: usize) -> impl Future<Output = Result<Vec<Claimed>, Self::Error>> + Send;

    /// Says what became of one.
    fn settle(&self, delivery: Claimed, outcome: Outcome) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
