//! Messages of a ticket.

use crate::model::ticket::MessageKind;
use crate::model::understood::Attachment;
use crate::model::{Address, InboxId, MessageId, PersonId, TicketId, Verdict};

use super::{Page, people};
use crate::store::conn::{Conn, Sql};
use crate::store::value::Row;
use crate::store::{Store, StoreError};

/// One message with its texts.
#[derive(Clone, Debug)]
pub struct MessageItem {
    /// Row id.
    pub id: MessageId,
    /// On this ticket.
    pub ticket: TicketId,
    /// What it is.
    pub kind: MessageKind,
    /// Whether customers may see it.
    pub public: bool,
    /// Who wrote it, by id.
    pub author_id: Option<PersonId>,
    /// Who wrote it.
    pub author: Option<Address>,
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Subject.
    pub subject: String,
    /// Whole text.
    pub text: String,
    /// What the writer wrote this time.
    pub reply_text: String,
    /// Sanitized HTML.
    pub html: Option<String>,
    /// Attachments; their API id is `ID-N`.
    pub attachments: Vec<Attachment>,
    /// Class of automatic mail.
    pub automatic: Option<String>,
    /// What the checks of its author found.
    pub verdict: Option<Verdict>,
    /// `unverified`, `third_party`, …
    pub flags: Vec<String>,
    /// SHA-256 of the raw mail.
    pub blob: Option<Vec<u8>>,
    /// The delivery it came from.
    pub inbox: Option<InboxId>,
    /// Turn of the ticket after it.
    pub turn: i64,
    /// In ms.
    pub created_at: i64,
}

impl MessageItem {
    /// What it says to people: what was written this time, or all of it where that is nothing.
    pub fn words(&self) -> &str {
        if self.reply_text.trim().is_empty() { &self.text } else { &self.reply_text }
    }
}

/// Which messages.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// One.
    Message(MessageId),
    /// The last public one of a customer before (or with) this turn.
    LastCustomer(TicketId, i64),
}

/// What a message is, without its words.
#[derive(Clone, Debug)]
pub struct MessageLabel {
    /// Row id.
    pub id: MessageId,
    /// What it is.
    pub kind: MessageKind,
    /// Whether customers may see it.
    pub public: bool,
    /// Who wrote it; the desk itself when `None`.
    pub author: Option<Address>,
}

const SELECT: &str = "SELECT m.id, m.ticket, m.kind, m.public, m.author, p.name, p.address, m.mid, m.subject, b.text, b.reply_text, b.html,
    b.attachments, m.automatic, m.verdict, m.flags, m.blob, m.inbox, m.turn, m.created_at
    FROM message m JOIN message_body b ON b.message = m.id LEFT JOIN person p ON p.id = m.author";

impl Store {
    /// Messages of a ticket, oldest first.
    pub async fn messages(&self, ticket: TicketId, cursor: Option<&str>, limit: usize) -> Result<Page<MessageItem>, StoreError> {
        let (at, id) =
            cursor.and_then(|c| c.split_once('-')).and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))).unwrap_or((-1, -1));
        let sql = Sql::Made(format!(
            "{SELECT} WHERE m.ticket = $1 AND (m.created_at > $2 OR (m.created_at = $2 AND m.id > $3)) ORDER BY m.created_at, m.id LIMIT $4"
        ));
        let more = i64::try_from(limit).unwrap_or(200).saturating_add(1);
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![ticket.into(), i64::into(at), i64::into(id), more.into()]).await?;
        let items = rows.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, |m| format!("{}-{}", m.created_at, m.id)))
    }

    /// What a message is.
    pub async fn message_label(&self, id: MessageId) -> Result<Option<MessageLabel>, StoreError> {
        let sql = "SELECT m.id, m.kind, m.public, p.name, p.address FROM message m LEFT JOIN person p ON p.id = m.author WHERE m.id = $1";
        let mut read = self.glance().await?;
        let label = |row: &Row| {
            let author = people::address(row, 3)?;
            Ok(MessageLabel { id: MessageId(row.int(0)?), kind: row.word(1, MessageKind::of)?, public: row.flag(2)?, author })
        };
        read.conn().opt(sql, vec![id.into()]).await?.as_ref().map(label).transpose()
    }

    /// One message.
    pub async fn message(&self, which: Ref) -> Result<Option<MessageItem>, StoreError> {
        one(&mut self.glance().await?.conn(), which).await
    }
}

/// One message.
pub(super) async fn one(conn: &mut Conn<'_>, which: Ref) -> Result<Option<MessageItem>, StoreError> {
    let (sql, args) = match which {
        Ref::Message(id) => (format!("{SELECT} WHERE m.id = $1"), vec![id.into()]),
        Ref::LastCustomer(ticket, turn) => (
            format!(
                "{SELECT} WHERE m.ticket = $1 AND m.turn <= $2 AND m.kind = 'customer' AND m.public = 1 AND m.automatic IS NULL ORDER BY m.created_at DESC, m.id DESC LIMIT 1"
            ),
            vec![ticket.into(), turn.into()],
        ),
    };
    conn.opt(Sql::Made(sql), args).await?.as_ref().map(item).transpose()
}

fn item(row: &Row) -> Result<MessageItem, StoreError> {
    let author = people::address(row, 5)?;
    Ok(MessageItem {
        id: MessageId(row.int(0)?),
        ticket: TicketId(row.int(1)?),
        kind: row.word(2, MessageKind::of)?,
        public: row.flag(3)?,
        author_id: row.opt_int(4)?.map(PersonId),
        author,
        message_id: row.opt_text(7)?,
        subject: row.text(8)?,
        text: row.text(9)?,
        reply_text: row.text(10)?,
        html: row.opt_text(11)?,
        attachments: row.json(12)?,
        automatic: row.opt_text(13)?,
        verdict: row.opt_text(14)?.and_then(|v| serde_json::from_str(&v).ok()),
        flags: row.json(15)?,
        blob: row.opt_bytes(16)?,
        inbox: row.opt_int(17)?.map(InboxId),
        turn: row.int(18)?,
        created_at: row.int(19)?,
    })
}
