//! The objects of the contract, lists, and what strangers wrote.

use super::*;
use crate::model::PersonId;
use crate::model::changes::Changes;
use crate::model::refusal::Refusal;

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_ticket_and_its_messages() {
    let served = Served::with_ticket().await;
    let ticket = served.get("/api/v1/tickets/1").await.json();
    let all = "assignee created_at mailbox merged_into messages number participants priority requester status subject tags team updated_at";
    assert_eq!(keys(&ticket).join(" "), all);
    assert_eq!((&ticket["number"], &ticket["status"], &ticket["subject"]), (&1.into(), &"open".into(), &"Broken <b>printer</b>".into()));
    assert_eq!(ticket["requester"], serde_json::json!({ "name": "Ann Smith", "address": "ann@example.org" }));
    assert!(ticket["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(served.items("/api/v1/tickets?q=PRINTER&status=open").await, std::slice::from_ref(&ticket));
    assert!(served.items("/api/v1/tickets?q=scanner").await.is_empty());
    let message = served.items("/api/v1/tickets/1/messages").await.remove(0);
    let all = "attachments authentication author automatic created_at flags html id kind message_id public reply_text subject text";
    assert_eq!(keys(&message).join(" "), all);
    assert_eq!((&message["kind"], &message["message_id"]), (&"customer".into(), &"one@example.org".into()));
    assert_eq!(keys(&message["authentication"]), ["aligned", "by", "dkim", "dmarc", "domain", "identity", "policy", "spf"]);
    assert_eq!(message["attachments"][0]["id"], "1-0");
    assert_eq!(message["attachments"][0]["name"], "page.html");
}

#[tokio::test]
async fn what_strangers_wrote_is_only_ever_saved() {
    let served = Served::with_ticket().await;
    let raw = served.get("/api/v1/messages/1/raw").await;
    assert_eq!((raw.status, raw.body.as_slice()), (200, MAIL));
    assert_eq!(raw.header("content-type"), Some("message/rfc822"));
    let attachment = served.get("/api/v1/attachments/1-0").await;
    assert_eq!((attachment.status, attachment.text()), (200, "<script>alert(1)</script>"));
    assert_eq!(attachment.header("content-type"), Some("application/octet-stream"));
    for reply in [raw, attachment] {
        assert!(reply.header("content-disposition").unwrap().starts_with("attachment; "), "{reply:?}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(reply.header("content-security-policy").unwrap().contains("sandbox"));
    }
    let understood = served.get("/api/v1/messages/1/understood").await.json();
    assert_eq!(understood["reply_text"].as_str().unwrap().trim(), "It does not print any more.");
    assert!(understood.get("facts").is_none());
    for missing in
        ["attachments/1-1", "attachments/1", "attachments/1--0", "attachments/%FF", "attachments/9-0", "messages/9/raw", "messages/x/raw"]
    {
        served.get(&format!("/api/v1/{missing}")).await.problem(404);
    }
}

#[tokio::test]
async fn lists_go_on_where_they_stopped() {
    let served = Served::start().await;
    for n in 0..5 {
        let mail = format!("From: c{n}@example.org\r\nSubject: n{n}\r\nMessage-ID: <{n}@x>\r\n\r\nhello {n}\r\n");
        assert_eq!(served.hand_in("to=support@desk.localhost", mail.as_bytes()).await.status, 201);
    }
    served.decide_all().await;
    for list in ["tickets", "inbox", "outbox"] {
        let whole = served.items(&format!("/api/v1/{list}")).await;
        let (mut pieces, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = served.get(&format!("/api/v1/{list}?limit=2&cursor={cursor}")).await.json();
            assert!(page["items"].as_array().unwrap().len() <= 2);
            pieces.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            next.clone_into(&mut cursor);
        }
        assert_eq!(whole, pieces, "{list}");
        assert!(whole.len() >= 5, "{list}");
    }
    assert_eq!(served.items("/api/v1/inbox?message_id=3@x").await.len(), 1);
    assert_eq!(served.items("/api/v1/inbox?state=ticket").await.len(), 5);
    let out = served.items("/api/v1/outbox?state=waiting").await;
    assert_eq!(keys(&out[0]).join(" "), "attempts created_at id kind last_reply next_attempt_at state ticket to");
    assert!(served.items("/api/v1/outbox?state=failed").await.is_empty());
}

#[tokio::test]
async fn mail_that_is_being_sent_still_waits() {
    let served = Served::with_ticket().await;
    let waiting = served.items("/api/v1/outbox?state=waiting").await.len();
    let now = served.state.clock.now();
    let Outcome::Outbox(claimed) = served.run(Cmd::ClaimOutbox { node: served.node, now, limit: 16, away: Vec::new() }).await else {
        unreachable!()
    };
    assert!(!claimed.is_empty());
    let items = served.items("/api/v1/outbox?state=waiting").await;
    assert_eq!(items.len(), waiting);
    assert!(items.iter().all(|item| item["state"] == "waiting" && item["next_attempt_at"].is_string()));
}

#[tokio::test]
async fn addresses_that_refuse_mail_are_listed_and_let_through() {
    let served = Served::with_ticket().await;
    let until = served.state.clock.now() + 86_400_000;
    let refusal = Refusal { until, refused_at: 1, reply: "550 5.1.1 no <b>".into(), ..Refusal::default() };
    served.run(Cmd::Commit(Box::new(Changes { refusals: vec![(PersonId(2), refusal)], ..Changes::default() }))).await;
    let item = served.items("/api/v1/suppressed").await.remove(0);
    assert_eq!(keys(&item).join(" "), "address complained_at refused_at reply role until");
    assert_eq!(
        (&item["address"], &item["role"], &item["reply"]),
        (&"ann@example.org".into(), &"customer".into(), &"550 5.1.1 no <b>".into())
    );
    let ticket = served.get("/api/v1/tickets/1").await.json();
    assert_eq!(ticket["refused"], serde_json::json!([{ "address": "ann@example.org", "until": item["until"] }]));
    assert!(served.get("/metrics").await.text().contains("\nombud_suppressed_addresses 1\n"));
    let page = served.get("/").await;
    assert!(page.text().contains("Addresses that refuse mail") && !page.text().contains("ann@example.org"));
    served.call("DELETE", "/api/v1/suppressed/nobody@example.org", served.admin()).await.problem(404);
    served.call("DELETE", "/api/v1/suppressed/%FF", served.admin()).await.problem(404);
    assert_eq!(served.call("DELETE", "/api/v1/suppressed/Ann%40example.org", served.admin()).await.status, 204);
    assert!(served.items("/api/v1/suppressed").await.is_empty());
    assert!(served.get("/api/v1/tickets/1").await.json().get("refused").is_none());
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let served = Served::start().await;
    let cases = [
        ("tickets?limit=0", "limit"),
        ("tickets?limit=201", "limit"),
        ("tickets?limit=x", "limit"),
        ("tickets?status=nope", "status"),
        ("tickets?cursor=1", "cursor"),
        ("tickets?sort=up", "sort"),
        ("tickets?q=a&q=b", "q"),
        ("inbox?state=open", "state"),
        ("outbox?state=claimed", "state"),
        ("inbox?cursor=x", "cursor"),
        ("tickets/1?x=1", "x"),
        ("messages/1/raw?x=1", "x"),
    ];
    for (target, name) in cases {
        let detail = served.get(&format!("/api/v1/{target}")).await.problem(400);
        assert!(detail.contains(&format!("`{name}`")), "{target}: {detail}");
    }
    assert_eq!(served.get("/api/v1/tickets?limit=200&status=&q=").await.status, 200);
}

#[tokio::test]
async fn a_held_mail_is_let_through_once() {
    let served = Served::with_ticket().await;
    // Ann is the second person here; an agent called her a spammer.
    let changes = Changes { spam_until: vec![(PersonId(2), i64::MAX)], ..Changes::default() };
    served.run(Cmd::Commit(Box::new(changes))).await;
    assert_eq!(served.hand_in("to=support@desk.localhost", b"From: ann@example.org\r\nSubject: s\r\n\r\ntext\r\n").await.status, 201);
    served.decide_all().await;
    let item = served.items("/api/v1/inbox").await.remove(0);
    let expected = "attempts authentication decision fate filters from id mail_from message_id received_at recipients subject transport";
    assert_eq!(keys(&item).join(" "), expected);
    assert_eq!((&item["fate"]["kind"], &item["transport"]), (&"held".into(), &"http".into()), "{item}");
    assert_eq!(keys(&item["fate"]), ["detail", "kind", "reason", "ticket"]);
    let released = served.call("POST", "/api/v1/inbox/2/release", served.admin()).await;
    assert_eq!((released.status, &released.json()["fate"]["kind"]), (200, &"waiting".into()));
    served.call("POST", "/api/v1/inbox/2/release", served.admin()).await.problem(409);
    served.call("POST", "/api/v1/inbox/9/release", served.admin()).await.problem(404);
    served.decide_all().await;
    assert_eq!(served.items("/api/v1/inbox").await[0]["fate"]["kind"], "ticket");
    assert_eq!(served.hand_in("to=support@desk.localhost", b"From: ann@example.org\r\nSubject: t\r\n\r\nmore\r\n").await.status, 201);
    served.decide_all().await;
    let dropped = served.call("POST", "/api/v1/inbox/3/drop", served.admin()).await;
    let fate = &dropped.json()["fate"];
    assert_eq!((dropped.status, &fate["kind"], &fate["reason"]), (200, &"automatic".into(), &"dropped".into()));
    served.call("POST", "/api/v1/inbox/3/drop", served.admin()).await.problem(409);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let served = Served::start().await;
    for path in
        ["/nope", "/api/v1/nope", "/api/v2/tickets", "/api/v1/tickets/1", "/api/v1/tickets/-1", "/api/v1/tickets/1/messages", "/.env"]
    {
        served.get(path).await.problem(404);
    }
    let reply = served.call("DELETE", "/api/v1/tickets", served.admin()).await;
    reply.problem(405);
    assert!(reply.header("allow").unwrap().contains("GET"));
}
