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

#[tokio::test]
async fn a_repeat_with_the_same_key_says_nothing_twice() {
    let served = Served::with_ticket().await;
    let janes = served.token(Scope::Write, Some(AGENT), None).await;
    let say = async |token: &str, key: &str, path: &str, body: &str| {
        let fields = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n");
        served.ask("POST", path, &fields, body.as_bytes()).await
    };
    let (path, answer) = ("/api/v1/tickets/1/messages", r#"{"text":"Mended. ","public":true}"#);
    let first = say(&janes, "a 1", path, answer).await;
    assert_eq!(first.status, 201, "{first:?}");
    served.send("PATCH", "/api/v1/tickets/1", served.write(), r#"{"status":"spam"}"#).await;
    let again = say(&janes, "a 1", path, answer).await;
    assert_eq!((again.status, again.json()), (201, first.json()), "a repeat gets the same answer, whatever happened since");
    for other in [r#"{"text":"Broken.","public":true}"#, r#"{"text":"Mended.","public":false}"#] {
        assert!(say(&janes, "a 1", path, other).await.problem(422).contains("new key"));
    }
    say(&janes, "a 1", "/api/v1/tickets/2/messages", answer).await.problem(422);
    let others = served.token(Scope::Write, Some(AGENT), None).await;
    let note = r#"{"text":"Mended.","public":false}"#;
    for (token, key) in [(&others, "a 1"), (&janes, "a 2")] {
        assert_ne!(say(token, key, path, note).await.json()["id"], first.json()["id"]);
    }
    assert_eq!(served.items(path).await.len(), 4);
    for key in ["", "\u{fc}", &"k".repeat(65), "x\r\nIdempotency-Key: y"] {
        assert!(say(&janes, key, path, note).await.problem(400).contains("Idempotency-Key"), "{key}");
    }
}

#[tokio::test]
async fn many_repeats_at_once_make_one_message() {
    let served = Served::with_ticket().await;
    let janes = served.token(Scope::Write, Some(AGENT), None).await;
    let fields = format!("Authorization: Bearer {janes}\r\nIdempotency-Key: once\r\n");
    let say = || served.ask("POST", "/api/v1/tickets/1/messages", &fields, br#"{"text":"Mended.","public":true}"#);
    let replies = tokio::join!(say(), say(), say(), say());
    for reply in [&replies.0, &replies.1, &replies.2, &replies.3] {
        assert_eq!((reply.status, reply.json()), (201, replies.0.json()));
    }
    assert_eq!(served.items("/api/v1/tickets/1/messages").await.len(), 2);
}

#[tokio::test]
async fn each_of_several_answers_at_once_is_told_its_own_message() {
    let served = Served::with_ticket().await;
    let janes = served.token(Scope::Write, Some(AGENT), None).await;
    let say = async |text: &'static str| {
        let body = format!(r#"{{"text":"{text}","public":false}}"#);
        let reply = served.send("POST", "/api/v1/tickets/1/messages", &janes, &body).await;
        assert_eq!((reply.status, &reply.json()["text"]), (201, &text.into()));
    };
    tokio::join!(say("one"), say("two"), say("three"), say("four"));
}
