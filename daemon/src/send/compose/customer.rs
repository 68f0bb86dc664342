//! What customers get: the acknowledgement and the answer.

use crate::desk::inside::Inside;
use crate::desk::token::Purpose;
use crate::large;
use crate::model::people::Person;
use crate::model::picture::{placeholders, stands};
use crate::model::staff::Staff;
use crate::model::text::bare_subject;
use crate::store::StoreError;
use crate::store::read::{MessageItem, Ref};
use crate::understand::{Limits, understand};

use super::super::letter::{Letter, Picture};
use super::super::wording;
use super::{Composer, Matter, minute};

/// Octets of a mail in which the header is looked for.
const HEADER: u64 = 64 << 10;

impl Composer<'_> {
    pub(super) fn ack(&self, letter: &mut Letter, matter: &Matter) {
        let number = Self::number(matter);
        letter.reply_to = Some(self.grant(matter, Purpose::Customer, number, self.desk.config.limits.customer_token_life));
        letter.to.name = None;
        letter.subject = format!("Re: {}", subject(matter));
        letter.references.extend(matter.message.iter().filter_map(|m| m.message_id.clone()));
        letter.auto_submitted = Some("auto-replied");
        letter.text = wording::ack(number, letter.from.name.as_deref().unwrap_or(""));
    }

    pub(super) async fn answer(&self, letter: &mut Letter, matter: &Matter) -> Result<(), StoreError> {
        let Some(message) = &matter.message else { return Err(StoreError::Corrupt("an answer without a message".into())) };
        let author = match message.author_id {
            Some(id) => self.store.persons(&[id]).await?.pop(),
            None => None,
        };
        let name = author.as_ref().map_or("", Person::shown_name);
        letter.from.name = Some(format!("{name} ({})", self.desk.config.desk.name));
        letter.reply_to = Some(self.grant(matter, Purpose::Customer, Self::number(matter), self.desk.config.limits.customer_token_life));
        letter.subject = format!("Re: {}", subject(matter));
        letter.auto_submitted = None;
        letter.suppress = None;
        let mailbox = self.desk.book.mailbox(matter.mailbox);
        letter.text.clone_from(&message.text);
        self.enclose(letter, message).await?;
        let own = author.as_ref().and_then(|a| a.settings.signature.as_deref());
        let signatures: Vec<&str> = own.into_iter().chain(mailbox.and_then(|m| m.signature.as_deref())).map(str::trim_end).collect();
        if !signatures.is_empty() {
            letter.published = signatures.join("\n");
            letter.text.push_str(&format!("\n\n-- \n{}", letter.published));
        }
        let last = self.store.message(Ref::LastCustomer(message.ticket, message.turn)).await?;
        if last.is_none() {
            // Nobody has written before: this begins the conversation.
            subject(matter).clone_into(&mut letter.subject);
        }
        if let Some(last) = &last {
            letter.references.extend(self.chain(last).await);
        }
        let inside = Inside { book: &self.desk.book, staff: &Staff::default() };
        if mailbox.is_none_or(|m| m.quote == crate::config::Quote::Last)
            && let Some(quote) = last.as_ref().filter(|m| m.author_id == Some(matter.recipient.id)).and_then(|m| self.quote(m))
            // Who has got at an address of an agent gets no help in spreading it.
            && !inside.has_address(&quote, Some(matter.recipient.id))
        {
            letter.text.push_str(&quote);
        }
        Ok(())
    }

    /// The attachments of an answer: pictures where the text has their placeholders, those without one below it.
    async fn enclose(&self, letter: &mut Letter, message: &MessageItem) -> Result<(), StoreError> {
        let mut places: Vec<_> = message.attachments.iter().zip(placeholders(&message.attachments)).collect();
        for part in self.attachments(message).await? {
            let at = places.iter().position(|(attachment, _)| **attachment == part.meta);
            let Some(placeholder) = at.and_then(|at| places.swap_remove(at).1) else {
                letter.attachments.push(part);
                continue;
            };
            if !stands(&letter.text, &placeholder) {
                let gap = if letter.text.is_empty() { "" } else { "\n\n" };
                letter.text.push_str(&format!("{gap}{placeholder}"));
            }
            let id = format!("{}.{}", letter.pictures.len() + 1, letter.message_id);
            letter.pictures.push(Picture { placeholder, id, part });
        }
        Ok(())
    }

    /// What a mail refers to, and itself. An answer leaves also where that can't be read.
    async fn chain(&self, mail: &MessageItem) -> Vec<String> {
        let mut ids = match &mail.blob {
            Some(blob) => self.references(blob).await.unwrap_or_else(|error| {
                tracing::warn!(message = %mail.id, %error, "what a customer's mail refers to can't be read; the answer refers to the mail alone");
                Vec::new()
            }),
            None => Vec::new(),
        };
        ids.extend(mail.message_id.clone());
        ids
    }

    async fn references(&self, blob: &[u8]) -> Result<Vec<String>, StoreError> {
        let (head, limits) = (self.store.blob_head(blob, HEADER).await?, Limits::from(&self.desk.config.limits));
        Ok(large::beside(head.len(), move || understand(&head, &limits).references).await?)
    }

    /// The customer's last message, their own words only, below the answer.
    fn quote(&self, last: &MessageItem) -> Option<String> {
        let words = last.reply_text.trim();
        if words.is_empty() {
            return None;
        }
        let most = self.desk.config.limits.quote_lines;
        let lines: Vec<_> = words.lines().take(most).collect();
        let more = if words.lines().count() > most { "\n> […]" } else { "" };
        let name = last.author.as_ref().map_or("", |a| a.name.as_deref().unwrap_or(&a.address));
        Some(format!("\n\nOn {}, {name} wrote:\n\n{}{more}", minute(last.created_at), wording::quoted(&lines.join("\n"))))
    }
}

/// Their subject without the prefix that every client adds again.
fn subject(matter: &Matter) -> &str {
    bare_subject(matter.ticket.as_ref().map_or("", |t| t.subject.as_str()))
}
