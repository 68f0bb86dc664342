//! Searches: what is refused, who is meant, and what is answered, with an index that follows in this process.

use super::*;
use crate::model::article::{Article, Publication};
use crate::store::{Expected, WriteArticles};

impl Served {
    /// Follows the log from now on.
    fn index_it(&self) {
        self.server.spawn(self.state.index.clone().follow(self.state.store.clone(), self.cancel.clone()));
    }

    /// Waits until the index holds the whole log.
    async fn indexed(&self) {
        self.number().await;
        let last = self.state.store.log_head().await.unwrap().last;
        let begun = tokio::time::Instant::now();
        loop {
            let health = self.state.index.health(0);
            if health.ready && health.building.is_none() && health.seq >= last {
                return;
            }
            assert!(begun.elapsed().as_secs() < 20, "{health:?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn about_printers(&self) {
        let mut article = Article::new(Some("printers"), "All about printers").unwrap().saying("Unplug it.").unwrap();
        article.status = Publication::Published;
        let cmd = WriteArticles { articles: vec![article], expected: Expected::Anything, actor: "cli".into(), now: 1 };
        self.run(Cmd::WriteArticles(Box::new(cmd))).await;
    }
}

#[tokio::test]
async fn what_is_found_says_where() {
    let served = Served::with_ticket().await;
    served.about_printers().await;
    served.index_it();
    served.indexed().await;
    let found = served.get("/api/v1/search?q=print").await.json();
    let item = &found["items"][0];
    assert_eq!((&found["total"], &item["type"], &item["number"], &item["slug"]), (&1.into(), &"ticket".into(), &1.into(), &().into()));
    assert_eq!((&item["title"], &item["snippet"]), (&"Broken <b>printer</b>".into(), &"It does not print any more.".into()));
    assert_eq!(item["marks"], serde_json::json!([[12, 17]]));
    let article = served.items("/api/v1/search?q=printers&type=article").await.remove(0);
    assert_eq!((&article["slug"], &article["number"], &article["snippet"]), (&"printers".into(), &().into(), &"Unplug it.".into()));
    assert!(served.items("/api/v1/search?q=printers&type=ticket").await.is_empty());
    assert_eq!(served.items("/api/v1/search?q=has:attachment%20from:ann%20mailbox:support").await.len(), 1);

    let page = served.get("/api/v1/search?q=-nothing&limit=1").await.json();
    assert_eq!((&page["total"], &page["next"]), (&2.into(), &"1".into()));
    let rest = served.get("/api/v1/search?q=-nothing&limit=1&cursor=1").await.json();
    assert!(rest["next"].is_null() && rest["items"][0]["type"] != page["items"][0]["type"], "{page} {rest}");
    let health = served.state.index.health(0);
    assert_eq!((health.docs, health.seq, health.error), (2, health.head, None));
}

#[tokio::test]
async fn what_is_gone_is_not_shown() {
    let served = Served::with_ticket().await;
    served.about_printers().await;
    served.index_it();
    served.indexed().await;
    served.cancel.cancel();
    served.server.close();
    served.server.wait().await;
    let query = ombud_indexer::Query::parse("unplug").unwrap();
    let (searcher, store) = (served.state.index.searcher(), &served.state.store);
    let page = ombud_indexer::Page::default();
    assert_eq!(crate::feed::search::ask(&searcher, store, &query, page).await.unwrap().items.len(), 1);
    let slug = crate::model::article::Slug::of("printers").unwrap();
    let gone = crate::store::RemoveArticle { slug, expected: None, actor: "cli".into(), now: 2 };
    served.run(Cmd::RemoveArticle(Box::new(gone))).await;
    let answer = crate::feed::search::ask(&searcher, store, &query, page).await.unwrap();
    assert_eq!((answer.items.len(), answer.total), (0, 1), "the index has not heard of it");
}

#[tokio::test]
async fn me_is_the_agent_of_the_token() {
    let served = Served::with_ticket().await;
    served.index_it();
    served.indexed().await;
    let detail = served.get("/api/v1/search?q=assignee:me").await.problem(400);
    assert!(detail.contains("`me`") && detail.contains("--agent"), "{detail}");
    let jane = served.token(Scope::Write, Some(AGENT), None).await;
    let hers = || async { served.call("GET", "/api/v1/search?q=assignee:me", &jane).await.json()["total"].clone() };
    assert_eq!(hers().await, 0);
    let taken = served.send("PATCH", "/api/v1/tickets/1", &jane, &format!(r#"{{"assignee":"{AGENT}","tags":["vip"]}}"#)).await;
    assert_eq!(taken.status, 200);
    served.indexed().await;
    assert_eq!(hers().await, 1);
    assert_eq!(served.items("/api/v1/search?q=tag:vip%20is:assigned").await.len(), 1);
}

#[tokio::test]
async fn a_query_that_can_not_be_read_is_a_400_with_its_column() {
    let served = Served::start().await;
    let long = "a".repeat(513);
    let many = "a+".repeat(33);
    for (query, column) in [
        ("", 1),
        ("printer+%22broken", 9),
        ("((((((a))))))", 5),
        ("a+foo:bar", 3),
        ("a+)", 3),
        (long.as_str(), 1),
        (many.as_str(), 65),
        ("a+OR", 3),
    ] {
        let reply = served.get(&format!("/api/v1/search?q={query}")).await;
        let detail = reply.problem(400);
        assert_eq!((detail.contains("column"), &reply.json()["column"]), (true, &column.into()), "{query}: {detail}");
    }
    for bad in ["type=mail", "cursor=1000", "cursor=x", "limit=201", "sort=up", "q=a&q=b"] {
        let reply = served.get(&format!("/api/v1/search?{bad}")).await;
        assert_eq!((reply.status, &reply.json()["column"]), (400, &().into()), "{bad}");
    }
    // Nobody follows here.
    let reply = served.get("/api/v1/search?q=a").await;
    assert!(reply.problem(503).contains("search index") && reply.header("retry-after").is_some());
}
