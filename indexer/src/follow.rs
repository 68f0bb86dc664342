//! The loop that follows a feed. What can go wrong is told, waited out and tried again; searches go on meanwhile.

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::disk::FolderError;
use crate::feed::Feed;
use crate::search::Searcher;
use crate::session::{Session, Wait, blocking};
use crate::state::{Failing, State};
use crate::writer::{WriteError, open};

/// The pause between questions to a silent feed.
const POLL: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause while somebody else is waited for: a database, another process.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause before work that may be all of a rebuild, in vain.
const LAST_REOPENING: Duration = Duration::from_secs(60);

/// An index over a folder: what writes it, and handles for those who read.
pub struct Index {
    dir: PathBuf,
    pub(crate) searcher: Searcher,
    pub(crate) state: watch::Sender<State>,
}

/// What ends a session with the folder, or is waited out within it.
#[derive(Debug, Error)]
pub(crate) enum Trouble<E> {
    #[error("the feed of the search index does not answer: {0}")]
    Feed(E),
    #[error("the feed of the search index lists its keys out of order; building the index anew can't end")]
    Disorder,
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Index {
    /// An index in a folder. Nothing is touched before [`follow`](Self::follow) runs.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), searcher: Searcher::default(), state: watch::Sender::new(State::default()) }
    }

    /// Answers queries as soon as there is something to answer from.
    pub fn searcher(&self) -> Searcher {
        self.searcher.clone()
    }

    /// How the index is, now and whenever it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Follows a feed until `stop` is done. A `nudge` says that there is something new; without one it is found within a
    /// second. Must run in a tokio runtime with time; file work runs on its blocking threads.
    pub async fn follow<F: Feed>(&self, feed: &F, nudge: &Notify, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.sessions(feed, nudge) => {}
        }
    }

    /// Opens the folder, again and again if need be.
    async fn sessions<F: Feed>(&self, feed: &F, nudge: &Notify) {
        let mut pause = Pause::default();
        loop {
            let Err(trouble) = self.session(feed, nudge, &mut pause).await;
            self.failing(&trouble);
            sleep(pause.next(&trouble)).await;
        }
    }

    /// Follows with the folder open; ends when it has to be opened anew.
    async fn session<F: Feed>(&self, feed: &F, nudge: &Notify, pause: &mut Pause) -> Result<Infallible, Trouble<F::Error>> {
        let found = blocking({
            let dir = self.dir.clone();
            move || open(&dir)
        })
        .await?;
        let mut session = Session::new(self, feed, found);
        loop {
            match session.round().await {
                Ok(Wait::News) => {
                    // Everything is done, not only begun again.
                    self.healthy();
                    *pause = Pause::default();
                    drop(timeout(POLL, nudge.notified()).await);
                }
                Ok(Wait::For(span)) => sleep(span).await,
                Err(trouble @ Trouble::Write(_)) => return Err(trouble),
                Err(trouble) => {
                    self.failing(&trouble);
                    sleep(pause.next(&trouble)).await;
                }
            }
        }
    }

    fn failing<E: std::error::Error>(&self, trouble: &Trouble<E>) {
        let error = trouble.to_string();
        self.state.send_if_modified(|state| {
            let new = state.failing.as_ref().is_none_or(|failing| failing.error != error);
            if new {
                tracing::warn!(%error, "the search index does not follow");
                let since = state.failing.as_ref().map_or_else(Instant::now, |failing| failing.since);
                state.failing = Some(Failing { since, error });
            }
            new
        });
    }

    pub(crate) fn healthy(&self) {
        self.state.send_if_modified(|state| state.failing.take().is_some());
    }
}

/// The pause after the next trouble; each is twice as long as the one before.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    fn next<E>(&mut self, trouble: &Trouble<E>) -> Duration {
        let longest = match trouble {
            Trouble::Feed(_) | Trouble::Write(WriteError::Folder(FolderError::Busy(_))) => LAST_PAUSE,
            Trouble::Disorder | Trouble::Write(_) => LAST_REOPENING,
        };
        let pause = self.0.min(longest);
        self.0 = pause * 2;
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn work_in_vain_gets_rarer_than_questions() {
        let mut pause = Pause::default();
        let panicked = Trouble::<Infallible>::Write(WriteError::Panicked);
        let pauses: Vec<u64> = (0..10).map(|_| pause.next(&panicked).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause.next(&Trouble::Feed("asleep")), LAST_PAUSE);
    }
}
