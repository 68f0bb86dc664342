//! People, by id and as a whole.

use std::sync::Arc;

use crate::model::people::Person;
use crate::model::staff::Staff;
use crate::model::{Address, PersonId, TicketId};
use crate::store::conn::Conn;
use crate::store::value::Row;
use crate::store::{Store, StoreError, facts};

impl Store {
    /// Everyone who works here or did.
    pub async fn staff(&self) -> Result<Arc<Staff>, StoreError> {
        self.glance().await?.snapshot(async |conn| self.inner.staff.get(conn).await).await
    }

    /// People by id; unknown ones are left out.
    pub async fn persons(&self, ids: &[PersonId]) -> Result<Vec<Person>, StoreError> {
        let mut read = self.glance().await?;
        facts::load_persons(&mut read.conn(), ids).await
    }

    /// The epoch of a person, and of their place on a ticket (0 when they have none).
    pub async fn epochs(&self, person: PersonId, ticket: TicketId) -> Result<Option<Epochs>, StoreError> {
        epochs(&mut self.glance().await?.conn(), person, ticket).await
    }
}

/// The epoch of a person, and of their place on a ticket (0 when they have none).
pub(super) async fn epochs(conn: &mut Conn<'_>, person: PersonId, ticket: TicketId) -> Result<Option<Epochs>, StoreError> {
    let sql = "SELECT p.epoch, p.disabled, COALESCE(x.epoch, 0) FROM person p
        LEFT JOIN participant x ON x.person = p.id AND x.ticket = $2 WHERE p.id = $1";
    let row = conn.opt(sql, vec![person.into(), ticket.into()]).await?;
    row.map(|r| Ok(Epochs { sum: r.int(0)? + r.int(2)?, disabled: r.flag(1)? })).transpose()
}

/// A person as shown, of whom the name stands in column `at` and the address behind it; `None` where nobody does.
pub(super) fn address(row: &Row, at: usize) -> Result<Option<Address>, StoreError> {
    row.opt_text(at + 1)?.map(|address| Ok(Address { name: row.opt_text(at)?, address })).transpose()
}

/// What revokes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epochs {
    /// Epoch of the person plus that of their place on the ticket.
    pub sum: i64,
    /// Works here no more.
    pub disabled: bool,
}
