#![doc = include_str!("../README.md")]

mod attempt;
mod backoff;
mod capped;
mod client;
mod connect;
mod disable;
mod fault;
mod guard;
mod policy;
mod queue;
mod ranges;
mod resolve;
mod retry_after;
mod secret;
mod sign;
mod target;
mod verify;
mod worker;

pub use attempt::{Attempt, Reason, TlsFault};
pub use client::{Client, ClientError, Limits, Page, Reply};
pub use disable::{Disable, History, lasting_failure};
pub use guard::Guard;
pub use policy::{CURVE, policy};
pub use queue::{Claimed, Outcome, Queue};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use secret::{Secret, SecretError};
pub use sign::sign;
pub use target::UrlError;
pub use verify::{SignedHeaders, TOLERANCE, VerifyError, verify};
pub use worker::{Settings, run};
