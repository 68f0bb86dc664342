//! The knowledge base over the API.

use serde_json::{Value, json};

use super::*;

const LIST: &str = "/api/v1/articles";

impl Served {
    async fn post(&self, article: Value) -> Reply {
        self.send("POST", LIST, self.write(), &article.to_string()).await
    }

    async fn put(&self, slug: &str, change: Value, if_match: &str) -> Reply {
        let fields = format!("Authorization: Bearer {}\r\nIf-Match: {if_match}\r\n", self.write());
        let fields = if if_match.is_empty() { fields.replace("If-Match: \r\n", "") } else { fields };
        self.ask("PUT", &format!("{LIST}/{slug}"), &fields, change.to_string().as_bytes()).await
    }

    /// Types and articles of the log behind a place.
    async fn told(&self, after: usize) -> Vec<(String, String)> {
        let events = self.items("/api/v1/events?limit=200").await.split_off(after);
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        events.iter().map(|event| (word(&event["type"]), word(&event["data"]["article"]))).collect()
    }
}

fn pairs(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter().map(|(kind, slug)| (kind.as_str(), slug.as_str())).collect()
}

#[tokio::test]
async fn an_article_is_made_read_changed_and_removed() {
    let served = Served::start().await;
    let made = served.post(json!({ "title": "Résumé of  it", "body": "# Hi\r\n\n<b>text</b>\n" })).await;
    assert_eq!((made.status, made.header("location")), (201, Some("/api/v1/articles/resume-of-it")));
    let article = made.json();
    let fields = ["slug", "title", "body", "language", "visibility", "status"].map(|key| article[key].as_str().unwrap());
    assert_eq!(fields, ["resume-of-it", "Résumé of it", "# Hi\r\n\n<b>text</b>\n", "en", "internal", "draft"]);
    assert_eq!(served.get(&format!("{LIST}/resume-of-it")).await.json(), article);
    assert!(served.post(json!({ "title": "Resume of it!" })).await.problem(409).contains("resume-of-it"));

    let changed = served.put("resume-of-it", json!({ "status": "published", "language": "PT-br" }), "").await;
    assert_eq!((changed.status, &changed.json()["title"]), (200, &article["title"]));
    assert_eq!((&changed.json()["language"], &changed.json()["status"]), (&"pt-BR".into(), &"published".into()));
    let whole = served.put("resume-of-it", changed.json(), "").await;
    assert_eq!(whole.json(), changed.json(), "what was read can be sent back, and changes nothing");
    assert_eq!(whole.header("etag"), changed.header("etag"));
    served.put("resume-of-it", json!({ "status": "draft", "title": "Other" }), "").await;
    served.put("resume-of-it", json!({ "status": "published" }), "").await;
    let gone = served.call("DELETE", &format!("{LIST}/resume-of-it"), served.write()).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    for method in ["GET", "DELETE"] {
        served.call(method, &format!("{LIST}/resume-of-it"), served.write()).await.problem(404);
    }
    served.put("resume-of-it", json!({ "title": "x" }), "").await.problem(404);
    let told = served.told(0).await;
    let kinds: Vec<_> = pairs(&told).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["article.updated", "article.published", "article.updated", "article.published", "article.removed"]);
    assert!(told.iter().all(|(_, slug)| slug == "resume-of-it"));
}

#[tokio::test]
async fn a_change_of_what_others_have_changed_is_refused() {
    let served = Served::start().await;
    let first = served.post(json!({ "slug": "a", "title": "A" })).await;
    let first = first.header("etag").unwrap();
    let second = served.put("a", json!({ "title": "B" }), first).await;
    let second = second.header("etag").unwrap();
    assert_ne!(first, second);
    let delete = async |tag: &str| {
        let fields = format!("Authorization: Bearer {}\r\nIf-Match: {tag}\r\n", served.write());
        served.ask("DELETE", &format!("{LIST}/a"), &fields, b"").await
    };
    for stale in [first, "\"x\"", &format!("W/{second}")] {
        served.put("a", json!({ "title": "C" }), stale).await.problem(412);
        delete(stale).await.problem(412);
    }
    assert_eq!(served.get(&format!("{LIST}/a")).await.json()["title"], "B");
    assert_eq!(served.put("a", json!({ "title": "C" }), &format!("{first}, {second}")).await.status, 200);
    assert_eq!(served.put("a", json!({ "title": "D" }), "*").await.status, 200);
    let last = served.get(&format!("{LIST}/a")).await;
    assert_eq!(delete(last.header("etag").unwrap()).await.status, 204);
    let again = served.post(json!({ "slug": "a", "title": "A" })).await;
    assert_ne!(again.header("etag"), Some(first), "an article that comes back is another one");
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made() {
    let served = Served::start().await;
    served.post(json!({ "slug": "a", "title": "A" })).await;
    let (one, two, three) = tokio::join!(
        served.put("a", json!({ "title": "B" }), ""),
        served.put("a", json!({ "body": "text" }), ""),
        served.put("a", json!({ "status": "published" }), ""),
    );
    assert_eq!([one.status, two.status, three.status], [200; 3]);
    let article = served.get(&format!("{LIST}/a")).await.json();
    assert_eq!((&article["title"], &article["body"], &article["status"]), (&"B".into(), &"text".into(), &"published".into()));
}

#[tokio::test]
async fn what_can_not_be_an_article_is_refused_with_its_reason() {
    let served = Served::start().await;
    for (article, status, word) in [
        (json!({}), 422, "title"),
        (json!({ "title": " \n" }), 422, "title"),
        (json!({ "title": "x".repeat(201) }), 422, "200"),
        (json!({ "title": "x", "slug": "A B" }), 422, "slug"),
        (json!({ "title": "?" }), 422, "slug"),
        (json!({ "title": "x", "language": "en_US" }), 422, "language"),
        (json!({ "title": "x", "body": "x".repeat(524_289) }), 422, "512 KiB"),
        (json!({ "title": "x", "status": "gone" }), 400, "gone"),
        (json!({ "title": "x", "visibility": 1 }), 400, "body"),
        (json!({ "title": "x", "tags": [] }), 400, "tags"),
        (json!("x"), 400, "body"),
    ] {
        let detail = served.post(article.clone()).await.problem(status);
        assert!(detail.contains(word), "{detail}");
    }
    assert!(served.items(LIST).await.is_empty() && served.told(0).await.is_empty());
    served.post(json!({ "slug": "a", "title": "A" })).await;
    assert!(served.put("a", json!({ "slug": "b" }), "").await.problem(422).contains("slug"));
    assert!(served.put("a", json!({ "title": "" }), "").await.problem(422).contains("title"));
    for path in ["A", "a%2Fb", "%FF", "..", &"x".repeat(81)] {
        served.get(&format!("{LIST}/{path}")).await.problem(404);
    }
}

#[tokio::test]
async fn articles_are_listed_by_slug() {
    let served = Served::start().await;
    for (slug, language, visibility, status) in [
        ("b", "de", "public", "published"),
        ("a-1", "en", "public", "draft"),
        ("a", "de-AT", "internal", "published"),
        ("a0", "de", "public", "draft"),
    ] {
        let article = json!({ "slug": slug, "title": slug, "language": language, "visibility": visibility, "status": status });
        assert_eq!(served.post(article).await.status, 201);
    }
    let slugs = async |query: &str| {
        let items = served.items(&format!("{LIST}?{query}")).await;
        items.iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(slugs("").await, "a a-1 a0 b");
    assert_eq!(slugs("status=published").await, "a b");
    assert_eq!(slugs("language=DE").await, "a0 b");
    assert_eq!(slugs("visibility=public&status=draft").await, "a-1 a0");
    let page = served.get(&format!("{LIST}?limit=3")).await.json();
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (3, &"a0".into()));
    assert_eq!(slugs("cursor=a0").await, "b");
    for (query, name) in [("status=x", "status"), ("visibility=x", "visibility"), ("language=e", "language"), ("cursor=A", "cursor")] {
        assert!(served.get(&format!("{LIST}?{query}")).await.problem(400).contains(name));
    }
}

#[tokio::test]
async fn a_page_of_large_bodies_ends_early() {
    let served = Served::start().await;
    let body = "x".repeat(500_000);
    for n in 0..10 {
        assert_eq!(served.post(json!({ "slug": format!("n{n}"), "title": "N", "body": body })).await.status, 201);
    }
    let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = served.get(&format!("{LIST}?limit=200&cursor={cursor}")).await;
        assert!(page.body.len() < 5_000_000, "{}", page.body.len());
        let page = page.json();
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        next.clone_into(&mut cursor);
    }
    assert_eq!((found, pages), ((0..10).map(|n| format!("n{n}")).collect(), 2));
}
