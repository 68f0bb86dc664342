//! Reading the index: queries in, keys out.

mod any;
mod ask;
mod budget;
mod compile;
mod expand;
mod phrase;
mod rank;
mod view;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub use ask::{Hit, Hits, MAX_HITS, Page, Scope, SearchError};
use budget::Budget;
use compile::Compiler;
use tantivy::{IndexReader, ReloadPolicy};
use view::View;

use crate::cursor::Cursor;
use crate::disk::{self, OpenError};
use crate::query::Query;
use crate::schema::Fields;

/// Answers queries. Cheap to clone; every clone sees each commit and each rebuilt index as soon as it is there.
#[derive(Clone, Default)]
pub struct Searcher {
    live: Arc<RwLock<Option<Live>>>,
    /// A search found the index broken and nobody has looked yet.
    alarm: Arc<AtomicBool>,
}

/// An index that answers.
#[derive(Clone)]
pub(crate) struct Live {
    reader: IndexReader,
    fields: Fields,
    view: Arc<RwLock<Arc<View>>>,
}

impl Live {
    /// A reader that moves on when it is told to.
    pub(crate) fn over(index: &tantivy::Index, fields: Fields) -> tantivy::Result<Self> {
        let reader: IndexReader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let view = View::of(reader.searcher())?;
        Ok(Self { reader, fields, view: Arc::new(RwLock::new(Arc::new(view))) })
    }

    /// Moves on to the last commit.
    pub(crate) fn reload(&self) -> tantivy::Result<()> {
        self.reader.reload()?;
        let view = View::of(self.reader.searcher())?;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        Ok(())
    }

    pub(crate) fn docs(&self) -> u64 {
        self.view().searcher.num_docs()
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Searcher {
    /// Opens the index in a folder beside the process that writes it, takes no lock and changes nothing. It answers from the
    /// last commit at the time of opening.
    pub fn open_read_only(dir: &Path) -> Result<(Self, Cursor), OpenError> {
        // The folder that is named may be replaced while it is opened; then another one is named.
        let mut tries = 0;
        loop {
            match disk::open_current(dir).and_then(|open| Ok((Live::over(&open.index, open.fields)?, open.cursor))) {
                Ok((live, cursor)) => {
                    let searcher = Self::default();
                    searcher.set(Some(live));
                    return Ok((searcher, cursor));
                }
                Err(error) if tries == 5 || matches!(error, OpenError::Missing(_)) => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    /// The best documents for a query. It works with the processor and the page cache: call it where blocking is allowed.
    ///
    /// A prefix stands for the 256 most frequent words that begin with it; total time is bounded by [`Page::budget`], which
    /// is looked at between documents and between segments.
    pub fn search(&self, query: &Query, page: &Page) -> Result<Hits, SearchError> {
        if query.asks_for_me() {
            return Err(SearchError::NobodyIsMe);
        }
        let live = self.live().ok_or(SearchError::Rebuilding)?;
        // Damage that came after the index was opened makes tantivy panic.
        let answer = catch_unwind(AssertUnwindSafe(|| live.search(query, page)));
        let answer = answer.unwrap_or_else(|_| Err(SearchError::Broken("a file is damaged".to_owned())));
        if matches!(answer, Err(SearchError::Broken(_))) {
            self.alarm.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Whether a search has found the index broken since this was asked last.
    pub(crate) fn take_alarm(&self) -> bool {
        self.alarm.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn live(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, live: Option<Live>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }
}

impl Live {
    fn search(&self, query: &Query, page: &Page) -> Result<Hits, SearchError> {
        let view = self.view();
        let wanted = page.offset.saturating_add(page.limit).min(MAX_HITS);
        let budget = Budget::new(page.budget);
        let compiler = Compiler { searcher: &view.searcher, fields: self.fields, budget, is_wide: Cell::new(false) };
        let compiled = compiler.query(&query.root, page.scope)?;
        let (best, total) = rank::best(&view, &*compiled, compiler.is_wide.get(), wanted, budget)?;
        let items = best.into_iter().skip(page.offset).map(|ranked| Ok(Hit { key: view.key(ranked)?, score: ranked.score }));
        Ok(Hits { items: items.collect::<Result<_, SearchError>>()?, total })
    }
}
