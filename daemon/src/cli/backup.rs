//! `ombud backup`: the desk copied into a folder.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::out::{self, Answer, Done};
use crate::app::Opened;
use crate::store::{Counts, Manifest, Tell};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An empty folder, or one that is not there yet
    dir: PathBuf,
}

/// What a backup holds, without its list of files.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    folder: String,
    ombud: &'a str,
    taken_at: &'a str,
    database: &'static str,
    migration: i64,
    log_id: &'a str,
    counts: Counts,
    files: usize,
    octets: u64,
    missing: &'a [String],
}

impl<'a> Summary<'a> {
    pub(super) fn of(folder: &Path, manifest: &'a Manifest) -> Self {
        Self {
            folder: folder.display().to_string(),
            ombud: &manifest.ombud,
            taken_at: &manifest.taken_at,
            database: manifest.database.name(),
            migration: manifest.migration,
            log_id: &manifest.log_id,
            counts: manifest.counts,
            files: manifest.files(),
            octets: manifest.octets(),
            missing: &manifest.missing,
        }
    }

    /// The same in a line.
    pub(super) fn line(&self) -> String {
        let Counts { tickets, messages, inbox, articles, .. } = self.counts;
        let mib = self.octets.div_ceil(1 << 20);
        format!("{tickets} tickets, {messages} messages, {inbox} mails received, {articles} articles; {} files, {mib} MiB", self.files)
    }
}

pub(super) async fn run(args: Args, opened: &Opened, cwd: &Path, json: bool) -> Done {
    let dir = cwd.join(args.dir);
    let manifest = opened.store.backup(&opened.config.database, &dir, opened.clock.now(), tell()).await?;
    let summary = Summary::of(&dir, &manifest);
    let answer = Answer::of(json, &summary, || {
        format!("{}: {}.\nIt holds mail and the desk's keys: keep it as safe as the desk.", dir.display(), summary.line())
    })?;
    Ok(match manifest.missing.len() {
        0 => answer,
        n => answer
            .noting(format!("{n} large mails are named by the database and not in the data folder; `missing` in the manifest lists them")),
    })
}

/// Says how far it is to whoever sits before a terminal, and nothing to a log.
pub(super) fn tell() -> Tell {
    if std::io::stderr().is_terminal() { out::say } else { |_| {} }
}
