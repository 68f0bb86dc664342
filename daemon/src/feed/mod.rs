//! The readers of the event log that work for others: each can be down for a day and catch up.

pub mod hooks;
