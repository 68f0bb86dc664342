//! History of an archive: understood by all cores, decided many at once, committed in groups.
//!
//! A group holds no two mails that have to do with each other: whoever shares a Message-ID or a ticket with a mail before
//! it waits for the next group, so that a thread is built in the order of its time. Each group is one commit with the
//! fate of its mails; killed anywhere, each mail is there once, and the next run passes by what is there.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinHandle;

use crate::archive::{Archive, ArchiveError, Old};
use crate::clock::Clock;
use crate::desk::{self, Desk, Mail};
use crate::model::changes::{Changes, Fate};
use crate::model::facts::{Facts, Keys, Step};
use crate::model::{Envelope, InboxId, Transport, Understood, Verdict};
use crate::store::{Accepted, Cmd, Imported, Prepared, Store, StoreError};
use crate::understand::{Limits, prescan, understand};

/// Mails of one group; of one on a server, whose locks are counted; of one beside a daemon that writes to the same file.
const GROUP: usize = 200;
const LOCKED_GROUP: usize = 50;
const SMALL_GROUP: usize = 16;
/// Octets of one group.
const OCTETS: u64 = 8 << 20;
/// Beside a daemon we rest after a commit as long as it took, and at least so long.
const REST: Duration = Duration::from_millis(30);
/// Mails that one task understands, and octets after which it takes no more.
const SHARE: usize = 64;
const SHARE_OCTETS: u64 = 8 << 20;
/// Mails of which the next group is chosen.
const WINDOW: usize = 600;
const WINDOW_OCTETS: u64 = 64 << 20;
/// A body up to this size goes into a row: it is compressed before anybody knows whether it is new.
const SMALL: usize = 64 << 10;
/// Races that may be lost before somebody has to try again.
const RACES: usize = 5;
/// Rounds of asking for facts.
const ROUNDS: usize = 10;

/// What became of the mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Opened a ticket.
    pub tickets: u64,
    /// Were added to one.
    pub messages: u64,
    /// Are kept and shown, and changed nothing.
    pub automatic: u64,
    /// Wait for a person.
    pub held: u64,
    /// Were there already.
    pub duplicates: u64,
}

impl Counts {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.tickets + self.messages + self.automatic + self.held + self.duplicates
    }

    fn count(&mut self, fate: Fate) {
        *match fate {
            Fate::Ticket => &mut self.tickets,
            Fate::Message => &mut self.messages,
            Fate::Held => &mut self.held,
            Fate::Duplicate => &mut self.duplicates,
            Fate::Automatic | Fate::Waiting => &mut self.automatic,
        } += 1;
    }
}

/// Why an import ended before its end. What was committed stands.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Takes history into a desk.
#[derive(Clone)]
pub struct History {
    /// The store.
    pub store: Store,
    /// The desk.
    pub desk: Arc<Desk>,
    /// The clock.
    pub clock: Clock,
    /// The mailbox that the archive is of.
    pub mailbox: String,
    /// What happened lately waits for an answer; else every ticket is closed.
    pub open: bool,
}

/// A mail that was understood.
struct Read {
    /// Its place in the archive, by time.
    n: usize,
    at: i64,
    sha: Vec<u8>,
    body: Body,
    octets: u64,
    envelope: Envelope,
    understood: Understood,
    verdict: Verdict,
    /// What it has in common with others that have to do with it.
    ties: Vec<u64>,
}

enum Body {
    Packed(Prepared),
    Plain(Vec<u8>),
}

impl Read {
    fn mail(&self) -> Mail<'_> {
        Mail {
            id: InboxId(0),
            node: 0,
            received_at: self.at,
            envelope: &self.envelope,
            blob: &self.sha,
            understood: &self.understood,
            verdict: &self.verdict,
            passed: &[],
            findings: &[],
        }
    }
}

type Share = Result<Vec<Read>, ImportError>;

impl History {
    /// Takes all mails of an archive; `tell` hears how far it is after each commit. `is_served` says whether a daemon
    /// writes to the same file.
    ///
    /// # Errors
    /// When the archive can't be read any more or the database can't be used: run it again.
    pub async fn run(
        &self,
        archive: Arc<Archive>,
        is_served: impl Fn() -> bool,
        mut tell: impl FnMut(&Counts),
    ) -> Result<Counts, ImportError> {
        let mut counts = Counts::default();
        let mut next = 0;
        let ahead = std::thread::available_parallelism().map_or(2, usize::from) + 2;
        let mut shares: VecDeque<JoinHandle<Share>> = VecDeque::new();
        let mut window: VecDeque<Read> = VecDeque::new();
        let mut lost = 0;
        loop {
            while shares.len() < ahead && next < archive.len() {
                let share = share(&archive, &mut next);
                let (this, archive) = (self.clone(), archive.clone());
                shares.push_back(tokio::task::spawn_blocking(move || this.understood(&archive, share)));
            }
            let octets: u64 = window.iter().map(|read| read.octets).sum();
            if window.len() < WINDOW
                && octets < WINDOW_OCTETS
                && let Some(share) = shares.pop_front()
            {
                window.extend(share.await.map_err(|e| StoreError::Corrupt(format!("understanding a mail failed: {e}")))??);
                continue;
            }
            if window.is_empty() {
                return Ok(counts);
            }
            let served = !self.store.is_shared() && is_served();
            let start = Instant::now();
            let most = match (self.store.is_shared(), served) {
                (true, _) => LOCKED_GROUP,
                (false, true) => SMALL_GROUP,
                (false, false) => GROUP,
            };
            lost = match self.group(&mut window, most, &mut counts).await? {
                true => 0,
                false if lost < RACES => lost + 1,
                false => return Err(StoreError::Conflict("too many others at once").into()),
            };
            tell(&counts);
            if served {
                tokio::time::sleep(start.elapsed().max(REST)).await;
            }
        }
    }

    /// Reads and understands some mails. Blocks.
    fn understood(&self, archive: &Archive, share: Range<usize>) -> Share {
        let limits = Limits { language: false, ..Limits::from(&self.desk.config.limits) };
        let mut reads = Vec::with_capacity(share.len());
        for n in share {
            let Old { at, bytes, sender } = archive.read(n)?;
            let malformed = prescan(&bytes, &limits).err().map(|refusal| refusal.reply().text.into_owned());
            // One mail that ends its reader must not keep all others out, now and each time that the import is run again.
            let read = std::panic::catch_unwind(|| understand(&bytes, &limits));
            let (understood, malformed) = match read {
                Ok(understood) => (understood, malformed),
                Err(_) => (Understood::default(), Some("it could not be understood; the raw mail is kept".to_owned())),
            };
            let sender = sender.filter(|s| crate::model::address::is_plain(s)).unwrap_or_default();
            let envelope = Envelope::without_client(Transport::Import, sender, vec![self.mailbox.clone()]);
            let envelope = Envelope { malformed, ..envelope };
            let octets = bytes.len() as u64;
            let (sha, body) = match bytes.len() <= SMALL {
                true => {
                    let packed = self.store.prepare(&bytes)?;
                    (packed.sha.clone(), Body::Packed(packed))
                }
                false => (crate::store::sha256(&bytes), Body::Plain(bytes)),
            };
            let mut read = Read { n, at, sha, body, octets, envelope, understood, verdict: Verdict::default(), ties: Vec::new() };
            read.ties = desk::ties(&read.mail());
            reads.push(read);
        }
        Ok(reads)
    }

    /// Takes the next group from the window to its commit; whether it got there.
    async fn group(&self, window: &mut VecDeque<Read>, most: usize, counts: &mut Counts) -> Result<bool, ImportError> {
        let now = self.clock.now();
        let mut chosen = choose(window, most);
        let (mut decided, facts) = self.decided(&chosen).await?;
        let mut touched = HashSet::new();
        let (mut mails, mut fates) = (Vec::new(), Vec::new());
        let mut done = Vec::with_capacity(chosen.len());
        for (read, changes) in chosen.iter_mut().zip(&mut decided) {
            // Two that go to one ticket would count its messages from the same number.
            let late = changes.updates.iter().filter(|t| !touched.insert(t.id)).count() > 0;
            done.push(!late);
            if late {
                continue;
            }
            let fate = changes.inbox.as_ref().map_or(Fate::Automatic, |inbox| inbox.fate);
            fates.push(fate);
            if fate != Fate::Duplicate {
                let blob = self.packed(read).await?;
                let mail = Accepted { received_at: now, envelope: read.envelope.clone(), blob };
                mails.push(Imported { mail, changes: std::mem::take(changes) });
            }
        }
        if let Some(first) = mails.first_mut() {
            first.changes.guard = desk::guard(&facts);
        }
        let committed = match self.store.run(Cmd::Import(mails)).await {
            Err(StoreError::Conflict(what)) => {
                tracing::debug!(what, "lost a race; deciding anew");
                false
            }
            Err(error) => return Err(error.into()),
            Ok(_) => true,
        };
        window.extend(chosen.into_iter().zip(done).filter(|(_, done)| !(committed && *done)).map(|(read, _)| read));
        window.make_contiguous().sort_by_key(|read| read.n);
        for fate in fates.into_iter().filter(|_| committed) {
            counts.count(fate);
        }
        Ok(committed)
    }

    /// A mail's bytes as they are kept. Only what is kept may leave a file.
    async fn packed(&self, read: &mut Read) -> Result<Prepared, StoreError> {
        if let Body::Plain(bytes) = &mut read.body {
            let (store, bytes) = (self.store.clone(), std::mem::take(bytes));
            let packed = tokio::task::spawn_blocking(move || store.prepare(&bytes)).await;
            read.body = Body::Packed(packed.map_err(|e| StoreError::Io(e.to_string()))??);
        }
        match &read.body {
            Body::Packed(packed) => Ok(packed.clone()),
            Body::Plain(_) => Err(StoreError::Corrupt("a mail was not packed".into())),
        }
    }

    /// Decides all of a group from the same facts.
    async fn decided(&self, group: &[Read]) -> Result<(Vec<Changes>, Facts), StoreError> {
        let now = self.clock.now();
        let mut facts = Facts::default();
        for _ in 0..ROUNDS {
            let mut keys = Keys::default();
            let mut decided = Vec::with_capacity(group.len());
            for read in group {
                match desk::recount(&self.desk, &read.mail(), &facts, now, self.open) {
                    Step::Done(changes) => decided.push(*changes),
                    Step::Need(more) => keys.add(*more),
                }
            }
            if keys.is_empty() {
                return Ok((decided, facts));
            }
            self.store.facts(&mut facts, &keys).await?;
        }
        Err(StoreError::Corrupt("a decision asks for ever more".into()))
    }
}

/// The next mails that one task understands.
fn share(archive: &Archive, next: &mut usize) -> Range<usize> {
    let (from, mut octets) = (*next, 0);
    while *next < archive.len() && *next - from < SHARE && octets < SHARE_OCTETS {
        octets += archive.size(*next);
        *next += 1;
    }
    from..*next
}

/// Takes mails out of the window that have nothing to do with one another, nor with one that stays and is older.
fn choose(window: &mut VecDeque<Read>, most: usize) -> Vec<Read> {
    let mut seen: HashSet<u64> = HashSet::new();
    let mut octets = 0;
    let (mut chosen, mut rest) = (Vec::new(), VecDeque::with_capacity(window.len()));
    for read in window.drain(..) {
        let is_free = !read.ties.iter().any(|tie| seen.contains(tie));
        seen.extend(read.ties.iter().copied());
        if is_free && chosen.len() < most && octets < OCTETS {
            octets += read.octets;
            chosen.push(read);
        } else {
            rest.push_back(read);
        }
    }
    *window = rest;
    chosen
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(n: usize, ties: &[u64]) -> Read {
        let envelope = Envelope::without_client(Transport::Import, String::new(), Vec::new());
        let (understood, verdict) = (Understood::default(), Verdict::default());
        let body = Body::Plain(Vec::new());
        Read { n, at: 0, sha: Vec::new(), body, octets: 1, envelope, understood, verdict, ties: ties.to_vec() }
    }

    #[test]
    fn a_group_holds_no_two_that_belong_together_and_keeps_their_order() {
        let mails = [read(0, &[1]), read(1, &[1, 2]), read(2, &[3]), read(3, &[2, 4]), read(4, &[5]), read(5, &[4])];
        let mut window = VecDeque::from(mails);
        let taken = |chosen: Vec<Read>| chosen.iter().map(|read| read.n).collect::<Vec<_>>();
        // 3 waits for 1, which waits for 0, and 5 for 3.
        assert_eq!(taken(choose(&mut window, 9)), [0, 2, 4]);
        assert_eq!(taken(choose(&mut window, 9)), [1]);
        assert_eq!(taken(choose(&mut window, 9)), [3]);
        assert_eq!(taken(choose(&mut window, 9)), [5]);
        assert!(window.is_empty());
    }

    #[test]
    fn a_group_is_bounded() {
        let mut window: VecDeque<_> = (0..10).map(|n| read(n, &[n as u64])).collect();
        window.get_mut(1).unwrap().octets = OCTETS;
        assert_eq!(choose(&mut window, 9).len(), 2);
        assert_eq!(choose(&mut window, 5).len(), 5);
        assert_eq!(window.len(), 3);
    }
}
