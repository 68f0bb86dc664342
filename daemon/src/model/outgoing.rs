//! Mail that must leave, as intents: the mail itself is composed when it is first claimed.

use serde::{Deserialize, Serialize};

use super::ids::{EndpointId, InboxId, MailboxId, MessageId, OutboxId, PersonId, TicketId};
use super::ticket::words;

words!(
    /// What an outgoing mail is.
    MailKind {
        /// We have your mail (to the requester, once a ticket).
        Ack = "ack",
        /// A public answer (to requester and participants).
        Answer = "answer",
        /// Something new on a ticket (to an agent).
        Notify = "notify",
        /// Somebody has it now (to agents who were told of a new ticket).
        Taken = "taken",
        /// Your mail was held (to the agent who wrote it).
        Held = "held",
        /// What waits for a person (to admins).
        Digest = "digest",
        /// Your answer could not be delivered (to its author).
        Failed = "failed",
        /// Your answer still waits (to its author).
        Late = "late",
        /// What your mail did (to the agent who wrote it).
        Receipt = "receipt",
        /// A ticket that was put off is open again (to who works it).
        Woken = "woken",
        /// All that was new in quiet hours, or was too much for an hour (to the agent whom it is for).
        News = "news",
        /// All that was said on a ticket (to the agent who asks).
        History = "history",
        /// What was found (to the agent who asks).
        Found = "found",
        /// What the commands are (to the agent who asks).
        Help = "help",
        /// A webhook was disabled (to admins).
        Webhook = "webhook",
        /// The log-in for fetching a mailbox is refused (to admins).
        Imap = "imap",
        /// The mailbox of somebody who works here refuses mail (to admins).
        Undeliverable = "undeliverable",
        /// An agent's answers are held, for there are too many of them (to the agent and to admins).
        Braked = "braked",
    }
);

impl MailKind {
    /// Whether it says what is new on a ticket, which can wait and then be one mail with other news.
    pub fn is_news(self) -> bool {
        matches!(self, Self::Notify | Self::Taken | Self::Woken)
    }

    /// Whether a second copy is better than none: a person's words are, the one question about all that is held, and the one mail
    /// about a whole night. The rest becomes `unknown` when nobody can say whether it left.
    pub fn is_repeated(self) -> bool {
        matches!(self, Self::Answer | Self::Braked | Self::News)
    }
}

words!(
    /// Where an outbox row stands.
    OutboxState {
        /// Waits for its turn.
        Waiting = "waiting",
        /// Being sent.
        Claimed = "claimed",
        /// The next server has it.
        Sent = "sent",
        /// Refused or given up.
        Failed = "failed",
        /// May have left; not tried again.
        Unknown = "unknown",
    }
);

/// One row of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// Row id; stands in the Message-ID and the bounce address.
    pub id: OutboxId,
    /// Ticket it belongs to; a digest has none.
    pub ticket: Option<TicketId>,
    /// Mailbox of that ticket.
    pub mailbox: Option<MailboxId>,
    /// Whom it goes to.
    pub recipient: PersonId,
    /// Their address when the row was written.
    pub address: String,
    /// What it is.
    pub kind: MailKind,
    /// The message it carries or reports.
    pub message: Option<MessageId>,
    /// What the composer needs beside that.
    pub params: Params,
    /// SHA-256 of the composed mail, once it was composed.
    pub composed: Option<Vec<u8>>,
    /// State.
    pub state: OutboxState,
    /// Not before this, in ms.
    pub due_at: i64,
    /// Tries so far, this one included.
    pub attempts: i64,
    /// When the intent was written, in ms.
    pub created_at: i64,
    /// The remote server's last words.
    pub last_reply: Option<String>,
    /// Whether its author was told that it still waits.
    pub told_late: bool,
}

/// What a composer needs beside ticket, message and recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    /// The held mails that are told of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inbox: Vec<InboxId>,
    /// The outgoing mail that failed, or shows the trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbox: Option<OutboxId>,
    /// The webhook that was disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointId>,
    /// The mailbox that can't be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// Who did it ("Bob has it"), or whose mailbox it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<PersonId>,
    /// Sentences for a receipt; the query of a search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// The author of an answer has seen what in it looks internal, and wants it sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub vouched: bool,
    /// What a digest stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub news: Option<News>,
}

/// What was new for an agent in their quiet hours, or was too much for an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Since when, in ms.
    pub since: i64,
    /// It was too much for an hour.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hasty: bool,
    /// Notifications that do not leave for it.
    pub count: usize,
    /// Tickets that they were about.
    pub tickets: usize,
    /// The tickets with the newest of them, newest first; not all when there are very many.
    pub newest: Vec<NewsOf>,
}

/// What was new on one ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsOf {
    /// The ticket.
    pub ticket: TicketId,
    /// New messages on it.
    pub messages: usize,
    /// The last of them.
    pub last: Option<MessageId>,
}
