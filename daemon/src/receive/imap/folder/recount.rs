//! Where fetching begins in a folder, and what becomes of that when the server counts its mails anew.

use super::{Addresses, BATCH, Fault, FolderCursor, Gate, Look, Selected};

impl<G: Gate + Addresses> Look<'_, G> {
    /// Makes the cursor fit the folder: at the first look, and when the server counts anew (RFC 9051 §2.3.1.1).
    pub(super) async fn settle(&mut self, selected: &Selected) -> Result<(), Fault> {
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
            FolderCursor { account, uidvalidity, last_uid, began_uid: last_uid, finished_uid: last_uid, first_day, left: Vec::new() }
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
            FolderCursor { account, uidvalidity, last_uid, began_uid: last_uid, finished_uid: last_uid, first_day, left: Vec::new() }
        };
        self.folder.tries.clear();
        self.folder.crashes.forget(&self.folder.name.folder);
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
        // Where fetched mail is moved or deleted, no mail is as new as the last one that was taken.
        Ok(newest.is_none_or(|(uid, _)| uid < last && selected.uidnext.is_none_or(|next| next > uid)))
    }

    /// The UID below the first mail that is wanted: mail that was there before us is nobody's new ticket. Of the day of the
    /// newest of these, what is not later than that one is older than us, too.
    async fn before_first(&mut self, first_day: &str, selected: &Selected) -> Result<u32, Fault> {
        if first_day.is_empty() || selected.exists == 0 {
            return Ok(0);
        }
        // In this order: what comes in between the two is found by the second.
        let newest = self.session.newest().await?.map_or(0, |(uid, _)| uid);
        let (day, moment) = first_day.split_once(' ').unwrap_or((first_day, ""));
        let since = self.session.search(&format!("SINCE {day}"), selected.exists).await?;
        let Ok(moment) = moment.parse::<i64>() else { return Ok(since.first().map_or(newest, |uid| uid.saturating_sub(1))) };
        for batch in since.chunks(BATCH) {
            let dated = self.session.moments(batch).await?;
            // One without a date is rather taken twice than not at all; the fingerprint knows it then.
            let is_ours = |uid: &u32| dated.iter().find(|(found, _)| found == uid).is_none_or(|(_, at)| at.is_none_or(|at| at > moment));
            if let Some(uid) = batch.iter().find(|uid| is_ours(uid)) {
                return Ok(uid.saturating_sub(1));
            }
        }
        Ok(since.last().map_or(newest, |uid| newest.max(*uid)))
    }
}
