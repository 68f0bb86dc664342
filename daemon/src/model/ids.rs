//! Row ids as types of their own, so that a ticket's number cannot stand where a person's belongs.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A row of the inbox: one delivery with all its recipients.
    InboxId
);
id!(
    /// A row of the outbox: one mail to one recipient.
    OutboxId
);
id!(
    /// A ticket; its number is what people see.
    TicketId
);
id!(
    /// A mail or note on a ticket.
    MessageId
);
id!(
    /// A customer or agent.
    PersonId
);
id!(
    /// A support address.
    MailboxId
);
id!(
    /// A receiver of webhooks.
    EndpointId
);
id!(
    /// One event on its way to one endpoint.
    DeliveryId
);
