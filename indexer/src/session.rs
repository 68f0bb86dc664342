//! Following a feed with the folder open: read what has changed, replace, commit; or build anew.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use crate::cursor::{Cursor, Fit};
use crate::disk::{Folder, Generation};
use crate::feed::{Feed, Head, Key};
use crate::follow::{Index, Trouble};
use crate::writer::{Found, WriteError, Writer};

/// Keys of one commit, and events of one question.
const MANY: usize = 500;

/// Keys whose documents are in memory at once.
const FEW: usize = 32;

/// The longest that what was seen waits for its commit to begin while more is coming, and so the time between two commits
/// under load.
const LONGEST: Duration = Duration::from_millis(500);

/// While little is coming, a commit is followed by a rest of so many times its length (but never beyond [`LONGEST`] after it
/// has begun).
const REST: u32 = 4;

/// Events without keys after which the place is written all the same.
const IDLE_EVENTS: u64 = 1000;

/// Alarms of searches are believed so often.
const ALARMS: Duration = Duration::from_secs(60);

/// What to wait for before the next round.
pub(crate) enum Wait {
    News,
    For(Duration),
}

pub(crate) struct Session<'a, F> {
    index: &'a Index,
    feed: &'a F,
    folder: Arc<Folder>,
    opened_at: Instant,
    writer: Option<Writer>,
    /// The place of the last commit; none if there is nothing to go on from.
    committed: Option<Cursor>,
    /// The last event whose keys are pending or committed.
    looked: u64,
    pending: BTreeSet<Key>,
    /// When the first of what is pending was seen.
    waits_since: Option<Instant>,
    next_commit: Instant,
    /// Searches answer from this session's index.
    shown: bool,
}

/// File work, where blocking is allowed. What panics there is an error like others.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, WriteError> + Send + 'static) -> Result<T, WriteError> {
    spawn_blocking(work).await.unwrap_or(Err(WriteError::Panicked))
}

impl<'a, F: Feed> Session<'a, F> {
    pub(crate) fn new(index: &'a Index, feed: &'a F, found: Found) -> Self {
        let (writer, committed) = found.usable.unzip();
        Self {
            index,
            feed,
            folder: found.folder,
            opened_at: Instant::now(),
            looked: committed.as_ref().map_or(0, |cursor: &Cursor| cursor.seq),
            writer,
            committed,
            pending: BTreeSet::new(),
            waits_since: None,
            next_commit: Instant::now(),
            shown: false,
        }
    }

    /// One question to the feed and what follows from the answer.
    pub(crate) async fn round(&mut self) -> Result<Wait, Trouble<F::Error>> {
        if self.opened_at.elapsed() > ALARMS && self.index.searcher.take_alarm() {
            return Err(WriteError::Alarm.into());
        }
        let head = self.feed.head().await.map_err(Trouble::Feed)?;
        let fit = self.committed.as_ref().map_or(Fit::Other, |cursor| cursor.moved(self.looked).against(&head));
        if fit != Fit::Good {
            self.build(head, fit).await?;
            return Ok(Wait::For(Duration::ZERO));
        }
        self.show();

        let batch = self.feed.changes(self.looked, MANY).await.map_err(Trouble::Feed)?;
        let news = batch.upto > self.looked;
        if news {
            self.looked = batch.upto;
            self.pending.extend(batch.keys);
            if !self.pending.is_empty() {
                self.waits_since.get_or_insert_with(Instant::now);
            }
        }
        let enough = self.pending.len() >= MANY || self.waits_since.is_some_and(|since| since.elapsed() >= LONGEST);
        if !enough && news && self.looked < head.seq {
            return Ok(Wait::For(Duration::ZERO));
        }
        self.settle(enough).await
    }

    /// Commits what is pending, now or after a rest.
    async fn settle(&mut self, enough: bool) -> Result<Wait, Trouble<F::Error>> {
        let behind = self.looked - self.committed.as_ref().map_or(self.looked, |cursor| cursor.seq);
        if self.pending.is_empty() && behind < IDLE_EVENTS {
            self.tell();
            return Ok(Wait::News);
        }
        let rest = self.next_commit.saturating_duration_since(Instant::now());
        if !enough && !rest.is_zero() {
            return Ok(Wait::For(rest));
        }
        self.commit().await?;
        Ok(Wait::For(Duration::ZERO))
    }

    /// Replaces the documents of what is pending.
    async fn commit(&mut self) -> Result<(), Trouble<F::Error>> {
        let begun = Instant::now();
        let keys: Vec<Key> = self.pending.iter().cloned().collect();
        for keys in keys.chunks(FEW) {
            let docs = self.feed.docs(keys).await.map_err(Trouble::Feed)?;
            let keys = keys.to_vec();
            self.write(move |writer| writer.replace(&keys, &docs)).await?;
        }
        let Some(cursor) = self.committed.as_ref().map(|cursor| cursor.moved(self.looked)) else { return Ok(()) };
        let payload = cursor.clone();
        self.write(move |writer| writer.commit(&payload)).await?;
        self.committed = Some(cursor);
        self.pending.clear();
        self.waits_since = None;
        let took = begun.elapsed();
        self.next_commit = Instant::now() + (took * REST).min(LONGEST.saturating_sub(took));
        self.index.healthy();
        self.tell();
        Ok(())
    }

    /// Builds the index from the beginning, beside the one there is, and puts it in its place. What changes meanwhile is
    /// read again afterwards.
    async fn build(&mut self, head: Head, fit: Fit) -> Result<(), Trouble<F::Error>> {
        if fit == Fit::Old {
            self.show();
        } else {
            // What a broken-off build leaves is not taken for an index that goes on from here.
            self.index.searcher.set(None);
            self.committed = None;
        }
        let (folder, old) = (self.folder.clone(), self.writer.take());
        let (writer, generation) = blocking(move || {
            drop(old);
            Writer::beside(folder)
        })
        .await?;
        self.writer = Some(writer);
        let cursor = Cursor::at(&head);
        let filled = self.fill(cursor.clone(), generation).await;
        self.index.state.send_modify(|state| state.building = None);
        if filled.is_err() {
            let (half, folder) = (self.writer.take(), self.folder.clone());
            let swept = blocking(move || {
                drop(half);
                folder.sweep();
                Ok(())
            });
            swept.await?;
        }
        filled?;
        self.looked = cursor.seq;
        self.committed = Some(cursor);
        self.pending.clear();
        self.waits_since = None;
        self.shown = false;
        self.show();
        self.index.healthy();
        self.tell();
        tracing::info!(seq = self.looked, "the search index is built");
        Ok(())
    }

    /// Adds everything that the feed has to a generation and makes it the one that counts.
    async fn fill(&mut self, cursor: Cursor, generation: Generation) -> Result<(), Trouble<F::Error>> {
        let (mut last, mut done) = (None, 0);
        loop {
            self.index.state.send_modify(|state| {
                state.building = Some(done);
                state.ready = self.index.searcher.live().is_some();
            });
            let keys = self.feed.keys(last.as_ref(), MANY).await.map_err(Trouble::Feed)?;
            let Some(newest) = keys.last().cloned() else { break };
            if last.iter().chain(&keys).is_sorted_by(|a, b| a < b) {
                last = Some(newest);
            } else {
                return Err(Trouble::Disorder);
            }
            for keys in keys.chunks(FEW) {
                let docs = self.feed.docs(keys).await.map_err(Trouble::Feed)?;
                let keys = keys.to_vec();
                done += keys.len() as u64;
                self.write(move |writer| writer.add(&keys, &docs)).await?;
            }
        }
        let finish = move |writer: &mut Writer| {
            writer.commit(&cursor)?;
            writer.takes_over(&generation)
        };
        Ok(self.write(finish).await?)
    }

    /// Lends the writer to a blocking thread. After an error it is gone, and the session with it.
    async fn write(&mut self, work: impl FnOnce(&mut Writer) -> Result<(), WriteError> + Send + 'static) -> Result<(), WriteError> {
        let Some(mut writer) = self.writer.take() else { return Err(WriteError::Panicked) };
        self.writer = Some(blocking(move || work(&mut writer).map(|()| writer)).await?);
        Ok(())
    }

    /// Lets searches answer from what is in the folder. A reader of an earlier session sees no commit of this one.
    fn show(&mut self) {
        if let Some(writer) = self.writer.as_ref().filter(|_| !self.shown) {
            self.index.searcher.set(Some(writer.live().clone()));
            self.shown = true;
        }
    }

    /// Says how far the index is. Without anything pending, what was looked at is in it.
    fn tell(&self) {
        let live = self.index.searcher.live();
        let (seq, docs, ready) = (self.looked, live.as_ref().map_or(0, crate::search::Live::docs), live.is_some());
        self.index.state.send_if_modified(|state| {
            let new = (state.seq, state.docs, state.ready) != (seq, docs, ready);
            (state.seq, state.docs, state.ready) = (seq, docs, ready);
            new
        });
    }
}
