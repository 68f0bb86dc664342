//! News that waits for the end of quiet hours, and that goes when one mail stands for all of it.

use crate::model::changes::Changes;
use crate::model::facts::{Facts, Keys, WaitingNews};
use crate::model::outgoing::MailKind;
use crate::model::{MessageId, OutboxId, PersonId, TicketId};

use super::StoreError;
use super::conn::{Conn, Sql};
use super::value::{Row, Value};

/// Rows that go with one statement.
const AT_ONCE: usize = 500;

/// What nobody has tried to send to a person, of all that is due at one time.
const WAITING: &str = "SELECT id, ticket, message, created_at, kind FROM outbox WHERE state IN ('waiting', 'claimed') AND state = 'waiting'
    AND due_at = $2 AND recipient = $1 AND kind IN ('notify', 'taken', 'woken') AND ticket IS NOT NULL AND attempts = 0
    AND composed IS NULL ORDER BY id";

/// The news that are asked for.
pub(super) async fn load(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    for (person, end) in &keys.news {
        let rows = conn.all(WAITING, args(*person, *end)).await?;
        let news = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        facts.news.insert((*person, *end), news);
    }
    Ok(())
}

fn args(person: PersonId, end: i64) -> Vec<Value> {
    vec![person.into(), end.into()]
}

fn row(row: &Row) -> Result<WaitingNews, StoreError> {
    Ok(WaitingNews {
        id: OutboxId(row.int(0)?),
        ticket: TicketId(row.int(1)?),
        message: row.opt_int(2)?.map(MessageId),
        created_at: row.int(3)?,
        kind: row.word(4, MailKind::of)?,
    })
}

/// Whether exactly the news that were read still wait untried; they stay so until the commit. Whoever adds some holds on to the
/// timer that this commit takes away.
pub(super) async fn check(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for ((person, end), read) in &changes.guard.news {
        let rows = conn.lock(WAITING, args(*person, *end)).await?;
        let now = rows.iter().map(|r| r.int(0).map(OutboxId)).collect::<Result<Vec<_>, _>>()?;
        if now != *read {
            return Err(StoreError::Conflict("news that waits"));
        }
    }
    Ok(())
}

/// Takes it away; who was to be notified of a ticket has heard of it.
pub(super) async fn write(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for some in changes.folded.chunks(AT_ONCE) {
        let ids = || some.iter().map(|id| Value::from(*id)).collect::<Vec<_>>();
        let sql = Sql::list(
            "INSERT INTO told(ticket, person) SELECT DISTINCT ticket, recipient FROM outbox WHERE kind = 'notify' AND id IN",
            1,
            some.len(),
            "ON CONFLICT(ticket, person) DO NOTHING",
        );
        conn.exec(sql, ids()).await?;
        conn.exec(Sql::list("DELETE FROM outbox WHERE id IN", 1, some.len(), ""), ids()).await?;
    }
    Ok(())
}
