//! Mail out: the outbox worker, the composer, and the way to a relay or a Maildir.

mod actions;
mod compose;
mod destination;
pub mod dkim;
mod letter;
mod outcome;
mod pace;
mod probe;
pub mod relay;
mod wording;
mod worker;

pub use destination::Destinations;
pub use probe::probe;
pub use worker::{Sender, run};
