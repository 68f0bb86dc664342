//! The readers of the event log that work for others: each keeps a place of its own, can be down for a day, and catches up.

pub mod hooks;
pub mod index;
pub mod search;
