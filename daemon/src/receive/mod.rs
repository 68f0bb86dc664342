//! Receiving: a protocol comes in, raw bytes and an envelope go to the inbox. Knows SMTP, LMTP and IMAP, never tickets.
//!
//! Nobody says "250" to a mail without the inbox's receipt: see `smtp::transfer`.

pub mod counters;
mod door;
#[cfg(any(test, fuzzing))]
mod fake_door;
pub mod gate;
pub mod imap;
mod limits;
pub mod listen;
mod lmtp;
mod peer;
mod proxy;
pub mod smtp;
mod tally;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests;

pub use counters::Counters;
pub use gate::Gate;
pub use listen::BindError;
pub use smtp::{Certificates, Listener, Protocol, Shared, serve};
