//! Words of a ticket's life, as the database, the API and the commands spell them.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value of a word; `None` for a word that is none.
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}
pub(crate) use words;

words!(
    /// Where a ticket stands.
    Status {
        /// Waits for us.
        Open = "open",
        /// Waits for the customer.
        Pending = "pending",
        /// Waits for somebody else.
        OnHold = "on_hold",
        /// Done; the customer's next mail opens it again.
        Solved = "solved",
        /// Done for good; the customer's next mail opens a new ticket.
        Closed = "closed",
        /// Junk; nothing is mailed about it.
        Spam = "spam",
    }
);

words!(
    /// How much a ticket hurries.
    Priority {
        /// Can wait.
        Low = "low",
        /// The default.
        Normal = "normal",
        /// Before others.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
);

words!(
    /// What a person may do here.
    Role {
        /// Writes to us.
        Customer = "customer",
        /// Reads what they follow.
        Viewer = "viewer",
        /// Works tickets.
        Agent = "agent",
        /// Works tickets and manages the desk.
        Admin = "admin",
    }
);

words!(
    /// What a message on a ticket is.
    MessageKind {
        /// From the requester or another outside person.
        Customer = "customer",
        /// A public answer.
        Agent = "agent",
        /// Internal.
        Note = "note",
        /// What the desk itself reports.
        System = "system",
    }
);

/// One ticket as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Number.
    pub id: super::TicketId,
    /// Counts every write; guards commits.
    pub version: i64,
    /// Counts what people said; stands in reply tokens.
    pub turn: i64,
    /// Where it stands.
    pub status: Status,
    /// How much it hurries.
    pub priority: Priority,
    /// Subject of the first mail, on one line.
    pub subject: String,
    /// The mailbox it came to.
    pub mailbox: super::MailboxId,
    /// Whose ticket it is.
    pub requester: super::PersonId,
    /// Who works it.
    pub assignee: Option<super::PersonId>,
    /// A token of an earlier turn than this one was handed out before the ticket went to its assignee.
    pub assigned_turn: i64,
    /// Who gave it to its assignee.
    pub assigned_by: Option<super::PersonId>,
    /// Team.
    pub team: Option<String>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// The ticket this one was merged into.
    pub merged_into: Option<super::TicketId>,
    /// The closed ticket this one continues.
    pub continues: Option<super::TicketId>,
    /// Number of messages.
    pub messages: i64,
    /// When it was solved, in ms.
    pub solved_at: Option<i64>,
    /// In ms.
    pub created_at: i64,
    /// In ms.
    pub updated_at: i64,
}

words!(
    /// How somebody stands to a ticket.
    Standing {
        /// Whose ticket it is.
        Requester = "requester",
        /// A customer's copy.
        Cc = "cc",
        /// An agent or viewer who follows.
        Follower = "follower",
        /// Was on it; the row keeps its epoch, so that old addresses stay revoked.
        Left = "left",
    }
);

impl Standing {
    /// Whether answers go there and mail from there is a customer's.
    pub fn is_party(self) -> bool {
        matches!(self, Self::Requester | Self::Cc)
    }
}

/// One person on one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Who.
    pub person: super::PersonId,
    /// How they stand to it.
    pub standing: Standing,
    /// Raised to revoke this one leaked token.
    pub epoch: i64,
}
