//! What single header fields say: who, when, which mail; and the few of them that are looked at before a mail is understood.

pub mod addresses;
pub mod dates;
mod glimpse;
pub mod ids;
mod origin;
mod when;

pub use glimpse::glimpse;
pub use origin::{origin, scanned_origin};
pub use when::{Kept, when};
