//! Answers that their authors take back while nobody has tried to send them.

use crate::model::changes::Changes;
use crate::model::facts::{Facts, Keys, LastAnswer};
use crate::model::{MessageId, OutboxId, TicketId};

use super::conn::{Conn, Sql};
use super::value::Value;
use super::{StoreError, outbox};

/// The last public answers of agents on tickets, with what became of their mails.
pub(super) async fn load(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    for (ticket, author) in &keys.last_answers {
        // Found by the ticket, never by the author: all that an agent ever wrote is much more.
        let sql = "SELECT id FROM message WHERE ticket = $1 AND kind = 'agent' AND public = 1 AND author + 0 = $2
            ORDER BY id DESC LIMIT 1";
        let last = conn.opt(sql, vec![(*ticket).into(), (*author).into()]).await?;
        let answer = match last {
            None => None,
            Some(row) => {
                let message = MessageId(row.int(0)?);
                let mut answer =
                    LastAnswer { message, waiting: Vec::new(), left: false, at: 0, stands: stands(conn, *ticket, message).await? };
                let sql =
                    "SELECT id, state, attempts, created_at FROM outbox WHERE ticket = $1 AND kind = 'answer' AND message = $2 ORDER BY id";
                for row in conn.all(sql, vec![(*ticket).into(), answer.message.into()]).await? {
                    answer.at = row.int(3)?;
                    match row.text(1)?.as_str() == "waiting" && row.int(2)? == 0 {
                        true => answer.waiting.push(OutboxId(row.int(0)?)),
                        false => answer.left = true,
                    }
                }
                Some(answer)
            }
        };
        facts.last_answers.insert((*ticket, *author), answer);
    }
    Ok(())
}

/// Whether an answer is the last public word of a ticket apart from `message`.
async fn stands(conn: &mut Conn<'_>, ticket: TicketId, message: MessageId) -> Result<bool, StoreError> {
    let sql =
        "SELECT kind FROM message WHERE ticket = $1 AND public = 1 AND automatic IS NULL AND kind IN ('agent', 'customer') AND id <> $2
        ORDER BY turn DESC, id DESC LIMIT 1";
    Ok(conn.opt(sql, vec![ticket.into(), message.into()]).await?.map(|row| row.text(0)).transpose()?.is_some_and(|kind| kind == "agent"))
}

/// Whether all that is taken back still waits untried; it stays so until the commit.
pub(super) async fn check(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for answer in &changes.taken_back {
        let sql =
            Sql::list("SELECT id FROM outbox WHERE id IN", 1, answer.waiting.len(), "AND state = 'waiting' AND attempts = 0 ORDER BY id");
        let waiting = conn.lock(sql, mails(answer)).await?;
        if waiting.len() != answer.waiting.len() {
            return Err(StoreError::Conflict("an answer that is taken back"));
        }
    }
    Ok(())
}

/// Takes it back: its mails were never seen by anybody, and its words stay inside.
pub(super) async fn write(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for answer in &changes.taken_back {
        let sql = Sql::list("SELECT composed FROM outbox WHERE composed IS NOT NULL AND id IN", 1, answer.waiting.len(), "");
        for row in conn.all(sql, mails(answer)).await? {
            // The file of a large one goes with those that no row names.
            outbox::forget(conn, &row.bytes(0)?).await?;
        }
        conn.exec(Sql::list("DELETE FROM outbox WHERE id IN", 1, answer.waiting.len(), ""), mails(answer)).await?;
        let sql = "UPDATE message SET kind = 'note', public = 0, flags = '[\"taken_back\"]' WHERE id = $1";
        conn.exec(sql, vec![answer.message.into()]).await?;
    }
    Ok(())
}

fn mails(answer: &LastAnswer) -> Vec<Value> {
    answer.waiting.iter().map(|id| Value::from(*id)).collect()
}
