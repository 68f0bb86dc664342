//! `ombud restore`: a backup brought back into an empty desk.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Place;
use super::backup::{Summary, tell};
use super::out::{Answer, Done};
use crate::app::lock;
use crate::clock::Clock;
use crate::store::{Restore, Restored, restore};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder that `ombud backup` has made
    dir: PathBuf,
    /// Send mail that waited when the backup was taken, although it may have been sent since; else it is held
    #[arg(long)]
    send: bool,
}

/// What was brought back.
#[derive(Debug, Serialize)]
struct View<'a> {
    backup: Summary<'a>,
    log_id: &'a str,
    held: i64,
    to_send: i64,
    undecided: i64,
    next_ticket: i64,
}

pub(super) async fn run(args: Args, place: &Place, json: bool) -> Done {
    let config = place.load()?;
    let dir = place.env.cwd.join(args.dir);
    // No daemon may run, nor begin to, until it is done.
    let _lock = lock(&config)?;
    let task = Restore {
        dir: dir.clone(),
        database: config.database.clone(),
        data: config.desk.data.clone(),
        now: Clock::default().now(),
        send: args.send,
    };
    let restored = restore(&task, tell()).await?;
    let Restored { manifest, log_id, held, to_send, undecided, next_ticket, .. } = &restored;
    let view = View {
        backup: Summary::of(&dir, manifest),
        log_id,
        held: *held,
        to_send: *to_send,
        undecided: *undecided,
        next_ticket: *next_ticket,
    };
    Answer::of(json, &view, || text(&dir, &view, &restored))
}

/// What was done, and what somebody should know before the daemon is started.
fn text(dir: &Path, view: &View<'_>, restored: &Restored) -> String {
    let mut lines = vec![
        format!("{} of {}: {}.", dir.display(), restored.manifest.taken_at, view.backup.line()),
        "What came in, was answered or was changed after that is not in it; agents, tokens and addresses that were revoked since are valid again."
            .to_owned(),
        format!("New tickets begin at #{}, so that no answer to a mail of after the backup reaches somebody else's ticket.", view.next_ticket),
    ];
    if view.held > 0 {
        lines.push(format!(
            "{} mails waited to be sent and may have been sent since: they are held. `ombud queue list --state unknown` shows them, \
             `ombud queue retry ID` sends one.",
            view.held
        ));
    }
    if view.to_send > 0 {
        lines.push(format!("{} mails waited to be sent and leave when the daemon starts, perhaps a second time.", view.to_send));
    }
    if view.undecided > 0 {
        lines.push(format!(
            "{} mails were accepted and not yet looked at: that happens when the daemon starts, and who heard of them after the backup \
             hears of them again.",
            view.undecided
        ));
    }
    if let Some(keys) = &restored.old_keys {
        lines.push(format!("The keys that were here before are in {}.", keys.display()));
    }
    lines.join("\n")
}
