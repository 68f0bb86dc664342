#![doc = include_str!("../README.md")]

mod cursor;
mod disk;
mod doc;
mod feed;
mod follow;
mod query;
mod schema;
mod search;
mod session;
mod snippet;
mod state;
mod text;
mod writer;

pub use cursor::Cursor;
pub use disk::OpenError;
pub use doc::{Doc, MAX_MESSAGES, MAX_TEXT};
pub use feed::{Batch, Feed, Head, Key};
pub use follow::Index;
pub use query::{MAX_DEPTH, MAX_OCTETS, MAX_TERMS, Query, QueryError, QueryErrorKind};
pub use search::{Hit, Hits, MAX_HITS, Page, Scope, SearchError, Searcher};
pub use snippet::{Snippet, snippet};
pub use state::{Failing, State};
