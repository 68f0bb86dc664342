//! One look into one folder: which mails are new, each fetched, kept and only then acted upon.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::receive::Gate;
use crate::store::{Cmd, CursorMove, FolderCursor, FolderName, LeftBehind, NodeId};

use super::Account;
use super::addressed::{self, Addresses};
use super::after::After;
use super::crash::{BROKE, Crashes};
use super::error::Fault;
use super::session::{Selected, Session};

mod acting;
mod catch;
mod compare;
mod keep;
mod left;
mod listing;
mod recount;

use acting::Deferral;
use left::{AGAIN, left_behind};
use listing::Listed;

/// Mails whose sizes are asked for at once, and after which what follows the fetch is done.
const BATCH: usize = 400;
/// A mail that could not be fetched in this many tries is left behind, so that those after it come in.
const TRIES: u32 = 3;
const NO_SIZE: &str = "the server lists it and does not give its size";
const NO_CONTENT: &str = "the server has no content of it";

/// What this process remembers of a folder.
pub(super) struct Folder {
    pub(super) name: FolderName,
    pub(super) cursor: FolderCursor,
    /// Tries of mails that could not be fetched, and why the last one failed.
    tries: HashMap<u32, (u32, String)>,
    /// Up to this UID mails are asked for one at a time: a listing of several has failed.
    alone: u32,
    /// When each mail that was left behind is tried again; at once where nothing is said.
    again: HashMap<u32, Instant>,
    /// Mails that were left behind and are kept now, but not acted upon.
    late: Vec<u32>,
    /// When it was compared with what is kept.
    compared: Option<Instant>,
    crashes: Arc<Crashes>,
    deferral: Deferral,
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
    pub(super) fn new(name: FolderName, crashes: &Arc<Crashes>) -> Self {
        let broken = crashes.of(&name.folder);
        Self {
            name,
            cursor: FolderCursor::default(),
            tries: broken.iter().map(|(uid, (tries, _))| (*uid, (*tries, BROKE.to_owned()))).collect(),
            alone: 0,
            // One that was left behind is not to break the next task down at once.
            again: broken.iter().map(|(uid, (_, at))| (*uid, *at + AGAIN)).collect(),
            late: Vec::new(),
            compared: None,
            crashes: crashes.clone(),
            deferral: Deferral::default(),
        }
    }

    fn step(&self, node: NodeId, to: FolderCursor) -> CursorMove {
        CursorMove { folder: self.name.clone(), node, from: self.cursor.clone(), to }
    }

    fn count(&mut self, uid: u32, why: String) {
        let tries = self.tries.entry(uid).or_insert((0, String::new()));
        *tries = (tries.0 + 1, why);
    }

    /// Looks once through the folder.
    pub(super) async fn look<G: Gate + Addresses>(&mut self, account: &Account<G>, session: &mut Session) -> Result<Looked, Fault> {
        let after = After::of(&account.imap);
        let mut look = Look { after, account, session, folder: self, older_wait: false, looked: Looked::default() };
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
    /// Mails before those of this look are still to be acted upon.
    older_wait: bool,
    looked: Looked,
}

impl<G: Gate + Addresses> Look<'_, G> {
    async fn through(&mut self) -> Result<(), Fault> {
        let read_only = self.after == After::Keep;
        let name = self.folder.name.folder.clone();
        let selected = self.session.select(&name, read_only).await?;
        self.settle(&selected).await?;
        if !read_only && selected.read_only {
            self.looked.unfinished = Some(self.unfinished("the server gives the folder read-only"));
        }
        self.older_wait = self.looked.unfinished.is_some() || self.waits() || self.folder.deferral.holds(Instant::now());
        let first = self.folder.cursor.last_uid.saturating_add(1);
        // `5:*` names the last mail even when its UID is lower.
        let mut new = self.session.search(&format!("UID {first}:*"), selected.exists).await?;
        new.retain(|uid| *uid >= first);
        let mut rest = new.as_slice();
        while let Some(first) = rest.first() {
            let many = if *first <= self.folder.alone { 1 } else { BATCH.min(rest.len()) };
            let (batch, more) = rest.split_at(many);
            rest = more;
            let listed = self.list(batch).await?;
            let mut kept = Vec::new();
            let taken = self.take_all(listed, &mut kept).await;
            // Also when the batch was cut short: what is kept here need not wait there.
            if taken.as_ref().map_or_else(Fault::is_ours, |()| true) {
                self.finish(&kept).await?;
            }
            taken?;
        }
        self.finish_what_waits().await?;
        self.compare(selected.exists).await?;
        self.try_left_behind_again().await
    }

    async fn move_to(&mut self, to: FolderCursor) -> Result<(), Fault> {
        self.account.store.run(Cmd::MoveCursor(Box::new(self.folder.step(self.account.node, to.clone())))).await?;
        self.folder.cursor = to;
        Ok(())
    }

    /// Takes the mails of a listing in their order: what has to be seen to alone is seen to when all before it are kept.
    async fn take_all(&mut self, listed: Vec<(u32, Listed)>, kept: &mut Vec<u32>) -> Result<(), Fault> {
        let mut wanted = Vec::new();
        for (uid, listed) in listed {
            let size = match listed {
                Listed::Gone => continue,
                Listed::Size(size) if size <= self.account.message_size => size,
                other => {
                    self.take(&std::mem::take(&mut wanted), kept).await?;
                    self.pass_over(uid, other).await?;
                    continue;
                }
            };
            // What has failed before is not to take others with it.
            let doubtful = self.folder.tries.contains_key(&uid);
            if doubtful {
                self.take(&std::mem::take(&mut wanted), kept).await?;
            }
            wanted.push((uid, size));
            if doubtful {
                self.take(&std::mem::take(&mut wanted), kept).await?;
            }
        }
        self.take(&wanted, kept).await
    }

    async fn pass_over(&mut self, uid: u32, listed: Listed) -> Result<(), Fault> {
        match listed {
            Listed::GivenUp(why) => self.leave(LeftBehind { uid, why, large: false }).await,
            Listed::Size(size) => self.leave(self.too_large(uid, size)).await,
            // Those above it would move the cursor past it.
            Listed::Withheld => Err(Fault::Withheld { uid, what: NO_SIZE }),
            Listed::Gone => Ok(()),
        }
    }
}
