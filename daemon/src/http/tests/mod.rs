//! A whole desk in a folder, asked over real TCP with a client that sends exactly what it is told.

mod access;
mod acts;
mod api;
mod articles;
mod events;
mod intake;
mod pages;
mod search;
mod umlauts;
mod webhooks;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Guards, Listener, State, serve};
use crate::clock::Clock;
use crate::config::{Config, Http, Listen};
use crate::desk::addresses::Book;
use crate::desk::token::KeyRing;
use crate::desk::{self, Desk, Step};
use crate::feed::index::SearchIndex;
use crate::inbox::Inbox;
use crate::model::facts::Facts;
use crate::model::people::Settings;
use crate::model::ticket::Role;
use crate::store::database_for_tests as database;
use crate::store::{AgentChange, Cmd, NewAgent, NewNode, NewToken, NodeId, Outcome, Scope, Store};
use crate::understand::{Limits, understand};
use crate::verify;

const AGENT: &str = "jane@desk.localhost";

/// A desk that is served on a free port; its folder goes with it.
struct Served {
    state: State,
    address: String,
    tokens: [String; 3],
    node: NodeId,
    desk: watch::Sender<Arc<Desk>>,
    cancel: CancellationToken,
    server: TaskTracker,
    folder: Folder,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An answer, taken apart.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole header") + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end..].to_vec() }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect(&self.head)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// Checks that this is a problem document of this status and gives its detail.
    fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.header("content-type")), (status, Some("application/problem+json")), "{self:?}");
        let problem = self.json();
        assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &status.into()));
        assert!(problem["title"].is_string());
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Served {
    async fn start() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::guarded(change, Guards::default()).await
    }

    async fn guarded(change: impl FnOnce(&mut Config), guards: Guards) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ombud-http-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(std::env::temp_dir().join(name));
        let mut config = Config::local(&folder.0).unwrap();
        config.limits.free_space = 1;
        change(&mut config);
        let store = Store::open(&database(folder.0.join("ombud.db")).await, &folder.0).await.unwrap();
        let (clock, now) = (Clock::default(), Clock::default().now());
        let addresses = config.mailboxes.iter().map(|m| m.address.clone()).collect();
        let Outcome::Mailboxes(rows) = store.run(Cmd::SyncMailboxes { addresses, now }).await.unwrap() else { unreachable!() };
        let Outcome::Node(node) = store.run(Cmd::StartNode(NewNode::of("test", now))).await.unwrap() else { unreachable!() };
        let book = Book::new(&config, &rows, KeyRing::new(&[(1, [7; 32])]).unwrap());
        let (sender, desk) = watch::channel(Arc::new(Desk { config: Arc::new(config), book }));
        let inbox = Inbox::new(store.clone(), clock);
        let counters = Arc::default();
        let index = SearchIndex::new(&folder.0);
        let filters = Arc::new(crate::filter::Filters::new(clock));
        let state = State { filters, store, clock, desk, inbox, counters, index, limits: Limits::default(), started_at: now, guards };
        let listener = Listener::bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).await.unwrap();
        let (address, cancel, server) = (listener.address().to_owned(), CancellationToken::new(), TaskTracker::new());
        server.spawn(serve(listener, state.clone(), cancel.clone()));
        let mut served = Self { state, address, tokens: Default::default(), node, desk: sender, cancel, server, folder };
        served.agent().await;
        for (i, scope) in Scope::ALL.iter().enumerate() {
            served.tokens[i] = served.token(*scope, None, None).await;
        }
        served
    }

    async fn agent(&self) {
        let settings = Settings::default();
        let (address, name, aliases, now) = (AGENT.into(), "Jane".into(), vec![], self.state.clock.now());
        self.run(Cmd::AddAgent(Box::new(NewAgent { address, name, role: Role::Admin, aliases, settings, now }))).await;
    }

    async fn token(&self, scope: Scope, agent: Option<&str>, expires_at: Option<i64>) -> String {
        let (text, hash) = NewToken::secret().unwrap();
        let (agent, now) = (agent.map(str::to_owned), self.state.clock.now());
        self.run(Cmd::CreateToken(Box::new(NewToken { hash, name: "test".into(), scope, agent, now, expires_at }))).await;
        text
    }

    async fn run(&self, cmd: Cmd) -> Outcome {
        self.state.store.run(cmd).await.unwrap()
    }

    async fn disable_agent(&self) {
        self.run(Cmd::ChangeAgent { address: AGENT.into(), change: AgentChange::Disable }).await;
    }

    fn read(&self) -> &str {
        &self.tokens[0]
    }

    fn write(&self) -> &str {
        &self.tokens[1]
    }

    fn admin(&self) -> &str {
        &self.tokens[2]
    }

    /// Sends bytes and reads until the server closes.
    async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut io = TcpStream::connect(&self.address).await.unwrap();
        // A server that has heard enough closes before all is written.
        let _ = io.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = io.read_to_end(&mut answer).await;
        answer
    }

    /// Gives all events their place in the log, where a task of the daemon does that.
    async fn number(&self) {
        while self.state.store.is_shared()
            && matches!(self.state.store.run(Cmd::NumberEvents { limit: 1_000 }).await, Ok(Outcome::Numbered { events: 1.., .. }))
        {
            self.state.store.nudges().events.notify_waiters();
        }
    }

    /// Sends a request and reads the answer. Nothing is left without its place in the log, before and after.
    async fn ask(&self, method: &str, target: &str, fields: &str, body: &[u8]) -> Reply {
        self.number().await;
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n{fields}{length}\r\n");
        let reply = Reply::parse(&self.raw(&[head.as_bytes(), body].concat()).await);
        self.number().await;
        reply
    }

    async fn call(&self, method: &str, target: &str, token: &str) -> Reply {
        let fields = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        self.ask(method, target, &fields, b"").await
    }

    async fn send(&self, method: &str, target: &str, token: &str, body: &str) -> Reply {
        let fields = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        self.ask(method, target, &fields, body.as_bytes()).await
    }

    async fn get(&self, target: &str) -> Reply {
        self.call("GET", target, self.read()).await
    }

    async fn items(&self, target: &str) -> Vec<serde_json::Value> {
        let reply = self.get(target).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["items"].as_array().unwrap().clone()
    }

    async fn hand_in(&self, query: &str, mail: &[u8]) -> Reply {
        let fields = format!("Authorization: Bearer {}\r\nContent-Type: message/rfc822\r\n", self.write());
        self.ask("POST", &format!("/api/v1/inbox?{query}"), &fields, mail).await
    }

    /// Takes every accepted mail to its fate.
    async fn decide_all(&self) {
        let (store, now) = (&self.state.store, self.state.clock.now());
        let Outcome::Mails(mails) = self.run(Cmd::ClaimInbox { node: self.node, now, limit: 16 }).await else { unreachable!() };
        for mail in mails {
            let desk = self.desk.borrow().clone();
            let understood = understand(&store.blob(&mail.blob).await.unwrap(), &self.state.limits);
            let verdict = verify::at_once(&desk.config).unwrap_or_default();
            let view = desk::Mail {
                id: mail.id,
                node: self.node.0,
                received_at: mail.received_at,
                envelope: &mail.envelope,
                blob: &mail.blob,
                understood: &understood,
                verdict: &verdict,
                findings: &mail.findings,
                passed: &mail.passed,
            };
            let mut facts = Facts::default();
            loop {
                match desk::decide(&desk, &view, &facts, now) {
                    Step::Need(keys) => store.facts(&mut facts, &keys).await.unwrap(),
                    Step::Done(changes) => break drop(self.run(Cmd::Commit(changes)).await),
                }
            }
        }
    }

    /// A desk with one ticket, which came in with an attachment.
    async fn with_ticket() -> Self {
        let served = Self::start().await;
        assert_eq!(served.hand_in("to=support@desk.localhost&from=ann@example.org", MAIL).await.status, 201);
        served.decide_all().await;
        served
    }
}

/// Turns the token requirement of the open pages on.
fn closed(config: &mut Config) {
    config.http = Some(Http { listen: Vec::new(), public: false });
}

const MAIL: &[u8] = b"From: Ann Smith <ann@example.org>\r\nTo: support@desk.localhost\r\nSubject: Broken <b>printer</b>\r\n\
Message-ID: <one@example.org>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nIt does not print any more.\r\n\
--b\r\nContent-Type: text/html; name=\"page \\\"1\\\".html\"\r\nContent-Disposition: attachment; filename=\"page.html\"\r\n\r\n\
<script>alert(1)</script>\r\n--b--\r\n";
