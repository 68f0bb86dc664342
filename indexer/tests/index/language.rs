//! What queries find.

use ombud_indexer::{Doc, Page, Query, Scope, SearchError};

use crate::feed::{Memory, article, ask, found, start, ticket};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The first day of 2026.
const NEW_YEAR: i64 = 20_454 * DAY;

fn desk() -> Memory {
    let feed = Memory::default();
    feed.put(Doc {
        from: vec!["Ann Müller <ann@x.example>".into()],
        to: vec!["support@desk.example".into()],
        status: Some("open".into()),
        priority: Some("high".into()),
        mailbox: Some("support@desk.example".into()),
        tags: vec!["VIP".into(), "very important".into()],
        attachments: true,
        created_at: NEW_YEAR - 10 * DAY,
        updated_at: NEW_YEAR - 5 * DAY,
        ..ticket(1, "Printer broken again", &["The printer says INV-2041 at 10.0.0.17.", "It is on fire now. Call foo@bar.example!"])
    });
    feed.put(Doc {
        from: vec!["bob.ann@x.example".into(), "Bob".into()],
        to: vec!["Support <support@desk.example>".into()],
        status: Some("on_hold".into()),
        assignee: Some("carol@desk.example".into()),
        team: Some("Billing EMEA".into()),
        mailbox: Some("sales@desk.example".into()),
        created_at: NEW_YEAR - DAY,
        updated_at: NEW_YEAR + 3 * DAY,
        ..ticket(2, "Invoice", &["Die Tür ist kaputt, s'il vous plaît; naïve café", "東京都の打印机が壊れた", "Принтер сломан. كِتَاب"])
    });
    feed.put(Doc {
        status: Some("published".into()),
        language: Some("en".into()),
        ..article("how-to", "How to fix a printer", "Turn it off and on. broken again")
    });
    feed.put(Doc { status: Some("draft".into()), ..article("draft", "Printer draft", "not yet") });
    feed.put(Doc { status: Some("published".into()), internal: true, ..article("inside", "Printer secrets", "only for us") });
    feed
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_find_what_they_say() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), desk());
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    for (query, expected) in [
        ("printer", "1 draft how-to inside"),
        ("PRINTERS", ""),
        ("print*", "1 draft how-to inside"),
        ("subject:invoice", "2"),
        ("subject:\"printer broken\"", "1"),
        ("\"printer broken\"", "1"),
        ("printer fire", "1"),
        ("\"0.17 it\"", ""),
        ("inv-2041", "1"),
        ("2041", "1"),
        ("inv-20*", "1"),
        ("10.0.0.17", "1"),
        ("10.0.0.1", ""),
        ("foo@bar.example", "1"),
        ("bar.example", "1"),
        ("tur", "2"),
        ("TÜR cafe naive plait", "2"),
        ("東京", "2"),
        ("京", "2"),
        ("京都", "2"),
        ("東都", ""),
        ("打印机", "2"),
        ("принтер", "2"),
        ("كتاب", "2"),
        ("from:ann@x.example", "1"),
        ("from:ann@x", "1"),
        ("from:ann@x*", "1"),
        ("from:ann", "1 2"),
        ("from:muller", "1"),
        ("from:\"Ann Müller\"", "1"),
        ("from:x.example", "1 2"),
        ("from:@x.example", "1 2"),
        ("to:support@desk.example", "1 2"),
        ("to:support", "1 2"),
        ("ann@x.example", "1 2"),
        ("müller", "1"),
        ("tag:vip", "1"),
        ("tag:\"Very Important\"", "1"),
        ("tag:very", ""),
        ("assignee:nobody", "1"),
        ("assignee:carol@desk.example", "2"),
        ("assignee:carol", "2"),
        ("assignee:car", ""),
        ("is:unassigned", "1"),
        ("is:assigned", "2"),
        ("is:open OR is:on_hold", "1 2"),
        ("status:on-hold", "2"),
        ("is:internal in:articles", "inside"),
        ("priority:high", "1"),
        ("team:\"billing emea\"", "2"),
        ("mailbox:support", "1"),
        ("mailbox:sales@desk.example", "2"),
        ("language:en", "how-to"),
        ("has:attachment", "1"),
        ("in:articles printer -draft", "how-to inside"),
        ("in:tickets", "1 2"),
        ("after:2026-01-01", "2"),
        ("before:2026-01-01 in:tickets", "1 2"),
        ("before:2025-12-25 in:tickets", "1"),
        ("-printer", "2"),
        ("-in:articles -is:open", "2"),
        ("( fire OR invoice ) -team:\"billing emea\"", "1"),
        ("invoice OR -in:tickets", "2 draft how-to inside"),
        ("NOT (printer OR invoice)", ""),
    ] {
        assert_eq!(found(&running.searcher, query), expected, "{query}");
    }

    let scoped = |scope| running.searcher.search(&Query::parse("printer").unwrap(), &Page { scope, ..Page::default() }).unwrap().total;
    assert_eq!([Scope::All, Scope::Tickets, Scope::Articles, Scope::PublicArticles].map(scoped), [4, 1, 3, 1]);
    let mine = Query::parse("assignee:me").unwrap();
    assert!(matches!(running.searcher.search(&mine, &Page::default()), Err(SearchError::NobodyIsMe)));
    let mine = mine.for_person("Carol@desk.example");
    assert_eq!(running.searcher.search(&mine, &Page::default()).unwrap().total, 1);
    let other = Query::parse("assignee:me").unwrap().for_person("carol@desk");
    assert_eq!(running.searcher.search(&other, &Page::default()).unwrap().total, 0, "nobody is the beginning of somebody");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phrase_stays_within_a_message() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    feed.put(ticket(1, "alpha", &["beta gamma", "delta", "東京"]));
    feed.put(Doc { tags: vec!["eta".into()], from: vec!["zeta".into()], ..ticket(2, "alpha beta", &["京都"]) });
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    for (query, expected) in [
        ("\"alpha beta\"", "2"),
        ("\"beta gamma\"", "1"),
        ("\"gamma delta\"", ""),
        ("gamma delta", "1"),
        ("\"zeta eta\"", ""),
        ("\"gamma del*\"", ""),
        ("gamma-del*", ""),
        ("beta-gam*", "1"),
    ] {
        assert_eq!(found(&running.searcher, query), expected, "{query}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_and_a_search_have_their_bounds() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    for n in 0..300 {
        feed.put(ticket(n, "", &[&format!("word{n:03}")]));
    }
    feed.put(ticket(300, "", &["word299"]));
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    // 256 of 300 words, and first of all the one that two tickets have.
    assert_eq!(ask(&running.searcher, "wo*").total, 257);
    assert_eq!(ask(&running.searcher, "word1*").total, 100);
    let hurried = Page { budget: std::time::Duration::ZERO, ..Page::default() };
    assert!(matches!(running.searcher.search(&Query::parse("wo*").unwrap(), &hurried), Err(SearchError::Timeout(_))));
    running.stop().await;
}
