//! Folders that are fetched, for the status page.

use crate::store::{Store, StoreError};

/// How it goes with a folder that is fetched over IMAP.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

impl Store {
    /// The folders that living nodes poll.
    pub async fn imap_folders(&self) -> Result<Vec<ImapFolder>, StoreError> {
        let sql = "SELECT c.mailbox, c.folder, c.state, c.since, c.error, c.polled_at FROM imap_cursor c
            JOIN node n ON n.id = c.claimed_by WHERE n.dead = 0 ORDER BY c.mailbox, c.folder";
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
            })
        };
        rows.iter().map(folder).collect()
    }
}
