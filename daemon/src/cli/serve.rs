//! `ombud serve`: runs the daemon.

use super::input::span;
use super::out::{Answer, Done};
use super::{Place, log};
use crate::clock::Clock;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Run with a clock that is ahead by this much
    #[arg(long, value_name = "SPAN", hide = true, value_parser = span)]
    clock: Option<i64>,
}

pub(super) async fn run(args: Args, place: Place) -> Done {
    log::start("info");
    let config = place.load()?;
    crate::app::serve::run(config, move || place.load(), Clock::ahead(args.clock.unwrap_or(0))).await?;
    Ok(Answer::default())
}
