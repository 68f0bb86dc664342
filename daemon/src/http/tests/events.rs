//! The log, as a list and as a stream.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::stream::Pace;
use super::*;
use crate::model::changes::{Changes, NewEvent};

const EVENTS: &str = "/api/v1/events";
/// Nothing that works takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client of a stream.
struct Followed {
    io: TcpStream,
    got: Vec<u8>,
}

impl Followed {
    /// Reads until it is so, or the server closes.
    async fn until(&mut self, is_so: impl Fn(&str) -> bool) -> String {
        timeout(PATIENCE, async {
            loop {
                let text = String::from_utf8(self.got.clone()).unwrap();
                if is_so(&text) || self.io.read_buf(&mut self.got).await.unwrap() == 0 {
                    return text;
                }
            }
        })
        .await
        .unwrap()
    }

    /// The events up to a place.
    async fn events(&mut self, upto: i64) -> Vec<Value> {
        let text = self.until(|text| text.contains(&format!("\nid: {upto}\n")) && text.ends_with("\n\n\r\n")).await;
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    /// What came until the server closed.
    async fn end(&mut self) -> String {
        self.until(|_| false).await
    }
}

impl Served {
    async fn follow(&self, query: &str, fields: &str, token: &str) -> Followed {
        self.number().await;
        let mut io = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "GET {EVENTS}?{query} HTTP/1.1\r\nHost: desk\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n{fields}\r\n"
        );
        io.write_all(head.as_bytes()).await.unwrap();
        Followed { io, got: Vec::new() }
    }

    async fn article(&self, slug: &str) {
        let article = json!({ "slug": slug, "title": slug }).to_string();
        assert_eq!(self.send("POST", "/api/v1/articles", self.write(), &article).await.status, 201);
    }

    /// Adds events of 30 KiB.
    async fn large_events(&self, count: usize) {
        let data = || serde_json::Map::from_iter([("x".into(), "y".repeat(30_000).into())]);
        let event = |_| NewEvent { kind: "test", actor: "system".into(), ticket: None, message: None, data: data() };
        for at in (0..count).step_by(200) {
            let events = (at..count.min(at + 200)).map(event).collect();
            self.run(Cmd::Commit(Box::new(Changes { events, ..Changes::default() }))).await;
        }
    }

    /// Waits until no stream is followed any more.
    async fn no_streams(&self, of: usize) {
        let all = u32::try_from(of).unwrap();
        drop(timeout(PATIENCE, self.state.guards.streams.acquire_many(all)).await.unwrap().unwrap());
    }
}

fn paced(pace: Pace, streams: usize) -> Guards {
    Guards { pace, streams: Arc::new(Semaphore::new(streams)), ..Guards::default() }
}

fn seqs(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn the_log_is_a_list_to_catch_up_with() {
    let served = Served::with_ticket().await;
    let all = served.items(EVENTS).await;
    assert_eq!(seqs(&all), (1..=i64::try_from(all.len()).unwrap()).collect::<Vec<_>>());
    let mut keys: Vec<_> = all[0].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["actor", "at", "data", "seq", "ticket", "type"]);
    let kinds: Vec<_> = all.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"ticket.created") && kinds.contains(&"message.received"), "{kinds:?}");
    assert_eq!((&all[0]["actor"], &all[0]["ticket"]), (&"customer".into(), &1.into()));
    assert!(all[0]["at"].as_str().unwrap().ends_with('Z') && all[0]["data"].is_object());

    let first = served.get(&format!("{EVENTS}?limit=1")).await;
    assert_eq!((&first.json()["items"][0], &first.json()["next"]), (&all[0], &"1".into()));
    let log = first.header("ombud-log").unwrap();
    assert_eq!(served.items(&format!("{EVENTS}?after=0&cursor=1&log={log}")).await, all[1..]);
    assert_eq!(served.items(&format!("{EVENTS}?after=1")).await, all[1..]);
    let end = served.get(&format!("{EVENTS}?after={}", all.len())).await.json();
    assert_eq!(end, json!({ "items": [], "next": null }));
}

#[tokio::test]
async fn nothing_of_a_mail_is_in_the_log() {
    let served = Served::with_ticket().await;
    served.hand_in("to=support@desk.localhost", b"From: a@example.org\r\nFrom: b@example.org\r\nSubject: secret\r\n\r\nwords\r\n").await;
    served.decide_all().await;
    let janes = served.token(Scope::Write, Some(AGENT), None).await;
    for (text, public) in [("It is mended.", true), ("They lie.", false)] {
        let said = json!({ "text": text, "public": public }).to_string();
        assert_eq!(served.send("POST", "/api/v1/tickets/1/messages", &janes, &said).await.status, 201);
    }
    let events = served.items(&format!("{EVENTS}?limit=200")).await;
    assert!(events.len() >= 5 && events.iter().any(|event| event["type"] == "message.held"), "{events:?}");
    let text = serde_json::to_string(&events).unwrap();
    for hidden in ["@", "Ann", "Jane", "rinter", "print any", "secret", "words", "mended", "lie", "ombud_"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
}

#[tokio::test]
async fn a_place_in_another_log_is_gone() {
    let served = Served::with_ticket().await;
    let last = served.items(EVENTS).await.len();
    let log = served.get(EVENTS).await.header("ombud-log").unwrap().to_owned();
    for query in [format!("after={}", last + 1), "after=0&log=0123".to_owned()] {
        let lists = served.get(&format!("{EVENTS}?{query}")).await;
        let begin = format!("after={last}&log={log}");
        assert!(lists.problem(410).contains(&begin), "{lists:?}");
        assert_eq!(lists.header("ombud-log"), Some(log.as_str()));
        assert!(served.follow(&query, "Connection: close\r\n", served.read()).await.end().await.starts_with("HTTP/1.1 410 "));
    }
    for (query, name) in
        [("after=x", "after"), ("after=-1", "after"), ("after=99999999999999999999", "after"), ("cursor=a", "cursor"), ("from=1", "from")]
    {
        assert!(served.get(&format!("{EVENTS}?{query}")).await.problem(400).contains(&format!("`{name}`")), "{query}");
    }
    let bad = served.follow("", "Last-Event-ID: x\r\nConnection: close\r\n", served.read()).await.end().await;
    assert!(bad.starts_with("HTTP/1.1 400 ") && bad.contains("Last-Event-ID"), "{bad}");
}

#[tokio::test]
async fn a_stream_tells_what_was_and_what_comes() {
    let served = Served::with_ticket().await;
    let listed = served.items(EVENTS).await;
    let last = i64::try_from(listed.len()).unwrap();
    let mut followed = served.follow("after=0", "", served.read()).await;
    assert_eq!(followed.events(last).await, listed);
    served.article("a").await;
    let told = followed.events(last + 1).await;
    assert_eq!((&told[listed.len()]["type"], &told[listed.len()]["data"]["article"]), (&"article.updated".into(), &"a".into()));
    let head = String::from_utf8(followed.got.clone()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("ombud-log: ") && head.contains(&format!("id: {}\nevent: article.updated\ndata: {{", last + 1)), "{head}");

    let mut again = served.follow("after=0", &format!("Last-Event-ID: {last}\r\n"), served.read()).await;
    assert_eq!(seqs(&again.events(last + 1).await), [last + 1]);
    served.article("b").await;
    assert_eq!(seqs(&again.events(last + 2).await), [last + 1, last + 2]);
    assert_eq!(seqs(&followed.events(last + 2).await).len(), listed.len() + 2);
    drop((followed, again));
    served.no_streams(super::super::STREAMS).await;
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives() {
    let pace = Pace { quiet: Duration::from_millis(50), ..Pace::default() };
    let served = Served::guarded(|_| (), paced(pace, 1)).await;
    let mut followed = served.follow("", "", served.read()).await;
    let text = followed.until(|text| text.matches("\n: ").count() == 2).await;
    assert!(!text.contains("data:"), "{text}");
    assert!(served.follow("", "Connection: close\r\n", served.read()).await.end().await.starts_with("HTTP/1.1 503 "), "all are taken");
    assert_eq!(served.items(EVENTS).await.len(), 0);
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_the_desk() {
    let pace = Pace { check: Duration::from_millis(50), ..Pace::default() };
    let served = Served::guarded(|_| (), paced(pace, 8)).await;
    let agents = served.token(Scope::Read, Some(AGENT), None).await;
    let short = served.token(Scope::Read, None, Some(served.state.clock.now() + 10_000)).await;
    let mut all = Vec::new();
    for token in [&short, served.read(), &agents, served.write()] {
        let mut followed = served.follow("", "", token).await;
        followed.until(|text| text.contains("\r\n\r\n")).await;
        all.push(followed);
    }
    served.run(Cmd::RevokeToken { id: 1, now: 1 }).await;
    served.disable_agent().await;
    for followed in &mut all[..3] {
        assert!(followed.end().await.ends_with("\r\n0\r\n\r\n"));
    }
    served.cancel.cancel();
    assert!(all[3].end().await.ends_with("\r\n0\r\n\r\n"));
    served.server.close();
    timeout(PATIENCE, served.server.wait()).await.unwrap();
    served.no_streams(8).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let pace = Pace { slow: Duration::from_millis(200), ..Pace::default() };
    let served = Served::guarded(|_| (), paced(pace, 1)).await;
    served.large_events(1_200).await;
    let mut followed = served.follow("", "", served.read()).await;
    followed.until(|text| text.contains("data: ")).await;
    served.no_streams(1).await;
    let cut = timeout(PATIENCE, async {
        let mut buffer = vec![0; 1 << 20];
        let mut end = Vec::new();
        while let Ok(n @ 1..) = followed.io.read(&mut buffer).await {
            end = buffer[n.saturating_sub(7)..n].to_vec();
        }
        end
    });
    assert!(!cut.await.unwrap().ends_with(b"0\r\n\r\n"), "it did not end as a whole answer does");
    assert_eq!(served.get(&format!("{EVENTS}?limit=1")).await.status, 200);
}

#[tokio::test]
async fn a_stream_that_is_over_keeps_no_connection_whose_client_takes_nothing() {
    let pace = Pace { check: Duration::from_millis(50), slow: Duration::from_millis(500), ..Pace::default() };
    let mut guards = paced(pace, 1);
    // One for it, and one that the server keeps ready for the next.
    guards.connections = Arc::new(Semaphore::new(2));
    let served = Served::guarded(|_| (), guards).await;
    // More than the sockets take, and less than makes the stream wait.
    served.large_events(400).await;
    let mut followed = served.follow("", "", served.read()).await;
    followed.until(|text| text.contains("data: ")).await;
    served.run(Cmd::RevokeToken { id: 1, now: 1 }).await;
    drop(timeout(PATIENCE, served.state.guards.connections.acquire()).await.unwrap().unwrap());
}
