//! To the author of an answer that still waits.

use super::{Composer, Matter};
use crate::model::outgoing::OutboxRow;
use crate::send::letter::Letter;
use crate::send::wording;
use crate::store::StoreError;

impl Composer<'_> {
    pub(super) async fn late(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        self.notice(letter, matter);
        let waiting = match row.params.outbox {
            Some(id) => self.store.outbox_row(id).await?,
            None => None,
        };
        let address = waiting.as_ref().map_or("the customer", |waiting| waiting.address.as_str());
        let reply = row.params.lines.first().map_or("", String::as_str);
        letter.text = wording::late(address, reply, matter.message.as_ref().map_or("", |message| message.text.as_str()));
        Ok(())
    }
}
