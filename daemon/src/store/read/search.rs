//! What the search index is made from and what its hits say: today's tickets and articles with their texts, in bounded
//! portions.

use std::collections::HashMap;

use crate::model::article::{Publication, Visibility};
use crate::model::{Address, MessageId, TicketId};

use super::tickets::{self, TicketItem};
use crate::store::conn::{Conn, Sql};
use crate::store::value::Value;
use crate::store::{Store, StoreError};

/// Most octets of texts of one ticket: of more, the newest messages stay, and the oldest of them loses its end. The
/// statements say the same, and how many messages.
const TEXTS: i64 = 256 << 10;
/// Texts that one statement asks for.
const AT_ONCE: usize = 200;

/// Where the log stands, for an index that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexHead {
    /// Which log it is.
    pub log: String,
    /// Raised to have every index built anew.
    pub epoch: i64,
    /// The last place of the log; 0 when nothing has happened.
    pub last: i64,
}

/// A ticket with what was said on it.
#[derive(Clone, Debug)]
pub struct TicketText {
    /// The ticket.
    pub ticket: TicketItem,
    /// Who has written on it.
    pub authors: Vec<Address>,
    /// Its newest messages, oldest first: at most 200, and at most about 256 KiB.
    pub texts: Vec<String>,
    /// One of them has attachments.
    pub attachments: bool,
}

/// What a ticket says.
#[derive(Clone, Debug)]
pub struct TicketWords {
    /// Which.
    pub number: TicketId,
    /// What it is about.
    pub subject: String,
    /// As in [`TicketText`].
    pub texts: Vec<String>,
}

/// An article with the beginning of its body.
#[derive(Clone, Debug)]
pub struct ArticleText {
    /// Its name.
    pub slug: String,
    /// Title.
    pub title: String,
    /// At most 256 Ki characters of it.
    pub body: String,
    /// BCP 47.
    pub language: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// Where it stands.
    pub status: Publication,
    /// In ms.
    pub created_at: i64,
    /// In ms.
    pub updated_at: i64,
}

impl Store {
    /// Where the log stands.
    pub async fn index_head(&self) -> Result<IndexHead, StoreError> {
        let sql = "SELECT log_id, index_epoch, (SELECT COALESCE(MAX(seq), 0) FROM event) FROM meta WHERE id = 1";
        let mut read = self.read().await?;
        let row = read.conn().one(sql, vec![]).await?;
        Ok(IndexHead { log: row.text(0)?, epoch: row.int(1)?, last: row.int(2)? })
    }

    /// Numbers of tickets behind one, by number. Merged ones are left out.
    pub async fn numbers_after(&self, ticket: i64, limit: i64) -> Result<Vec<TicketId>, StoreError> {
        let sql = "SELECT id FROM ticket WHERE id > $1 AND merged_into IS NULL ORDER BY id LIMIT $2";
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![ticket.into(), limit.into()]).await?;
        rows.iter().map(|row| Ok(TicketId(row.int(0)?))).collect()
    }

    /// Slugs of articles behind one, by their octets.
    pub async fn slugs_after(&self, slug: &str, limit: i64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT slug FROM article WHERE slug > $1 ORDER BY slug LIMIT $2";
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![slug.into(), limit.into()]).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// Tickets with their texts, in any order. Those that are not there or were merged into another are left out.
    pub async fn ticket_texts(&self, tickets: &[TicketId]) -> Result<Vec<TicketText>, StoreError> {
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = self.read().await?;
        read.snapshot(async |conn| {
            let mut items = tickets::items(conn, tickets).await?;
            items.retain(|ticket| ticket.merged_into.is_none());
            let numbers: Vec<TicketId> = items.iter().map(|ticket| ticket.number).collect();
            let (mut authors, mut said) = (authors(conn, &numbers).await?, said(conn, &numbers).await?);
            let text = |ticket: TicketItem| {
                let (authors, said) = (authors.remove(&ticket.number), said.remove(&ticket.number).unwrap_or_default());
                TicketText { ticket, authors: authors.unwrap_or_default(), texts: said.texts, attachments: said.attachments }
            };
            Ok(items.into_iter().map(text).collect())
        })
        .await
    }

    /// What tickets say, in any order: no more of them than a list of hits shows. Those that are not there or were merged
    /// into another are left out.
    pub async fn ticket_words(&self, tickets: &[TicketId]) -> Result<Vec<TicketWords>, StoreError> {
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = self.read().await?;
        read.snapshot(async |conn| {
            let sql = Sql::list("SELECT id, subject FROM ticket WHERE merged_into IS NULL AND id IN", 1, tickets.len(), "");
            let rows = conn.all(sql, tickets.iter().map(|ticket| Value::from(*ticket)).collect()).await?;
            let found = rows.iter().map(|row| Ok((TicketId(row.int(0)?), row.text(1)?))).collect::<Result<Vec<_>, StoreError>>()?;
            let mut said = said(conn, &found.iter().map(|(number, _)| *number).collect::<Vec<_>>()).await?;
            let words = |(number, subject)| TicketWords { number, subject, texts: said.remove(&number).unwrap_or_default().texts };
            Ok(found.into_iter().map(words).collect())
        })
        .await
    }

    /// Articles with their bodies, in any order.
    pub async fn article_texts(&self, slugs: &[&str]) -> Result<Vec<ArticleText>, StoreError> {
        if slugs.is_empty() {
            return Ok(Vec::new());
        }
        let sql = Sql::list(
            "SELECT slug, title, SUBSTR(body, 1, 262144), language, visibility, status, created_at, updated_at FROM article WHERE slug IN",
            1,
            slugs.len(),
            "",
        );
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, slugs.iter().map(|slug| Value::from(*slug)).collect()).await?;
        let article = |row: &crate::store::value::Row| {
            Ok(ArticleText {
                slug: row.text(0)?,
                title: row.text(1)?,
                body: row.text(2)?,
                language: row.text(3)?,
                visibility: row.word(4, Visibility::of)?,
                status: row.word(5, Publication::of)?,
                created_at: row.int(6)?,
                updated_at: row.int(7)?,
            })
        };
        rows.iter().map(article).collect()
    }
}

async fn authors(conn: &mut Conn<'_>, tickets: &[TicketId]) -> Result<HashMap<TicketId, Vec<Address>>, StoreError> {
    let mut authors: HashMap<TicketId, Vec<Address>> = HashMap::new();
    if tickets.is_empty() {
        return Ok(authors);
    }
    let sql = Sql::list(
        "SELECT DISTINCT m.ticket, p.id, p.name, p.address FROM message m JOIN person p ON p.id = m.author WHERE m.ticket IN",
        1,
        tickets.len(),
        "ORDER BY m.ticket, p.id",
    );
    for row in conn.all(sql, tickets.iter().map(|ticket| Value::from(*ticket)).collect()).await? {
        let author = Address { name: row.opt_text(2)?, address: row.text(3)? };
        authors.entry(TicketId(row.int(0)?)).or_default().push(author);
    }
    Ok(authors)
}

/// What was said on a ticket.
#[derive(Default)]
struct Said {
    /// Of its newest messages, oldest first.
    texts: Vec<String>,
    /// One of its newest messages has attachments.
    attachments: bool,
}

/// Which messages first: only those that fit are read.
async fn said(conn: &mut Conn<'_>, tickets: &[TicketId]) -> Result<HashMap<TicketId, Said>, StoreError> {
    let mut said: HashMap<TicketId, Said> = HashMap::new();
    if tickets.is_empty() {
        return Ok(said);
    }
    let sql = Sql::list(
        "SELECT ticket, message, size, attached FROM (SELECT m.ticket, m.id AS message, OCTET_LENGTH(b.text) AS size,
         CASE WHEN b.attachments = '[]' THEN 0 ELSE 1 END AS attached,
         ROW_NUMBER() OVER (PARTITION BY m.ticket ORDER BY m.created_at DESC, m.id DESC) AS place
         FROM message m JOIN message_body b ON b.message = m.id WHERE m.ticket IN",
        1,
        tickets.len(),
        ") AS newest WHERE place <= 200 ORDER BY ticket, place",
    );
    let mut room: HashMap<TicketId, i64> = tickets.iter().map(|ticket| (*ticket, TEXTS)).collect();
    let mut wanted: Vec<(MessageId, TicketId)> = Vec::new();
    for row in conn.all(sql, tickets.iter().map(|ticket| Value::from(*ticket)).collect()).await? {
        let ticket = TicketId(row.int(0)?);
        said.entry(ticket).or_default().attachments |= row.flag(3)?;
        let Some(room) = room.get_mut(&ticket).filter(|room| **room > 0) else { continue };
        *room -= row.int(2)?;
        wanted.push((MessageId(row.int(1)?), ticket));
    }
    let mut bodies: HashMap<MessageId, String> = HashMap::new();
    for ids in wanted.chunks(AT_ONCE) {
        let sql = Sql::list("SELECT message, SUBSTR(text, 1, 262144) FROM message_body WHERE message IN", 1, ids.len(), "");
        for row in conn.all(sql, ids.iter().map(|(id, _)| Value::from(*id)).collect()).await? {
            bodies.insert(MessageId(row.int(0)?), row.text(1)?);
        }
    }
    for (id, ticket) in wanted.into_iter().rev() {
        if let Some(body) = bodies.remove(&id) {
            said.entry(ticket).or_default().texts.push(body);
        }
    }
    Ok(said)
}
