//! The port: where deliveries come from and where their outcome goes.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::attempt::Reason;
use crate::secret::Secret;

/// A delivery that this process alone may make now. Settling takes it by value: it can't be settled twice.
pub struct Claimed {
    /// The delivery.
    pub id: u64,
    /// `webhook-id`, the same in every try: ASCII without spaces, and without a dot (the signature has one as its separator).
    pub message: String,
    /// The endpoint that it goes to.
    pub endpoint: u64,
    /// The endpoint's URL. It is checked again in every try.
    pub url: String,
    /// The endpoint's secrets, newest first. All of them sign.
    pub secrets: Vec<Secret>,
    /// The body, the same in every try.
    pub body: String,
    /// Tries, this one included.
    pub attempts: u32,
    /// When it was first tried, or became due. Milliseconds since 1970.
    pub first_at: i64,
}

impl fmt::Debug for Claimed {
    /// Without the URL (people put tokens there) and without the body (it speaks of mail).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed")
            .field("id", &self.id)
            .field("message", &self.message)
            .field("endpoint", &self.endpoint)
            .field("attempts", &self.attempts)
            .field("first_at", &self.first_at)
            .finish_non_exhaustive()
    }
}

/// What became of one try, and how long it took: a line of the delivery log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Any 2xx.
    Delivered {
        /// The status.
        status: u16,
        /// Milliseconds.
        ms: u64,
    },
    /// Due again after a while. When the reason doesn't [count](Reason::counts), the owner takes the try back from
    /// `attempts`.
    Retry {
        /// How long from now.
        after: Duration,
        /// Why this try failed.
        reason: Reason,
        /// Milliseconds.
        ms: u64,
    },
    /// Never again by itself. [`lasting_failure`](crate::lasting_failure) says whether the endpoint is to be disabled.
    Failed {
        /// Why the last try failed.
        reason: Reason,
        /// Milliseconds.
        ms: u64,
    },
}

/// A durable queue of deliveries, owned by whoever has the data.
///
/// The owner promises:
/// - A claimed delivery is given to nobody else until it is settled or its lease has run out; the lease outlives
///   [`Limits::whole`](crate::Limits::whole), [`Limits::drain`](crate::Limits::drain) and what settling takes.
/// - At most N deliveries of one endpoint are claimed at once, N no more than
///   [`Settings::per_endpoint`](crate::Settings::per_endpoint): an endpoint that hangs then holds N places and not all.
/// - `attempts` is counted in the claim, before anybody tries.
/// - Its errors have no secrets and no mail text in their `Display`: they are logged.
pub trait Queue: Send + Sync {
    /// What went wrong on the other side.
    type Error: Error + Send + Sync + 'static;

    /// Takes deliveries that are due, at most `limit`.
    fn claim(&self, limit: usize) -> impl Future<Output = Result<Vec<Claimed>, Self::Error>> + Send;

    /// Says what became of one. After an error the worker forgets it: its lease ends, and it is tried again.
    fn settle(&self, delivery: Claimed, outcome: Outcome) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_url_nor_body_nor_secret() {
        let claimed = Claimed {
            id: 1,
            message: "msg_1".to_owned(),
            endpoint: 2,
            url: "https://hooks.example/TOKEN".to_owned(),
            secrets: Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").into_iter().collect(),
            body: "{\"subject\":\"PRIVATE\"}".to_owned(),
            attempts: 3,
            first_at: 4,
        };
        assert_eq!(format!("{claimed:?}"), "Claimed { id: 1, message: \"msg_1\", endpoint: 2, attempts: 3, first_at: 4, .. }");
    }
}
