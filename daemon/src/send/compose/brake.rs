//! What an agent and the admins get when answers are held because there are too many of them.

use crate::desk::token::Purpose;
use crate::model::outgoing::OutboxRow;
use crate::store::StoreError;

use super::super::letter::Letter;
use super::super::wording::brake::{asked, ended, told};
use super::{Composer, Matter};

impl Composer<'_> {
    pub(super) async fn braked(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        let desk = &self.desk.config.desk.name;
        let why = row.params.lines.first().map_or("", String::as_str);
        letter.desk_address = Some(self.desk_address(matter));
        letter.reply_to = letter.desk_address.clone();
        if let (true, Some(lot)) = (row.params.actor == Some(row.recipient), row.params.inbox.first()) {
            let confirm = self.grant(matter, Purpose::Lot, lot.0, self.desk.config.limits.confirm_token_life);
            letter.subject = format!("Your answers from {desk} are held: are they yours?");
            let drop = self.grant(matter, Purpose::LotDrop, lot.0, self.desk.config.limits.confirm_token_life);
            letter.text = asked(why, &confirm, &drop);
            return Ok(());
        }
        let agent = match row.params.actor {
            Some(agent) => self.store.persons(&[agent]).await?.pop(),
            None => None,
        };
        let agent = agent.ok_or_else(|| StoreError::NotFound("the agent is gone".into()))?;
        if row.params.inbox.is_empty() {
            letter.subject = format!("Answers of {} were held at {desk}, and are not any more", agent.shown_name());
            letter.text = ended(agent.shown_name(), &agent.address, why);
            return Ok(());
        }
        letter.subject = format!("Answers of {} are held at {desk}", agent.shown_name());
        letter.text = told(agent.shown_name(), &agent.address, why);
        Ok(())
    }
}
