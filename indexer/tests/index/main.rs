//! The index as its users see it: a feed in memory, a folder on disk, queries.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod crash;
mod feed;
mod follow;
mod language;
mod ranking;
mod trouble;
