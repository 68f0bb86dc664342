//! One look into one folder: which mails are new, each fetched, kept and only then acted upon.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::receive::Gate;
use crate::store::{Cmd, CursorMove, FolderCursor, FolderName, LeftBehind};

use super::Account;
use super::addressed::{self, Addresses};
use super::after::After;
use super::error::Fault;
use super::names;
use super::session::{Fetched, Selected, Session};

/// Mails whose sizes are asked for at once, and after which what follows the fetch is done.
const BATCH: usize = 100;
/// A mail that could not be fetched in this many tries is left behind, so that those after it come in.
const TRIES: u32 = 3;
/// Mails that may be left behind before nothing more is fetched.
const LEFT: usize = 100;
/// Mails left behind that are named in a state.
const NAMED: usize = 3;
/// How often mails left behind are tried again.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// What this process remembers of a folder.
pub(super) struct Folder {
    pub(super) name: FolderName,
    pub(super) cursor: FolderCursor,
    /// Tries of mails that could not be fetched, and why the last one failed.
    tries: HashMap<u32, (u32, String)>,
    /// When mails left behind are tried again.
    again_at: Option<Instant>,
}

/// What a look has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// What a person should know.
    pub(super) notes: Vec<String>,
    /// What could not be done with mails that are kept.
    pub(super) unfinished: Option<String>,
    /// Mails that were kept.
    pub(super) kept: usize,
}

impl Folder {
    pub(super) fn new(name: FolderName) -> Self {
        Self { name, cursor: FolderCursor::default(), tries: HashMap::new(), again_at: None }
    }

    /// Looks once through the folder.
    pub(super) async fn look<G: Gate + Addresses>(&mut self, account: &Account<G>, session: &mut Session) -> Result<Looked, Fault> {
        let mut look = Look { after: After::of(&account.imap), account, session, folder: self, looked: Looked::default() };
        look.through().await?;
        let mut looked = look.looked;
        looked.notes.extend(left_behind(&self.cursor.left));
        Ok(looked)
    }
}

struct Look<'a, G> {
    account: &'a Account<G>,
    session: &'a mut Session,
    folder: &'a mut Folder,
    after: After,
    looked: Looked,
}

impl<G: Gate + Addresses> Look<'_, G> {
    async fn through(&mut self) -> Result<(), Fault> {
        let read_only = self.after == After::Keep;
        let name = self.folder.name.folder.clone();
        let selected = self.session.select(&name, read_only).await?;
        self.settle(&selected).await?;
        self.finish_what_a_crash_left().await?;
        let first = self.folder.cursor.last_uid.saturating_add(1);
        // `5:*` names the last mail even when its UID is lower.
        let mut new = self.session.search(&format!("UID {first}:*"), selected.exists).await?;
        new.retain(|uid| *uid >= first);
        for batch in new.chunks(BATCH) {
            let sizes = self.session.sizes(batch).await?;
            let mut kept = Vec::new();
            let taken = self.take_all(&sizes, &mut kept).await;
            // Also when the batch was cut short: what is kept here need not wait there.
            if taken.as_ref().map_or_else(Fault::is_ours, |()| true) {
                self.finish(&kept).await?;
            }
            taken?;
        }
        self.try_left_behind_again().await
    }

    /// Makes the cursor fit the folder: at the first look, and when the server counts anew (RFC 9051 §2.3.1.1).
    async fn settle(&mut self, selected: &Selected) -> Result<(), Fault> {
        const WHEN: &str = "SELECT";
        let Some(uidvalidity) = selected.uidvalidity else {
            return Err(Fault::Nonsense { when: WHEN, what: "the server gives no UIDVALIDITY, so mails can't be told apart" });
        };
        let account = format!("{}@{}", self.account.imap.user, self.account.imap.host);
        let cursor = &self.folder.cursor;
        let from_now = self.account.imap.start == "now";
        let to = if cursor.uidvalidity == 0 {
            let (last_uid, first_day) = match from_now && selected.exists > 0 {
                true => self.session.newest().await?.ok_or(Fault::Nonsense { when: WHEN, what: "the server has mails and names none" })?,
                false => Default::default(),
            };
            tracing::info!(mailbox = self.folder.name.mailbox, folder = self.folder.name.folder, after = last_uid, "fetching begins");
            FolderCursor { account, uidvalidity, last_uid, finished_uid: last_uid, first_day, left: Vec::new() }
        } else {
            let same = cursor.uidvalidity == uidvalidity && cursor.account == account;
            let first_day = if from_now { cursor.first_day.clone() } else { String::new() };
            if same && !self.counts_backwards(selected).await? {
                return Ok(());
            }
            let last_uid = self.before_first(&first_day, selected).await?;
            tracing::warn!(
                mailbox = self.folder.name.mailbox,
                folder = self.folder.name.folder,
                "the server counts its mails anew; all are fetched again and known ones recognised"
            );
            FolderCursor { account, uidvalidity, last_uid, finished_uid: last_uid, first_day, left: Vec::new() }
        };
        self.folder.tries.clear();
        self.move_to(to).await
    }

    /// Whether UIDs that we have seen will be given again, as by a server that was restored from a copy. UIDNEXT alone is not
    /// believed: one that always lies would have everything fetched at every look.
    async fn counts_backwards(&mut self, selected: &Selected) -> Result<bool, Fault> {
        let last = self.folder.cursor.last_uid;
        if selected.uidnext.is_none_or(|next| next > last) {
            return Ok(false);
        }
        let newest = if selected.exists > 0 { self.session.newest().await? } else { None };
        Ok(newest.is_none_or(|(uid, _)| uid < last))
    }

    /// The UID below the first mail that is wanted: mail that was there long before us is nobody's new ticket.
    async fn before_first(&mut self, first_day: &str, selected: &Selected) -> Result<u32, Fault> {
        if first_day.is_empty() || selected.exists == 0 {
            return Ok(0);
        }
        let since = self.session.search(&format!("SINCE {first_day}"), selected.exists).await?;
        let newest = self.session.newest().await?.map_or(0, |(uid, _)| uid);
        Ok(since.first().map_or(newest, |uid| uid.saturating_sub(1)))
    }

    async fn move_to(&mut self, to: FolderCursor) -> Result<(), Fault> {
        self.account.store.run(Cmd::MoveCursor(Box::new(self.step(to.clone())))).await?;
        self.folder.cursor = to;
        Ok(())
    }

    fn step(&self, to: FolderCursor) -> CursorMove {
        CursorMove { folder: self.folder.name.clone(), node: self.account.node, from: self.folder.cursor.clone(), to }
    }

    /// The cursor behind this mail.
    fn behind(&self, uid: u32) -> FolderCursor {
        let cursor = &self.folder.cursor;
        let last_uid = cursor.last_uid.max(uid);
        let finished_uid = if self.after == After::Keep { last_uid } else { cursor.finished_uid };
        let left = cursor.left.iter().filter(|l| l.uid != uid).cloned().collect();
        FolderCursor { last_uid, finished_uid, left, ..cursor.clone() }
    }

    async fn take_all(&mut self, sizes: &[(u32, u64)], kept: &mut Vec<u32>) -> Result<(), Fault> {
        for (uid, size) in sizes {
            if let Some(why) = self.why_not(*uid, *size) {
                self.leave(*uid, why).await?;
            } else if self.take(*uid, *size).await? {
                kept.push(*uid);
            }
        }
        Ok(())
    }

    fn why_not(&self, uid: u32, size: u64) -> Option<String> {
        let limit = self.account.message_size;
        match self.folder.tries.get(&uid) {
            _ if size > limit => Some(format!("{} are more than {}", octets(size), octets(limit))),
            Some((tries, why)) if *tries >= TRIES => Some(why.clone()),
            _ => None,
        }
    }

    /// Fetches and keeps one mail; says whether it was there.
    async fn take(&mut self, uid: u32, size: u64) -> Result<bool, Fault> {
        self.account.gate.ready().await.map_err(Fault::NotKept)?;
        let mut draft = self.account.inbox.draft();
        let fetched = self.session.fetch(uid, most(size, self.account.message_size), &mut draft).await;
        let fetched = match fetched {
            // Between the listing and now somebody may have taken it away.
            Ok(Fetched::Nothing) if self.session.sizes(&[uid]).await?.is_empty() => return Ok(false),
            Ok(Fetched::Nothing) => Err("the server lists it and does not give it"),
            Ok(Fetched::Empty) => Err("the server has no content of it"),
            Ok(Fetched::Whole) => Ok(()),
            Err(fault) => {
                if !fault.is_ours() {
                    self.count(uid, fault.to_string());
                }
                return Err(fault);
            }
        };
        if let Err(what) = fetched {
            self.count(uid, what.to_owned());
            return Err(Fault::Nonsense { when: "FETCH of a mail", what });
        }
        let mail = self.account.inbox.admit(draft).await.map_err(Fault::NotKept)?;
        let mut envelope = addressed::envelope(mail.bytes(), &self.account.mailbox, self.session.tls, &*self.account.gate);
        self.account.gate.data(&mut envelope, mail.bytes()).await.map_err(Fault::NotKept)?;
        let to = self.behind(uid);
        let receipt = self.account.inbox.accept_at(envelope, mail, self.step(to.clone())).await?;
        self.folder.cursor = to;
        self.folder.tries.remove(&uid);
        self.looked.kept += 1;
        tracing::info!(id = %receipt.id(), mailbox = self.folder.name.mailbox, folder = self.folder.name.folder, uid, "mail fetched");
        Ok(true)
    }

    fn count(&mut self, uid: u32, why: String) {
        let tries = self.folder.tries.entry(uid).or_insert((0, String::new()));
        *tries = (tries.0 + 1, why);
    }

    /// Passes over a mail that can't be taken; it stays on the server, and the state says so.
    async fn leave(&mut self, uid: u32, why: String) -> Result<(), Fault> {
        let mut to = self.behind(uid);
        to.left.push(LeftBehind { uid, why });
        if to.left.len() > LEFT {
            return Err(Fault::TooManyLeft(to.left.len()));
        }
        tracing::warn!(mailbox = self.folder.name.mailbox, folder = self.folder.name.folder, uid, "a mail was left on the server");
        self.move_to(to).await?;
        self.folder.tries.remove(&uid);
        self.folder.again_at.get_or_insert_with(|| Instant::now() + AGAIN);
        Ok(())
    }

    /// What was kept and not acted upon when a process ended is acted upon by the next one.
    async fn finish_what_a_crash_left(&mut self) -> Result<(), Fault> {
        let cursor = &self.folder.cursor;
        if self.after == After::Keep || cursor.finished_uid >= cursor.last_uid {
            return Ok(());
        }
        let range = format!("UID {}:{}", cursor.finished_uid.saturating_add(1), cursor.last_uid);
        let exists = cursor.last_uid - cursor.finished_uid;
        let left: Vec<u32> = cursor.left.iter().map(|l| l.uid).collect();
        let mut uids = self.session.search(&range, exists).await?;
        uids.retain(|uid| !left.contains(uid) && *uid > self.folder.cursor.finished_uid && *uid <= self.folder.cursor.last_uid);
        let mut all = true;
        for batch in uids.chunks(BATCH) {
            all &= self.carry_out(batch).await?;
        }
        if all { self.finished().await } else { Ok(()) }
    }

    /// Acts upon mails that are kept. Whatever becomes of it, they are kept.
    async fn finish(&mut self, kept: &[u32]) -> Result<(), Fault> {
        let cursor = &self.folder.cursor;
        if self.after == After::Keep || cursor.finished_uid >= cursor.last_uid || self.looked.unfinished.is_some() {
            return Ok(());
        }
        if kept.is_empty() || self.carry_out(kept).await? { self.finished().await } else { Ok(()) }
    }

    async fn carry_out(&mut self, uids: &[u32]) -> Result<bool, Fault> {
        match self.after.carry_out(self.session, &names::set(uids)).await {
            Ok(note) => {
                let note = note.map(str::to_owned).filter(|note| !self.looked.notes.contains(note));
                self.looked.notes.extend(note);
                Ok(true)
            }
            Err(fault @ Fault::Refused { .. }) => {
                let what = format!("fetched mail could not be treated as `after = \"{}\"` says: {fault}", self.account.imap.after);
                self.looked.unfinished = Some(what);
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn finished(&mut self) -> Result<(), Fault> {
        let cursor = self.folder.cursor.clone();
        self.move_to(FolderCursor { finished_uid: cursor.last_uid, ..cursor }).await
    }

    /// A limit may have been raised, a server mended, or a person may have seen to it.
    async fn try_left_behind_again(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        if self.folder.cursor.left.is_empty() || self.folder.again_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        self.folder.again_at = Some(now + AGAIN);
        let uids: Vec<u32> = self.folder.cursor.left.iter().map(|l| l.uid).collect();
        let there = self.session.sizes(&uids).await?;
        let mut to = self.folder.cursor.clone();
        to.left.retain(|l| there.iter().any(|(uid, _)| *uid == l.uid));
        if to != self.folder.cursor {
            self.move_to(to).await?;
        }
        for (uid, size) in there {
            if size <= self.account.message_size && self.take(uid, size).await? {
                self.carry_out(&[uid]).await?;
            }
        }
        Ok(())
    }
}

/// Octets that a mail may have: servers give sizes that are not exact (line ends, headers that they add), but not that wrong.
fn most(size: u64, limit: u64) -> u64 {
    (size + size / 4 + (1 << 20)).min(limit)
}

/// What is said of mails that were left behind.
fn left_behind(left: &[LeftBehind]) -> Vec<String> {
    let mut notes: Vec<String> =
        left.iter().take(NAMED).map(|left| format!("UID {} was left on the server: {}", left.uid, left.why)).collect();
    if left.len() > NAMED {
        notes.push(format!("{} more were left there", left.len() - NAMED));
    }
    notes
}

fn octets(octets: u64) -> String {
    match octets {
        0..1024 => format!("{octets} octets"),
        1024..1_048_576 => format!("{} KiB", octets.div_ceil(1024)),
        _ => format!("{} MiB", octets.div_ceil(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_may_be_a_little_larger_than_the_server_says() {
        assert_eq!(most(0, 50 << 20), 1 << 20);
        assert_eq!(most(8 << 20, 50 << 20), 11 << 20);
        assert_eq!(most(49 << 20, 50 << 20), 50 << 20);
        assert_eq!(most(u64::MAX / 2, 5), 5);
    }

    #[test]
    fn mails_left_behind_are_named_and_counted() {
        let left: Vec<LeftBehind> =
            (1..=5).map(|uid| LeftBehind { uid, why: format!("{} are more than {}", octets(80 << 20), octets(50 << 20)) }).collect();
        let notes = left_behind(&left);
        assert_eq!(notes.first().map(String::as_str), Some("UID 1 was left on the server: 80 MiB are more than 50 MiB"));
        assert_eq!((notes.len(), notes.last().map(String::as_str)), (4, Some("2 more were left there")));
        assert!(left_behind(&[]).is_empty());
        assert_eq!([octets(5), octets(1500)], ["5 octets", "2 KiB"]);
    }
}
