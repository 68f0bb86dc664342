//! Addresses that nothing is sent to, for lists.

use crate::model::refusal::Refusal;
use crate::model::ticket::Role;

use super::Page;
use crate::store::value::Row;
use crate::store::{Store, StoreError, refusals};

/// An address that nothing is sent to, or nothing automatic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressedItem {
    /// The address.
    pub address: String,
    /// What its owner is to the desk.
    pub role: Role,
    /// What it has refused.
    pub refusal: Refusal,
}

impl Store {
    /// Addresses that nothing, or nothing automatic, is sent to at `now` (ms), those of people known last first.
    pub async fn suppressed(&self, now: i64, cursor: Option<&str>, limit: usize) -> Result<Page<SuppressedItem>, StoreError> {
        let before = cursor.and_then(|c| c.parse().ok()).unwrap_or(i64::MAX);
        let sql = "SELECT p.id, p.address, p.role, r.version, r.hard, r.soft, r.soft_since, r.refused_at, r.reply, r.until, r.tried, r.tried_at, r.told,
            r.complained_at FROM refusal r JOIN person p ON p.id = r.person
            WHERE (r.until > $1 OR r.complained_at IS NOT NULL AND p.role = 'customer') AND r.person < $2 ORDER BY r.person DESC LIMIT $3";
        let more = i64::try_from(limit).unwrap_or(200).saturating_add(1);
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![now.into(), i64::into(before), more.into()]).await?;
        let items = rows.iter().map(|row| Ok((row.int(0)?, item(row)?))).collect::<Result<Vec<_>, StoreError>>()?;
        let page = Page::cut(items, limit, |(person, _)| person.to_string());
        Ok(Page { items: page.items.into_iter().map(|(_, item)| item).collect(), next: page.next })
    }
}

fn item(row: &Row) -> Result<SuppressedItem, StoreError> {
    let refusal = refusals::refusal(row, 3)?.ok_or_else(|| StoreError::Corrupt("a refusal without a version".into()))?;
    Ok(SuppressedItem { address: row.text(1)?, role: row.word(2, Role::of)?, refusal })
}
