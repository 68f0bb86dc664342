//! Plain values of the domain. No I/O, no clock, no randomness: time and ids come in as parameters.

pub mod address;
pub mod article;
pub mod changes;
pub mod envelope;
pub mod event;
pub mod facts;
pub mod finding;
pub mod ids;
pub mod origin;
pub mod outgoing;
pub mod people;
pub mod picture;
pub mod refusal;
pub mod reply;
pub mod staff;
pub mod text;
pub mod ticket;
pub mod understood;
pub mod verdict;

pub use address::Address;
pub use envelope::{Envelope, Transport};
pub use finding::Finding;
pub use ids::{DeliveryId, EndpointId, InboxId, MailboxId, MessageId, OutboxId, PersonId, TicketId};
pub use origin::Origin;
pub use reply::Reply;
pub use understood::Understood;
pub use verdict::{By, Verdict};
