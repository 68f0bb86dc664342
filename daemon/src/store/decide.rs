//! Runs a decision: reads what it needs, commits what it says, and lets it decide anew when it lost a race.

use std::convert::Infallible;

use crate::model::MessageId;
use crate::model::changes::Changes;
use crate::model::facts::{Facts, Step};

use super::{Cmd, Outcome, Store, StoreError};

/// Rounds of asking for facts.
const ROUNDS: usize = 8;
/// Races that may be lost before the matter goes back.
const RACES: usize = 10;

impl Store {
    /// Takes a decision to its commit.
    ///
    /// # Errors
    /// What the store says; a conflict after several races is temporary.
    pub async fn settle(&self, decide: impl Fn(&Facts) -> Step) -> Result<(), StoreError> {
        match self.try_settle(|facts| Ok::<_, Infallible>(decide(facts))).await? {
            Ok(_) => Ok(()),
            Err(never) => match never {},
        }
    }

    /// The same for a decision that may refuse; says which messages it made.
    ///
    /// # Errors
    /// What the store says; within, why the decision refused.
    pub async fn try_settle<E>(&self, decide: impl Fn(&Facts) -> Result<Step, E>) -> Result<Result<Vec<MessageId>, E>, StoreError> {
        // Many mails about one ticket would all begin anew after each commit, and only one of them would win.
        let mut turn = None;
        for _ in 0..RACES {
            let changes = match self.decided(&decide).await? {
                Ok(changes) => changes,
                Err(refused) => return Ok(Err(refused)),
            };
            match self.run(Cmd::Commit(changes)).await {
                Err(StoreError::Conflict(what)) => {
                    tracing::debug!(what, "lost a race; deciding anew");
                    if turn.is_none() {
                        turn = Some(self.inner.losers.lock().await);
                    }
                }
                Ok(Outcome::Made(messages)) => return Ok(Ok(messages)),
                Ok(_) => return Err(StoreError::Corrupt("a decision came to something else".into())),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict("too many others at once"))
    }

    /// Asks for facts until the decision is made.
    ///
    /// # Errors
    /// What the store says, or that the decision never ends; within, why the decision refused.
    pub async fn decided<E>(&self, decide: &impl Fn(&Facts) -> Result<Step, E>) -> Result<Result<Box<Changes>, E>, StoreError> {
        let mut facts = Facts::default();
        for _ in 0..ROUNDS {
            match decide(&facts) {
                Ok(Step::Done(changes)) => return Ok(Ok(changes)),
                Ok(Step::Need(keys)) => self.facts(&mut facts, &keys).await?,
                Err(refused) => return Ok(Err(refused)),
            }
        }
        Err(StoreError::Corrupt("a decision asks for ever more".into()))
    }
}
