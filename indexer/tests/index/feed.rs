//! A feed in memory that can be told to fail, and an index that follows it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ombud_indexer::{Batch, Doc, Feed, Head, Hits, Index, Key, Page, Query, Searcher, State};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

#[derive(Debug, thiserror::Error)]
#[error("the database is asleep")]
pub struct Asleep;

#[derive(Default)]
pub struct Log {
    pub id: String,
    pub epoch: u64,
    pub events: Vec<Key>,
    pub docs: BTreeMap<Key, Doc>,
    pub asleep: bool,
    /// A key whose document can't be read.
    pub chokes_on: Option<Key>,
    /// Every key that documents were asked for.
    pub asked: Vec<Key>,
}

/// Cheap to clone; all clones are one log.
#[derive(Clone, Default)]
pub struct Memory(pub Arc<Mutex<Log>>);

impl Memory {
    pub fn put(&self, doc: Doc) {
        let mut log = self.0.lock().unwrap();
        log.events.push(doc.key.clone());
        log.docs.insert(doc.key.clone(), doc);
    }

    pub fn remove(&self, key: Key) {
        let mut log = self.0.lock().unwrap();
        log.docs.remove(&key);
        log.events.push(key);
    }

    pub fn seq(&self) -> u64 {
        self.0.lock().unwrap().events.len() as u64
    }

    fn awake<T>(&self, answer: impl FnOnce(&mut Log) -> T) -> Result<T, Asleep> {
        let mut log = self.0.lock().unwrap();
        if log.asleep { Err(Asleep) } else { Ok(answer(&mut log)) }
    }
}

impl Feed for Memory {
    type Error = Asleep;

    async fn head(&self) -> Result<Head, Asleep> {
        self.awake(|log| Head { log_id: log.id.clone(), epoch: log.epoch, seq: log.events.len() as u64 })
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Batch, Asleep> {
        self.awake(|log| {
            let keys: Vec<Key> = log.events.iter().skip(after as usize).take(limit).cloned().collect();
            Batch { upto: after + keys.len() as u64, keys }
        })
    }

    async fn docs(&self, keys: &[Key]) -> Result<Vec<Doc>, Asleep> {
        self.awake(|log| {
            if log.chokes_on.as_ref().is_some_and(|key| keys.contains(key)) {
                return Err(Asleep);
            }
            log.asked.extend_from_slice(keys);
            Ok(keys.iter().filter_map(|key| log.docs.get(key).cloned()).collect())
        })?
    }

    async fn keys(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Asleep> {
        self.awake(|log| log.docs.keys().filter(|key| after.is_none_or(|after| *key > after)).take(limit).cloned().collect())
    }
}

/// An index that follows until it is stopped.
pub struct Running {
    pub index: Arc<Index>,
    pub searcher: Searcher,
    pub nudge: Arc<Notify>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub fn start(feed: &Memory, dir: &Path) -> Running {
    let (index, nudge, (stop, stopped)) = (Arc::new(Index::new(dir)), Arc::new(Notify::new()), oneshot::channel());
    let (following, feed, nudged) = (index.clone(), feed.clone(), nudge.clone());
    let task = tokio::spawn(async move {
        following
            .follow(&feed, &nudged, async {
                stopped.await.ok();
            })
            .await;
    });
    Running { searcher: index.searcher(), index, nudge, stop, task }
}

impl Running {
    /// Waits until the state is as it should be.
    pub async fn until(&self, wanted: impl Fn(&State) -> bool) -> State {
        let mut state = self.index.state();
        let seen = tokio::time::timeout(Duration::from_secs(60), state.wait_for(|state| wanted(state))).await;
        match seen {
            Ok(seen) => seen.unwrap().clone(),
            Err(_) => panic!("never came: {:?}", self.index.state().borrow()),
        }
    }

    /// Waits until all of a feed is found.
    pub async fn caught_up(&self, feed: &Memory) -> State {
        self.nudge.notify_one();
        let seq = feed.seq();
        self.until(|state| state.seq >= seq && state.ready && state.failing.is_none() && state.building.is_none()).await
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

pub fn ask(searcher: &Searcher, query: &str) -> Hits {
    searcher
        .search(&Query::parse(query).unwrap_or_else(|e| panic!("{query}: {e}")), &Page::default())
        .unwrap_or_else(|e| panic!("{query}: {e}"))
}

/// The numbers and slugs that are found, in the order of their keys.
pub fn found(searcher: &Searcher, query: &str) -> String {
    let mut keys: Vec<Key> = ask(searcher, query).items.into_iter().map(|hit| hit.key).collect();
    keys.sort();
    keys.iter().map(name).collect::<Vec<_>>().join(" ")
}

pub fn name(key: &Key) -> String {
    match key {
        Key::Ticket(number) => number.to_string(),
        Key::Article(slug) => slug.clone(),
    }
}

pub fn ticket(number: u64, title: &str, body: &[&str]) -> Doc {
    let body = body.iter().map(|text| (*text).to_owned()).collect();
    Doc { title: title.to_owned(), body, ..Doc::new(Key::Ticket(number)) }
}

pub fn article(slug: &str, title: &str, body: &str) -> Doc {
    Doc { title: title.to_owned(), body: vec![body.to_owned()], internal: false, ..Doc::new(Key::Article(slug.to_owned())) }
}
