//! The desk's rules, through the real store: mail goes in by the inbox, its fate and what leaves are looked at.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod agents;
mod brake;
mod complaints;
mod conformance;
mod customers;
mod filtered;
mod forms;
mod holds;
mod hooks;
mod kept;
mod ledger;
mod loops;
mod night;
mod refusals;
mod reviewed;
mod shared;
mod store;
mod story;
mod waits;
mod world;
