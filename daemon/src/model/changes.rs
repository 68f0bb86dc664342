//! What a decision changes, as one value that is committed whole or not at all.

use super::facts::{Brake, CountKey, Filed, LastAnswer, RefHit};
use super::ids::{InboxId, MailboxId, MessageId, OutboxId, PersonId, TicketId};
use super::outgoing::{MailKind, Params};
use super::refusal::Refusal;
use super::ticket::{MessageKind, Standing, Ticket, words};
use super::verdict::Verdict;

/// A ticket that exists, or the n-th that this value makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketRef {
    /// It exists.
    Id(TicketId),
    /// `Changes::tickets[n]`.
    New(usize),
}

/// A person who exists, or the n-th that this value makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonRef {
    /// They exist.
    Id(PersonId),
    /// `Changes::persons[n]`.
    New(usize),
}

/// A message that exists, or the n-th that this value makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageRef {
    /// It exists.
    Id(MessageId),
    /// `Changes::messages[n]`.
    New(usize),
}

/// A decision's result. The commit checks `guard` before its first write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// When it was decided, in ms.
    pub at: i64,
    /// What must still be so.
    pub guard: Guard,
    /// The fate of the mail that was decided.
    pub inbox: Option<InboxFate>,
    /// People not seen before; one whose address exists by now is that person.
    pub persons: Vec<NewPerson>,
    /// People who have now answered a signed address of ours.
    pub answered: Vec<PersonId>,
    /// People whose mail is held until a time in ms.
    pub spam_until: Vec<(PersonId, i64)>,
    /// New tickets.
    pub tickets: Vec<NewTicket>,
    /// Tickets as they shall be; `version` is the one that was read.
    pub updates: Vec<Ticket>,
    /// Tickets that become another person's.
    pub requesters: Vec<(TicketId, PersonRef)>,
    /// Answers that their authors take back: their mails, none of which was tried, go; what they say becomes a note.
    pub taken_back: Vec<LastAnswer>,
    /// New messages.
    pub messages: Vec<NewMessage>,
    /// Message-IDs by hash.
    pub refs: Vec<NewRef>,
    /// People who join.
    pub participants: Vec<NewParticipant>,
    /// People who leave a ticket.
    pub leaving: Vec<(TicketId, PersonId)>,
    /// Participants whose addresses on one ticket are revoked.
    pub revoked: Vec<(TicketId, PersonId)>,
    /// Facts for the log.
    pub events: Vec<NewEvent>,
    /// Mail that must leave.
    pub outbox: Vec<NewOutbox>,
    /// Waiting answers to a ticket's people that must not leave any more.
    pub released: Vec<Release>,
    /// The agent whose brake holds the mail that was decided, or behind whose answers it waits.
    pub braked: Option<PersonId>,
    /// What becomes of the brake on an agent's answers.
    pub brake: Option<Braking>,
    /// Notifications that nobody has tried to send and that go, for one mail stands for all of them or nobody wants them any more.
    pub folded: Vec<OutboxId>,
    /// Outgoing mails of which a bounce reports failure, with the server's words.
    pub bounced: Vec<(OutboxId, String)>,
    /// What is known now of people whose addresses have refused mail; `version` is the one that was read.
    pub refusals: Vec<(PersonId, Refusal)>,
    /// People whose addresses have proven to be alive: what they refused is forgotten.
    pub alive: Vec<PersonId>,
    /// Outgoing mails whose author is told that they still wait.
    pub late: Vec<OutboxId>,
    /// Things to do later.
    pub timers: Vec<NewTimer>,
    /// Things no longer to do.
    pub timers_done: Vec<(String, i64, String)>,
    /// Kinds of things no longer to do on a ticket, whether there are any or not.
    pub timers_gone: Vec<(&'static str, TicketId)>,
    /// Held mails that a person is told of in this commit.
    pub told: Vec<InboxId>,
    /// The key of a call of the API with the message that it makes, so that a repeat of the call is known.
    pub said: Option<(Vec<u8>, MessageRef)>,
}

/// What a commit reads again. A difference means: write nothing, decide anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// The inbox row is still claimed by this node.
    pub inbox: Option<(InboxId, i64)>,
    /// Staff is the same.
    pub people_version: Option<i64>,
    /// Versions of the tickets that were read, sorted.
    pub tickets: Vec<(TicketId, i64)>,
    /// Answers to Message-ID hashes, sorted.
    pub refs: Vec<(String, Vec<RefHit>)>,
    /// Fingerprints and the scopes in which they were filed.
    pub fingerprints: Vec<(Vec<u8>, Filed)>,
    /// Mails that were held when they were read.
    pub held: Vec<InboxId>,
    /// Counts that must still be below a cap: many decisions are made at once.
    pub below: Vec<(CountKey, i64)>,
    /// Brakes as they were when they were read.
    pub brakes: Vec<(PersonId, Brake)>,
    /// News for a person that wait until a time in ms: all that there were when they were read, and none that was tried meanwhile.
    pub news: Vec<((PersonId, i64), Vec<OutboxId>)>,
}

/// What becomes of the brake on an agent's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Braking {
    /// They are asked about the lot that a mail has begun.
    Asked(PersonId, InboxId),
    /// All that it holds goes, and nothing more is held until a time in ms.
    Lifted(PersonId, i64),
    /// All that it holds is dropped.
    Dropped(PersonId),
}

words!(
    /// What became of an accepted mail.
    Fate {
        /// Not yet understood.
        Waiting = "waiting",
        /// Opened a ticket.
        Ticket = "ticket",
        /// Was added to one.
        Message = "message",
        /// A copy of one that was filed.
        Duplicate = "duplicate",
        /// Kept and shown, changed nothing.
        Automatic = "automatic",
        /// Waits for a person.
        Held = "held",
    }
);

/// The fate of one mail.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxFate {
    /// Which mail.
    pub id: InboxId,
    /// Its fate.
    pub fate: Fate,
    /// The ticket it went to.
    pub ticket: Option<TicketRef>,
    /// Why; of a held mail one of the reasons of RULES.md.
    pub reason: String,
    /// The same for a person: one clear line, without mail text beyond the line that is wrong.
    pub detail: String,
    /// What lists show of it.
    pub label: Label,
    /// What the decision was made from, for the audit.
    pub decided_from: String,
    /// Fingerprints to remember, with their scopes.
    pub fingerprints: Vec<(Vec<u8>, i64)>,
}

/// What lists show of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Sender's address.
    pub sender: Option<String>,
    /// Subject.
    pub subject: String,
}

/// A person not seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPerson {
    /// Address as written.
    pub address: String,
    /// Display name.
    pub name: Option<String>,
}

/// A new ticket. Its version starts at 1.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTicket {
    /// All that is known before it has a number; `id`, `version` and `requester` are ignored.
    pub row: Ticket,
    /// Whose it is.
    pub requester: PersonRef,
}

/// A new message.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// On this ticket.
    pub ticket: TicketRef,
    /// Turn of the ticket after it.
    pub turn: i64,
    /// What it is.
    pub kind: MessageKind,
    /// Whether customers may see it.
    pub public: bool,
    /// Who wrote it; the desk itself when `None`.
    pub author: Option<PersonRef>,
    /// SHA-256 of the raw mail.
    pub blob: Option<Vec<u8>>,
    /// The inbox row it came from.
    pub inbox: Option<InboxId>,
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Subject of this mail.
    pub subject: String,
    /// Class of automatic mail.
    pub automatic: Option<String>,
    /// `unverified`, `third_party`, …
    pub flags: Vec<String>,
    /// What the checks of its author found.
    pub verdict: Option<Verdict>,
    /// Whole text; of an agent's answer what was sent.
    pub text: String,
    /// What the writer wrote this time.
    pub reply_text: String,
    /// Sanitized HTML.
    pub html: Option<String>,
    /// Attachments, JSON list of `understood::Attachment`.
    pub attachments: String,
    /// In ms.
    pub created_at: i64,
}

/// A Message-ID of or in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRef {
    /// Hash of the id.
    pub hash: String,
    /// Ticket.
    pub ticket: TicketRef,
    /// The mail's own id; else one that it names.
    pub own: bool,
}

/// Somebody joins a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewParticipant {
    /// Ticket.
    pub ticket: TicketRef,
    /// Who.
    pub person: PersonRef,
    /// How.
    pub standing: Standing,
}

/// One fact for the log: ids and small values, never mail text or customers' addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// `ticket.created`, …
    pub kind: &'static str,
    /// `person:7`, `system`, …
    pub actor: String,
    /// Ticket.
    pub ticket: Option<TicketRef>,
    /// The message it is about; its id goes into the data.
    pub message: Option<MessageRef>,
    /// Small values, JSON object.
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// Mail that must leave.
#[derive(Clone, Debug, PartialEq)]
pub struct NewOutbox {
    /// Ticket.
    pub ticket: Option<TicketRef>,
    /// To whom.
    pub recipient: PersonRef,
    /// Their address.
    pub address: String,
    /// What.
    pub kind: MailKind,
    /// The message it carries.
    pub message: Option<MessageRef>,
    /// What the composer needs beside that.
    pub params: Params,
    /// Not before this, in ms.
    pub due_at: i64,
    /// In ms.
    pub created_at: i64,
}

/// A held mail that a person lets through or drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which mail.
    pub inbox: InboxId,
    /// Who says so; the command line when `None`.
    pub by: Option<PersonId>,
    /// Let through; else dropped.
    pub pass: bool,
}

/// Kind of the timer that tells the admins that a webhook was disabled; its key is the webhook.
pub const WEBHOOK_DISABLED: &str = "webhook";

/// Kind of the timer that tells the admins that the log-in for fetching a mailbox is refused; its key is the mailbox's address.
pub const LOGIN_REFUSED: &str = "imap";

/// Kind of the timer at the end of an agent's quiet hours; its key is [`quiet_key`].
pub const QUIET: &str = "quiet";

/// The end of a person's quiet hours, in ms, and who it is: `1796117400000/7`. While its timer is there, and not
/// long due, no mail to that person leaves that is due at that very moment.
pub fn quiet_key(person: PersonId, end: i64) -> String {
    format!("{end}/{person}")
}

/// Something to do later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTimer {
    /// What: `close`, `snooze`, `digest`, `webhook`, `imap`, `quiet`, `brake`.
    pub kind: &'static str,
    /// About which ticket; none for `digest`.
    pub ticket: Option<TicketRef>,
    /// Tells timers of one kind and ticket apart.
    pub key: String,
    /// When, in ms. A timer that exists keeps the earlier time.
    pub due_at: i64,
    /// Only if there are held mails that nobody was told of.
    pub if_untold: bool,
}

/// A timer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// What.
    pub kind: String,
    /// Ticket, 0 for none.
    pub ticket: i64,
    /// Key.
    pub key: String,
}

/// The mailbox row of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRow {
    /// Row id.
    pub id: MailboxId,
    /// Address.
    pub address: String,
}
