//! Folders that are fetched over IMAP: who polls each, how far, and how it goes.
//!
//! A cursor is a value that is compared and swapped: whoever moves it names what it was, and only the node that has claimed
//! the folder may. So a mail is kept exactly once, however many nodes there are and whenever one of them dies.

use serde::{Deserialize, Serialize};

use crate::model::InboxId;
use crate::model::changes::{Changes, LOGIN_REFUSED, NewTimer};

use super::StoreError;
use super::cmd::Outcome;
use super::conn::Conn;
use super::insert::{self, Made};
use super::nodes::NodeId;
use super::value::json;

/// A folder of a mailbox's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderName {
    /// The support address.
    pub mailbox: String,
    /// The folder, as configured.
    pub folder: String,
}

/// How far a folder has been fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderCursor {
    /// User and server that the UIDs belong to.
    pub account: String,
    /// UIDVALIDITY of the UIDs below (RFC 9051 §2.3.1.1); 0: never looked at.
    pub uidvalidity: u32,
    /// Every mail up to this UID was kept, left behind or gone.
    pub last_uid: u32,
    /// Above this UID it is on record which mails were kept.
    pub began_uid: u32,
    /// Up to this UID, what is done after the fetch was done.
    pub finished_uid: u32,
    /// Day of the newest mail that was there before we were, and its moment in seconds where that is known
    /// (`21-Nov-2026 1795255200`); empty: all mail is wanted.
    pub first_day: String,
    /// Mails up to `last_uid` that are still on the server because they can't be taken.
    pub left: Vec<LeftBehind>,
}

/// A mail that can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// Its UID.
    pub uid: u32,
    /// Why, for a person.
    pub why: String,
    /// Whether it is its size.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub large: bool,
}

/// A change of a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorMove {
    /// The folder.
    pub folder: FolderName,
    /// The node that polls it.
    pub node: NodeId,
    /// What it is.
    pub from: FolderCursor,
    /// What it becomes.
    pub to: FolderCursor,
}

impl CursorMove {
    /// Whether the UIDs of before are no more.
    fn counts_anew(&self) -> bool {
        let (from, to) = (&self.from, &self.to);
        from.uidvalidity != to.uidvalidity || from.account != to.account || to.last_uid < from.last_uid
    }
}

/// What a comparison of a folder with what is kept has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The folder.
    pub folder: FolderName,
    /// The node that polls it.
    pub node: NodeId,
    /// Mails that were there and not here, and were fetched.
    pub missed: usize,
    /// Ranges of UIDs, ends included, of which the server has no mail any more.
    pub gone: Vec<(u32, u32)>,
    /// Now, in ms.
    pub now: i64,
}

/// How it goes with a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderReport {
    /// The folder.
    pub folder: FolderName,
    /// The node that polls it.
    pub node: NodeId,
    /// Whether mail can't be fetched.
    pub failing: bool,
    /// What a person should know, in a sentence; empty: nothing.
    pub error: String,
    /// Whether the folder was looked through just now.
    pub looked: bool,
    /// Now, in ms.
    pub now: i64,
}

/// A folder that a living node has not been able to look through for so long, in ms, may be taken by another: it may be that
/// node's network. A log-in that is refused is nobody's network.
const FAILING: i64 = 10 * 60 * 1_000;

/// Makes the folder's row when there is none and takes it when it is free, ours, a dead node's, or one that has failed too long.
pub(super) async fn claim(conn: &mut Conn<'_>, name: &FolderName, node: NodeId, now: i64) -> Result<Outcome, StoreError> {
    let sql = "INSERT INTO imap_cursor(mailbox, folder, uidvalidity, last_uid, claimed_by, since) VALUES ($1, $2, 0, 0, $3, $4)
        ON CONFLICT(mailbox, folder) DO UPDATE SET claimed_by = excluded.claimed_by,
        since = CASE WHEN imap_cursor.claimed_by <> excluded.claimed_by THEN excluded.since ELSE imap_cursor.since END
        WHERE imap_cursor.claimed_by IS NULL OR imap_cursor.claimed_by = excluded.claimed_by
        OR imap_cursor.claimed_by NOT IN (SELECT id FROM node WHERE dead = 0)
        OR (imap_cursor.state = 'failing' AND imap_cursor.since <= $5 AND imap_cursor.told_at IS NULL)
        RETURNING account, uidvalidity, last_uid, finished_uid, first_day, left_behind, began_uid";
    let row = conn.opt(sql, vec![(&name.mailbox).into(), (&name.folder).into(), node.0.into(), now.into(), (now - FAILING).into()]).await?;
    let Some(row) = row else { return Ok(Outcome::Folder(None)) };
    let number = |i| row.int(i).and_then(|n| u32::try_from(n).map_err(|_| StoreError::Corrupt(format!("column {i} is no UID"))));
    Ok(Outcome::Folder(Some(FolderCursor {
        account: row.text(0)?,
        uidvalidity: number(1)?,
        last_uid: number(2)?,
        finished_uid: number(3)?,
        first_day: row.text(4)?,
        left: row.json(5)?,
        began_uid: number(6)?,
    })))
}

/// Gives a folder up: nothing is shown of it any more, and another node may take it. How far it was fetched stays.
pub(super) async fn release(conn: &mut Conn<'_>, name: &FolderName, node: NodeId) -> Result<Outcome, StoreError> {
    let sql = "UPDATE imap_cursor SET claimed_by = NULL, state = '', error = '', told_at = NULL
        WHERE mailbox = $1 AND folder = $2 AND claimed_by = $3";
    conn.exec(sql, vec![(&name.mailbox).into(), (&name.folder).into(), node.0.into()]).await?;
    Ok(Outcome::Done)
}

/// One statement that writes all or, when the cursor is not what it was or not this node's, nothing.
pub(super) async fn move_cursor(conn: &mut Conn<'_>, change: &CursorMove) -> Result<(), StoreError> {
    let (from, to) = (&change.from, &change.to);
    let sql = "UPDATE imap_cursor SET account = $4, uidvalidity = $5, last_uid = $6, finished_uid = $7, first_day = $8, left_behind = $9,
        began_uid = $13 WHERE mailbox = $1 AND folder = $2 AND claimed_by = $3 AND uidvalidity = $10 AND last_uid = $11 AND left_behind = $12";
    let args = vec![
        (&change.folder.mailbox).into(),
        (&change.folder.folder).into(),
        change.node.0.into(),
        (&to.account).into(),
        i64::from(to.uidvalidity).into(),
        i64::from(to.last_uid).into(),
        i64::from(to.finished_uid).into(),
        (&to.first_day).into(),
        json(&to.left)?,
        i64::from(from.uidvalidity).into(),
        i64::from(from.last_uid).into(),
        json(&from.left)?,
        i64::from(to.began_uid).into(),
    ];
    if conn.exec(sql, args).await? == 0 {
        return Err(StoreError::Fenced);
    }
    if change.counts_anew() {
        let sql = "DELETE FROM imap_kept WHERE mailbox = $1 AND folder = $2";
        conn.exec(sql, vec![(&change.folder.mailbox).into(), (&change.folder.folder).into()]).await?;
    }
    Ok(())
}

/// Writes down which mail of the server the one is that is kept with a move.
pub(super) async fn keep(conn: &mut Conn<'_>, folder: &FolderName, uid: u32, inbox: InboxId) -> Result<(), StoreError> {
    let sql = "INSERT INTO imap_kept(mailbox, folder, uid, inbox) VALUES ($1, $2, $3, $4)
        ON CONFLICT(mailbox, folder, uid) DO UPDATE SET inbox = excluded.inbox";
    let FolderName { mailbox, folder } = folder;
    conn.exec(sql, vec![mailbox.into(), folder.into(), i64::from(uid).into(), inbox.into()]).await?;
    Ok(())
}

/// What is gone on the server need not be known any more.
pub(super) async fn compared(conn: &mut Conn<'_>, found: &Comparison) -> Result<Outcome, StoreError> {
    let FolderName { mailbox, folder } = &found.folder;
    let missed = i64::try_from(found.missed).unwrap_or(i64::MAX);
    let sql = "UPDATE imap_cursor SET compared_at = $4, missed = missed + $5, missed_at = CASE WHEN $5 > 0 THEN $4 ELSE missed_at END
        WHERE mailbox = $1 AND folder = $2 AND claimed_by = $3";
    if conn.exec(sql, vec![mailbox.into(), folder.into(), found.node.0.into(), found.now.into(), missed.into()]).await? == 0 {
        return Err(StoreError::Fenced);
    }
    for (first, last) in &found.gone {
        let sql = "DELETE FROM imap_kept WHERE mailbox = $1 AND folder = $2 AND uid BETWEEN $3 AND $4";
        conn.exec(sql, vec![mailbox.into(), folder.into(), i64::from(*first).into(), i64::from(*last).into()]).await?;
    }
    Ok(Outcome::Done)
}

/// Tells the admins, unless they were told and it has not worked since.
pub(super) async fn refused(conn: &mut Conn<'_>, mailbox: &str, node: NodeId, now: i64) -> Result<Outcome, StoreError> {
    let sql = "UPDATE imap_cursor SET told_at = $3 WHERE mailbox = $1 AND claimed_by = $2 AND told_at IS NULL";
    if conn.exec(sql, vec![mailbox.into(), node.0.into(), now.into()]).await? > 0 {
        let timer = NewTimer { kind: LOGIN_REFUSED, ticket: None, key: mailbox.to_owned(), due_at: now, if_untold: false };
        insert::timers(conn, &Changes { at: now, timers: vec![timer], ..Changes::default() }, &Made::default()).await?;
    }
    Ok(Outcome::Done)
}

pub(super) async fn report(conn: &mut Conn<'_>, report: &FolderReport) -> Result<Outcome, StoreError> {
    let sql = "UPDATE imap_cursor SET since = CASE WHEN state = $4 THEN since ELSE $6 END, state = $4, error = $5,
        polled_at = CASE WHEN $7 = 1 THEN $6 ELSE polled_at END, told_at = CASE WHEN $7 = 1 THEN NULL ELSE told_at END WHERE mailbox = $1 AND folder = $2 AND claimed_by = $3";
    let args = vec![
        (&report.folder.mailbox).into(),
        (&report.folder.folder).into(),
        report.node.0.into(),
        if report.failing { "failing" } else { "ok" }.into(),
        (&report.error).into(),
        report.now.into(),
        report.looked.into(),
    ];
    match conn.exec(sql, args).await? {
        0 => Err(StoreError::Fenced),
        _ => Ok(Outcome::Done),
    }
}

#[cfg(test)]
#[path = "imap/tests.rs"]
mod tests;
