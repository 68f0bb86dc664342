#![doc = include_str!("../README.md")]

mod guard;
mod queue;
mod ranges;
mod secret;
mod sign;
mod target;
mod verify;

pub use guard::Guard;
pub use queue::{Claimed, Outcome, Queue};
pub use secret::{Secret, SecretError};
pub use sign::sign;
pub use target::UrlError;
pub use verify::{SignedHeaders, TOLERANCE, VerifyError, verify};
