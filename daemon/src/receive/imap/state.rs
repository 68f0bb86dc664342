//! How it goes with each folder, written down for the status page when it changes, and told in the log once.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};

use crate::clock::Clock;
use crate::store::{Cmd, FolderName, FolderReport, NodeId, Store, StoreError};

/// What has not changed is written this often.
const EVERY: Duration = Duration::from_secs(60);
/// Characters of a state.
const LONGEST: usize = 600;

/// Whoever writes states.
pub(super) struct States {
    store: Store,
    node: NodeId,
    clock: Clock,
    written: HashMap<String, (bool, String, Instant)>,
}

impl States {
    pub(super) fn new(store: Store, node: NodeId, clock: Clock) -> Self {
        Self { store, node, clock, written: HashMap::new() }
    }

    /// A folder was looked through; `notes` is what a person should know.
    pub(super) async fn works(&mut self, name: &FolderName, notes: &[String]) -> Result<(), StoreError> {
        self.say(name, false, &notes.join("; ")).await
    }

    /// Mail of a folder can't be fetched.
    pub(super) async fn fails(&mut self, name: &FolderName, why: &str) -> Result<(), StoreError> {
        self.say(name, true, why).await
    }

    async fn say(&mut self, name: &FolderName, failing: bool, error: &str) -> Result<(), StoreError> {
        let error = crate::model::text::one_line(error, LONGEST);
        let before = self.written.get(&name.folder);
        let same = before.is_some_and(|(f, e, _)| *f == failing && *e == error);
        if same && before.is_some_and(|(_, _, at)| at.elapsed() < EVERY) {
            return Ok(());
        }
        let was_failing = before.is_some_and(|(failing, ..)| *failing);
        if failing && !same {
            tracing::warn!(mailbox = name.mailbox, folder = name.folder, "mail can't be fetched: {error}");
        } else if !failing && was_failing {
            tracing::info!(mailbox = name.mailbox, folder = name.folder, "mail is fetched again");
        }
        if !failing && !same && !error.is_empty() {
            tracing::warn!(mailbox = name.mailbox, folder = name.folder, "{error}");
        }
        self.written.insert(name.folder.clone(), (failing, error.clone(), Instant::now()));
        let report = FolderReport { folder: name.clone(), node: self.node, failing, error, looked: !failing, now: self.clock.now() };
        self.store.run(Cmd::FolderState(Box::new(report))).await.map(|_| ())
    }
}
