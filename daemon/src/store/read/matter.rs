//! What a mail that leaves is made from, as it is at one moment.

use std::sync::Arc;

use crate::model::TicketId;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::people::Person;
use crate::model::staff::Staff;
use crate::store::conn::Conn;
use crate::store::{Store, StoreError, facts};

use super::{EarlierTicket, MessageItem, Ref, TicketItem, messages, people, tickets};

/// What an outgoing mail is about, and whom it goes to.
#[derive(Debug)]
pub struct Material {
    /// Its ticket.
    pub ticket: Option<TicketItem>,
    /// Its message.
    pub message: Option<MessageItem>,
    /// Its recipient, if they are still known.
    pub recipient: Option<Person>,
    /// What revokes the addresses that it grants.
    pub epoch: i64,
    /// The turn of the ticket at its message, or now.
    pub turn: i64,
    /// Everybody who works here or did; read for mail that may leave the desk, else nobody.
    pub staff: Arc<Staff>,
    /// Read for a notification: what else its requester had written before, newest first, so many at most.
    pub earlier: Vec<EarlierTicket>,
}

impl Store {
    /// What a mail is made from; `earlier` is the most tickets of that name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn material(&self, row: &OutboxRow, earlier: usize) -> Result<Material, StoreError> {
        let read = async |conn: &mut Conn<'_>| {
            let ticket = match row.ticket {
                Some(id) => tickets::one(conn, id).await?,
                None => None,
            };
            let message = match row.message {
                Some(id) => messages::one(conn, Ref::Message(id)).await?,
                None => None,
            };
            let recipient = facts::load_persons(conn, &[row.recipient]).await?.pop();
            let epochs = people::epochs(conn, row.recipient, row.ticket.unwrap_or(TicketId(0))).await?;
            let turn = match (&message, row.ticket) {
                (Some(message), _) => message.turn,
                (None, Some(ticket)) => tickets::turn(conn, ticket).await?,
                (None, None) => 0,
            };
            let works_here = recipient.as_ref().is_some_and(|person| person.is_staff() && !person.disabled);
            let staff = if works_here { Arc::default() } else { self.inner.staff.get(conn).await? };
            let earlier = match row.ticket.filter(|_| row.kind == MailKind::Notify) {
                Some(ticket) => tickets::earlier(conn, ticket, earlier).await?,
                None => Vec::new(),
            };
            Ok(Material { ticket, message, recipient, epoch: epochs.map_or(0, |e| e.sum), turn, staff, earlier })
        };
        self.glance().await?.snapshot(read).await
    }
}
