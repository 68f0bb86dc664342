#![doc = include_str!("../README.md")]

mod doc;
mod feed;
mod query;
mod text;

pub use doc::{Doc, MAX_MESSAGES, MAX_TEXT};
pub use feed::{Batch, Feed, Head, Key};
pub use query::{MAX_DEPTH, MAX_OCTETS, MAX_TERMS, Query, QueryError, QueryErrorKind};
