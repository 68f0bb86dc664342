//! `ombud import`: history from an mbox file or a Maildir.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::{DATA, Failure, NO_INPUT};
use super::input::address;
use super::out::{Answer, Done};
use crate::app::{Opened, is_served};
use crate::archive::{Archive, ArchiveError};
use crate::desk::addresses::Recipient;
use crate::model::text::one_line;
use crate::pipeline::history::{Counts, History, ImportError};
use crate::understand::{Kept, when};

/// Mails that are named when they are left out.
const NAMED: usize = 20;
/// How often progress is shown.
const SHOWN: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The mailbox of ours that the mail was sent to
    #[arg(long, value_name = "ADDR")]
    mailbox: String,
    /// Leave tickets open of which somebody wrote in the last 30 days; else all are closed
    #[arg(long)]
    open: bool,
    /// An mbox file, or a Maildir; a folder below that (.Sub) is imported by its own path
    path: PathBuf,
}

/// What was imported.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    counts: Counts,
    /// Marked as deleted or as a draft.
    passed_by: u64,
    /// Could not be taken.
    left_out: usize,
    seconds: f64,
}

pub(super) async fn run(args: Args, opened: &Opened, cwd: &Path, json: bool) -> Done {
    let mailbox = mailbox(opened, &args.mailbox)?;
    let (path, most, now) = (cwd.join(&args.path), opened.config.limits.message_size, opened.clock.now());
    let look = move || Archive::open(&path, most, &|header, line, file| when(header, Kept { line, file }, now));
    let archive = tokio::task::spawn_blocking(look).await.map_err(|error| Failure::bug(format!("the archive: {error}")))??;
    let archive = Arc::new(archive);
    let history = History { store: opened.store.clone(), desk: opened.desk.clone(), clock: opened.clock, mailbox, open: args.open };
    let start = Instant::now();
    let mut progress = Progress::new(archive.len());
    let data = opened.store.data().to_owned();
    let done = history.run(archive.clone(), || is_served(&data), |counts| progress.show(counts)).await;
    progress.end();
    let counts = done.map_err(|error| again(&error))?;
    let seconds = start.elapsed().as_secs_f64();
    let report = Report { counts, passed_by: archive.passed_by(), left_out: archive.left_out().len(), seconds };
    let answer = Answer::of(json, &report, || in_words(&report))?;
    if archive.left_out().is_empty() {
        return Ok(answer);
    }
    let mut lines: Vec<_> = archive.left_out().iter().take(NAMED).map(|l| one_line(&format!("{}: {}", l.place, l.why), 600)).collect();
    lines.push(format!("{} mails could not be imported; all others were", archive.left_out().len()));
    Ok(Answer { failure: Some(Failure { code: DATA, lines }), ..answer })
}

fn mailbox(opened: &Opened, text: &str) -> Result<String, Failure> {
    let address = address(text)?;
    match opened.desk.book.classify(&address) {
        Recipient::Mailbox(..) => Ok(address),
        _ => {
            let ours: Vec<&str> = opened.config.mailboxes.iter().map(|m| m.address.as_str()).take(5).collect();
            Err(Failure::data(format!("--mailbox {address} is no mailbox of this desk; known are {}", ours.join(", "))))
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let code = if matches!(error, ArchiveError::Unreadable(..)) { NO_INPUT } else { DATA };
        Self::new(code, error.to_string())
    }
}

/// What was committed stands, and the next run passes it by.
fn again(error: &ImportError) -> Failure {
    let failure = match error {
        ImportError::Store(error) => Failure::from(error.clone()),
        ImportError::Archive(error) => Failure::new(NO_INPUT, error.to_string()),
    };
    let line = failure.lines.first().cloned().unwrap_or_default();
    Failure::new(failure.code, format!("{line}; what was imported so far stays, and the same command goes on from there"))
}

fn in_words(report: &Report) -> String {
    let Report { counts, passed_by, seconds, .. } = report;
    let Counts { tickets, messages, automatic, held, duplicates } = counts;
    let mut lines = vec![
        format!("{tickets} tickets opened"),
        format!("{messages} messages added to tickets"),
        format!("{automatic} automatic mails kept"),
        format!("{held} held for a person: see `ombud inbox list --state held`"),
        format!("{duplicates} were there already"),
    ];
    if *passed_by > 0 {
        lines.push(format!("{passed_by} passed by: marked as deleted or as a draft"));
    }
    lines.push(format!("{} mails in {seconds:.1} s", counts.all()));
    lines.join("\n")
}

/// One line on a terminal that is written over again and again.
struct Progress {
    all: usize,
    start: Instant,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { all, start: Instant::now(), shown: None, is_terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, counts: &Counts) {
        if !self.is_terminal || self.shown.is_some_and(|at| at.elapsed() < SHOWN) {
            return;
        }
        self.shown = Some(Instant::now());
        let (line, all) = (line(counts.all(), self.all as u64, self.start.elapsed()), std::io::stderr());
        // Where stderr is closed there is nobody to tell.
        let _ = write!(all.lock(), "\r\x1b[K{line}");
    }

    fn end(&self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// `[########------------]  40 %  4000 of 10000 mails, 2100/s`
fn line(done: u64, all: u64, spent: Duration) -> String {
    const WIDTH: u64 = 30;
    let all = all.max(1);
    let filled = (done.min(all) * WIDTH / all) as usize;
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH as usize - filled));
    let rate = done as f64 / spent.as_secs_f64().max(0.001);
    format!("[{bar}] {:3} %  {done} of {all} mails, {rate:.0}/s", done.min(all) * 100 / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_line() {
        let line = line(4_000, 10_000, Duration::from_secs(2));
        assert_eq!(line, "[############------------------]  40 %  4000 of 10000 mails, 2000/s");
        assert!(super::line(0, 0, Duration::ZERO).starts_with("[---"));
        assert!(super::line(9, 3, Duration::ZERO).contains("100 %"));
    }
}
