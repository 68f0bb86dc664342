//! What the status page says, as values: pure, so that every sentence of it can be tried.

use super::wording::When;
use super::{issues, lines};
use crate::http::health::Health;
use crate::http::numbers::Numbers;
use crate::model::ticket::Status;
use crate::store::read::{ImapFolder, MailboxItem, NodeItem};

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing to say.
    Quiet,
    /// As it should be.
    Good,
    /// A person should look.
    Look,
    /// Broken.
    Bad,
}

impl Level {
    /// The class in the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Good => "good",
            Self::Look => "look",
            Self::Bad => "bad",
        }
    }
}

/// One number with what it means.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) level: Level,
    /// The level in a word; empty for none.
    pub(super) word: &'static str,
    pub(super) when: Option<When>,
    /// A part of the line above.
    pub(super) part: bool,
}

/// What is wrong, in a sentence.
#[derive(Debug)]
pub(super) struct Issue {
    pub(super) level: Level,
    pub(super) text: String,
    /// More about it; may be long, may be empty.
    pub(super) detail: String,
    pub(super) when: Option<When>,
}

/// A row of a table with how it stands.
#[derive(Debug)]
pub(super) struct Standing<T> {
    pub(super) item: T,
    pub(super) level: Level,
    pub(super) word: &'static str,
}

/// Facts of the process and its surroundings.
pub(super) struct Machine {
    pub(super) desk: String,
    pub(super) hostname: String,
    /// In ms.
    pub(super) now: i64,
    /// In ms.
    pub(super) started_at: i64,
    /// Whether mail can be accepted.
    pub(super) health: Health,
    /// Whether other processes may work on the database.
    pub(super) shared: bool,
    /// After this silence (ms) a process is dead.
    pub(super) node_silence: i64,
    /// After this (ms) a fetched folder should have been looked at.
    pub(super) look_silence: i64,
    /// Mail sessions open now.
    pub(super) sessions: u64,
    /// Mails taken over SMTP and LMTP since the start.
    pub(super) taken: u64,
    /// Content filters that can't be asked.
    pub(super) filters: Vec<Failing>,
}

/// A content filter that can't be asked.
pub(super) struct Failing {
    pub(super) name: String,
    /// In ms.
    pub(super) since: i64,
    /// Whether it is left alone, but for one mail at a time.
    pub(super) away: bool,
    /// Whether mail waits for it.
    pub(super) closed: bool,
}

/// The page.
pub(super) struct View {
    pub(super) machine: Machine,
    /// When the numbers were counted, when that is not now.
    pub(super) stale: Option<i64>,
    pub(super) issues: Vec<Issue>,
    pub(super) incoming: Vec<Line>,
    pub(super) outgoing: Vec<Line>,
    pub(super) behind: Vec<Line>,
    pub(super) process: Vec<Line>,
    pub(super) tickets: Vec<(Status, i64)>,
    pub(super) mailboxes: Vec<MailboxItem>,
    pub(super) folders: Vec<Standing<ImapFolder>>,
    pub(super) nodes: Vec<Standing<NodeItem>>,
}

/// Numbers older than this (ms) are said to be.
const FRESH: i64 = 60_000;

impl View {
    /// Says what the numbers mean; without numbers, what the process knows by itself.
    pub(super) fn new(numbers: Option<&Numbers>, machine: Machine) -> Self {
        let (now, away) = (machine.now, machine.health.away_since.is_some());
        let mut view = Self {
            stale: numbers.map(|n| n.at).filter(|at| away || now - at > FRESH),
            issues: issues::of_machine(&machine, numbers.is_some()),
            process: lines::process(&machine),
            incoming: Vec::new(),
            outgoing: Vec::new(),
            behind: Vec::new(),
            tickets: Vec::new(),
            mailboxes: Vec::new(),
            folders: Vec::new(),
            nodes: Vec::new(),
            machine,
        };
        let Some(Numbers { counts, totals, index, .. }) = numbers else { return view };
        // While the database is away nobody knows whether what was wrong before still is.
        if !away {
            view.issues.extend(issues::of_numbers(counts, totals, index, &view.machine));
        }
        view.issues.sort_by_key(|issue| std::cmp::Reverse(issue.level));
        view.incoming = lines::incoming(counts, totals, now);
        view.outgoing = lines::outgoing(counts, totals, now);
        view.behind = lines::behind(counts, totals, index, view.machine.shared, now);
        view.tickets.clone_from(&totals.tickets);
        view.mailboxes.clone_from(&totals.mailboxes);
        view.folders = counts.folders.iter().map(|f| issues::folder(f, &view.machine)).collect();
        view.nodes = counts.nodes.iter().map(|n| issues::node(n, &view.machine)).collect();
        view
    }

    /// The worst of all.
    pub(super) fn level(&self) -> Level {
        self.issues.iter().map(|issue| issue.level).max().unwrap_or(Level::Good)
    }

    /// The page in one line.
    pub(super) fn headline(&self) -> String {
        let bad = self.issues.iter().filter(|issue| issue.level == Level::Bad).count();
        let broken = if bad == 1 { "1 thing is broken".to_owned() } else { format!("{bad} things are broken") };
        match (self.issues.as_slice(), self.issues.len() - bad) {
            ([], _) => "All is well".to_owned(),
            ([one], _) => one.text.clone(),
            (_, 0) => broken,
            (_, n) if bad == 0 => format!("{n} things need a look"),
            (_, 1) => format!("{broken}, 1 needs a look"),
            (_, n) => format!("{broken}, {n} need a look"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
