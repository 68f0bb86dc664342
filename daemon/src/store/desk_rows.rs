//! Rows that mirror the configuration: mailboxes are retired, never deleted.

use crate::model::MailboxId;
use crate::model::changes::MailboxRow;

use super::StoreError;
use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::value::Value;

pub(super) async fn sync_mailboxes(conn: &mut Conn<'_>, addresses: &[String], now: i64) -> Result<Outcome, StoreError> {
    if !addresses.is_empty() {
        let values = |extra: Option<i64>| extra.map(Value::Int).into_iter().chain(addresses.iter().map(Value::from)).collect::<Vec<_>>();
        let sql =
            Sql::values("INSERT INTO mailbox(address) VALUES", 1, addresses.len(), "ON CONFLICT(address) DO UPDATE SET retired_at = NULL");
        conn.exec(sql, values(None)).await?;
        let sql = Sql::list("UPDATE mailbox SET retired_at = $1 WHERE retired_at IS NULL AND address NOT IN", 2, addresses.len(), "");
        conn.exec(sql, values(Some(now))).await?;
    }
    let rows = conn.all("SELECT id, address FROM mailbox WHERE retired_at IS NULL ORDER BY id", vec![]).await?;
    let rows = rows.iter().map(|r| Ok(MailboxRow { id: MailboxId(r.int(0)?), address: r.text(1)? })).collect::<Result<_, StoreError>>()?;
    Ok(Outcome::Mailboxes(rows))
}
