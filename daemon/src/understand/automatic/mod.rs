//! Whether a person wrote this just now: reports of deliveries, absences, lists and robots, each told by what it says of itself.
//! When in doubt it is a person.

pub mod absence;
pub mod bounce;
mod bounce_reason;
pub mod complaint;
mod dsn;
mod judge;
mod ses;

pub use bounce_reason::{reason, status_in};
pub use judge::{Evidence, judge};
