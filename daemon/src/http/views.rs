//! The objects of the API, in CONTRACT.md's words; the command line prints the same.

use ombud_indexer::Key;
use serde::Serialize;

pub use crate::clock::rfc3339 as time;
use crate::desk::who::Decision;
use crate::feed::search::{Answer, Found};
use crate::model::article::{Publication, Slug, Visibility};
use crate::model::changes::Fate;
use crate::model::outgoing::{OutboxRow, OutboxState};
use crate::model::refusal::Refusal;
use crate::model::ticket::{MessageKind, Priority, Role, Status};
use crate::model::understood::Attachment;
use crate::model::{Address, Finding, InboxId, MessageId, OutboxId, TicketId, Verdict};
use crate::store::StoredArticle;
use crate::store::read::{EventItem, InboxItem, MessageItem, SuppressedItem, TicketItem};

/// A ticket.
#[derive(Debug, Serialize)]
pub struct TicketView<'a> {
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<RefusedBy<'a>>,
    messages: i64,
    merged_into: Option<TicketId>,
    created_at: String,
    updated_at: String,
}

/// A participant whose address has refused mail, and until when nothing is sent there.
#[derive(Debug, Serialize)]
struct RefusedBy<'a> {
    address: &'a str,
    until: String,
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
            refused: ticket.refused.iter().map(|(address, until)| RefusedBy { address, until: time(*until) }).collect(),
            messages: ticket.messages,
            merged_into: ticket.merged_into,
            created_at: time(ticket.created_at),
            updated_at: time(ticket.updated_at),
        }
    }
}

/// A ticket with what was said on it.
#[derive(Debug, Serialize)]
pub struct Conversation<'a> {
    /// The ticket.
    #[serde(flatten)]
    pub ticket: TicketView<'a>,
    /// Its messages, oldest first.
    pub conversation: Vec<MessageView<'a>>,
}

/// A message.
#[derive(Debug, Serialize)]
pub struct MessageView<'a> {
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
pub struct InboxView<'a> {
    id: InboxId,
    message_id: Option<&'a str>,
    received_at: String,
    transport: &'static str,
    fate: FateView<'a>,
    from: Option<&'a str>,
    subject: &'a str,
    mail_from: &'a str,
    recipients: &'a [String],
    authentication: Option<Verdict>,
    filters: Vec<Finding>,
    decision: Option<DecisionView>,
    attempts: i64,
}

/// Who may act: what was known, the rule, and the same in a sentence.
#[derive(Debug, Serialize)]
struct DecisionView {
    #[serde(flatten)]
    decision: Decision,
    in_words: String,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        Self { in_words: decision.in_words(), decision }
    }
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
            authentication: mail.verdict(),
            filters: mail.findings(),
            decision: mail.decision::<Decision>().map(DecisionView::from),
            attempts: mail.attempts,
        }
    }
}

/// A mail that leaves.
#[derive(Debug, Serialize)]
pub struct OutboxView<'a> {
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
pub fn shown(state: OutboxState) -> OutboxState {
    if state == OutboxState::Claimed { OutboxState::Waiting } else { state }
}

/// An address that nothing is sent to, or nothing automatic.
#[derive(Debug, Serialize)]
pub struct SuppressedView<'a> {
    address: &'a str,
    role: Role,
    refused_at: Option<String>,
    until: Option<String>,
    reply: &'a str,
    complained_at: Option<String>,
}

impl<'a> From<&'a SuppressedItem> for SuppressedView<'a> {
    fn from(item: &'a SuppressedItem) -> Self {
        let SuppressedItem { address, role, refusal } = item;
        let refused = |at: i64| refusal.has_refused().then(|| time(at));
        Self {
            address,
            role: *role,
            refused_at: refused(refusal.refused_at),
            until: refused(refusal.until),
            reply: &refusal.reply,
            complained_at: refusal.complained_at.map(time),
        }
    }
}

/// What an address has refused.
#[derive(Debug, Serialize)]
pub struct RefusedView<'a> {
    refused_at: String,
    until: String,
    reply: &'a str,
}

impl<'a> From<&'a Refusal> for RefusedView<'a> {
    fn from(refusal: &'a Refusal) -> Self {
        Self { refused_at: time(refusal.refused_at), until: time(refusal.until), reply: &refusal.reply }
    }
}

/// An event of the log.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    seq: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    at: String,
    actor: &'a str,
    ticket: Option<TicketId>,
    data: serde_json::Value,
}

impl<'a> From<&'a EventItem> for EventView<'a> {
    fn from(event: &'a EventItem) -> Self {
        Self {
            seq: event.seq,
            kind: &event.kind,
            at: time(event.at),
            actor: &event.actor,
            ticket: event.ticket,
            data: serde_json::from_str(&event.data).unwrap_or_default(),
        }
    }
}

/// An article.
#[derive(Debug, Serialize)]
pub struct ArticleView<'a> {
    slug: &'a Slug,
    title: &'a str,
    body: &'a str,
    language: &'a str,
    visibility: Visibility,
    status: Publication,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a StoredArticle> for ArticleView<'a> {
    fn from(stored: &'a StoredArticle) -> Self {
        let article = &stored.article;
        Self {
            slug: article.slug(),
            title: article.title(),
            body: article.body(),
            language: article.language(),
            visibility: article.visibility,
            status: article.status,
            created_at: time(stored.created_at),
            updated_at: time(stored.updated_at),
        }
    }
}

/// What a search has found.
#[derive(Debug, Serialize)]
pub struct SearchView<'a> {
    items: Vec<FoundView<'a>>,
    total: u64,
    next: Option<String>,
}

/// One thing found.
#[derive(Debug, Serialize)]
struct FoundView<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    number: Option<u64>,
    slug: Option<&'a str>,
    title: &'a str,
    snippet: &'a str,
    /// First character and the one behind the last, counted from 0, of each place that was searched for.
    marks: Vec<[usize; 2]>,
    score: f32,
}

impl<'a> From<&'a Answer> for SearchView<'a> {
    fn from(answer: &'a Answer) -> Self {
        let items = answer.items.iter().map(FoundView::from).collect();
        Self { items, total: answer.total, next: answer.next.map(|next| next.to_string()) }
    }
}

impl<'a> From<&'a Found> for FoundView<'a> {
    fn from(found: &'a Found) -> Self {
        let (kind, number, slug) = match &found.key {
            Key::Ticket(number) => ("ticket", Some(*number), None),
            Key::Article(slug) => ("article", None, Some(slug.as_str())),
        };
        let text = found.snippet.text.as_str();
        let characters = |octets: usize| text.get(..octets).map_or(0, |before| before.chars().count());
        let marks = found.snippet.marks.iter().map(|mark| [characters(mark.start), characters(mark.end)]).collect();
        Self { kind, number, slug, title: &found.title, snippet: text, marks, score: found.score }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_and_sort_as_text() {
        assert_eq!(time(1_795_255_200_000), "2026-11-21T10:00:00.000Z");
        assert_eq!(time(1_795_255_200_007), "2026-11-21T10:00:00.007Z");
    }
}
