//! What goes wrong is told, and heals.

use std::fs;

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
