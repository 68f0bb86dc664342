//! `ombud explain`: how one message is understood. Needs no configuration and no database.

use std::io::Read as _;
use std::path::PathBuf;

use super::Place;
use super::failure::Failure;
use super::input::{open, unreadable};
use super::json;
use super::out::{Answer, Done};
use crate::understand::{Limits, understand};

/// Most octets that are read without a configuration.
const MESSAGE: u64 = 50 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The message [default: stdin]
    file: Option<PathBuf>,
}

pub(super) async fn run(args: Args, place: &Place) -> Done {
    let (limits, most) = limits(place)?;
    let mut raw = Vec::new();
    let input = open(args.file.as_deref(), &place.env.cwd)?;
    input.take(most.saturating_add(1)).read_to_end(&mut raw).map_err(|error| unreadable(args.file.as_deref(), &error))?;
    let cut = raw.len() as u64 > most;
    raw.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    // Not on the main thread: its stack is as small as whoever started us likes.
    let understood = tokio::task::spawn_blocking(move || understand(&raw, &limits));
    let mut understood = understood.await.map_err(|_| Failure::bug("this message could not be understood"))?;
    if cut {
        understood.warnings.push(format!("only the first {most} octets were read"));
    }
    Ok(Answer { text: json::document(&understood)?, ..Answer::default() })
}

/// The limits of this machine's desk. Somebody who may not read its configuration gets an answer all the same.
fn limits(place: &Place) -> Result<(Limits, u64), Failure> {
    match place.load() {
        Ok(config) => Ok((Limits::from(&config.limits), config.limits.message_size)),
        Err(problems) if place.file.is_some() => Err(problems.into()),
        Err(_) => Ok((Limits::default(), MESSAGE)),
    }
}
