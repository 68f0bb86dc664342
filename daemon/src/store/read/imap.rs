//! Folders that are fetched, for the status page.

use crate::store::{FolderName, Store, StoreError};

/// How it goes with a folder that is fetched over IMAP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImapFolder {
    /// The support address.
    pub mailbox: String,
    /// The folder on the server.
    pub folder: String,
    /// `ok`, `failing`, or empty before the first look.
    pub state: String,
    /// Since when, in ms.
    pub since: i64,
    /// What a person should know, in a sentence; empty: nothing. Also of a folder that is `ok`: mails left behind.
    pub error: String,
    /// When it was last looked through, in ms.
    pub polled_at: Option<i64>,
    /// When admins were told that the log-in is refused, in ms; none: not since it worked.
    pub told_at: Option<i64>,
    /// When it was last compared with what is kept, in ms.
    pub compared_at: Option<i64>,
    /// Mails that were there and not here when it was, and were fetched then.
    pub missed: i64,
    /// When the last of them were, in ms.
    pub missed_at: Option<i64>,
}

impl Store {
    /// The folders that living nodes poll.
    pub async fn imap_folders(&self) -> Result<Vec<ImapFolder>, StoreError> {
        let sql = "SELECT c.mailbox, c.folder, c.state, c.since, c.error, c.polled_at, c.told_at, c.compared_at, c.missed, c.missed_at
            FROM imap_cursor c JOIN node n ON n.id = c.claimed_by WHERE n.dead = 0 ORDER BY c.mailbox, c.folder";
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![]).await?;
        let folder = |r: &crate::store::value::Row| {
            Ok(ImapFolder {
                mailbox: r.text(0)?,
                folder: r.text(1)?,
                state: r.text(2)?,
                since: r.int(3)?,
                error: r.text(4)?,
                polled_at: r.opt_int(5)?,
                told_at: r.opt_int(6)?,
                compared_at: r.opt_int(7)?,
                missed: r.int(8)?,
                missed_at: r.opt_int(9)?,
            })
        };
        rows.iter().map(folder).collect()
    }

    /// UIDs above `after` of the mails of a folder that are kept, ascending.
    pub async fn imap_kept(&self, folder: &FolderName, after: u32) -> Result<Vec<u32>, StoreError> {
        let sql = "SELECT uid FROM imap_kept WHERE mailbox = $1 AND folder = $2 AND uid > $3 ORDER BY uid";
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![(&folder.mailbox).into(), (&folder.folder).into(), i64::from(after).into()]).await?;
        rows.iter().map(|r| u32::try_from(r.int(0)?).map_err(|_| StoreError::Corrupt("a kept mail has no UID".into()))).collect()
    }
}
