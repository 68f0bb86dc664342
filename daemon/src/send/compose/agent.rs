//! What agents get: notifications, who has a ticket, what was held, what failed.

use crate::desk::inside::NEVER;
use crate::desk::token::{Grant, Purpose};
use crate::model::changes::Fate;
use crate::model::outgoing::OutboxRow;
use crate::model::people::Person;
use crate::model::text::one_line;
use crate::model::ticket::MessageKind;
use crate::model::{Address, InboxId};
use crate::store::StoreError;
use crate::store::read::{EarlierTicket, InboxItem, MessageItem, TicketItem};
use crate::understand::{Limits, Part, understand};

use super::super::actions::{self, Action};
use super::super::letter::Letter;
use super::super::wording::{self, Foot, Waiting};
use super::{Composer, EARLIER, Matter};

/// X-Auto-Response-Suppress of news about a ticket: all but reports of a failure, which are to come.
const NO_ANSWER: &str = "OOF, AutoReply, DR, RN, NRN";

impl Composer<'_> {
    /// Subject, addresses and headers of every mail to an agent about a ticket.
    pub(super) fn frame(&self, letter: &mut Letter, matter: &Matter) {
        let life = self.desk.config.limits.agent_token_life;
        letter.desk_address = Some(self.desk_address(matter));
        letter.unfollow = matter.ticket.as_ref().map(|ticket| ticket.number);
        if let Some(ticket) = &matter.ticket {
            letter.subject = format!("[#{}] {}", ticket.number, ticket.subject);
            letter.reply_to = Some(self.grant(matter, Purpose::Answer, ticket.number.0, life));
        } else {
            letter.subject = format!("Your mail to {}", self.desk.config.desk.name);
        }
    }

    /// The same for what is about a mail of the agent's own: whoever answers that talks to us, not to the customer.
    pub(super) fn notice(&self, letter: &mut Letter, matter: &Matter) {
        self.frame(letter, matter);
        letter.reply_to = Some(match &matter.ticket {
            Some(ticket) => self.grant(matter, Purpose::Note, ticket.number.0, self.desk.config.limits.agent_token_life),
            None => self.desk_address(matter),
        });
    }

    /// The agent's address for everything, the same in every mail: on no ticket, at no turn, until it is revoked.
    pub(super) fn desk_address(&self, matter: &Matter) -> String {
        let (person, epoch) = (matter.recipient.id, matter.recipient.epoch);
        let grant = Grant { purpose: Purpose::Desk, subject: 0, person, epoch, expires_at: i64::MAX, turn: 0 };
        self.desk.book.sign(matter.mailbox, grant)
    }

    pub(super) async fn notify(&self, letter: &mut Letter, matter: &Matter) -> Result<(), StoreError> {
        let (Some(message), Some(ticket)) = (&matter.message, &matter.ticket) else {
            return Err(StoreError::Corrupt("a notification without a message".into()));
        };
        self.frame(letter, matter);
        letter.suppress = Some(NO_ANSWER);
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
        let mut facts = facts(ticket, message, carried, &matter.earlier);
        if is_note {
            facts.insert(0, ("Kind", "internal note; an answer to this mail is a note, too".into()));
        }
        let requester = message.author.as_ref().map_or("the desk".into(), |a| format!("{} <{}>", shown(a), a.address));
        let foot = Foot { requester: &requester, facts: &facts, answer: &answer, note: &note };
        letter.text = wording::notification(message.words(), &foot);
        letter.html = Some(actions::html(message.words(), &foot, &offered(ticket, message)));
        Ok(())
    }

    pub(super) async fn taken(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        self.frame(letter, matter);
        letter.suppress = Some(NO_ANSWER);
        let owner = match row.params.actor {
            Some(id) => self.store.persons(&[id]).await?.pop(),
            None => None,
        };
        let name = owner.as_ref().map_or("Somebody", Person::shown_name);
        let by = row.params.lines.first().map_or("", String::as_str);
        let is_you = row.params.actor == Some(row.recipient);
        // What was taken back meanwhile was told to nobody.
        let told = matter.message.as_ref().filter(|m| m.public);
        letter.text = wording::taken(name, by, is_you, told.map(|m| m.text.as_str()));
        Ok(())
    }

    pub(super) async fn held(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        self.notice(letter, matter);
        letter.auto_submitted = Some("auto-replied");
        let Some(item) = self.held_mail(row.params.inbox.first().copied()).await? else {
            letter.text = "A mail of yours was held and has been dealt with meanwhile.".into();
            return Ok(());
        };
        let raw = self.store.blob(&item.blob).await?;
        let limits = Limits::from(&self.desk.config.limits);
        let understood = tokio::task::spawn_blocking(move || understand(&raw, &limits)).await;
        let text = understood.map(|u| u.reply_text).map_err(|e| StoreError::Io(e.to_string()))?;
        let (release, drop) = self.decisions(matter, item.id);
        letter.text = match (item.reason.as_str(), &matter.ticket) {
            ("command_error" | "near_miss", None) => wording::asked::held(&item.detail, &text, &drop),
            (reason, _) => {
                let release = Some(release.as_str()).filter(|_| item.detail != NEVER);
                wording::held(reason, &item.detail, &text, release, &drop)
            }
        };
        Ok(())
    }

    async fn held_mail(&self, id: Option<InboxId>) -> Result<Option<InboxItem>, StoreError> {
        match id {
            Some(id) => Ok(self.store.inbox_item(id).await?.filter(|item| item.fate == Fate::Held)),
            None => Ok(None),
        }
    }

    /// The one-use addresses of a held mail. They are the person's, on no ticket: the epoch is theirs alone.
    fn decisions(&self, matter: &Matter, id: InboxId) -> (String, String) {
        let life = self.desk.config.limits.confirm_token_life;
        let own = Matter {
            epoch: matter.recipient.epoch,
            ticket: None,
            message: None,
            recipient: matter.recipient.clone(),
            earlier: Vec::new(),
            ..*matter
        };
        (self.grant(&own, Purpose::Release, id.0, life), self.grant(&own, Purpose::Drop, id.0, life))
    }

    pub(super) async fn digest(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        let mut mails = Vec::new();
        for id in &row.params.inbox {
            if let Some(item) = self.held_mail(Some(*id)).await? {
                let (release, drop) = self.decisions(matter, item.id);
                let sender = item.sender.unwrap_or_else(|| "(nobody)".into());
                mails.push(Waiting { sender, subject: item.subject, reason: item.reason, detail: item.detail, release, drop });
            }
        }
        letter.desk_address = Some(self.desk_address(matter));
        letter.subject = format!(
            "{} held at {}",
            if mails.len() == 1 { "1 mail is".into() } else { format!("{} mails are", mails.len()) },
            self.desk.config.desk.name
        );
        letter.text = wording::digest(&mails);
        Ok(())
    }

    /// To the author of an answer that did not arrive, or has not yet: in these words of the address, the reply and the text.
    pub(super) async fn undelivered(
        &self,
        letter: &mut Letter,
        row: &OutboxRow,
        matter: &Matter,
        words: fn(&str, &str, &str) -> String,
    ) -> Result<(), StoreError> {
        self.notice(letter, matter);
        let mail = match row.params.outbox {
            Some(id) => self.store.outbox_row(id).await?,
            None => None,
        };
        let address = mail.as_ref().map_or("the customer", |mail| mail.address.as_str());
        let reply = row.params.lines.first().map_or("", String::as_str);
        letter.text = words(address, reply, matter.message.as_ref().map_or("", |m| m.text.as_str()));
        Ok(())
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
}

pub(super) fn shown(address: &Address) -> &str {
    address.name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&address.address)
}

/// What a click may do: whoever the customer copied comes first, for their answer goes there, too.
fn offered(ticket: &TicketItem, message: &MessageItem) -> Vec<Action> {
    let author = message.author.as_ref();
    let others = ticket.participants.iter().filter(|p| p.key() != ticket.requester.key() && author.is_none_or(|a| a.key() != p.key()));
    let mut actions: Vec<Action> = others.map(|p| (format!("Take {} off", p.address), format!("@cc remove {}", p.address))).collect();
    if let Some(author) = author.filter(|_| message.flags.iter().any(|f| f == "third_party")) {
        actions.push((format!("Add {}", author.address), format!("@cc add {}", author.address)));
    }
    let simple = [
        ("Take it", "@assign me"),
        ("Follow", "@follow"),
        ("Solve", "@solve"),
        ("Snooze until tomorrow", "@snooze tomorrow 9:00"),
        ("Spam", "@spam"),
    ];
    actions.extend(simple.map(|(words, command)| (words.to_owned(), command.to_owned())));
    actions
}

/// `#9 Printer (solved), #4 Invoice (closed)`.
fn listed(earlier: &[EarlierTicket]) -> String {
    let told = earlier.iter().take(EARLIER).map(|t| format!("#{} {} ({})", t.number, one_line(&t.subject, 60), t.status));
    let more = if earlier.len() > EARLIER { ", and more" } else { "" };
    format!("{}{more}", told.collect::<Vec<_>>().join(", "))
}

/// What an agent wants to know before they answer.
fn facts(ticket: &TicketItem, message: &MessageItem, carried: bool, earlier: &[EarlierTicket]) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Ticket", format!("#{}, {}, {} priority", ticket.number, ticket.status, ticket.priority))];
    let author = message.author.as_ref().map(Address::key);
    let others: Vec<_> = ticket.participants.iter().filter(|p| Some(p.key()) != author).collect();
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|p| format!("{} <{}>", shown(p), p.address)).collect();
        facts.insert(0, ("Your answer also goes to", format!("{} (@cc remove ADDRESS takes one off)", names.join(", "))));
    }
    facts.push(("Assigned to", ticket.assignee.as_ref().map_or("nobody yet", shown).to_owned()));
    if !earlier.is_empty() {
        facts.push(("Earlier tickets", listed(earlier)));
    }
    for flag in &message.flags {
        match flag.split_once(':') {
            Some(("related", number)) => facts.push(("Possibly related", format!("#{number}"))),
            Some(("continues", number)) => facts.push(("Continues", format!("#{number}, which is closed"))),
            None if flag == "unverified" => facts.push(("Caution", "nobody has proven who wrote this".into())),
            None if flag == "third_party" => facts.push((
                "Caution",
                "the writer is not on this ticket, and your answer does not go to them (@cc add ADDRESS adds them)".into(),
            )),
            None if flag == "flood" => facts.push((
                "Automatic",
                "more than 20 automatic mails on this ticket within a day. You are not told of each further one while this goes on; all of \
                 them are on the ticket"
                    .into(),
            )),
            None if flag == "loop" => facts.push((
                "Loop",
                "more than 10 mails of this writer within 10 minutes, or the same words three times within an hour; maybe a program answers. \
                 You are not told of each further one while this goes on; all of them are on the ticket"
                    .into(),
            )),
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
