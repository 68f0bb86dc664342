#![doc = include_str!("../README.md")]

mod queue;
mod secret;
mod sign;
mod verify;

pub use queue::{Claimed, Outcome, Queue};
pub use secret::{Secret, SecretError};
pub use sign::sign;
pub use verify::{SignedHeaders, TOLERANCE, VerifyError, verify};
