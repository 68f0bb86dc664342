//! A desk in a folder of its own, without a network.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::Opened;
use crate::clock::Clock;
use crate::config::Config;
use crate::desk::token::{Grant, Purpose};
use crate::filter::Filters;
use crate::inbox::Inbox;
use crate::model::outgoing::OutboxRow;
use crate::model::people::Settings;
use crate::model::ticket::Role;
use crate::model::{Envelope, InboxId, MailboxId, PersonId, TicketId, Transport};
use crate::pipeline::{Pipeline, Room};
use crate::store::database_for_tests as database;
use crate::store::read::{InboxItem, MessageItem, TicketItem};
use crate::store::{Cmd, NewAgent, NewNode, NodeId, Outcome};
use crate::verify;

pub(super) const SUPPORT: &str = "support@desk.localhost";
pub(super) const ANN: &str = "Ann Archer <ann@customer.test>";

pub(super) struct World {
    pub(super) opened: Opened,
    pub(super) node: NodeId,
    folder: PathBuf,
    sent: AtomicU64,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn started(opened: &Opened) -> NodeId {
    match opened.store.run(Cmd::StartNode(NewNode::of("test", 1))).await.unwrap() {
        Outcome::Node(node) => node,
        other => panic!("{other:?}"),
    }
}

impl World {
    /// The built-in local desk with its agent Jane, under a configuration that `change` has changed.
    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        static WORLD: AtomicU64 = AtomicU64::new(0);
        let folder = std::env::temp_dir().join(format!("ombud-world-{}-{}", std::process::id(), WORLD.fetch_add(1, Ordering::Relaxed)));
        let mut config = Config::local(&folder).unwrap();
        config.database = database(folder.join("ombud.db")).await;
        change(&mut config);
        let opened = Opened::open(Arc::new(config), Clock::default()).await.unwrap();
        let node = started(&opened).await;
        Self { opened, node, folder, sent: AtomicU64::new(0) }
    }

    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The process dies with what it has in hand, the next one of its folder starts, and half a minute passes.
    pub(super) async fn restart(&mut self) {
        self.node = started(&self.opened).await;
        let ahead = self.opened.clock.now() - Clock::default().now();
        self.opened.clock = Clock::ahead(ahead + 30_000);
    }

    /// Another agent.
    pub(super) async fn agent(&self, address: &str, name: &str) -> PersonId {
        let agent = NewAgent {
            address: address.into(),
            name: name.into(),
            role: Role::Agent,
            aliases: Vec::new(),
            settings: Settings::default(),
            now: 1,
        };
        match self.opened.store.run(Cmd::AddAgent(Box::new(agent))).await.unwrap() {
            Outcome::Id(id) => PersonId(id),
            other => panic!("{other:?}"),
        }
    }

    /// Keeps a mail and decides it.
    pub(super) async fn mail(&self, from: &str, to: &str, extra: &str, text: &str) -> InboxItem {
        let n = self.sent.fetch_add(1, Ordering::Relaxed);
        let raw = format!(
            "From: {from}\r\nTo: {to}\r\nSubject: Printer on fire\r\nMessage-ID: <m{n}@customer.test>\r\n{extra}\r\n{}\r\n",
            text.replace('\n', "\r\n")
        );
        self.raw(from, &[to], raw.as_bytes()).await
    }

    /// Keeps raw bytes and decides them.
    pub(super) async fn raw(&self, from: &str, to: &[&str], raw: &[u8]) -> InboxItem {
        let id = self.accept(from, to, raw).await;
        self.decide_all().await;
        self.opened.store.inbox_item(id).await.unwrap().unwrap()
    }

    /// Keeps raw bytes.
    pub(super) async fn accept(&self, from: &str, to: &[&str], raw: &[u8]) -> InboxId {
        self.keep(self.envelope(from, to), raw).await
    }

    /// How a mail of an outside client comes.
    pub(super) fn envelope(&self, from: &str, to: &[&str]) -> Envelope {
        let address = from.rsplit('<').next().unwrap().trim_end_matches('>');
        Envelope {
            transport: Transport::Smtp,
            peer: None,
            helo: None,
            mail_from: address.into(),
            sender_unknown: false,
            recipients: to.iter().map(|t| (*t).to_owned()).collect(),
            tls: false,
            auth_user: None,
            outside: true,
            malformed: None,
            account: None,
            // No name is looked up here.
            verdict: Some(verify::at_once(&self.opened.config).unwrap_or_default()),
            findings: Vec::new(),
        }
    }

    /// Keeps raw bytes that came in this envelope.
    pub(super) async fn keep(&self, envelope: Envelope, raw: &[u8]) -> InboxId {
        let inbox = Inbox::new(self.opened.store.clone(), self.opened.clock);
        let mut draft = inbox.draft();
        draft.push(raw).await.unwrap();
        let mail = inbox.admit(draft).await.unwrap();
        inbox.accept(envelope, mail).await.unwrap().id()
    }

    pub(super) fn pipeline(&self) -> Pipeline {
        let (sender, desk) = watch::channel(self.opened.desk.clone());
        drop(sender);
        let verifier = Arc::new(verify::Verifier::new(self.opened.clock));
        let filters = Arc::new(Filters::new(self.opened.clock));
        Pipeline {
            store: self.opened.store.clone(),
            node: self.node,
            desk,
            verifier,
            filters,
            room: Room::default(),
            clock: self.opened.clock,
        }
    }

    /// Decides what waits.
    pub(super) async fn decide_all(&self) {
        let pipeline = self.pipeline();
        loop {
            let mails = pipeline.claim(&mut false, Vec::new()).await;
            if mails.is_empty() {
                break;
            }
            for mail in mails {
                pipeline.one(mail, &CancellationToken::new()).await;
            }
        }
        if self.opened.store.is_shared() {
            self.opened.store.run(Cmd::NumberEvents { limit: 100 }).await.unwrap();
        }
    }

    pub(super) async fn ticket(&self, number: i64) -> TicketItem {
        self.opened.store.ticket(TicketId(number)).await.unwrap().unwrap()
    }

    pub(super) async fn messages(&self, number: i64) -> Vec<MessageItem> {
        self.opened.store.messages(TicketId(number), None, 200).await.unwrap().items
    }

    /// Everything in the outbox, oldest first, as `kind address`.
    pub(super) async fn outbox(&self) -> Vec<String> {
        self.rows().await.iter().map(|o| format!("{} {}", o.kind, o.address)).collect()
    }

    pub(super) async fn rows(&self) -> Vec<OutboxRow> {
        let mut rows = self.opened.store.outbox(None, None, 200).await.unwrap().items;
        rows.reverse();
        rows
    }

    /// A signed address as a notification would hold it.
    pub(super) async fn address(&self, purpose: Purpose, person: PersonId, subject: i64) -> String {
        let on_ticket = matches!(purpose, Purpose::Answer | Purpose::Note | Purpose::Customer);
        let ticket = TicketId(if on_ticket { subject } else { 0 });
        let epoch = self.opened.store.epochs(person, ticket).await.unwrap().map_or(0, |e| e.sum);
        let turn = if on_ticket { self.opened.store.turn_of(ticket).await.unwrap() } else { 0 };
        let expires_at = self.opened.clock.now() + 86_400_000;
        self.opened.desk.book.sign(MailboxId(1), Grant { purpose, subject, person, epoch, expires_at, turn })
    }

    /// The person with an address.
    pub(super) async fn person(&self, address: &str) -> PersonId {
        let mut facts = crate::model::facts::Facts::default();
        let keys = crate::model::facts::Keys { addresses: [address.to_owned()].into(), ..Default::default() };
        self.opened.store.facts(&mut facts, &keys).await.unwrap();
        facts.person_at(address).expect("a person").id
    }
}

/// Jane, the local desk's agent.
pub(super) const JANE: PersonId = PersonId(1);
pub(super) const JANES: &str = "Jane <agent@desk.localhost>";
