//! Looking at a mail once more: a held one is decided anew in full; of one that was decided only the words of its message
//! change, for nothing of it may happen twice.

use crate::model::changes::{Changes, Fate, MessageRef, NewEvent, TicketRef};
use crate::model::{InboxId, MessageId, TicketId};

use super::StoreError;
use super::cmd::Outcome;
use super::conn::Conn;
use super::insert::{self, Made};

/// A mail to look at once more.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Which mail.
    pub id: InboxId,
    /// What it says today; not needed of one that is held.
    pub words: Option<Words>,
    /// In ms.
    pub now: i64,
}

/// What a mail says.
#[derive(Clone, Debug)]
pub struct Words {
    /// Whole text.
    pub text: String,
    /// What the writer wrote this time.
    pub reply_text: String,
    /// Sanitized HTML.
    pub html: Option<String>,
    /// Attachments, JSON list of `understood::Attachment`.
    pub attachments: String,
}

pub(super) async fn run(conn: &mut Conn<'_>, replay: &Replay) -> Result<Outcome, StoreError> {
    let id = replay.id;
    let found = conn.lock("SELECT state, ticket FROM inbox WHERE id = $1", vec![id.into()]).await?;
    let found = found.first().ok_or_else(|| StoreError::NotFound(format!("there is no mail {id} in the inbox")))?;
    match (found.text(0)?.as_str(), &replay.words) {
        ("held", _) => {
            let sql = "UPDATE inbox SET state = 'waiting', fate = $1, due_at = $2, attempts = 0, told = 0 WHERE id = $3";
            conn.exec(sql, vec![Fate::Waiting.word().into(), replay.now.into(), id.into()]).await?;
            Ok(Outcome::Done)
        }
        ("done", Some(words)) => match found.opt_int(1)? {
            Some(ticket) => renew(conn, replay, words, TicketId(ticket)).await.map(Outcome::Id),
            None => Ok(Outcome::Id(0)),
        },
        _ => Err(StoreError::Refused(format!("mail {id} is being decided"))),
    }
}

/// Gives the message its words of today; says how many messages changed. What an agent's mail became is what was sent.
async fn renew(conn: &mut Conn<'_>, replay: &Replay, words: &Words, ticket: TicketId) -> Result<i64, StoreError> {
    let sql =
        "SELECT m.id FROM message m JOIN message_body b ON b.message = m.id WHERE m.ticket = $1 AND m.inbox = $2 AND m.kind = 'customer'
        AND (b.text <> $3 OR b.reply_text <> $4 OR COALESCE(b.html, '') <> $5 OR b.attachments <> $6)";
    let (text, reply, attachments) = (&words.text, &words.reply_text, &words.attachments);
    let html = words.html.as_deref().unwrap_or_default();
    let args = vec![ticket.into(), replay.id.into(), text.into(), reply.into(), html.into(), attachments.into()];
    let (mut events, mut renewed) = (Vec::new(), 0);
    for row in conn.all(sql, args).await? {
        let message = MessageId(row.int(0)?);
        let sql = "UPDATE message_body SET text = $1, reply_text = $2, html = $3, attachments = $4 WHERE message = $5";
        let args = vec![text.into(), reply.into(), words.html.as_ref().into(), attachments.into(), message.into()];
        conn.exec(sql, args).await?;
        let (kind, actor, ticket) = ("ticket.updated", "cli".to_owned(), Some(TicketRef::Id(ticket)));
        events.push(NewEvent { kind, actor, ticket, message: Some(MessageRef::Id(message)), data: serde_json::Map::default() });
        renewed += 1;
    }
    insert::events(conn, &Changes { at: replay.now, events, ..Changes::default() }, &Made::default()).await?;
    Ok(renewed)
}
