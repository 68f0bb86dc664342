//! All who work here, kept in memory for as long as they are the same.

use std::sync::{Arc, PoisonError, RwLock};

use crate::model::staff::Staff;

use super::conn::Conn;
use super::{StoreError, facts};

/// Who works here, with the `people_version` at which they were read.
#[derive(Default)]
pub(super) struct Cache(RwLock<Option<(i64, Arc<Staff>)>>);

impl Cache {
    /// All who work here, as `conn` sees them in its transaction.
    pub(super) async fn get(&self, conn: &mut Conn<'_>) -> Result<Arc<Staff>, StoreError> {
        let version = facts::people_version(conn).await?;
        self.at(version, conn).await
    }

    /// The same where `version`, the `people_version` of that transaction, is known.
    pub(super) async fn at(&self, version: i64, conn: &mut Conn<'_>) -> Result<Arc<Staff>, StoreError> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, staff)) = kept.filter(|(of, _)| *of == version) {
            return Ok(staff);
        }
        let staff = Arc::new(Staff::new(facts::load_staff(conn).await?));
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever has read an older state must not put it in the place of a newer one.
        if kept.as_ref().is_none_or(|(of, _)| *of < version) {
            *kept = Some((version, staff.clone()));
        }
        Ok(staff)
    }
}
