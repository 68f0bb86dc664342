//! Webhooks at the shell; no daemon runs.

use serde_json::json;

use super::{CONFIG, Folder};

const URL: &str = "https://hooks.example.com/x";

#[test]
fn webhooks_come_and_go() {
    let folder = Folder::new();
    assert!(folder.text(&["webhook", "list"]).starts_with("There are no webhooks"));
    let text = folder.text(&["webhook", "add", URL, "--events", "ticket.created,note.added"]);
    assert!(text.trim_end().lines().last().unwrap().starts_with("whsec_"), "the secret is the last word: {text}");
    let made = folder.json(&["webhook", "add", URL, "--events", "*"]);
    assert_eq!((&made["id"], &made["events"]), (&json!(2), &json!(["*"])));
    let list = folder.json(&["webhook", "list"]);
    assert_eq!(list["items"][0]["events"], json!(["ticket.created", "note.added"]));
    assert!(!list.to_string().contains("whsec_") && !folder.text(&["webhook", "list"]).contains("whsec_"));
    assert_eq!(folder.json(&["webhook", "disable", "1"])["enabled"], false);
    assert_eq!(folder.text(&["webhook", "enable", "1"]), "webhook 1 is enabled\n");
    assert_eq!(folder.text(&["webhook", "remove", "1"]), "webhook 1 is removed\n");
    for args in [["webhook", "remove", "1"], ["webhook", "test", "1"], ["webhook", "deliveries", "7"], ["webhook", "redeliver", "7"]] {
        let (code, line) = folder.fails(&args);
        assert_eq!(code, 66, "{line}");
    }
    for (url, events, told) in
        [("http://x.example", "*", "allow_http"), ("https://10.0.0.1", "*", "allow_networks"), (URL, "ticket.closed", "did you mean")]
    {
        let (code, line) = folder.fails(&["webhook", "add", url, "--events", events]);
        assert!(code == 65 && line.contains(told), "{code} {line}");
    }
}

#[test]
fn a_test_needs_no_daemon_and_is_kept() {
    let folder = Folder::new();
    folder.write("ombud.toml", format!("{CONFIG}[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", taken.local_addr().unwrap());
    drop(taken);
    folder.text(&["webhook", "add", &url, "--events", "*"]);
    let (code, line) = folder.fails(&["webhook", "test", "1"]);
    assert!(code == 69 && line.contains("connection refused"), "{code} {line}");
    let kept = &folder.json(&["webhook", "deliveries", "1"])["items"][0];
    assert_eq!((&kept["type"], &kept["state"], &kept["reason"]), (&json!("webhook.test"), &json!("failed"), &json!("connection refused")));
    assert!(folder.text(&["webhook", "deliveries", "1"]).contains("connection refused"));
    let done = folder.run(&["webhook", "redeliver", "1"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.len()), (0, "delivery 1 is sent again\n", 1));
    assert!(done.stderr[0].contains("no daemon runs"), "{:?}", done.stderr);
}
