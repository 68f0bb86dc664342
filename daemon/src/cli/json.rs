//! The JSON forms of what commands show: the objects of the HTTP API, in CONTRACT.md's words.

use serde::Serialize;

use super::failure::Failure;
use super::table::at;
use crate::model::changes::Fate;
use crate::model::outgoing::{OutboxRow, OutboxState};
use crate::model::people::{Notify, Person};
use crate::model::text::is_deceptive;
use crate::model::ticket::{MessageKind, Priority, Role, Status};
use crate::model::understood::Attachment;
use crate::model::{Address, InboxId, MessageId, OutboxId, PersonId, TicketId, Verdict};
use crate::store::read::{InboxItem, MessageItem, Page, TicketItem};
use crate::store::{ApiToken, Scope};

/// One JSON document. What could steer a terminal is escaped, which says the same to a reader of JSON.
pub(super) fn document(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value)?;
    let risky = |c: char| is_deceptive(c) || (c.is_control() && c != '\n');
    if !text.contains(risky) {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if risky(c) {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// RFC 3339, UTC, to the millisecond, of a time in ms.
pub(super) fn time(ms: i64) -> String {
    at(ms, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// A list; `next` is what `--cursor` takes for the rest.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> List<T> {
    /// A list that is complete.
    pub(super) fn all(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// A page of a list.
    pub(super) fn page<'a, R>(page: &'a Page<R>, view: impl Fn(&'a R) -> T) -> Self {
        Self { items: page.items.iter().map(view).collect(), next: page.next.clone() }
    }
}

/// A ticket.
#[derive(Debug, Serialize)]
pub(super) struct TicketView<'a> {
    number: TicketId,
    subject: &'a str,
    status: Status,
    priority: Priority,
    mailbox: &'a str,
    requester: &'a Address,
    assignee: Option<&'a Address>,
    team: Option<&'a str>,
    tags: &'a [String],
    participants: &'a [Address],
    messages: i64,
    merged_into: Option<TicketId>,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a TicketItem> for TicketView<'a> {
    fn from(ticket: &'a TicketItem) -> Self {
        Self {
            number: ticket.number,
            subject: &ticket.subject,
            status: ticket.status,
            priority: ticket.priority,
            mailbox: &ticket.mailbox,
            requester: &ticket.requester,
            assignee: ticket.assignee.as_ref(),
            team: ticket.team.as_deref(),
            tags: &ticket.tags,
            participants: &ticket.participants,
            messages: ticket.messages,
            merged_into: ticket.merged_into,
            created_at: time(ticket.created_at),
            updated_at: time(ticket.updated_at),
        }
    }
}

/// A ticket with what was said on it.
#[derive(Debug, Serialize)]
pub(super) struct Conversation<'a> {
    #[serde(flatten)]
    pub(super) ticket: TicketView<'a>,
    pub(super) conversation: Vec<MessageView<'a>>,
}

/// A message.
#[derive(Debug, Serialize)]
pub(super) struct MessageView<'a> {
    id: MessageId,
    kind: MessageKind,
    public: bool,
    author: Option<&'a Address>,
    message_id: Option<&'a str>,
    subject: &'a str,
    text: &'a str,
    reply_text: &'a str,
    html: Option<&'a str>,
    attachments: Vec<AttachmentView<'a>>,
    automatic: Option<&'a str>,
    authentication: Verdict,
    flags: &'a [String],
    created_at: String,
}

/// An attachment with the id under which the API has it.
#[derive(Debug, Serialize)]
struct AttachmentView<'a> {
    id: String,
    #[serde(flatten)]
    attachment: &'a Attachment,
}

impl<'a> From<&'a MessageItem> for MessageView<'a> {
    fn from(message: &'a MessageItem) -> Self {
        let attachment = |(n, attachment)| AttachmentView { id: format!("{}-{n}", message.id), attachment };
        Self {
            id: message.id,
            kind: message.kind,
            public: message.public,
            author: message.author.as_ref(),
            message_id: message.message_id.as_deref(),
            subject: &message.subject,
            text: &message.text,
            reply_text: &message.reply_text,
            html: message.html.as_deref(),
            attachments: message.attachments.iter().enumerate().map(attachment).collect(),
            automatic: message.automatic.as_deref(),
            authentication: message.verdict.clone().unwrap_or_default(),
            flags: &message.flags,
            created_at: time(message.created_at),
        }
    }
}

/// An accepted mail.
#[derive(Debug, Serialize)]
pub(super) struct InboxView<'a> {
    id: InboxId,
    message_id: Option<&'a str>,
    received_at: String,
    transport: &'static str,
    fate: FateView<'a>,
    from: Option<&'a str>,
    subject: &'a str,
    mail_from: &'a str,
    recipients: &'a [String],
    attempts: i64,
}

/// What became of it.
#[derive(Debug, Serialize)]
struct FateView<'a> {
    kind: Fate,
    ticket: Option<TicketId>,
    reason: &'a str,
    detail: &'a str,
}

impl<'a> From<&'a InboxItem> for InboxView<'a> {
    fn from(mail: &'a InboxItem) -> Self {
        Self {
            id: mail.id,
            message_id: mail.message_id.as_deref(),
            received_at: time(mail.received_at),
            transport: mail.envelope.transport.word(),
            fate: FateView { kind: mail.fate, ticket: mail.ticket, reason: &mail.reason, detail: &mail.detail },
            from: mail.sender.as_deref(),
            subject: &mail.subject,
            mail_from: &mail.envelope.mail_from,
            recipients: &mail.envelope.recipients,
            attempts: mail.attempts,
        }
    }
}

/// A mail that leaves.
#[derive(Debug, Serialize)]
pub(super) struct OutboxView<'a> {
    id: OutboxId,
    to: &'a str,
    ticket: Option<TicketId>,
    kind: &'static str,
    state: OutboxState,
    attempts: i64,
    created_at: String,
    next_attempt_at: Option<String>,
    last_reply: Option<&'a str>,
}

impl<'a> From<&'a OutboxRow> for OutboxView<'a> {
    fn from(mail: &'a OutboxRow) -> Self {
        let state = shown(mail.state);
        Self {
            id: mail.id,
            to: &mail.address,
            ticket: mail.ticket,
            kind: mail.kind.word(),
            state,
            attempts: mail.attempts,
            created_at: time(mail.created_at),
            next_attempt_at: (state == OutboxState::Waiting).then(|| time(mail.due_at)),
            last_reply: mail.last_reply.as_deref(),
        }
    }
}

/// The state as people see it: a mail in the hands of a sender still waits.
pub(super) fn shown(state: OutboxState) -> OutboxState {
    if state == OutboxState::Claimed { OutboxState::Waiting } else { state }
}

/// Somebody who works here.
#[derive(Debug, Serialize)]
pub(super) struct AgentView<'a> {
    id: PersonId,
    address: &'a str,
    name: Option<&'a str>,
    role: Role,
    disabled: bool,
    aliases: &'a [String],
    teams: &'a [String],
    notify: Notify,
    receipts: &'static str,
    allow_spf: bool,
    timezone: Option<&'a str>,
    quiet: Option<&'a str>,
}

impl<'a> From<&'a Person> for AgentView<'a> {
    fn from(person: &'a Person) -> Self {
        let settings = &person.settings;
        Self {
            id: person.id,
            address: &person.address,
            name: person.name.as_deref(),
            role: person.role,
            disabled: person.disabled,
            aliases: &person.aliases,
            teams: &settings.teams,
            notify: settings.notify,
            receipts: if settings.receipts_all { "all" } else { "default" },
            allow_spf: settings.allow_spf,
            timezone: settings.timezone.as_deref(),
            quiet: settings.quiet.as_deref(),
        }
    }
}

/// An API token; its text only when it was just made.
#[derive(Debug, Serialize)]
pub(super) struct TokenView<'a> {
    pub(super) id: i64,
    pub(super) name: &'a str,
    pub(super) scope: Scope,
    pub(super) agent: Option<&'a str>,
    pub(super) created_at: String,
    pub(super) expires_at: Option<String>,
    pub(super) revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a str>,
}

impl<'a> TokenView<'a> {
    /// A token as listed; `staff` knows whose it is.
    pub(super) fn listed(token: &'a ApiToken, staff: &'a [Person]) -> Self {
        Self {
            id: token.id,
            name: &token.name,
            scope: token.scope,
            agent: staff.iter().find(|p| Some(p.id) == token.agent).map(|p| p.address.as_str()),
            created_at: time(token.created_at),
            expires_at: token.expires_at.map(time),
            revoked_at: token.revoked_at.map(time),
            token: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_document_says_the_same_and_steers_no_terminal() {
        let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{e0041}\u{200b}ü\n";
        let document = document(&text).unwrap();
        assert_eq!(serde_json::from_str::<String>(&document).unwrap(), text);
        assert!(document.chars().all(|c| !c.is_control() && !is_deceptive(c)), "{document:?}");
        assert!(document.contains('ü'));
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(1_795_255_200_007), "2026-11-21T10:00:00.007Z");
    }
}
