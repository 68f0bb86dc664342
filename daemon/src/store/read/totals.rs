//! Numbers that need a walk through a large table; whoever asks keeps them for a while.
//!
//! Ids grow with time, so the first row of a span is found by halving, and only the span is read.

use crate::model::ticket::Status;
use crate::store::conn::Conn;
use crate::store::{Store, StoreError};

use super::status::{DAY, Oldest, left_out};

/// In ms.
const HOUR: i64 = DAY / 24;
/// How far back a mailbox's last mail is looked for, in ms.
pub const WEEK: i64 = 7 * DAY;

/// A support address.
#[derive(Clone, Debug, Default)]
pub struct MailboxItem {
    /// The address.
    pub address: String,
    /// Customers' mails of the last 24 hours.
    pub day: i64,
    /// The newest of them, in ms; `None` when there was none for a week.
    pub newest: Option<i64>,
    /// Its tickets by status, merged ones left out.
    pub tickets: Vec<(Status, i64)>,
}

/// Webhooks and the deliveries to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deliveries {
    /// Receivers that are sent to.
    pub enabled: i64,
    /// Receivers that are sent nothing, by an admin or because nothing got through.
    pub disabled: i64,
    /// Those that are not through, and since when the first of them is due.
    pub waiting: Oldest,
    /// Those of them that were tried before.
    pub failing: i64,
    /// Those that were given up.
    pub failed: i64,
}

/// Traffic, and the desk as a whole.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Mails accepted in the last 24 hours.
    pub accepted_day: i64,
    /// Acknowledgements of the last hour.
    pub acked: Acked,
    /// Mails that left in the last 24 hours, and when the newest did.
    pub sent_day: Oldest,
    /// Tickets by status, merged ones left out; those of addresses that are no more included.
    pub tickets: Vec<(Status, i64)>,
    /// The support addresses of the configuration.
    pub mailboxes: Vec<MailboxItem>,
    /// Deliveries to webhooks.
    pub deliveries: Deliveries,
}

/// How much of what came in was acknowledged, within an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acked {
    /// Mails accepted.
    pub accepted: i64,
    /// Acknowledgements written.
    pub acks: i64,
}

impl Acked {
    /// Whether these are more than one for every fifth mail, and 50: a loop that no other cap sees, or a flood of new senders. It
    /// says so and turns nothing off.
    pub fn is_alarming(self) -> bool {
        self.acks > self.accepted / 5 + 50
    }
}

impl Store {
    /// What was accepted and acknowledged in the hour before `now` (ms).
    pub async fn acked(&self, now: i64) -> Result<Acked, StoreError> {
        let mut read = self.read().await?;
        acked(&mut read.conn(), now - HOUR).await
    }

    /// Traffic up to `now` (ms), and the desk as a whole.
    pub async fn totals(&self, now: i64) -> Result<Totals, StoreError> {
        let mut read = self.read().await?;
        let mut conn = read.conn();
        let sql = "SELECT COUNT(*), MAX(settled_at) FROM outbox
            WHERE composed IS NOT NULL AND settled_at IS NOT NULL AND settled_at > $1 AND state = 'sent'";
        // What was sent a day ago has lost its bytes, and this index with them.
        let row = conn.one(sql, vec![(now - DAY).into()]).await?;
        let sent_day = Oldest { count: row.int(0)?, since: row.opt_int(1)? };
        let mailboxes = mailboxes(&mut conn, now).await?;
        let tickets = Status::ALL.iter().map(|s| (*s, sum(&mailboxes, *s))).collect();
        Ok(Totals {
            accepted_day: accepted_since(&mut conn, now - DAY).await?,
            acked: acked(&mut conn, now - HOUR).await?,
            sent_day,
            tickets,
            mailboxes: mailboxes.into_iter().filter(|m| !m.address.is_empty()).collect(),
            deliveries: deliveries(&mut conn).await?,
        })
    }
}

fn sum(mailboxes: &[MailboxItem], status: Status) -> i64 {
    mailboxes.iter().flat_map(|m| &m.tickets).filter(|(s, _)| *s == status).map(|(_, n)| n).sum()
}

async fn accepted_since(conn: &mut Conn<'_>, since: i64) -> Result<i64, StoreError> {
    let last = conn.opt("SELECT id FROM inbox ORDER BY id DESC LIMIT 1", vec![]).await?.map_or(Ok(0), |row| row.int(0))?;
    let sql = "SELECT received_at FROM inbox WHERE id >= $1 ORDER BY id LIMIT 1";
    let first = first_since(conn, sql, last, since).await?;
    Ok(last + 1 - first - left_out(conn, "inbox", first, last).await?)
}

async fn acked(conn: &mut Conn<'_>, since: i64) -> Result<Acked, StoreError> {
    let last = conn.opt("SELECT id FROM outbox ORDER BY id DESC LIMIT 1", vec![]).await?.map_or(Ok(0), |row| row.int(0))?;
    let sql = "SELECT created_at FROM outbox WHERE id >= $1 ORDER BY id LIMIT 1";
    let first = first_since(conn, sql, last, since).await?;
    let sql = "SELECT COUNT(*) FROM outbox WHERE id >= $1 AND kind = 'ack' AND created_at > $2";
    let acks = conn.one(sql, vec![first.into(), since.into()]).await?.int(0)?;
    Ok(Acked { accepted: accepted_since(conn, since).await?, acks })
}

/// All mailboxes; those that left the configuration have no address.
async fn mailboxes(conn: &mut Conn<'_>, now: i64) -> Result<Vec<MailboxItem>, StoreError> {
    let rows = conn.all("SELECT id, CASE WHEN retired_at IS NULL THEN address ELSE '' END FROM mailbox ORDER BY id", vec![]).await?;
    let mut found = Vec::new();
    for row in &rows {
        found.push((row.int(0)?, MailboxItem { address: row.text(1)?, ..MailboxItem::default() }));
    }
    let mut put = |id: i64, fill: &mut dyn FnMut(&mut MailboxItem)| found.iter_mut().filter(|(m, _)| *m == id).for_each(|(_, m)| fill(m));
    let sql = "SELECT mailbox, status, COUNT(*) FROM ticket WHERE merged_into IS NULL GROUP BY mailbox, status";
    for row in conn.all(sql, vec![]).await? {
        let (status, n) = (row.word(1, Status::of)?, row.int(2)?);
        put(row.int(0)?, &mut |m| m.tickets.push((status, n)));
    }
    let last = conn.opt("SELECT id FROM message ORDER BY id DESC LIMIT 1", vec![]).await?.map_or(Ok(0), |row| row.int(0))?;
    // Mail that was held carries the time at which it came in: one old row among new ones misleads nobody.
    let sql = "SELECT MAX(created_at) FROM (SELECT created_at FROM message WHERE id >= $1 ORDER BY id LIMIT 16) AS few";
    let first = first_since(conn, sql, last, now - WEEK).await?;
    let sql =
        "SELECT t.mailbox, COUNT(CASE WHEN x.created_at > $2 THEN 1 END), MAX(x.created_at) FROM message x JOIN ticket t ON t.id = x.ticket
        WHERE x.id >= $1 AND x.kind = 'customer' GROUP BY t.mailbox";
    for row in conn.all(sql, vec![first.into(), (now - DAY).into()]).await? {
        let (day, newest) = (row.int(1)?, row.opt_int(2)?.filter(|at| *at > now - WEEK));
        put(row.int(0)?, &mut |m| (m.day, m.newest) = (day, newest));
    }
    Ok(found.into_iter().map(|(_, m)| m).collect())
}

async fn deliveries(conn: &mut Conn<'_>) -> Result<Deliveries, StoreError> {
    let sql = "SELECT COUNT(CASE WHEN state <> 'failed' THEN 1 END), MIN(CASE WHEN state <> 'failed' THEN due_at END),
        COUNT(CASE WHEN state <> 'failed' AND attempts > 0 THEN 1 END), COUNT(CASE WHEN state = 'failed' THEN 1 END)
        FROM delivery WHERE state IN ('waiting', 'claimed', 'failed')";
    let row = conn.one(sql, vec![]).await?;
    let (waiting, failing, failed) = (Oldest { count: row.int(0)?, since: row.opt_int(1)? }, row.int(2)?, row.int(3)?);
    let sql = "SELECT COUNT(CASE WHEN disabled_at IS NULL THEN 1 END), COUNT(disabled_at) FROM endpoint WHERE removed_at IS NULL";
    let row = conn.one(sql, vec![]).await?;
    Ok(Deliveries { enabled: row.int(0)?, disabled: row.int(1)?, waiting, failing, failed })
}

/// The lowest id up to `last` whose row, by the time that `sql` says of it, is of `since` (ms) or later; `last` + 1 when
/// none is.
async fn first_since(conn: &mut Conn<'_>, sql: &'static str, last: i64, since: i64) -> Result<i64, StoreError> {
    let (mut before, mut from) = (0, last + 1);
    while from - before > 1 {
        let middle = before + (from - before) / 2;
        let at = conn.opt(sql, vec![middle.into()]).await?.map_or(Ok(None), |row| row.opt_int(0))?;
        match at.is_none_or(|at| at >= since) {
            true => from = middle,
            false => before = middle,
        }
    }
    Ok(from)
}
