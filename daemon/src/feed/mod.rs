//! Readers of the event log: each keeps a place of its own and catches up by itself.

pub mod index;
pub mod search;
