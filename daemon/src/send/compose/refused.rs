//! Addresses that refuse mail: nothing more is sent there for a while, and admins hear when it is a colleague's.

use crate::desk::refusal::{Passage, passage};
use crate::model::outgoing::OutboxRow;
use crate::store::{Cmd, StoreError};

use super::super::letter::Letter;
use super::super::wording;
use super::{ComposeError, Composer, Matter};

impl Composer<'_> {
    /// Whether the mail may go to its address now.
    pub(super) async fn pass(&self, row: &OutboxRow, matter: &Matter) -> Result<(), ComposeError> {
        let mut recipient = matter.recipient.clone();
        loop {
            match passage(&recipient, row, &self.desk.config.limits, self.now) {
                Passage::Free => return Ok(()),
                Passage::Later(why, at) => return Err(ComposeError::Later(why, at)),
                Passage::Stopped(why) => return Err(ComposeError::Refused(why)),
                Passage::Once => match self.store.run(Cmd::TryRefused { person: row.recipient, mail: row.id, now: self.now }).await {
                    Err(StoreError::Conflict(_)) => {}
                    tried => return tried.map(|_| ()).map_err(ComposeError::from),
                },
            }
            // Another mail was let through at the same moment, or all go there again.
            let again = self.store.persons(&[row.recipient]).await?.pop();
            recipient = again.ok_or_else(|| StoreError::NotFound("the recipient is gone".into()))?;
        }
    }

    pub(super) async fn undeliverable(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        letter.desk_address = Some(self.desk_address(matter));
        let agent = match row.params.actor {
            Some(id) => self.store.persons(&[id]).await?.pop(),
            None => None,
        };
        let address = agent.as_ref().map_or("somebody who works here", |agent| agent.address.as_str());
        letter.subject = format!("{address} gets no mail");
        let reply = row.params.lines.first().map_or("", String::as_str);
        letter.text = match agent.as_ref().and_then(|agent| agent.suppressed(&agent.address, self.now)) {
            Some(_) => wording::undeliverable(address, reply),
            None => format!("The mailbox of {address} refused mail, and this has been dealt with meanwhile.\n"),
        };
        Ok(())
    }
}
