//! Changing tickets, answering and noting over the API.

use super::{AGENT, Served};
use crate::store::Scope;

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let served = Served::with_ticket().await;
    let patch = r#"{"status":"on_hold","priority":"high","assignee":"JANE@desk.localhost","team":"billing","tags":["b","a","a"]}"#;
    let reply = served.send("PATCH", "/api/v1/tickets/1", served.write(), patch).await;
    let t = reply.json();
    assert_eq!((&t["status"], &t["priority"], &t["team"]), (&"on_hold".into(), &"high".into(), &"billing".into()));
    assert_eq!((&t["assignee"]["address"], &t["tags"]), (&AGENT.into(), &serde_json::json!(["a", "b"])));
    let t = served.send("PATCH", "/api/v1/tickets/1", served.write(), r#"{"assignee":null,"team":null}"#).await.json();
    assert_eq!((&t["assignee"], &t["team"], &t["status"]), (&serde_json::Value::Null, &serde_json::Value::Null, &"on_hold".into()));
}

#[tokio::test]
async fn a_patch_that_is_wrong_changes_nothing_and_says_why() {
    let served = Served::with_ticket().await;
    for (patch, word) in [
        ("{}x", "trailing"),
        (r#"{"status":"gone"}"#, "gone"),
        (r#"{"role":"admin"}"#, "role"),
        (r#"{"assignee":"nobody@x.test","status":"closed"}"#, "nobody@x.test"),
        ("", "EOF"),
    ] {
        let detail = served.send("PATCH", "/api/v1/tickets/1", served.write(), patch).await.problem(400);
        assert!(detail.contains(word), "{patch}: {detail}");
    }
    assert_eq!(served.get("/api/v1/tickets/1").await.json()["status"], "open");
    served.send("PATCH", "/api/v1/tickets/99", served.write(), "{}").await.problem(404);
}

#[tokio::test]
async fn an_answer_needs_somebody_who_speaks_and_a_note_stays_inside() {
    let served = Served::with_ticket().await;
    let nobodys = served.send("POST", "/api/v1/tickets/1/messages", served.write(), r#"{"text":"Hi","public":true}"#).await;
    assert!(nobodys.problem(403).contains("--agent"));
    let janes = served.token(Scope::Write, Some(AGENT), None).await;
    let note = served.send("POST", "/api/v1/tickets/1/messages", &janes, r#"{"text":"He lies.","public":false}"#).await;
    assert_eq!((note.status, &note.json()["kind"]), (201, &"note".into()));
    let answers = || async { served.items("/api/v1/outbox").await.into_iter().filter(|o| o["kind"] == "answer").count() };
    assert_eq!(answers().await, 0);
    let answer = served.send("POST", "/api/v1/tickets/1/messages", &janes, r#"{"text":"Mended.","public":true}"#).await;
    assert_eq!((answer.status, &answer.json()["public"]), (201, &true.into()));
    assert_eq!(answers().await, 1);
    assert_eq!(served.get("/api/v1/tickets/1").await.json()["status"], "pending");
    served.send("POST", "/api/v1/tickets/1/messages", &janes, r#"{"text":"  ","public":true}"#).await.problem(422);
}
