//! A search: which documents, from the index; what they say, from the database, which has the last word.

use ombud_indexer::{Hit, Key, MAX_HITS, Page, Query, SearchError, Searcher, Snippet, snippet};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::model::TicketId;
use crate::store::{Store, StoreError};

/// Longest snippet, in characters.
const SNIPPET: usize = 200;
/// Hits whose texts are in memory at once: a page as most ask for it.
const FEW: usize = 25;

/// One thing found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub key: Key,
    /// Subject or title, as it is now.
    pub title: String,
    /// Why it was found.
    pub snippet: Snippet,
    /// How well it fits; comparable within one answer.
    pub score: f32,
}

/// A page of what was found.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The best first. Hits that the database does not know any more are left out.
    pub items: Vec<Found>,
    /// How many there are in all, as the index knows it.
    pub total: u64,
    /// Where the next page begins, if there is one.
    pub next: Option<usize>,
}

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The index.
    #[error(transparent)]
    Index(#[from] SearchError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug.
    #[error("the search has panicked")]
    Panicked,
}

/// Searches. Whoever asks may see everything that agents see.
///
/// # Errors
/// When index or database can't be asked, or it takes longer than the page's budget.
pub async fn ask(searcher: &Searcher, store: &Store, query: &Query, page: Page) -> Result<Answer, AskError> {
    let (searcher, store, query, runtime) = (searcher.clone(), store.clone(), query.clone(), Handle::current());
    // Index, database and texts in turn, each for a millisecond or less: to change threads between them takes longer.
    spawn_blocking(move || runtime.block_on(answer(&searcher, &store, &query, page))).await.map_err(|_| AskError::Panicked)?
}

async fn answer(searcher: &Searcher, store: &Store, query: &Query, page: Page) -> Result<Answer, AskError> {
    let hits = searcher.search(query, &page)?;
    let end = page.offset.saturating_add(page.limit);
    let next = (end < MAX_HITS && u64::try_from(end).is_ok_and(|end| end < hits.total)).then_some(end);
    let mut items = Vec::with_capacity(hits.items.len());
    for few in hits.items.chunks(FEW) {
        items.extend(texts(store, few).await?.into_iter().map(|text| text.found(query)));
    }
    Ok(Answer { items, total: hits.total, next })
}

/// A hit with what the database has of it.
struct Text {
    hit: Hit,
    title: String,
    texts: Vec<String>,
}

impl Text {
    fn found(self, query: &Query) -> Found {
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        Found { snippet: snippet(query, &texts, SNIPPET), key: self.hit.key, title: self.title, score: self.hit.score }
    }
}

async fn texts(store: &Store, hits: &[Hit]) -> Result<Vec<Text>, StoreError> {
    let (mut numbers, mut slugs) = (Vec::new(), Vec::new());
    for hit in hits {
        match &hit.key {
            Key::Ticket(number) => numbers.extend(i64::try_from(*number).map(TicketId)),
            Key::Article(slug) => slugs.push(slug.as_str()),
        }
    }
    let mut tickets = store.ticket_words(&numbers).await?;
    let mut articles = store.article_texts(&slugs).await?;
    let text = |hit: &Hit| {
        let (title, texts) = match &hit.key {
            Key::Ticket(number) => {
                let at = tickets.iter().position(|text| u64::try_from(text.number.0) == Ok(*number))?;
                let found = tickets.swap_remove(at);
                (found.subject, found.texts)
            }
            Key::Article(slug) => {
                let at = articles.iter().position(|article| article.slug == *slug)?;
                let found = articles.swap_remove(at);
                (found.title, vec![found.body])
            }
        };
        Some(Text { hit: hit.clone(), title, texts })
    };
    Ok(hits.iter().filter_map(text).collect())
}
