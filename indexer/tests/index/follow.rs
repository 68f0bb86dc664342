//! Following a log.

use std::time::{Duration, Instant};

use ombud_indexer::{Key, OpenError, Page, Query, SearchError, Searcher};

use crate::feed::{Memory, found, start, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_replaced_and_removed() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let running = start(&feed, dir.path());
    assert_eq!(running.caught_up(&feed).await.docs, 0);
    assert_eq!(found(&running.searcher, "red"), "");
    feed.put(ticket(1, "red", &[]));
    feed.put(ticket(2, "red", &[]));
    assert_eq!(running.caught_up(&feed).await.docs, 2);
    assert_eq!(found(&running.searcher, "red"), "1 2");
    feed.put(ticket(1, "blue", &[]));
    feed.remove(Key::Ticket(2));
    feed.remove(Key::Ticket(99));
    assert_eq!(running.caught_up(&feed).await.docs, 1);
    assert_eq!((found(&running.searcher, "red"), found(&running.searcher, "blue")), (String::new(), "1".into()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_of_a_ticket_are_one_replacement() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    for n in 0..1200 {
        feed.put(ticket(n % 3, &format!("word{n}"), &[]));
    }
    assert_eq!(running.caught_up(&feed).await.docs, 3);
    assert_eq!(found(&running.searcher, "word1197 OR word1198 OR word1199 OR word1196"), "0 1 2");
    assert!(feed.0.lock().unwrap().asked.len() < 50, "keys are coalesced");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_nudge_news_are_found_by_asking() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    feed.put(ticket(1, "red", &[]));
    running.until(|state| state.seq == 1).await;
    assert_eq!(found(&running.searcher, "red"), "1");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nudge_is_answered_at_once() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    let mut quickest = Duration::MAX;
    for n in 0..5 {
        feed.put(ticket(n, "red", &[]));
        let begun = Instant::now();
        running.caught_up(&feed).await;
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_millis(700), "{quickest:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_goes_on_where_the_first_ended() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    feed.put(ticket(1, "red", &[]));
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    feed.put(ticket(2, "red", &[]));
    running.caught_up(&feed).await;
    running.stop().await;

    feed.0.lock().unwrap().asked.clear();
    feed.put(ticket(3, "red", &[]));
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    assert_eq!(found(&running.searcher, "red"), "1 2 3");
    assert_eq!(feed.0.lock().unwrap().asked, [Key::Ticket(3)]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_log_or_epoch_builds_anew() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    for n in 1..=3 {
        feed.put(ticket(n, "red", &[]));
    }
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;

    // What is in no event is found by a rebuild alone.
    feed.0.lock().unwrap().docs.remove(&Key::Ticket(1));
    feed.0.lock().unwrap().epoch = 1;
    running.nudge.notify_one();
    running.until(|state| state.docs == 2 && state.building.is_none()).await;
    assert_eq!(found(&running.searcher, "red"), "2 3");

    feed.0.lock().unwrap().docs.remove(&Key::Ticket(2));
    feed.0.lock().unwrap().id = "restored".into();
    running.nudge.notify_one();
    running.until(|state| state.docs == 1 && state.building.is_none()).await;
    assert_eq!(found(&running.searcher, "red"), "3");

    // The log falls behind the index.
    feed.0.lock().unwrap().events.truncate(1);
    feed.put(ticket(4, "red", &[]));
    running.nudge.notify_one();
    running.until(|state| state.docs == 2 && state.building.is_none()).await;
    assert_eq!(found(&running.searcher, "red"), "3 4");
    running.stop().await;

    feed.0.lock().unwrap().epoch = 2;
    feed.0.lock().unwrap().docs.remove(&Key::Ticket(3));
    let running = start(&feed, dir.path());
    running.until(|state| state.docs == 1 && state.ready).await;
    assert_eq!(found(&running.searcher, "red"), "4");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_index_of_another_log_is_replaced_nothing_is_answered() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    feed.put(ticket(1, "red", &[]));
    let running = start(&feed, dir.path());
    let query = Query::parse("red").unwrap();
    running.caught_up(&feed).await;

    let held = HeldBack(feed.clone());
    feed.0.lock().unwrap().id = "restored".into();
    running.stop().await;
    let index = ombud_indexer::Index::new(dir.path());
    let (searcher, mut state, nudge) = (index.searcher(), index.state(), tokio::sync::Notify::new());
    let seen = async {
        state.wait_for(|state| state.building.is_some()).await.unwrap();
        assert!(matches!(searcher.search(&query, &Page::default()), Err(SearchError::Rebuilding)));
    };
    index.follow(&held, &nudge, seen).await;

    // The old one is still there and is of the same log: only the epoch is another.
    feed.0.lock().unwrap().id = String::new();
    feed.0.lock().unwrap().epoch = 1;
    let index = ombud_indexer::Index::new(dir.path());
    let (searcher, mut state) = (index.searcher(), index.state());
    let seen = async {
        state.wait_for(|state| state.building.is_some()).await.unwrap();
        assert_eq!(searcher.search(&query, &Page::default()).unwrap().total, 1);
    };
    index.follow(&held, &nudge, seen).await;
}

/// Never gives out its keys, so that a rebuild does not end.
struct HeldBack(Memory);

impl ombud_indexer::Feed for HeldBack {
    type Error = crate::feed::Asleep;

    async fn head(&self) -> Result<ombud_indexer::Head, Self::Error> {
        self.0.head().await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<ombud_indexer::Batch, Self::Error> {
        self.0.changes(after, limit).await
    }

    async fn docs(&self, keys: &[Key]) -> Result<Vec<ombud_indexer::Doc>, Self::Error> {
        self.0.docs(keys).await
    }

    async fn keys(&self, _: Option<&Key>, _: usize) -> Result<Vec<Key>, Self::Error> {
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_reads_along() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    assert!(matches!(Searcher::open_read_only(dir.path()), Err(OpenError::Missing(_))));
    feed.put(ticket(1, "red", &[]));
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    let (reader, cursor) = Searcher::open_read_only(dir.path()).unwrap();
    assert_eq!((found(&reader, "red"), cursor.seq), ("1".into(), 1));

    feed.put(ticket(2, "red", &[]));
    running.caught_up(&feed).await;
    feed.0.lock().unwrap().epoch = 1;
    running.nudge.notify_one();
    running.until(|state| state.docs == 2 && state.building.is_none()).await;
    assert_eq!(found(&reader, "red"), "1", "it stays at its commit, also when that index is gone");
    let (reader, cursor) = Searcher::open_read_only(dir.path()).unwrap();
    assert_eq!((found(&reader, "red"), cursor.seq), ("1 2".into(), 2));
    running.stop().await;
}
