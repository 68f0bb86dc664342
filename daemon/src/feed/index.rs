//! The search index of this process: it follows the log into `data/index`, and this says how it is.
//!
//! The unit is a ticket or an article: any event of it replaces its document with what the database says today. Names of
//! people are as they were when their ticket changed last. A merged ticket is not found itself; what was moved from it is
//! found where it is now.

use std::collections::HashSet;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ombud_indexer::{Batch, Doc, Feed, Head, Index, Key, Searcher, State};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::millis;
use crate::failpoint;
use crate::model::article::Visibility;
use crate::model::{Address, TicketId};
use crate::store::read::{ArticleText, EventItem, TicketText};
use crate::store::{Store, StoreError};

/// Where the index lies in the data folder.
pub const FOLDER: &str = "index";

/// The index of this process. Cheap to clone.
#[derive(Clone)]
pub struct SearchIndex {
    inner: Arc<Inner>,
}

struct Inner {
    index: Index,
    state: watch::Receiver<State>,
    /// The last place of the log that was seen.
    head: AtomicI64,
}

/// How the index is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The last event that searches know of.
    pub seq: i64,
    /// The last event of the log when it was looked at last, at most about a second ago unless something fails.
    pub head: i64,
    /// Documents in it.
    pub docs: u64,
    /// Searches are answered.
    pub ready: bool,
    /// How many documents of a rebuild are done, while there is one.
    pub building: Option<u64>,
    /// Since when it does not follow, in ms, while it does not.
    pub failing_since_ms: Option<i64>,
    /// Why it does not follow: what, where, what to do.
    pub error: Option<String>,
}

impl SearchIndex {
    /// The index in a data folder. Nothing is touched before it follows.
    pub fn new(data: &Path) -> Self {
        let index = Index::new(data.join(FOLDER));
        let state = index.state();
        Self { inner: Arc::new(Inner { index, state, head: AtomicI64::new(0) }) }
    }

    /// Answers queries as soon as there is something to answer from.
    pub fn searcher(&self) -> Searcher {
        self.inner.index.searcher()
    }

    /// The last event that searches know of.
    pub fn seq(&self) -> i64 {
        signed(self.inner.state.borrow().seq)
    }

    /// How it is, `now` in ms.
    pub fn health(&self, now: i64) -> Health {
        let state = self.inner.state.borrow();
        Health {
            seq: signed(state.seq),
            head: self.inner.head.load(Ordering::Relaxed),
            docs: state.docs,
            ready: state.ready,
            building: state.building,
            failing_since_ms: state.failing.as_ref().map(|failing| now - millis(failing.since.elapsed())),
            error: state.failing.as_ref().map(|failing| failing.error.clone()),
        }
    }

    /// Follows the log until `cancel`. Trouble is told in the health, waited out and tried again.
    pub async fn follow(self, store: Store, cancel: CancellationToken) {
        let nudge = Notify::new();
        let feed = Log { store: &store, head: &self.inner.head };
        let wake = async {
            let events = &store.nudges().events;
            let mut grown = pin!(events.notified());
            loop {
                grown.as_mut().await;
                // Listening comes before telling, so that nothing falls between.
                grown.set(events.notified());
                nudge.notify_one();
            }
        };
        tokio::select! {
            () = wake => {}
            () = self.inner.index.follow(&feed, &nudge, cancel.cancelled()) => {}
        }
    }
}

/// The store's log as the index wants it.
struct Log<'a> {
    store: &'a Store,
    head: &'a AtomicI64,
}

impl Feed for Log<'_> {
    type Error = StoreError;

    async fn head(&self) -> Result<Head, StoreError> {
        let head = self.store.index_head().await?;
        self.head.store(head.last, Ordering::Relaxed);
        Ok(Head { log_id: head.log, epoch: unsigned(head.epoch), seq: unsigned(head.last) })
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Batch, StoreError> {
        let events = self.store.events_after(signed(after), count(limit)).await?;
        let upto = events.last().map_or(after, |event| unsigned(event.seq));
        Ok(Batch { upto, keys: events.iter().flat_map(touched).collect() })
    }

    async fn docs(&self, keys: &[Key]) -> Result<Vec<Doc>, StoreError> {
        let (mut tickets, mut slugs) = (Vec::new(), Vec::new());
        for key in keys {
            match key {
                Key::Ticket(number) => tickets.push(TicketId(signed(*number))),
                Key::Article(slug) => slugs.push(slug.as_str()),
            }
        }
        let tickets = self.store.ticket_texts(&tickets).await?;
        let articles = self.store.article_texts(&slugs).await?;
        failpoint::reached("index.before_commit");
        Ok(tickets.into_iter().map(of_ticket).chain(articles.into_iter().map(of_article)).collect())
    }

    async fn keys(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let (number, slug) = match after {
            None => (Some(0), ""),
            Some(Key::Ticket(number)) => (Some(signed(*number)), ""),
            Some(Key::Article(slug)) => (None, slug.as_str()),
        };
        let mut keys = Vec::new();
        if let Some(number) = number {
            let numbers = self.store.numbers_after(number, count(limit)).await?;
            keys.extend(numbers.into_iter().map(|ticket| Key::Ticket(unsigned(ticket.0))));
        }
        if let left @ 1.. = limit.saturating_sub(keys.len()) {
            keys.extend(self.store.slugs_after(slug, count(left)).await?.into_iter().map(Key::Article));
        }
        Ok(keys)
    }
}

/// What an event has touched.
fn touched(event: &EventItem) -> Vec<Key> {
    let mut keys: Vec<Key> = event.ticket.iter().map(|ticket| Key::Ticket(unsigned(ticket.0))).collect();
    let is_article = event.kind.starts_with("article.");
    if is_article || event.kind == "ticket.merged" {
        let data: serde_json::Value = serde_json::from_str(&event.data).unwrap_or_default();
        if let Some(slug) = data["article"].as_str().filter(|_| is_article) {
            keys.push(Key::Article(slug.to_owned()));
        }
        keys.extend(["from", "into"].into_iter().filter_map(|name| data[name].as_u64()).map(Key::Ticket));
    }
    keys
}

fn of_ticket(found: TicketText) -> Doc {
    let TicketText { ticket, authors, texts, attachments } = found;
    let mut seen = HashSet::new();
    let from = std::iter::once(&ticket.requester).chain(&authors).map(person).filter(|who| seen.insert(who.clone())).collect();
    let to = std::iter::once(ticket.mailbox.clone()).chain(ticket.participants.iter().map(person)).collect();
    Doc {
        title: ticket.subject,
        body: texts,
        from,
        to,
        status: Some(ticket.status.word().to_owned()),
        priority: Some(ticket.priority.word().to_owned()),
        mailbox: Some(ticket.mailbox),
        assignee: ticket.assignee.map(|assignee| assignee.address),
        team: ticket.team,
        tags: ticket.tags,
        attachments,
        created_at: ticket.created_at,
        updated_at: ticket.updated_at,
        ..Doc::new(Key::Ticket(unsigned(ticket.number.0)))
    }
}

fn of_article(found: ArticleText) -> Doc {
    Doc {
        title: found.title,
        body: vec![found.body],
        status: Some(found.status.word().to_owned()),
        language: Some(found.language),
        internal: found.visibility == Visibility::Internal,
        created_at: found.created_at,
        updated_at: found.updated_at,
        ..Doc::new(Key::Article(found.slug))
    }
}

/// `Ann <ann@example.com>`.
fn person(address: &Address) -> String {
    match &address.name {
        Some(name) => format!("{name} <{}>", address.address),
        None => address.address.clone(),
    }
}

/// Numbers of ours are never below 0.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, ticket: Option<i64>, data: &str) -> EventItem {
        EventItem { seq: 1, kind: kind.into(), at: 0, actor: "cli".into(), ticket: ticket.map(TicketId), data: data.into() }
    }

    #[test]
    fn an_event_names_what_it_has_touched() {
        let ticket = |n: &[u64]| n.iter().copied().map(Key::Ticket).collect::<Vec<_>>();
        for (event, keys) in [
            (event("ticket.created", Some(3), "{}"), ticket(&[3])),
            (event("ticket.assigned", Some(3), r#"{"from":1,"to":2}"#), ticket(&[3])),
            (event("ticket.merged", Some(3), r#"{"into":4}"#), ticket(&[3, 4])),
            (event("ticket.merged", Some(4), "null"), ticket(&[4])),
            (event("message.held", None, r#"{"inbox":9}"#), vec![]),
            (event("article.removed", None, r#"{"article":"reset","id":1}"#), vec![Key::Article("reset".into())]),
            (event("article.updated", None, "not JSON"), vec![]),
        ] {
            assert_eq!(touched(&event), keys, "{event:?}");
        }
    }
}
