//! What is done on the server with mails that are kept, and what becomes of it when that fails.

use std::time::Duration;

use tokio::time::Instant;

use super::{Addresses, After, Fault, FolderCursor, Gate, Look};
use crate::failpoint;
use crate::receive::imap::names;

/// Mails that are acted upon at once: a server that copies them is not to be busy for minutes.
const ACTED: usize = 25;
/// Refusals in one look after which the server is not asked again: they are not about single mails.
const REFUSALS: usize = 4;
/// What has broken the connection twice in a row rests for so long, so that mail comes in meanwhile.
const REST: Duration = Duration::from_secs(15 * 60);

/// Whether acting rests.
#[derive(Debug, Default)]
pub(super) struct Deferral {
    faults: u32,
    until: Option<Instant>,
    why: String,
}

impl Deferral {
    /// Whether it rests now.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    fn failed(&mut self, why: String, now: Instant) {
        self.faults = self.faults.saturating_add(1);
        self.until = (self.faults > 1).then(|| now + REST);
        self.why = why;
    }
}

impl<G: Gate + Addresses> Look<'_, G> {
    /// Whether mails that are kept are still to be acted upon.
    pub(super) fn waits(&self) -> bool {
        self.after != After::Keep && self.folder.cursor.finished_uid < self.folder.cursor.last_uid
    }

    /// Acts upon mails that were kept just now. Where older ones wait, these wait with them.
    pub(super) async fn finish(&mut self, kept: &[u32]) -> Result<(), Fault> {
        if !self.waits() || self.older_wait {
            return Ok(());
        }
        for uids in kept.chunks(ACTED) {
            if !self.carry_out(uids).await? {
                self.older_wait = true;
                return Ok(());
            }
        }
        self.finished(self.folder.cursor.last_uid).await
    }

    /// What was kept and not acted upon, because a process ended or the server refused, is acted upon now. Every mail of the
    /// range that is still there was kept, but for those that were left behind.
    pub(super) async fn finish_what_waits(&mut self) -> Result<(), Fault> {
        if !self.waits() || self.looked.unfinished.is_some() {
            return Ok(());
        }
        if self.folder.deferral.holds(Instant::now()) {
            self.looked.unfinished = Some(self.unfinished(&self.folder.deferral.why));
            return Ok(());
        }
        let FolderCursor { finished_uid, last_uid, .. } = self.folder.cursor;
        let mut uids = self.session.search(&format!("UID {}:{last_uid}", finished_uid.saturating_add(1)), last_uid - finished_uid).await?;
        let FolderCursor { began_uid, left, .. } = &self.folder.cursor;
        let kept = self.account.store.imap_kept(&self.folder.name, finished_uid.max(*began_uid)).await?;
        // What a server shows late was never kept: it must not be taken away.
        let is_kept = |uid: &u32| uid <= began_uid || kept.binary_search(uid).is_ok();
        uids.retain(|uid| *uid > finished_uid && *uid <= last_uid && is_kept(uid) && !left.iter().any(|l| l.uid == *uid));
        let mut refusals = 0;
        for uids in uids.chunks(ACTED) {
            match self.carry_out(uids).await? {
                true if refusals == 0 => self.finished(uids.last().copied().unwrap_or(finished_uid)).await?,
                true => {}
                false => refusals += 1,
            }
            if refusals == REFUSALS {
                break;
            }
        }
        if refusals == 0 { self.finished(last_uid).await } else { Ok(()) }
    }

    /// Acts upon mails that had been left behind.
    pub(super) async fn act_late(&mut self) -> Result<(), Fault> {
        let mut late = self.folder.late.clone();
        if late.is_empty() || self.looked.unfinished.is_some() || self.folder.deferral.holds(Instant::now()) {
            return Ok(());
        }
        late.sort_unstable();
        if self.carry_out(&late).await? {
            self.folder.late.clear();
        }
        Ok(())
    }

    /// Acts upon mails that are kept. Whatever becomes of it, they are kept.
    async fn carry_out(&mut self, uids: &[u32]) -> Result<bool, Fault> {
        match self.after.carry_out(self.session, &names::set(uids)).await {
            Ok(note) => {
                failpoint::reached("imap.after_flag");
                self.folder.deferral = Deferral::default();
                let note = note.filter(|note| !self.looked.notes.contains(note));
                self.looked.notes.extend(note);
                Ok(true)
            }
            Err(fault @ Fault::Refused { .. }) => {
                self.looked.unfinished = Some(self.unfinished(&fault.to_string()));
                Ok(false)
            }
            Err(fault) => {
                self.folder.deferral.failed(fault.to_string(), Instant::now());
                Err(fault)
            }
        }
    }

    pub(super) fn unfinished(&self, why: &str) -> String {
        format!("fetched mail could not be treated as `after = \"{}\"` says: {why}", self.account.imap.after)
    }

    async fn finished(&mut self, finished_uid: u32) -> Result<(), Fault> {
        let cursor = self.folder.cursor.clone();
        if cursor.finished_uid >= finished_uid { Ok(()) } else { self.move_to(FolderCursor { finished_uid, ..cursor }).await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_connection_twice_rests() {
        let (mut deferral, now) = (Deferral::default(), Instant::now());
        deferral.failed("BYE".into(), now);
        assert!(!deferral.holds(now), "once may be chance");
        deferral.failed("BYE".into(), now);
        assert!(deferral.holds(now) && deferral.holds(now + REST - Duration::from_secs(1)) && !deferral.holds(now + REST));
    }
}
