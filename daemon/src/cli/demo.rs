//! `ombud demo`: one conversation through a fresh local desk, played as it happens.

use super::log;
use super::out::{Answer, Done};
use crate::clock::Clock;

pub(super) async fn run() -> Done {
    log::start("warn");
    crate::app::demo::run(Clock::default()).await?;
    Ok(Answer::default())
}
