//! The composition root: opens the store, builds the parts, starts them, ends them.

pub mod demo;
mod error;
mod gate;
pub mod open;
mod play;
pub mod serve;
mod tasks;
mod tls;

pub use error::AppError;
pub use open::Opened;
