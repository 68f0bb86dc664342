//! Fetching over IMAP (RFC 9051, RFC 3501): one task an account, which looks through its folders, waits, and comes again.
//!
//! A mail's UID and its inbox row are one commit, so a death at any moment neither loses a mail nor brings it twice. Nothing
//! is marked, moved or deleted before that commit. Everything a server says is measured by a leash before it is kept.

pub mod addressed;
mod after;
mod connect;
mod crash;
pub mod error;
mod folder;
mod leash;
mod login;
mod names;
mod oauth;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod pace;
mod response;
mod session;
mod state;
mod wait;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Imap;
use crate::inbox::Inbox;
use crate::receive::Gate;
use crate::store::{Cmd, FolderName, NodeId, Outcome, Store};

pub use addressed::{Addresses, Ours};
pub use error::Fault;
pub use oauth::Tokens;

use after::After;
use crash::Crashes;
use folder::{Folder, Looked};
use pace::{Pace, spread};
use session::Session;
use state::States;
use wait::Idled;

/// A connection without IDLE is kept when the next look is not later than this; servers hang up on those who are silent.
const KEPT_OPEN: Duration = Duration::from_secs(5 * 60);
/// Two looks are at least so far apart, however often a server says that there is mail.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// A folder that another node polls is asked for at least so often.
const ELSEWHERE: Duration = Duration::from_secs(30);
/// After a fault of ours that ended an account's task, it begins anew.
const MENDING: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(60) };
/// All that a probe does takes at most this long.
const PROBE: Duration = Duration::from_secs(45);

/// One mailbox that is fetched, and all that is needed for it.
pub struct Account<G> {
    /// The support address.
    pub mailbox: String,
    /// Its `[mailboxes.imap]`.
    pub imap: Imap,
    /// Where its tokens come from, if it logs in by token.
    pub tokens: Option<Tokens>,
    /// Told when the configuration was read again: what failed is tried at once.
    pub again: Arc<Notify>,
    /// Largest mail, in octets.
    pub message_size: u64,
    /// For cursors and states.
    pub store: Store,
    /// The door in.
    pub inbox: Inbox,
    /// The desk's word.
    pub gate: Arc<G>,
    /// This process.
    pub node: NodeId,
    /// The time.
    pub clock: Clock,
}

/// Fetches until it is cancelled. Mail in hand is dropped then; it is on the server still.
pub async fn run<G: Gate + Addresses>(account: Account<G>, cancel: CancellationToken) {
    let (account, crashes) = (Arc::new(account), Arc::new(Crashes::default()));
    loop {
        let (attended, crashed) = (account.clone(), crashes.clone());
        let mut task = tokio::spawn(async move { Box::pin(attend(&attended, crashed)).await });
        tokio::select! {
            () = cancel.cancelled() => {
                task.abort();
                // It is gone, one way or the other.
                let _ = task.await;
                return;
            }
            _ = &mut task => {}
        }
        broke(&account).await;
        tokio::select! {
            () = cancel.cancelled() => return,
            () = sleep(MENDING) => {}
        }
    }
}

/// A panic, which has been logged where it arose. Nobody is to think that all is well.
async fn broke<G>(account: &Account<G>) {
    let mut states = States::new(account.store.clone(), account.node, account.clock);
    for folder in names(account) {
        let why = format!("fetching broke down; this is a bug in Ombud. It begins again in {} s", MENDING.as_secs());
        if let Err(error) = states.fails(&folder, &why).await {
            tracing::warn!(%error, mailbox = folder.mailbox, "the state of a folder could not be written");
        }
    }
}

/// Gives up the folders of a mailbox that is fetched no more.
///
/// # Errors
/// When the database can't be written.
pub async fn release<G>(account: &Account<G>) -> Result<(), crate::store::StoreError> {
    for folder in names(account) {
        account.store.run(Cmd::ReleaseFolder { folder, node: account.node }).await?;
    }
    Ok(())
}

fn names<G>(account: &Account<G>) -> Vec<FolderName> {
    account.imap.folders.iter().map(|folder| FolderName { mailbox: account.mailbox.clone(), folder: folder.clone() }).collect()
}

/// What is to be done next.
enum Next {
    /// Look again on this connection.
    Look,
    /// Connect again after this.
    Connect(Duration),
}

async fn attend<G: Gate + Addresses>(account: &Account<G>, crashes: Arc<Crashes>) {
    let mut attendant = Attendant {
        folders: names(account).into_iter().map(|name| Folder::new(name, &crashes)).collect(),
        crashes,
        states: States::new(account.store.clone(), account.node, account.clock),
        pace: Pace::new(account.imap.pause),
        claimed_at: Instant::now(),
        account,
    };
    loop {
        let pause = match attendant.connected().await {
            Ok(pause) => pause,
            Err(fault) => attendant.failed(&fault).await,
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = account.again.notified() => {}
        }
    }
}

struct Attendant<'a, G> {
    account: &'a Account<G>,
    crashes: Arc<Crashes>,
    folders: Vec<Folder>,
    states: States,
    pace: Pace,
    claimed_at: Instant,
}

impl<G: Gate + Addresses> Attendant<'_, G> {
    /// One connection from begin to end; says when to come again.
    async fn connected(&mut self) -> Result<Duration, Fault> {
        if !self.claim().await? {
            return Ok(self.elsewhere());
        }
        self.pace.connects(Instant::now());
        let mut session = connect::open(&self.account.imap, self.account.tokens.as_ref()).await?;
        loop {
            // Another node may have died, or its network may have.
            if self.some_are_elsewhere() && self.claimed_at.elapsed() >= self.elsewhere() && !self.claim().await? {
                session.log_out().await;
                return Ok(self.elsewhere());
            }
            let failed = self.look(&mut session).await?;
            let looked_at = Instant::now();
            let waited = match failed.last() {
                Some(fault) => self.wait_after(fault, failed.len() == self.folders.len()).await,
                None => {
                    self.pace.works();
                    self.wait(&mut session).await
                }
            };
            match waited {
                Ok(Next::Look) => sleep(BETWEEN_LOOKS.saturating_sub(looked_at.elapsed())).await,
                Ok(Next::Connect(pause)) => {
                    session.log_out().await;
                    return Ok(pause);
                }
                // A server that ends a session in which nothing happens is not broken.
                Err(Fault::Lost { .. } | Fault::Bye { .. } | Fault::Silent { .. } | Fault::Slow { .. }) => {
                    return Ok(self.pace.hung_up(self.account.imap.poll, Instant::now()));
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// When to ask again for folders that another node polls: it may die at any time.
    fn elsewhere(&self) -> Duration {
        self.account.imap.poll.min(ELSEWHERE)
    }

    /// Takes the folders that no other node polls, and reads how far they are; false: there is none.
    async fn claim(&mut self) -> Result<bool, Fault> {
        let mut mine = Vec::new();
        self.claimed_at = Instant::now();
        for name in names(self.account) {
            let claim = Cmd::ClaimFolder { folder: name.clone(), node: self.account.node, now: self.account.clock.now() };
            let Outcome::Folder(Some(cursor)) = self.account.store.run(claim).await? else { continue };
            let known = self.folders.iter().position(|folder| folder.name == name).map(|at| self.folders.swap_remove(at));
            let mut folder = known.unwrap_or_else(|| Folder::new(name, &self.crashes));
            folder.cursor = cursor;
            mine.push(folder);
        }
        self.folders = mine;
        Ok(!self.folders.is_empty())
    }

    fn some_are_elsewhere(&self) -> bool {
        self.folders.len() < self.account.imap.folders.len()
    }

    /// Looks through all folders and says what failed in which. One that can't be looked through does not stand before the others.
    async fn look(&mut self, session: &mut Session) -> Result<Vec<Fault>, Fault> {
        let mut failed = Vec::new();
        // What comes into a folder that was looked through already is news.
        session.news = false;
        for folder in &mut self.folders {
            let before = folder.cursor.clone();
            let looked = folder.look(self.account, session).await;
            if folder.cursor != before {
                // A mail was kept or left: whatever fails now is another one's trouble.
                self.pace.works();
            }
            match looked {
                Ok(Looked { mut notes, unfinished, .. }) => {
                    notes.extend(unfinished);
                    self.states.works(&folder.name, &notes).await?;
                }
                Err(fault) if fault.is_about_folder() => {
                    self.states.fails(&folder.name, &fault.to_string()).await?;
                    failed.push(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(failed)
    }

    /// Waits after a look that failed in one folder; the others are not to suffer for it.
    async fn wait_after(&mut self, fault: &Fault, all: bool) -> Result<Next, Fault> {
        let pause = spread(self.pace.failed(fault, Instant::now()));
        match all {
            // It may be the connection that is sick.
            true => Ok(Next::Connect(pause)),
            false => self.pause(pause.min(self.account.imap.poll)).await,
        }
    }

    async fn pause(&self, pause: Duration) -> Result<Next, Fault> {
        if pause > KEPT_OPEN {
            return Ok(Next::Connect(pause));
        }
        sleep(pause).await;
        Ok(Next::Look)
    }

    async fn wait(&self, session: &mut Session) -> Result<Next, Fault> {
        let poll = match self.some_are_elsewhere() {
            true => self.elsewhere(),
            false => self.account.imap.poll,
        };
        if session.news {
            return Ok(Next::Look);
        }
        if session.can("IDLE") {
            // IDLE tells of one folder; the others are looked at from time to time.
            let span = if self.account.imap.folders.len() == 1 { Duration::MAX } else { poll };
            if wait::idle(session, span).await? == Idled::Look {
                return Ok(Next::Look);
            }
        }
        self.pause(spread(poll)).await
    }

    /// Writes down what went wrong; says when to try again.
    async fn failed(&mut self, fault: &Fault) -> Duration {
        let pause = spread(self.pace.failed(fault, Instant::now()));
        let gave_up = fault.is_refusal() && self.pace.gave_up();
        let why = if gave_up { format!("{fault} (tried once an hour from now on, and at a reload)") } else { fault.to_string() };
        for folder in &self.folders {
            if let Err(error) = self.states.fails(&folder.name, &why).await {
                tracing::warn!(%error, mailbox = folder.name.mailbox, "the state of a folder could not be written");
            }
        }
        if gave_up {
            let tell = Cmd::LoginRefused { mailbox: self.account.mailbox.clone(), node: self.account.node, now: self.account.clock.now() };
            if let Err(error) = self.account.store.run(tell).await {
                tracing::warn!(%error, mailbox = self.account.mailbox, "admins could not be told that the log-in is refused");
            }
        }
        pause
    }
}

/// Whether mail could be fetched now: gets a token where one is used, connects, logs in, and opens each folder read-only. The
/// answer is one line. `data` is the data folder.
///
/// # Errors
/// What is wrong, in a line for a person.
pub async fn probe(imap: &Imap, data: &Path) -> Result<String, String> {
    let tokens = Tokens::of(imap, data);
    let tried = timeout(PROBE, Box::pin(try_all(imap, tokens.as_ref()))).await;
    tried.unwrap_or_else(|_| Err(format!("the server took longer than {} s", PROBE.as_secs())))
}

async fn try_all(imap: &Imap, tokens: Option<&Tokens>) -> Result<String, String> {
    let line = |fault: Fault| fault.to_string();
    let mut session = connect::open(imap, tokens).await.map_err(line)?;
    let target = match After::of(imap) {
        After::Move(folder) => Some(folder),
        _ => None,
    };
    for folder in imap.folders.iter().chain(&target) {
        session.select(folder, true).await.map_err(line)?;
    }
    let waiting = if session.can("IDLE") { "IDLE" } else { "polling" };
    let tls = if session.tls { "TLS" } else { "clear text" };
    session.log_out().await;
    let token = if tokens.is_some() { " by token" } else { "" };
    Ok(format!("{} log-in{token}, {}; {tls}, {waiting}", imap.user, imap.folders.join(", ")))
}

#[cfg(test)]
mod tests;
