//! What admins get when the log-in for fetching a mailbox is refused.

use crate::clock::rfc3339;
use crate::model::outgoing::OutboxRow;
use crate::store::StoreError;

use super::super::letter::Letter;
use super::super::wording;
use super::{Composer, Matter};

impl Composer<'_> {
    pub(super) async fn imap(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        let mailbox = row.params.mailbox.as_deref().unwrap_or_default();
        letter.desk_address = Some(self.desk_address(matter));
        letter.subject = format!("Mail for {mailbox} can't be fetched");
        let folders = self.store.imap_folders().await?;
        let refused = folders.iter().find(|f| f.mailbox == mailbox && f.state == "failing" && f.told_at.is_some());
        letter.text = match refused {
            Some(folder) => wording::imap(mailbox, &rfc3339(folder.since), &folder.error),
            None => format!("The log-in for fetching {mailbox} was refused, and this has been dealt with meanwhile.\n"),
        };
        Ok(())
    }
}
