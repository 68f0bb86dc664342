//! Mail that is handed in.

use super::*;

#[tokio::test]
async fn a_201_means_kept() {
    let served = Served::start().await;
    let reply = served.hand_in("to=support@desk.localhost", MAIL).await;
    let id = reply.json()["id"].as_i64().unwrap();
    assert_eq!(reply.status, 201);
    let item = served.state.store.inbox_item(crate::model::InboxId(id)).await.unwrap().unwrap();
    assert_eq!(served.state.store.blob(&item.blob).await.unwrap(), MAIL);
    assert_eq!((item.envelope.transport.word(), item.envelope.outside), ("http", false));
    assert_eq!(item.envelope.recipients, ["support@desk.localhost"]);
    assert_eq!(served.items("/api/v1/inbox?state=waiting").await[0]["id"], id);
}

#[tokio::test]
async fn chunks_are_a_mail_too() {
    let served = Served::start().await;
    let head = format!(
        "POST /api/v1/inbox?to=support@desk.localhost HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: bearer {}\r\n\
         Content-Type: Message/RFC822; charset=x\r\nTransfer-Encoding: chunked\r\n\r\n",
        served.write()
    );
    let body = "8\r\nSubject:\r\n5\r\n hi\r\n\r\n4\r\n\r\nx\n\r\n0\r\n\r\n";
    let broken = "8\r\nSubject:\r\nzz\r\n";
    let reply = Reply::parse(&served.raw(format!("{head}{body}").as_bytes()).await);
    assert_eq!(reply.status, 201, "{reply:?}");
    let item = served.state.store.inbox_item(crate::model::InboxId(1)).await.unwrap().unwrap();
    assert_eq!(served.state.store.blob(&item.blob).await.unwrap(), b"Subject: hi\r\n\r\nx\n");
    let answer = served.raw(format!("{head}{broken}").as_bytes()).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(served.items("/api/v1/inbox").await.len(), 1);
}

#[tokio::test]
async fn a_mail_for_somebody_else_is_refused() {
    let served = Served::start().await;
    let token = "a".repeat(44);
    for (query, status) in [
        (String::new(), 400),
        ("to=".into(), 400),
        ("to=support".into(), 400),
        ("to=%22a%40b%22@desk.localhost".into(), 400),
        ("to=support@desk.localhost&from=x".into(), 400),
        ("to=support@desk.localhost&x=1".into(), 400),
        ("to=nobody@desk.localhost".into(), 404),
        ("to=support@example.org".into(), 404),
        (format!("to=support%2B{token}@desk.localhost"), 404),
    ] {
        served.hand_in(&query, MAIL).await.problem(status);
    }
    assert_eq!(served.hand_in("to=support+shop@desk.localhost", MAIL).await.status, 201);
    assert_eq!(served.hand_in("to=Postmaster%40desk.localhost", MAIL).await.status, 201);
    let item = served.state.store.inbox_item(crate::model::InboxId(1)).await.unwrap().unwrap();
    assert_eq!(item.envelope.recipients, ["support+shop@desk.localhost"]);
    assert_eq!(served.items("/api/v1/inbox").await.len(), 2);
}

#[tokio::test]
async fn only_a_mail_of_bearable_size() {
    let served = Served::with(|config| config.limits.message_size = 300_000).await;
    served.hand_in("to=support@desk.localhost", b"").await.problem(400);
    served.hand_in("to=support@desk.localhost", &vec![b'x'; 300_001]).await.problem(413);
    assert_eq!(served.hand_in("to=support@desk.localhost", &vec![b'x'; 300_000]).await.status, 201);
    let fields = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", served.write());
    served.ask("POST", "/api/v1/inbox?to=support@desk.localhost", &fields, b"{}").await.problem(415);
    // Chunks do not say how many will come.
    let head = format!(
        "POST /api/v1/inbox?to=support@desk.localhost HTTP/1.1\r\nHost: x\r\n{}Transfer-Encoding: chunked\r\n\r\n",
        fields.replace("application/json", "message/rfc822")
    );
    let chunk = [format!("{:x}\r\n", 200_000).into_bytes(), vec![b'y'; 200_000], b"\r\n".to_vec()].concat();
    let answer = served.raw(&[head.as_bytes(), &chunk, &chunk].concat()).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(served.items("/api/v1/inbox").await.len(), 1);
    assert!(std::fs::read_dir(served.folder.0.join("spool")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_full_disk_is_the_senders_to_wait_for() {
    let served = Served::with(|config| config.limits.free_space = u64::MAX).await;
    let reply = served.hand_in("to=support@desk.localhost", MAIL).await;
    reply.problem(503);
    assert!(reply.header("retry-after").is_some());
    assert!(served.items("/api/v1/inbox").await.is_empty());
}
