//! Health, metrics and the status page.

use super::*;

#[tokio::test]
async fn alive_and_ready() {
    let served = Served::start().await;
    let alive = served.call("GET", "/healthz", "").await;
    assert_eq!((alive.status, alive.text()), (200, r#"{"status":"ok"}"#));
    assert_eq!(served.call("GET", "/readyz", "").await.status, 200);
    served.desk.send_modify(|desk| {
        let mut config = (*desk.config).clone();
        config.limits.free_space = u64::MAX;
        *desk = Arc::new(Desk { config: Arc::new(config), book: desk.book.clone() });
    });
    let full = served.call("GET", "/readyz", "").await;
    full.problem(503);
    assert!(full.json()["reasons"][0].as_str().unwrap().starts_with("the disk has "), "{full:?}");
    served.state.store.close().await;
    let closed = served.call("GET", "/readyz", "").await;
    assert!(closed.json()["reasons"][0].as_str().unwrap().starts_with("the database"), "{closed:?}");
    assert_eq!(served.call("GET", "/healthz", "").await.status, 200);
    let page = served.call("GET", "/", "").await;
    assert_eq!(page.status, 200, "it is a page for people");
    assert!(page.text().contains("<strong>The database does not answer</strong> <time"), "{}", page.text());
    let metrics = served.call("GET", "/metrics", "").await;
    assert!(metrics.text().contains("\nombud_database_up 0\n") && !metrics.text().contains("ombud_tickets"), "{metrics:?}");
}

#[tokio::test]
async fn the_status_page_names_nobody() {
    let served = Served::with_ticket().await;
    served.hand_in("to=support@desk.localhost", b"From: a@example.org\r\nFrom: b@example.org\r\nSubject: secret\r\n\r\nwords\r\n").await;
    served.decide_all().await;
    let page = served.call("GET", "/", "").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let style = page.text().split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = data_encoding::BASE64.encode(&crate::store::sha256(style.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    assert_eq!(page.header("content-security-policy"), Some(policy.as_str()));
    assert_eq!((page.header("referrer-policy"), page.header("x-content-type-options")), (Some("no-referrer"), Some("nosniff")));
    let text = page.text();
    for shown in [
        "<h1>1 mail is held until a person decides</h1>",
        "author in doubt",
        "support@desk.localhost",
        env!("CARGO_PKG_VERSION"),
        "Tickets",
    ] {
        assert!(text.contains(shown), "{shown}\n{text}");
    }
    for hidden in ["ann@", "Ann", "Jane", "jane@", "printer", "secret", "words", "example.org", "<script", "http://", "https://"] {
        assert!(!text.contains(hidden), "{hidden}\n{text}");
    }
}

#[tokio::test]
async fn metrics_can_be_read_by_a_machine() {
    let served = Served::with_ticket().await;
    served.state.counters.accepted.fetch_add(3, Ordering::Relaxed);
    let reply = served.call("GET", "/metrics", "").await;
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let (text, mut families) = (reply.text(), std::collections::BTreeSet::new());
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(kind.split(' ').next().unwrap()), "{line} stands twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(families.contains(name.split('{').next().unwrap()), "{line}");
            value.parse::<f64>().unwrap();
        }
    }
    for line in [
        "ombud_database_up 1",
        "ombud_ready 1",
        "ombud_inbox_accepted_total 1",
        "ombud_inbox_accepted_day 1",
        "ombud_acks_alarm 0",
        "ombud_outbox_messages{state=\"waiting\",kind=\"notify\"} 1",
        "ombud_mailbox_received_day{mailbox=\"support@desk.localhost\"} 1",
        "ombud_nodes 1",
        "ombud_webhooks{state=\"enabled\"} 0",
        "ombud_webhook_deliveries{state=\"waiting\"} 0",
        "ombud_tickets{status=\"open\"} 1",
        "ombud_tickets{status=\"spam\"} 0",
        "ombud_mailbox_tickets{mailbox=\"support@desk.localhost\",status=\"open\"} 1",
        "ombud_receive_accepted_total 3",
        "ombud_receive_replies_total{class=\"5\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(!text.contains("ann@") && !text.contains("jane@"));
}
