//! Bytes that no honest client sends, and the end.

use std::time::Duration;

use super::super::serve::Age;
use super::*;

#[tokio::test]
async fn a_request_that_can_be_framed_in_two_ways_ends_the_connection() {
    let served = Served::start().await;
    let vectors: [&str; 11] = [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 5, 5x\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Content-Length: -1\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        " X: folded\r\n\r\n",
        "X: a\0b\r\n\r\n",
        "X y: z\r\n\r\n",
    ];
    for vector in vectors {
        let request = format!("POST /api/v1/inbox HTTP/1.1\r\nHost: x\r\n{vector}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = String::from_utf8(served.raw(request.as_bytes()).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("\"ok\""), "{vector:?}: {answer}");
    }
    let both = "POST /api/v1/inbox HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = String::from_utf8(served.raw(both.as_bytes()).await).unwrap();
    assert!(!answer.contains("\"ok\""), "{answer}");
}

#[tokio::test]
async fn headers_and_bodies_have_an_end() {
    let served = Served::start().await;
    let many = |n: usize| (0..n).map(|i| format!("X-{i}: y\r\n")).collect::<String>();
    assert_eq!(served.ask("GET", "/healthz", &many(60), b"").await.status, 200);
    assert_eq!(served.ask("GET", "/healthz", &many(65), b"").await.status, 431);
    let long = |n: usize| format!("X: {}\r\n", "y".repeat(n));
    assert_eq!(served.ask("GET", "/healthz", &long(15_000), b"").await.status, 200);
    assert_eq!(served.ask("GET", "/healthz", &long(17_000), b"").await.status, 431);
    let fields = format!("Authorization: Bearer {}\r\nContent-Length: 1048577\r\n", served.admin());
    served.ask("POST", "/api/v1/inbox/1/release", &fields, b"").await.problem(413);
}

#[tokio::test]
async fn a_body_in_chunks_is_bounded_and_read_like_any_other() {
    let served = Served::with_ticket().await;
    let fields = format!("Host: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n", served.write());
    let chunk = |body: &str| format!("{:x}\r\n{body}\r\n", body.len());
    let long = format!("{}{}", chunk("{\"tags\": []"), chunk(&" ".repeat(1 << 20)));
    for (method, path) in [("PATCH", "tickets/1"), ("POST", "tickets/1/messages"), ("POST", "articles"), ("PUT", "articles/x")] {
        let head = format!("{method} /api/v1/{path} HTTP/1.1\r\n{fields}\r\n");
        let janes = head.replace(served.write(), &served.token(Scope::Write, Some(AGENT), None).await);
        let reply = Reply::parse(&served.raw(format!("{janes}{long}0\r\n\r\n").as_bytes()).await);
        assert!(reply.problem(413).contains("1 MiB"), "{method} {path}");
        Reply::parse(&served.raw(format!("{janes}zz\r\n").as_bytes()).await).problem(400);
    }
    let whole = format!("PATCH /api/v1/tickets/1 HTTP/1.1\r\n{fields}\r\n{}{}0\r\n\r\n", chunk("{\"tags\":"), chunk("[\"a\"]}"));
    assert_eq!(Reply::parse(&served.raw(whole.as_bytes()).await).json()["tags"], serde_json::json!(["a"]));
}

#[tokio::test]
async fn a_connection_that_grows_old_ends_after_what_is_in_hand() {
    let age = Age { life: Duration::from_millis(300), grace: Duration::from_secs(60) };
    let served = Served::guarded(|_| (), Guards { age, ..Guards::default() }).await;
    let mut io = TcpStream::connect(&served.address).await.unwrap();
    let head = format!(
        "POST /api/v1/inbox?to=support@desk.localhost HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: message/rfc822\r\nContent-Length: 15\r\n\r\n",
        served.write()
    );
    io.write_all(head.as_bytes()).await.unwrap();
    // A younger one that asks nothing tells when the time of the first has come.
    let mut idle = TcpStream::connect(&served.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&rest));
    io.write_all(b"Subject: x\r\n\r\ny").await.unwrap();
    rest.clear();
    io.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 201 "), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn a_connection_that_takes_nothing_ends_when_it_is_too_old() {
    let age = Age { life: Duration::from_millis(100), grace: Duration::from_millis(300) };
    // One for it, and one that the server keeps ready for the next.
    let guards = Guards { age, connections: Arc::new(tokio::sync::Semaphore::new(2)), ..Guards::default() };
    let served = Served::guarded(|config| config.limits.data_timeout = Duration::from_millis(1), guards).await;
    let mut io = TcpStream::connect(&served.address).await.unwrap();
    let request = format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", served.read());
    // More answers are asked than the sockets take.
    let _ = tokio::time::timeout(Duration::from_millis(200), io.write_all(request.repeat(2_000).as_bytes())).await;
    io.read_exact(&mut [0; 12]).await.unwrap();
    drop(tokio::time::timeout(Duration::from_secs(20), served.state.guards.connections.acquire()).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_mail_that_is_read_back_keeps_its_turn_until_it_is_taken() {
    let served = Served::start().await;
    let mail = [b"Subject: big\r\nContent-Type: application/octet-stream\r\n\r\n".as_slice(), &b"y".repeat(12 << 20)].concat();
    assert_eq!(served.hand_in("to=support@desk.localhost&from=ann@example.org", &mail).await.status, 201);
    served.decide_all().await;
    let turns = &served.state.guards.read_back;
    let all = turns.available_permits();
    let mut io = TcpStream::connect(&served.address).await.unwrap();
    let fields = format!("Host: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n", served.read());
    io.write_all(format!("GET /api/v1/messages/1/raw HTTP/1.1\r\n{fields}\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    io.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer.as_slice(), turns.available_permits()), (b"HTTP/1.1 200".as_slice(), all - 1));
    io.read_to_end(&mut answer).await.unwrap();
    let reply = Reply::parse(&answer);
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    assert!(reply.body == mail, "it is the mail");
    drop(tokio::time::timeout(Duration::from_secs(20), turns.acquire_many(u32::try_from(all).unwrap())).await.unwrap().unwrap());
}

#[tokio::test]
async fn nothing_of_the_inside_is_told() {
    let served = Served::start().await;
    let mut seed = 7_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let pieces = [
        "tickets",
        "/",
        "..",
        "%2e%2e",
        "%00",
        "%ff",
        "?",
        "q=",
        "'",
        "\"",
        ";--",
        "limit=",
        "9223372036854775808",
        "-",
        "&",
        "cursor=",
        "inbox",
        "{}",
        "attachments",
        "messages",
        "raw",
        "state=",
        "%F0%9F%98%80",
        "a",
    ];
    let bases = ["", "tickets?", "tickets/", "inbox?", "outbox?", "attachments/", "messages/", "tickets/1/messages?"];
    let mut token = String::new();
    for round in 0..400 {
        if round % 40 == 0 {
            // A token that asks too often would only hear that.
            token = served.token(Scope::Admin, None, None).await;
        }
        let rest: String = (0..random() % 6).map(|_| pieces[random() % pieces.len()]).collect();
        let target = format!("{}{rest}", bases[random() % bases.len()]);
        let fields = format!("Host: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n");
        let answer = served.raw(format!("GET /api/v1/{target} HTTP/1.1\r\n{fields}\r\n").as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        for inside in ["panicked", "src/", "SELECT", "sqlite", "Database("] {
            assert!(!answer.contains(inside), "{target}: {answer}");
        }
        assert!(!answer.starts_with("HTTP/1.1 429") && !answer.starts_with("HTTP/1.1 5"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn the_end_waits_for_what_is_in_hand() {
    let served = Served::start().await;
    let mut idle = TcpStream::connect(&served.address).await.unwrap();
    let mut busy = TcpStream::connect(&served.address).await.unwrap();
    let head = format!(
        "POST /api/v1/inbox?to=support@desk.localhost HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nAuthorization: Bearer {}\r\n\
         Content-Type: message/rfc822\r\nContent-Length: 15\r\n\r\n",
        served.write()
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    busy.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    served.cancel.cancel();
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).await.unwrap(), 0);
    busy.write_all(b"Subject: x\r\n\r\ny").await.unwrap();
    busy.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 201 "), "{}", String::from_utf8_lossy(&rest));
    served.server.close();
    tokio::time::timeout(Duration::from_secs(8), served.server.wait()).await.unwrap();
    assert!(TcpStream::connect(&served.address).await.is_err());
}

#[tokio::test]
async fn a_unix_socket_and_a_taken_port() {
    let served = Served::start().await;
    let taken = served.address.parse().unwrap();
    assert!(Listener::bind(&Listen::Tcp(taken)).await.is_err());
    assert_ne!(Listener::bind(&Listen::TcpOrFree(taken)).await.unwrap().address(), served.address);
    let path = served.folder.0.join("http.sock");
    let listener = Listener::bind(&Listen::Unix(path.clone())).await.unwrap();
    assert_eq!(listener.address(), format!("unix:{}", path.display()));
    let cancel = CancellationToken::new();
    let server = tokio::spawn(serve(listener, served.state.clone(), cancel.clone()));
    let mut io = tokio::net::UnixStream::connect(&path).await.unwrap();
    io.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).status, 200);
    cancel.cancel();
    server.await.unwrap();
    assert!(!path.exists());
}
