//! `ombud demo`: a fresh local desk, one whole conversation over real SMTP, told as it happens; then the desk stays up.

use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::config::{Config, Relay};

use super::AppError;
use super::lock::is_served;
use super::play::{Actor, play, say};
use super::serve::{Signal, Signals, start};

/// Where the built-in local desk lives.
const LOCAL: &str = "ombud-data";
/// Says that a folder may be thrown away by the next demo.
pub(super) const MARK: &str = "made-by-ombud-demo";

/// Plays the conversation, then serves until a signal.
///
/// # Errors
/// Why the desk can't start, or which step of the play did not happen.
pub async fn run(clock: Clock) -> Result<(), AppError> {
    let mut signals = Signals::new()?;
    let folder = fresh(Path::new(LOCAL))?;
    let config = Config::local(&folder).map_err(|e| AppError::Config(e.to_string()))?;
    let Relay::Maildir(maildir) = config.outbound.relay.clone() else {
        return Err(AppError::Bug("the local desk has no Maildir".into()));
    };
    let running = start(config, clock).await?;
    let address = |name: &str| running.addresses.iter().find(|(n, _)| *n == name).map_or("", |(_, a)| a.as_str()).to_owned();
    say(&format!("A fresh desk in {}: SMTP on {}, status page on http://{}/\n", folder.display(), address("smtp"), address("http")))?;
    let smtp = address("smtp").parse().map_err(|_| AppError::Bug("the SMTP listener has no address".into()))?;
    let actor = Actor::new(smtp, maildir.clone(), running.opened.store.clone())?;
    let played = tokio::select! {
        played = play(&actor) => played,
        signal = signals.next() => match signal { Signal::Reload | Signal::End => Err(AppError::Unavailable("the play was interrupted".into())) },
    };
    if let Err(error) = played {
        running.stop().await;
        return Err(error);
    }
    say(&hints(&folder, &address("smtp"), &address("http"), &maildir))?;
    while !matches!(signals.next().await, Signal::End) {}
    running.stop().await;
    Ok(())
}

/// A folder for a fresh desk: that of the local desk unless somebody's desk is in it.
fn fresh(local: &Path) -> Result<PathBuf, AppError> {
    let unusable = |folder: &Path, e: std::io::Error| AppError::Config(format!("{}: {e}", folder.display()));
    let candidates = std::iter::once(local.to_owned()).chain((2..100).map(|n| PathBuf::from(format!("{}-{n}", local.display()))));
    for folder in candidates {
        if folder.join(MARK).exists() && !is_served(&folder) {
            std::fs::remove_dir_all(&folder).map_err(|e| unusable(&folder, e))?;
        }
        if !folder.exists() {
            std::fs::create_dir_all(&folder).map_err(|e| unusable(&folder, e))?;
            std::fs::write(folder.join(MARK), "The next `ombud demo` throws this folder away. Delete this file to keep it.\n")
                .map_err(|e| unusable(&folder, e))?;
            return Ok(folder);
        }
    }
    Err(AppError::Config(format!("there are too many desks beside {}: remove some", local.display())))
}

fn hints(folder: &Path, smtp: &str, http: &str, maildir: &Path) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "ombud".into());
    let command = match folder == Path::new(LOCAL) {
        true => program,
        false => format!("OMBUD_DESK__DATA={0} OMBUD_DATABASE__URL=sqlite:{0}/ombud.db {program}", folder.display()),
    };
    format!(
        "\nThe desk stays up (Ctrl-C ends it). Now you:\n\n\
         \x20 write a mail      printf 'From: you@example.com\\nSubject: Hello\\n\\nDoes it work?\\n' | sed 's/$/\\r/' |\n\
         \x20                   curl -sS smtp://{smtp} --mail-from you@example.com --mail-rcpt support@desk.localhost -T -\n\
         \x20                   or: swaks --server {smtp} --from you@example.com --to support@desk.localhost\n\
         \x20 see the ticket    {command} ticket show 1\n\
         \x20 see all tickets   {command} ticket list\n\
         \x20 mail that left    ls {}/new\n\
         \x20 status page       http://{http}/\n",
        maildir.display()
    )
}
