//! Sessions against a gate and an inbox that only remember.

pub(super) mod fakes;
mod serving;
mod sessions;
mod starttls;
mod transcripts;
