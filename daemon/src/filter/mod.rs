//! Content filters: rspamd, ClamAV, SpamAssassin and whoever else speaks the milter protocol of mail servers.
//!
//! We are the mail server's side of it (version 6, that of Sendmail 8.14 and Postfix). A filter is told a mail that is
//! complete, and what it says is a finding that stands with the mail's fate. It changes nothing: the bytes stay as they
//! came, and what it would have added to the header is kept as evidence.

mod breaker;
mod codec;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod reply;
mod session;
mod subject;
mod tally;
mod verdict;

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::clock::{Clock, rfc3339};
use crate::config::{Config, Filter, FilterAddress};
use crate::large::Room;
use crate::model::Envelope;
use crate::model::finding::{Action, Finding};
use crate::net::{Stream, dial};

use breaker::Breakers;
use codec::{Fault, Time};
use reply::shown;
use session::{Said, Session};
use subject::Subject;
use tally::Tallies;

pub use tally::Tally;
pub use verdict::{failed_closed, refusal};

/// Senders who wait on the line for their mail to be filtered.
const ON_THE_LINE: usize = 128;
/// KiB of mail that the pipeline may have before filters at once.
const KIB: u32 = 64 * 1024;
/// The shortest and the longest time, in ms, after which a mail that waits for a filter is tried again.
const PAUSE: (i64, i64) = (2_000, 60_000);

/// Asks filters. One for the whole daemon.
#[derive(Debug)]
pub struct Filters {
    clock: Clock,
    tallies: Tallies,
    breakers: Breakers,
    on_the_line: Semaphore,
    memory: Room,
}

impl Filters {
    /// One that goes by this clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            tallies: Tallies::default(),
            breakers: Breakers::default(),
            on_the_line: Semaphore::new(ON_THE_LINE),
            memory: Room::new(KIB),
        }
    }

    /// Room for one more sender who waits on the line; none while too many wait. Their mail is filtered later.
    pub fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.on_the_line.try_acquire().ok()
    }

    /// Room for a mail of so many octets in memory, at once; none where others have it.
    pub fn memory(&self, octets: u64) -> Option<OwnedSemaphorePermit> {
        self.memory.try_take(octets)
    }

    /// The same, when there is room.
    pub async fn memory_later(&self, octets: u64) -> Option<OwnedSemaphorePermit> {
        self.memory.take(octets).await
    }

    /// Whether a filter is yet to say something that lasts. `known` is what was found before.
    pub fn is_asked(config: &Config, known: &[Finding]) -> bool {
        config.filters.iter().any(|filter| lasting(filter, known).is_none())
    }

    /// Asks the filters that have not said anything that lasts, one after the other, until one refuses. Takes at most
    /// three times their timeouts; one that has let others wait for nothing is not waited for.
    pub async fn findings(&self, config: &Config, envelope: &Envelope, raw: &[u8], known: &[Finding]) -> Vec<Finding> {
        let mail = Subject { envelope, hostname: &config.desk.hostname, raw };
        // What a filter has said that is gone from the configuration stands.
        let gone = |finding: &&Finding| config.filters.iter().all(|filter| filter.name != finding.filter);
        let mut findings: Vec<Finding> = known.iter().filter(gone).cloned().collect();
        for filter in &config.filters {
            let finding = match lasting(filter, known) {
                Some(finding) => finding.clone(),
                None => self.finding(filter, &mail).await,
            };
            let refused = matches!(finding.action, Action::Reject | Action::Tempfail);
            findings.push(finding);
            if refused {
                break;
            }
        }
        findings
    }

    async fn finding(&self, filter: &Filter, mail: &Subject<'_>) -> Finding {
        let finding = |action, why, tags| Finding { filter: filter.name.clone(), action, why, tags };
        let found = match u64::try_from(mail.raw.len()) {
            Ok(octets) if octets <= filter.size => match self.asked(filter, mail).await {
                Ok(Said { action: Action::Accept, why, tags }) => match verdict::held_by(filter, &tags).cloned() {
                    Some(tag) => finding(Action::Quarantine, Some(tag), tags),
                    None => finding(Action::Accept, why, tags),
                },
                Ok(Said { action, why, tags }) => finding(action, why, tags),
                Err(fault) => finding(Action::Failed, Some(shown(fault.to_string().as_bytes())), Vec::new()),
            },
            _ => finding(Action::Untested, Some(format!("larger than {} octets", filter.size)), Vec::new()),
        };
        self.tallies.count(&found, self.clock.now());
        found
    }

    /// Asks a filter, unless it is left alone.
    async fn asked(&self, filter: &Filter, mail: &Subject<'_>) -> Result<Said, Fault> {
        let begun = Instant::now();
        if !self.breakers.admits(filter, begun) {
            let since = self.tallies.of(&filter.name).failing_since.unwrap_or_else(|| self.clock.now());
            return Err(Fault::Away(rfc3339(since)));
        }
        let said = ask(filter, mail).await;
        match said.is_ok() {
            true => self.breakers.answered(filter),
            false => self.breakers.failed(filter, begun, Instant::now()),
        }
        said
    }

    /// When, in ms, a mail that waits for filters is to be tried again: the longer one fails, the later.
    pub fn again_at(&self, config: &Config) -> i64 {
        let now = self.clock.now();
        let failing = config.filters.iter().filter_map(|filter| self.tallies.of(&filter.name).failing_since);
        let longest = failing.min().map_or(PAUSE.1, |since| now - since);
        now + longest.clamp(PAUSE.0, PAUSE.1)
    }

    /// Whether a filter is left alone, but for one mail at a time, because it has let mail wait for nothing.
    pub fn is_away(&self, filter: &Filter) -> bool {
        self.breakers.is_away(filter)
    }

    /// What a filter has said since the start.
    pub fn tally(&self, filter: &str) -> Tally {
        self.tallies.of(filter)
    }
}

/// What a filter has said that lasts.
fn lasting<'f>(filter: &Filter, known: &'f [Finding]) -> Option<&'f Finding> {
    known.iter().find(|finding| finding.filter == filter.name && !finding.is_temporary())
}

/// Whether a filter answers: the version of the protocol that it speaks.
///
/// # Errors
/// In words.
pub async fn probe(filter: &Filter) -> Result<u32, String> {
    let asked = async {
        let session = begin(filter).await?;
        let version = session.version();
        session.quit().await?;
        Ok::<_, Fault>(version)
    };
    asked.await.map_err(|fault| fault.to_string())
}

async fn ask(filter: &Filter, mail: &Subject<'_>) -> Result<Said, Fault> {
    let mut session = begin(filter).await?;
    let said = session.judge(mail).await?;
    // All was said: how it takes the good-bye changes nothing.
    let _ = session.quit().await;
    Ok(said)
}

async fn begin(filter: &Filter) -> Result<Session<Box<dyn Stream>>, Fault> {
    let time = Time::of(filter.timeout);
    let io: Box<dyn Stream> = match &filter.address {
        FilterAddress::Tcp(host, port) => Box::new(dial(host, *port, time.patience()).await?.0),
        FilterAddress::Unix(path) => Box::new(socket(path, time.patience()).await?),
    };
    Session::begin(io, time).await
}

async fn socket(path: &std::path::Path, limit: Duration) -> Result<UnixStream, Fault> {
    timeout(limit, UnixStream::connect(path)).await.map_err(|_| Fault::Late(limit))?.map_err(Fault::Socket)
}

#[cfg(test)]
mod tests;
