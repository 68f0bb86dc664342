//! Mail that leaves, for lists.

use crate::model::OutboxId;
use crate::model::outgoing::{OutboxRow, OutboxState};

use super::Page;
use crate::store::conn::Sql;
use crate::store::outbox::SELECT;
use crate::store::{Store, StoreError, outbox};

impl Store {
    /// Mails of one state, or all, newest first.
    pub async fn outbox(&self, state: Option<OutboxState>, cursor: Option<&str>, limit: usize) -> Result<Page<OutboxRow>, StoreError> {
        let before = cursor.and_then(|c| c.parse().ok()).unwrap_or(i64::MAX);
        let sql = Sql::Made(format!("{SELECT} WHERE id < $1 AND ($2 = '' OR state = $2) ORDER BY id DESC LIMIT $3"));
        let more = i64::try_from(limit).unwrap_or(200).saturating_add(1);
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![i64::into(before), state.map_or("", OutboxState::word).into(), more.into()]).await?;
        let items = rows.iter().map(outbox::row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, |o| o.id.to_string()))
    }

    /// Mails that wait or are being sent, newest first.
    pub async fn outbox_open(&self, cursor: Option<&str>, limit: usize) -> Result<Page<OutboxRow>, StoreError> {
        let before = cursor.and_then(|c| c.parse().ok()).unwrap_or(i64::MAX);
        let sql = Sql::Made(format!("{SELECT} WHERE id < $1 AND state IN ('waiting', 'claimed') ORDER BY id DESC LIMIT $2"));
        let more = i64::try_from(limit).unwrap_or(200).saturating_add(1);
        let mut read = self.read().await?;
        let rows = read.conn().all(sql, vec![i64::into(before), more.into()]).await?;
        let items = rows.iter().map(outbox::row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, |o| o.id.to_string()))
    }

    /// Answers that have waited behind a mail of their lane since `before` (ms) or longer, and whose authors do not know.
    pub async fn outbox_behind(&self, id: OutboxId, before: i64, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = Sql::Made(format!(
            "{SELECT} WHERE lane = (SELECT p.lane FROM outbox p WHERE p.id = $1) AND id > $1 AND state IN ('waiting', 'claimed') AND state = 'waiting'
            AND kind = 'answer' AND told_late = 0 AND created_at <= $2 ORDER BY id LIMIT $3"
        ));
        let mut read = self.glance().await?;
        read.conn().all(sql, vec![id.into(), before.into(), limit.into()]).await?.iter().map(outbox::row).collect()
    }

    /// One mail.
    pub async fn outbox_row(&self, id: OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        let mut read = self.glance().await?;
        Ok(outbox::rows(&mut read.conn(), &[id]).await?.pop())
    }
}
