//! The composition root: opens the store, builds the parts, starts them, ends them.

pub mod demo;
mod error;
mod fetch;
mod gate;
mod lock;
pub mod open;
mod play;
pub mod serve;
mod tasks;
pub mod tls;

pub use error::AppError;
pub use lock::{is_served, lock};
pub use open::Opened;
