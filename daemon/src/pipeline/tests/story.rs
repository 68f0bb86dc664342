//! How many a tale begins: a ticket, and its answer.

use super::world::{ANN, JANE, JANES, SUPPORT, World};
use crate::desk::token::Purpose;
use crate::model::PersonId;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::people::Person;

/// Ann has a ticket, and Jane has answered it.
pub(super) struct Story {
    pub(super) w: World,
    pub(super) ann: PersonId,
}

impl Story {
    pub(super) async fn new() -> Self {
        let w = World::new().await;
        w.mail(ANN, SUPPORT, "", "It burns.").await;
        w.mail(JANES, &w.address(Purpose::Answer, JANE, 1).await, "", "Pull the plug.").await;
        let ann = w.person("ann@customer.test").await;
        Self { w, ann }
    }

    /// The last mail of a kind.
    pub(super) async fn row(&self, kind: MailKind) -> OutboxRow {
        self.w.rows().await.into_iter().rev().find(|row| row.kind == kind).unwrap()
    }

    pub(super) async fn person(&self, id: PersonId) -> Person {
        self.w.opened.store.persons(&[id]).await.unwrap().pop().unwrap()
    }
}
