//! Reading for people: lists and pages of the API, the command line and the status page.

mod articles;
mod events;
mod imap;
mod inbox;
mod matter;
mod messages;
mod news;
mod outbox;
mod people;
mod refusals;
mod search;
mod status;
mod tickets;
mod totals;
mod webhooks;

pub use articles::ArticleFilter;
pub use events::{EventItem, LogHead};
pub use imap::ImapFolder;
pub(in crate::store) use inbox::findings;
pub use inbox::{InboxFilter, InboxItem};
pub use matter::Material;
pub use messages::{MessageItem, MessageLabel, Ref};
pub use news::NewsItem;
pub use people::Epochs;
pub use refusals::SuppressedItem;
pub use search::{ArticleText, IndexHead, TicketText};
pub(in crate::store) use status::left_out_of;
pub use status::{Counts, DAY, Log, NodeItem, Oldest, Outgoing, Stage};
pub use tickets::{EarlierTicket, TicketFilter, TicketItem};
pub use totals::{Acked, Deliveries, MailboxItem, Totals, WEEK};
pub use webhooks::{DeliveryItem, DeliveryState};

/// One page of a list; `next` continues it.
#[derive(Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a list that was read with one item too many.
    pub fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}
