//! Composes a mail when its intent is first claimed: loads what it is about, grants the addresses, writes the letter.

use std::sync::Arc;

use crate::desk::Desk;
use crate::desk::message_id::OwnId;
use crate::desk::token::{Grant, Purpose};
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::people::Person;
use crate::model::ticket::MessageKind;
use crate::model::{Address, InboxId, MailboxId, OutboxId, TicketId};
use crate::store::read::{MessageItem, Ref, TicketItem};
use crate::store::{Store, StoreError};
use crate::understand::{Limits, Part, parts};

use super::letter::Letter;
use super::wording::{self, Foot, Waiting};

/// A composed mail.
pub(super) struct Composed {
    /// Its envelope sender: a bounce address of exactly this mail.
    pub(super) sender: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// Composes mails of one desk at one time.
pub(super) struct Composer<'a> {
    pub(super) store: &'a Store,
    pub(super) desk: &'a Arc<Desk>,
    pub(super) now: i64,
}

/// What every kind of mail is made from.
struct Matter {
    ticket: Option<TicketItem>,
    mailbox: MailboxId,
    message: Option<MessageItem>,
    recipient: Person,
    epoch: i64,
    turn: i64,
}

impl Composer<'_> {
    /// The bounce address of a mail: the same in every try of it.
    pub(super) fn sender(&self, row: &OutboxRow, mailbox: MailboxId) -> String {
        let expires_at = row.created_at + millis(self.desk.config.limits.bounce_token_life);
        let grant = Grant { purpose: Purpose::Bounce, subject: row.id.0, person: row.recipient, epoch: 0, expires_at, turn: 0 };
        self.desk.book.sign(mailbox, grant)
    }

    /// The mailbox in whose name a mail leaves.
    pub(super) async fn mailbox(&self, row: &OutboxRow) -> Result<MailboxId, StoreError> {
        let of_ticket = match row.ticket {
            Some(ticket) => self.store.mailbox_of(ticket).await?,
            None => None,
        };
        of_ticket.or(self.desk.book.first()).ok_or_else(|| StoreError::NotFound("no mailbox is configured".into()))
    }

    pub(super) async fn compose(&self, row: &OutboxRow) -> Result<Composed, StoreError> {
        let matter = self.matter(row).await?;
        let mut letter = self.letter(row, &matter);
        match row.kind {
            MailKind::Ack => self.ack(&mut letter, &matter),
            MailKind::Answer => self.answer(&mut letter, &matter).await?,
            MailKind::Notify => self.notify(&mut letter, &matter).await?,
            MailKind::Taken => self.taken(&mut letter, row, &matter).await?,
            MailKind::Held => self.held(&mut letter, row, &matter).await?,
            MailKind::Digest => self.digest(&mut letter, row, &matter).await?,
            MailKind::Failed => self.failed(&mut letter, row, &matter).await?,
            MailKind::Receipt => {
                self.frame(&mut letter, &matter);
                letter.text = wording::receipt(&row.params.lines);
            }
        }
        let bytes = letter.bytes().map_err(StoreError::from)?;
        Ok(Composed { sender: self.sender(row, matter.mailbox), bytes })
    }

    async fn matter(&self, row: &OutboxRow) -> Result<Matter, StoreError> {
        let mailbox = self.mailbox(row).await?;
        let ticket = match row.ticket {
            Some(id) => self.store.ticket(id).await?,
            None => None,
        };
        let message = match row.message {
            Some(id) => self.store.message(Ref::Message(id)).await?,
            None => None,
        };
        let recipient = self.store.persons(&[row.recipient]).await?.pop();
        let recipient = recipient.ok_or_else(|| StoreError::NotFound("the recipient is gone".into()))?;
        let epochs = self.store.epochs(row.recipient, row.ticket.unwrap_or(TicketId(0))).await?;
        let turn = match (&message, row.ticket) {
            (Some(message), _) => message.turn,
            (None, Some(ticket)) => self.store.turn_of(ticket).await?,
            (None, None) => 0,
        };
        Ok(Matter { ticket, mailbox, message, recipient, epoch: epochs.map_or(0, |e| e.sum), turn })
    }

    /// What all letters share.
    fn letter(&self, row: &OutboxRow, matter: &Matter) -> Letter {
        let hostname = &self.desk.config.desk.hostname;
        let keys = self.desk.book.keys();
        let ticket = row.ticket.unwrap_or(TicketId(0));
        let own = |outbox: OutboxId| OwnId { ticket, outbox }.sign(keys, hostname);
        let mailbox = self.desk.book.mailbox(matter.mailbox);
        let address = mailbox.map_or(String::new(), |m| m.address.clone());
        let name = mailbox.map_or(self.desk.config.desk.name.clone(), |m| m.name.clone());
        Letter {
            from: Address { name: Some(name), address },
            to: Address { name: matter.recipient.name.clone(), address: row.address.clone() },
            message_id: own(row.id),
            references: row.ticket.map(|_| own(OutboxId(0))).into_iter().collect(),
            date: row.created_at.div_euclid(1000),
            auto_submitted: Some("auto-generated"),
            suppress: Some("All"),
            ..Letter::default()
        }
    }

    fn grant(&self, matter: &Matter, purpose: Purpose, subject: i64, life: std::time::Duration) -> String {
        let expires_at = self.now + millis(life);
        let turn = matter.turn;
        self.desk.book.sign(matter.mailbox, Grant { purpose, subject, person: matter.recipient.id, epoch: matter.epoch, expires_at, turn })
    }

    fn number(matter: &Matter) -> i64 {
        matter.ticket.as_ref().map_or(0, |t| t.number.0)
    }

    /// Subject, addresses and headers of every mail to an agent about a ticket.
    fn frame(&self, letter: &mut Letter, matter: &Matter) {
        let life = self.desk.config.limits.agent_token_life;
        letter.desk_address = Some(self.grant(matter, Purpose::Desk, 0, life));
        if let Some(ticket) = &matter.ticket {
            letter.subject = format!("[#{}] {}", ticket.number, ticket.subject);
            letter.reply_to = Some(self.grant(matter, Purpose::Answer, ticket.number.0, life));
        } else {
            letter.subject = self.desk.config.desk.name.clone();
        }
    }

    fn ack(&self, letter: &mut Letter, matter: &Matter) {
        let number = Self::number(matter);
        letter.reply_to = Some(self.grant(matter, Purpose::Customer, number, self.desk.config.limits.customer_token_life));
        letter.to.name = None;
        letter.subject = format!("Re: {}", bare_subject(matter));
        letter.references.extend(matter.message.iter().filter_map(|m| m.message_id.clone()));
        letter.auto_submitted = Some("auto-replied");
        letter.text = wording::ack(number, letter.from.name.as_deref().unwrap_or(""));
    }

    async fn answer(&self, letter: &mut Letter, matter: &Matter) -> Result<(), StoreError> {
        let Some(message) = &matter.message else { return Err(StoreError::Corrupt("an answer without a message".into())) };
        let author = match message.author_id {
            Some(id) => self.store.persons(&[id]).await?.pop(),
            None => None,
        };
        let author = author.as_ref().map_or("", Person::shown_name).to_owned();
        letter.from.name = Some(format!("{author} ({})", self.desk.config.desk.name));
        letter.reply_to = Some(self.grant(matter, Purpose::Customer, Self::number(matter), self.desk.config.limits.customer_token_life));
        letter.subject = format!("Re: {}", bare_subject(matter));
        letter.auto_submitted = None;
        letter.suppress = None;
        let mailbox = self.desk.book.mailbox(matter.mailbox);
        letter.text.clone_from(&message.text);
        if let Some(signature) = mailbox.and_then(|m| m.signature.as_deref()) {
            letter.text.push_str(&format!("\n\n-- \n{}", signature.trim_end()));
        }
        let last = self.store.message(Ref::LastCustomer(message.ticket, message.turn)).await?;
        letter.references.extend(last.iter().filter_map(|m| m.message_id.clone()));
        if mailbox.is_none_or(|m| m.quote == crate::config::Quote::Last)
            && let Some(quote) = last.as_ref().filter(|m| m.author_id == Some(matter.recipient.id)).and_then(|m| self.quote(m))
        {
            letter.text.push_str(&quote);
        }
        letter.attachments = self.attachments(message).await?;
        Ok(())
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
        let date = jiff::Timestamp::from_millisecond(last.created_at).map(|t| t.strftime("%Y-%m-%d %H:%M UTC").to_string());
        let name = last.author.as_ref().map_or("", |a| a.name.as_deref().unwrap_or(&a.address));
        Some(format!("\n\nOn {}, {name} wrote:\n\n{}{more}", date.unwrap_or_default(), wording::quoted(&lines.join("\n"))))
    }

    /// The attachments of a message with their bytes.
    async fn attachments(&self, message: &MessageItem) -> Result<Vec<Part>, StoreError> {
        let (Some(blob), false) = (&message.blob, message.attachments.is_empty()) else { return Ok(Vec::new()) };
        let raw = self.store.blob(blob).await?;
        let limits = Limits::from(&self.desk.config.limits);
        let found = tokio::task::spawn_blocking(move || parts(&raw, &limits)).await.map_err(|e| StoreError::Io(e.to_string()))?;
        // A message's list may leave some out, and may name two that are alike.
        let mut wanted = message.attachments.clone();
        let chosen = found.into_iter().filter(|part| {
            let at = wanted.iter().position(|a| *a == part.meta);
            at.map(|i| wanted.swap_remove(i)).is_some()
        });
        let chosen: Vec<_> = chosen.collect();
        if message.public && message.kind == MessageKind::Agent && chosen.len() < message.attachments.len() {
            return Err(StoreError::Corrupt("an attachment of an answer is not in its raw mail".into()));
        }
        Ok(chosen)
    }

    /// As many of the attachments as fit into one mail.
    fn fitting(&self, parts: Vec<Part>) -> Vec<Part> {
        // Base64 makes four of three.
        let mut room = self.desk.config.limits.message_size / 4 * 3;
        let fits = |part: &Part| {
            let left = room.checked_sub(part.meta.size);
            room = left.unwrap_or(room);
            left.is_some()
        };
        parts.into_iter().filter(fits).collect()
    }

    async fn notify(&self, letter: &mut Letter, matter: &Matter) -> Result<(), StoreError> {
        let (Some(message), Some(ticket)) = (&matter.message, &matter.ticket) else {
            return Err(StoreError::Corrupt("a notification without a message".into()));
        };
        self.frame(letter, matter);
        let is_note = !message.public && message.author_id.is_some() && message.kind == MessageKind::Note;
        let life = self.desk.config.limits.agent_token_life;
        let answer = letter.reply_to.clone().unwrap_or_default();
        let note = self.grant(matter, Purpose::Note, ticket.number.0, life);
        let mailbox = letter.from.name.clone().unwrap_or_default();
        letter.from.name = Some(format!("{} via {mailbox}", message.author.as_ref().map_or("Ombud", shown)));
        if is_note {
            letter.reply_to = Some(note.clone());
        }
        letter.references.extend(message.message_id.clone());
        letter.attachments = self.fitting(self.attachments(message).await?);
        let carried = letter.attachments.len() == message.attachments.len();
        let mut facts = facts(ticket, message, carried);
        if is_note {
            facts.insert(0, ("Kind", "internal note; an answer to this mail is a note, too".into()));
        }
        let requester = message.author.as_ref().map_or("the desk".into(), |a| format!("{} <{}>", shown(a), a.address));
        let text = if message.reply_text.trim().is_empty() { &message.text } else { &message.reply_text };
        letter.text = wording::notification(text, &Foot { requester: &requester, facts: &facts, answer: &answer, note: &note });
        Ok(())
    }

    async fn taken(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        self.frame(letter, matter);
        let owner = match row.params.actor {
            Some(id) => self.store.persons(&[id]).await?.pop(),
            None => None,
        };
        let name = owner.as_ref().map_or("Somebody", Person::shown_name);
        let by = row.params.lines.first().map_or("", String::as_str);
        let is_you = row.params.actor == Some(row.recipient);
        letter.text = wording::taken(name, by, is_you, matter.message.as_ref().map(|m| m.text.as_str()));
        Ok(())
    }

    async fn held(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        self.frame(letter, matter);
        letter.auto_submitted = Some("auto-replied");
        let Some(item) = self.held_mail(row.params.inbox.first().copied()).await? else {
            letter.text = "A mail of yours was held and has been dealt with meanwhile.".into();
            return Ok(());
        };
        let raw = self.store.blob(&item.blob).await?;
        let limits = Limits::from(&self.desk.config.limits);
        let understood = tokio::task::spawn_blocking(move || crate::understand::understand(&raw, &limits)).await;
        let text = understood.map(|u| u.reply_text).map_err(|e| StoreError::Io(e.to_string()))?;
        let (release, drop) = self.decisions(matter, item.id);
        letter.text = wording::held(&item.reason, &item.detail, &text, &release, &drop);
        Ok(())
    }

    async fn held_mail(&self, id: Option<InboxId>) -> Result<Option<crate::store::read::InboxItem>, StoreError> {
        match id {
            Some(id) => Ok(self.store.inbox_item(id).await?.filter(|item| item.fate == crate::model::changes::Fate::Held)),
            None => Ok(None),
        }
    }

    /// The one-use addresses of a held mail. They are the person's, on no ticket: the epoch is theirs alone.
    fn decisions(&self, matter: &Matter, id: InboxId) -> (String, String) {
        let life = self.desk.config.limits.confirm_token_life;
        let own = Matter { epoch: matter.recipient.epoch, ticket: None, message: None, recipient: matter.recipient.clone(), ..*matter };
        (self.grant(&own, Purpose::Release, id.0, life), self.grant(&own, Purpose::Drop, id.0, life))
    }

    async fn digest(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        let mut mails = Vec::new();
        for id in &row.params.inbox {
            if let Some(item) = self.held_mail(Some(*id)).await? {
                let (release, drop) = self.decisions(matter, item.id);
                let sender = item.sender.unwrap_or_else(|| "(nobody)".into());
                mails.push(Waiting { sender, subject: item.subject, reason: item.reason, detail: item.detail, release, drop });
            }
        }
        letter.desk_address = Some(self.grant(matter, Purpose::Desk, 0, self.desk.config.limits.agent_token_life));
        letter.subject = format!(
            "{} held at {}",
            if mails.len() == 1 { "1 mail is".into() } else { format!("{} mails are", mails.len()) },
            self.desk.config.desk.name
        );
        letter.text = wording::digest(&mails);
        Ok(())
    }

    async fn failed(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        self.frame(letter, matter);
        let failed = match row.params.outbox {
            Some(id) => self.store.outbox_row(id).await?,
            None => None,
        };
        let address = failed.as_ref().map_or("the customer", |f| f.address.as_str());
        let reply = row.params.lines.first().map_or("", String::as_str);
        letter.text = wording::failed(address, reply, matter.message.as_ref().map_or("", |m| m.text.as_str()));
        Ok(())
    }
}

fn shown(address: &Address) -> &str {
    address.name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&address.address)
}

/// Their subject without the `Re:` that every client adds again.
fn bare_subject(matter: &Matter) -> &str {
    let mut subject = matter.ticket.as_ref().map_or("", |t| t.subject.as_str());
    while let Some(rest) = subject.get(..3).filter(|p| p.eq_ignore_ascii_case("re:")).and_then(|_| subject.get(3..)) {
        subject = rest.trim_start();
    }
    subject
}

/// What an agent wants to know before they answer.
fn facts(ticket: &TicketItem, message: &MessageItem, carried: bool) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Ticket", format!("#{}, {}, {} priority", ticket.number, ticket.status, ticket.priority))];
    if let Some(assignee) = &ticket.assignee {
        facts.push(("Assigned to", shown(assignee).to_owned()));
    }
    for flag in &message.flags {
        match flag.split_once(':') {
            Some(("related", number)) => facts.push(("Possibly related", format!("#{number}"))),
            None if flag == "unverified" => facts.push(("Caution", "nobody has proven who wrote this".into())),
            None if flag == "third_party" => {
                facts.push(("Caution", "the writer is not on this ticket; your answer does not go to them".into()))
            }
            _ => {}
        }
    }
    if !message.attachments.is_empty() {
        let names = message.attachments.iter().map(|a| format!("{} ({})", a.name.as_deref().unwrap_or("unnamed"), wording::size(a.size)));
        let rest = if carried { "" } else { "; some are too large to come along" };
        facts.push(("Attachments", format!("{}{rest}", names.collect::<Vec<_>>().join(", "))));
    }
    facts
}

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}
