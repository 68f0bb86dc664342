//! Tickets as the API shows them.

use crate::model::Address;
use crate::model::ticket::{Priority, Standing, Status};
use crate::model::{PersonId, TicketId};

use super::{Page, people};
use crate::store::conn::{Conn, Sql};
use crate::store::value::{Row, Value};
use crate::store::{Store, StoreError};

/// One ticket with its people.
#[derive(Clone, Debug)]
pub struct TicketItem {
    /// Number.
    pub number: TicketId,
    /// Version that was read.
    pub version: i64,
    /// Subject.
    pub subject: String,
    /// Status.
    pub status: Status,
    /// Priority.
    pub priority: Priority,
    /// Address of its mailbox.
    pub mailbox: String,
    /// Whose it is.
    pub requester: Address,
    /// Who works it.
    pub assignee: Option<Address>,
    /// Team.
    pub team: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Customers on it, the requester included.
    pub participants: Vec<Address>,
    /// Those of them who have refused mail, and until when (ms) nothing is sent there; that may be over.
    pub refused: Vec<(String, i64)>,
    /// Number of messages.
    pub messages: i64,
    /// Where it was merged into.
    pub merged_into: Option<TicketId>,
    /// In ms.
    pub created_at: i64,
    /// In ms.
    pub updated_at: i64,
}

/// An older ticket of the same requester.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierTicket {
    /// Number.
    pub number: TicketId,
    /// Subject.
    pub subject: String,
    /// Status.
    pub status: Status,
}

/// Which tickets.
#[derive(Clone, Debug, Default)]
pub struct TicketFilter {
    /// Only of this status.
    pub status: Option<Status>,
    /// Only with this text in the subject or the requester's address (folded).
    pub text: Option<String>,
    /// Continue here.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: usize,
}

const SELECT: &str =
    "SELECT t.id, t.version, t.subject, t.status, t.priority, m.address, r.name, r.address, a.name, a.address, t.team, t.tags,
    t.messages, t.merged_into, t.created_at, t.updated_at
    FROM ticket t JOIN mailbox m ON m.id = t.mailbox JOIN person r ON r.id = t.requester LEFT JOIN person a ON a.id = t.assignee";

impl Store {
    /// Tickets, newest change first.
    pub async fn tickets(&self, filter: &TicketFilter) -> Result<Page<TicketItem>, StoreError> {
        let (at, id) = filter.cursor.as_deref().and_then(parse).unwrap_or((i64::MAX, i64::MAX));
        let sql = Sql::Made(format!(
            "{SELECT} WHERE (t.updated_at < $1 OR (t.updated_at = $1 AND t.id < $2)) AND ($3 = '' OR t.status = $3)
             AND ($4 = '' OR LOWER(t.subject) LIKE $4 ESCAPE '\\' OR r.key LIKE $4 ESCAPE '\\') ORDER BY t.updated_at DESC, t.id DESC LIMIT $5"
        ));
        let limit = i64::try_from(filter.limit).unwrap_or(200).saturating_add(1);
        let text = filter.text.as_deref().map_or(String::new(), like);
        let args = vec![at.into(), id.into(), filter.status.map_or("", Status::word).into(), text.into(), limit.into()];
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, args).await?;
        let mut items = rows.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        participants(&mut read.conn(), &mut items).await?;
        Ok(Page::cut(items, filter.limit, |t| format!("{}-{}", t.updated_at, t.number)))
    }

    /// One ticket.
    pub async fn ticket(&self, id: TicketId) -> Result<Option<TicketItem>, StoreError> {
        one(&mut self.glance().await?.conn(), id).await
    }
}

/// One ticket.
pub(super) async fn one(conn: &mut Conn<'_>, id: TicketId) -> Result<Option<TicketItem>, StoreError> {
    Ok(items(conn, &[id]).await?.pop())
}

/// What else the requester of a ticket had written before, newest first; without spam and what was merged.
pub(super) async fn earlier(conn: &mut Conn<'_>, id: TicketId, limit: usize) -> Result<Vec<EarlierTicket>, StoreError> {
    let sql = "SELECT e.id, e.subject, e.status FROM ticket t JOIN ticket e ON e.requester = t.requester
        WHERE t.id = $1 AND e.id <> t.id AND e.created_at <= t.created_at AND e.merged_into IS NULL AND e.status <> 'spam'
        ORDER BY e.created_at DESC, e.id DESC LIMIT $2";
    let rows = conn.all(sql, vec![id.into(), i64::try_from(limit).unwrap_or(0).into()]).await?;
    let earlier = |r: &Row| Ok(EarlierTicket { number: TicketId(r.int(0)?), subject: r.text(1)?, status: r.word(2, Status::of)? });
    rows.iter().map(earlier).collect()
}

/// The turn of a ticket.
pub(super) async fn turn(conn: &mut Conn<'_>, ticket: TicketId) -> Result<i64, StoreError> {
    conn.opt("SELECT turn FROM ticket WHERE id = $1", vec![ticket.into()]).await?.map_or(Ok(0), |r| r.int(0))
}

fn parse(cursor: &str) -> Option<(i64, i64)> {
    let (at, id) = cursor.split_once('-')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

fn like(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

fn item(row: &Row) -> Result<TicketItem, StoreError> {
    let assignee = people::address(row, 8)?;
    Ok(TicketItem {
        number: TicketId(row.int(0)?),
        version: row.int(1)?,
        subject: row.text(2)?,
        status: row.word(3, Status::of)?,
        priority: row.word(4, Priority::of)?,
        mailbox: row.text(5)?,
        requester: Address { name: row.opt_text(6)?, address: row.text(7)? },
        assignee,
        team: row.opt_text(10)?,
        tags: row.json(11)?,
        participants: Vec::new(),
        refused: Vec::new(),
        messages: row.int(12)?,
        merged_into: row.opt_int(13)?.map(TicketId),
        created_at: row.int(14)?,
        updated_at: row.int(15)?,
    })
}

/// Tickets by number, in any order; those that are not there are left out.
pub(super) async fn items(conn: &mut Conn<'_>, numbers: &[TicketId]) -> Result<Vec<TicketItem>, StoreError> {
    let sql = Sql::list("WHERE t.id IN", 1, numbers.len(), "");
    let rows = conn.all(sql.behind(SELECT), numbers.iter().copied().map(Value::from).collect()).await?;
    let mut items = rows.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    participants(conn, &mut items).await?;
    Ok(items)
}

async fn participants(conn: &mut Conn<'_>, items: &mut [TicketItem]) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    let sql = Sql::list(
        "SELECT x.ticket, p.name, p.address, r.until, r.refused_at FROM participant x JOIN person p ON p.id = x.person
            LEFT JOIN refusal r ON r.person = p.id WHERE x.standing IN ('requester', 'cc') AND x.ticket IN",
        1,
        items.len(),
        "ORDER BY x.ticket, p.id",
    );
    for row in conn.all(sql, items.iter().map(|t| Value::from(t.number)).collect()).await? {
        let ticket = TicketId(row.int(0)?);
        let address = Address { name: row.opt_text(1)?, address: row.text(2)? };
        if let Some(item) = items.iter_mut().find(|t| t.number == ticket) {
            // One that was counted and led to nothing is no news.
            item.refused.extend(
                row.opt_int(3)?.filter(|until| Some(*until) > row.opt_int(4).ok().flatten()).map(|until| (address.address.clone(), until)),
            );
            item.participants.push(address);
        }
    }
    Ok(())
}

impl Store {
    /// People of a ticket with a standing, for mail to all of them.
    pub async fn people_of(&self, ticket: TicketId) -> Result<Vec<(PersonId, Standing)>, StoreError> {
        let mut read = self.glance().await?;
        let rows =
            read.conn().all("SELECT person, standing FROM participant WHERE ticket = $1 ORDER BY person", vec![ticket.into()]).await?;
        rows.iter().map(|r| Ok((PersonId(r.int(0)?), r.word(1, Standing::of)?))).collect()
    }
}

#[cfg(test)]
impl Store {
    /// The turn of a ticket.
    pub async fn turn_of(&self, ticket: TicketId) -> Result<i64, StoreError> {
        turn(&mut self.glance().await?.conn(), ticket).await
    }
}
