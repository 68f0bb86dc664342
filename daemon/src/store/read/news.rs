//! Tickets and who wrote last, for the mail about all that was new in quiet hours.

use std::collections::BTreeMap;

use crate::model::outgoing::NewsOf;
use crate::model::{Address, MessageId};

use super::{TicketItem, people, tickets};
use crate::store::conn::{Conn, Sql};
use crate::store::value::{Row, Value};
use crate::store::{Store, StoreError};

/// What was new on one ticket.
#[derive(Clone, Debug)]
pub struct NewsItem {
    /// The ticket as it is now.
    pub ticket: TicketItem,
    /// New messages on it.
    pub messages: usize,
    /// Who wrote the last of them, the desk itself when `None`, and when, in ms; none when only its state has changed.
    pub last: Option<(Option<Address>, i64)>,
}

impl Store {
    /// What the lines of a digest say, in their order.
    pub async fn news(&self, news: &[NewsOf]) -> Result<Vec<NewsItem>, StoreError> {
        let numbers: Vec<_> = news.iter().map(|one| one.ticket).collect();
        let messages: Vec<_> = news.iter().filter_map(|one| one.last).collect();
        let mut read = self.read().await?;
        read.snapshot(async |conn| {
            let items = if numbers.is_empty() { Vec::new() } else { tickets::items(conn, &numbers).await? };
            let mut items: BTreeMap<_, _> = items.into_iter().map(|item| (item.number, item)).collect();
            let words = last_words(conn, &messages).await?;
            let item = |one: &NewsOf| {
                let last = one.last.and_then(|message| words.get(&message).cloned());
                Some(NewsItem { ticket: items.remove(&one.ticket)?, messages: one.messages, last })
            };
            Ok(news.iter().filter_map(item).collect())
        })
        .await
    }
}

type LastWords = BTreeMap<MessageId, (Option<Address>, i64)>;

async fn last_words(conn: &mut Conn<'_>, messages: &[MessageId]) -> Result<LastWords, StoreError> {
    if messages.is_empty() {
        return Ok(LastWords::new());
    }
    let sql = Sql::list(
        "SELECT m.id, p.name, p.address, m.created_at FROM message m LEFT JOIN person p ON p.id = m.author WHERE m.id IN",
        1,
        messages.len(),
        "",
    );
    let rows = conn.all(sql, messages.iter().copied().map(Value::from).collect()).await?;
    let word = |row: &Row| Ok((MessageId(row.int(0)?), (people::address(row, 1)?, row.int(3)?)));
    rows.iter().map(word).collect()
}
