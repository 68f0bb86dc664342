//! One mail to try the way out with, beside the outbox: what became of it is the asker's business alone.

use std::path::Path;

use crate::config::Config;
use crate::desk::Desk;
use crate::desk::probe::Marks;
use crate::model::{Address, MailboxId};

use super::dkim::Signer;
use super::letter::Letter;
use super::relay::{Exit, Fence, Outcome};
use super::wording;

/// Sends a probe in the name of a mailbox to `to`, as any mail leaves: composed, signed, by the configured way. `now` in ms.
///
/// # Errors
/// In words, when it has not left.
pub async fn probe(desk: &Desk, exit: &Exit, mailbox: MailboxId, marks: &Marks, to: &str, now: i64) -> Result<String, String> {
    let config: &Config = &desk.config;
    let data: &Path = &config.desk.data;
    let from = desk.book.mailbox(mailbox).map(|m| Address { name: Some(m.name.clone()), address: m.address.clone() });
    let from = from.ok_or("no mailbox is configured")?;
    let letter = Letter {
        to: Address::bare(to),
        reply_to: Some(marks.reply_to.clone()),
        subject: marks.subject.clone(),
        message_id: marks.message_id.clone(),
        date: now.div_euclid(1000),
        auto_submitted: Some("auto-generated"),
        suppress: Some("All"),
        text: wording::probe(&config.desk.name),
        from: from.clone(),
        ..Letter::default()
    };
    let bytes = letter.bytes().map_err(|error| error.to_string())?;
    let day = jiff::Timestamp::from_millisecond(now).unwrap_or_default().strftime("%Y%m%d").to_string();
    let bytes = Signer::new(data).signed(config, &from.address, bytes, &day).await.map_err(|error| error.to_string())?;
    let id = format!("probe-{}", marks.message_id.split('@').next().unwrap_or_default());
    match exit.deliver(&id, &marks.sender, to, &bytes, &Fence::default()).await {
        Outcome::Sent { reply } => Ok(reply),
        Outcome::Recipient { reply, .. } | Outcome::Destination { reply } | Outcome::Unknown { reply } => Err(reply),
    }
}
