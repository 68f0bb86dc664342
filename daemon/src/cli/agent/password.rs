//! `ombud agent app-password`: a password for somebody's mail client.

use serde::Serialize;

use super::find;
use crate::app::Opened;
use crate::cli::failure::Failure;
use crate::cli::out::{Answer, Done};
use crate::store::{Cmd, NewPassword, Outcome};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// One of their addresses
    email: String,
    /// Take back all they have instead
    #[arg(long)]
    revoke: bool,
}

#[derive(Serialize)]
struct View<'a> {
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<i64>,
}

pub(super) async fn run(args: Args, opened: &Opened, json: bool) -> Done {
    let agent = find(opened, &args.email).await?;
    let address = agent.address.as_str();
    if args.revoke {
        let Outcome::Id(gone) = opened.store.run(Cmd::RevokePasswords { agent: address.to_owned() }).await? else {
            return Err(Failure::bug("nobody counted the passwords"));
        };
        let view = View { agent: address, password: None, revoked: Some(gone) };
        return Answer::of(json, &view, || match gone {
            0 => format!("{address} had no app password"),
            1 => format!("the app password of {address} does not work any more"),
            n => format!("the {n} app passwords of {address} do not work any more"),
        });
    }
    let (text, new) = NewPassword::make(address, opened.clock.now())?;
    opened.store.run(Cmd::AddPassword(Box::new(new))).await?;
    let done = Answer::of(json, &View { agent: address, password: Some(&text), revoked: None }, || {
        format!("The mail client of {address} logs in as {address} with this password. It is shown only now:\n{text}")
    })?;
    Ok(match &opened.config.submission {
        Some(_) => done,
        None => done.noting("nothing listens for it: the configuration has no [submission]"),
    })
}
