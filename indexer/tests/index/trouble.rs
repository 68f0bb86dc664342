//! What goes wrong is told, and heals.

use std::fs;

use ombud_indexer::{Key, Page, Query};

use crate::feed::{Memory, found, start, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_fails_is_waited_for() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    feed.0.lock().unwrap().asleep = true;
    let running = start(&feed, dir.path());
    let failing = running.until(|state| state.failing.is_some()).await.failing.unwrap();
    assert!(failing.error.contains("the database is asleep"), "{failing:?}");
    feed.put(ticket(1, "red", &[]));
    feed.0.lock().unwrap().asleep = false;
    running.caught_up(&feed).await;

    feed.0.lock().unwrap().asleep = true;
    running.nudge.notify_one();
    let begun = running.until(|state| state.failing.is_some()).await.failing.unwrap().since;
    assert!(begun > failing.since, "a new trouble has its own beginning");
    assert_eq!(found(&running.searcher, "red"), "1", "searches go on");
    feed.put(ticket(2, "red", &[]));
    feed.0.lock().unwrap().asleep = false;
    running.caught_up(&feed).await;
    assert_eq!(found(&running.searcher, "red"), "1 2");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_writes_and_the_next_waits_for_it() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let first = start(&feed, dir.path());
    first.caught_up(&feed).await;
    let second = start(&feed, dir.path());
    let failing = second.until(|state| state.failing.is_some()).await.failing.unwrap();
    assert!(failing.error.contains("another process writes this search index"), "{failing:?}");
    first.stop().await;
    second.caught_up(&feed).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_can_not_be_made_heals_when_it_can() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let place = dir.path().join("index");
    fs::write(&place, "a file in the place of the folder").unwrap();
    feed.put(ticket(1, "red", &[]));
    let running = start(&feed, &place);
    let failing = running.until(|state| state.failing.is_some()).await.failing.unwrap();
    assert!(failing.error.contains(&place.display().to_string()) && failing.error.contains("writable"), "{failing:?}");
    fs::remove_file(&place).unwrap();
    running.caught_up(&feed).await;
    assert_eq!(found(&running.searcher, "red"), "1");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_goes_away_while_it_is_used_is_built_anew() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let place = dir.path().join("index");
    feed.put(ticket(1, "red", &[]));
    let running = start(&feed, &place);
    running.caught_up(&feed).await;
    fs::remove_dir_all(&place).unwrap();
    fs::write(&place, "a file in the place of the folder").unwrap();
    feed.put(ticket(2, "red", &[]));
    running.nudge.notify_one();
    running.until(|state| state.failing.is_some()).await;
    assert_eq!(found(&running.searcher, "red"), "1", "the old reader stays");
    fs::remove_file(&place).unwrap();
    running.caught_up(&feed).await;
    assert_eq!(found(&running.searcher, "red"), "1 2");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_see_commits_after_a_trouble_that_left_the_files_whole() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let (place, beside) = (dir.path().join("index"), dir.path().join("beside"));
    feed.put(ticket(1, "red", &[]));
    let running = start(&feed, &place);
    running.caught_up(&feed).await;
    feed.0.lock().unwrap().asked.clear();
    fs::rename(&place, &beside).unwrap();
    fs::write(&place, "a file in the place of the folder").unwrap();
    feed.put(ticket(2, "red", &[]));
    running.nudge.notify_one();
    running.until(|state| state.failing.is_some()).await;
    fs::remove_file(&place).unwrap();
    fs::rename(&beside, &place).unwrap();
    assert_eq!(running.caught_up(&feed).await.docs, 2);
    assert_eq!(found(&running.searcher, "red"), "1 2");
    assert!(!feed.0.lock().unwrap().asked.contains(&Key::Ticket(1)), "it was opened, not built anew");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_rebuild_is_never_the_index() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    for n in 1..=40 {
        feed.put(ticket(n, "red", &[]));
    }
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;

    // The log falls behind the index; after the first documents the feed breaks off, and the log overtakes the index again.
    feed.0.lock().unwrap().events.truncate(30);
    feed.0.lock().unwrap().chokes_on = Some(Key::Ticket(40));
    running.nudge.notify_one();
    running.until(|state| state.failing.is_some()).await;
    let query = Query::parse("red").unwrap();
    assert!(running.searcher.search(&query, &Page::default()).is_err());
    for _ in 0..20 {
        feed.put(ticket(1, "red", &[]));
    }
    feed.0.lock().unwrap().chokes_on = None;
    assert_eq!(running.caught_up(&feed).await.docs, 40);
    assert_eq!(running.searcher.search(&query, &Page::default()).unwrap().total, 40);
    let generations = fs::read_dir(dir.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(generations, 1);
    running.stop().await;
}
