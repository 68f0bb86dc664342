//! What comes first.

use ombud_indexer::{Doc, Page, Query};

use crate::feed::{Memory, ask, name, start, ticket};

const DAY: i64 = 24 * 60 * 60 * 1000;

#[tokio::test(flavor = "multi_thread")]
async fn titles_and_new_things_come_first() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let at = |days: i64, doc: Doc| Doc { created_at: days * DAY, updated_at: days * DAY, ..doc };
    feed.put(at(100, ticket(1, "same words", &["one red apple"])));
    feed.put(at(300, ticket(2, "same words", &["one red apple"])));
    feed.put(at(200, ticket(3, "same words", &["one red apple"])));
    feed.put(at(200, ticket(4, "quince", &["an apple of another kind"])));
    feed.put(at(200, ticket(5, "fruit", &["an apple, a quince of another kind"])));
    feed.put(at(10, ticket(6, "other", &["zebra zebra zebra zebra"])));
    feed.put(at(20, ticket(7, "other", &["a zebra among much other text that makes it less of a matter"])));
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    let order = |query: &str| ask(&running.searcher, query).items.iter().map(|hit| name(&hit.key)).collect::<Vec<_>>().join(" ");
    assert_eq!(order("red"), "2 3 1", "of equal ones the newest");
    assert_eq!(order("quince"), "4 5", "a title before a text");
    assert_eq!(order("zebra"), "6 7", "what fits much better stays before what is a little newer");
    assert_eq!(order("-zebra -quince"), "2 3 1", "without words, the newest first");

    let page = |offset, limit| {
        let hits = running.searcher.search(&Query::parse("red").unwrap(), &Page { offset, limit, ..Page::default() }).unwrap();
        (hits.items.iter().map(|hit| name(&hit.key)).collect::<Vec<_>>().join(" "), hits.total)
    };
    assert_eq!(page(0, 2), ("2 3".into(), 3));
    assert_eq!(page(2, 2), ("1".into(), 3));
    assert_eq!(page(5, 2), (String::new(), 3));
    assert_eq!(page(0, 0), (String::new(), 3));
    assert_eq!(page(usize::MAX, usize::MAX), (String::new(), 3));
    running.stop().await;
}
