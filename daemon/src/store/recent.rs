//! What was said lately on a ticket: its newest messages, however many it has.

use crate::model::PersonId;
use crate::model::facts::{Facts, Keys, RecentMessage};

use super::StoreError;
use super::conn::Conn;
use super::value::Row;

/// The newest messages that are asked for. Texts are large: those of older messages are not read.
pub(super) async fn load(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    for key in &keys.recent {
        let sql = "SELECT m.author, m.created_at, m.automatic, m.flags,
            CASE WHEN m.created_at > $2 AND (SELECT b.reply_text FROM message_body b WHERE b.message = m.id) = $3 THEN 1 ELSE 0 END
            FROM message m WHERE m.ticket = $1 ORDER BY m.created_at DESC, m.id DESC LIMIT 64";
        let rows = conn.all(sql, vec![key.ticket.into(), key.since.into(), key.words.as_str().into()]).await?;
        let recent = rows.iter().map(message).collect::<Result<Vec<_>, _>>()?;
        facts.recent.insert(key.clone(), recent);
    }
    Ok(())
}

fn message(row: &Row) -> Result<RecentMessage, StoreError> {
    Ok(RecentMessage {
        author: row.opt_int(0)?.map(PersonId),
        created_at: row.int(1)?,
        automatic: row.opt_text(2)?.is_some(),
        flags: row.json(3)?,
        same_words: row.flag(4)?,
    })
}
