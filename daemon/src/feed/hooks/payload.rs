//! What a receiver is told of an event: ids and small facts, never the words of a mail or a note. Who wants those asks the API.

use serde::Serialize;
use serde_json::Value;

use crate::clock::rfc3339;
use crate::model::ticket::{MessageKind, Priority, Status};
use crate::model::{MessageId, TicketId};
use crate::store::read::{EventItem, MessageLabel, TicketItem};

/// Type of what `ombud webhook test` sends.
pub const TEST: &str = "webhook.test";

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: Value,
}

#[derive(Serialize)]
struct Data<'a> {
    seq: i64,
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<TicketFacts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageFacts<'a>>,
    #[serde(skip_serializing_if = "Value::is_null")]
    details: Value,
}

#[derive(Serialize)]
struct TicketFacts<'a> {
    number: TicketId,
    subject: &'a str,
    status: Status,
    priority: Priority,
    mailbox: &'a str,
    requester: &'a str,
    assignee: Option<&'a str>,
    team: Option<&'a str>,
    tags: &'a [String],
    merged_into: Option<TicketId>,
}

#[derive(Serialize)]
struct MessageFacts<'a> {
    id: MessageId,
    kind: MessageKind,
    public: bool,
    author: Option<&'a str>,
}

/// The message that an event is about.
pub(super) fn message_of(event: &EventItem) -> Option<MessageId> {
    let data: Value = serde_json::from_str(&event.data).ok()?;
    data.get("message").and_then(Value::as_i64).map(MessageId)
}

/// The body for an event, with its ticket and message as they are now.
pub(super) fn body(event: &EventItem, ticket: Option<&TicketItem>, message: Option<&MessageLabel>) -> String {
    let mut details: Value = serde_json::from_str(&event.data).unwrap_or_default();
    if let Some(object) = details.as_object_mut() {
        object.remove("message");
        if object.is_empty() {
            details = Value::Null;
        }
    }
    let data = Data {
        seq: event.seq,
        actor: &event.actor,
        ticket: ticket.map(|ticket| TicketFacts {
            number: ticket.number,
            subject: &ticket.subject,
            status: ticket.status,
            priority: ticket.priority,
            mailbox: &ticket.mailbox,
            requester: &ticket.requester.address,
            assignee: ticket.assignee.as_ref().map(|assignee| assignee.address.as_str()),
            team: ticket.team.as_deref(),
            tags: &ticket.tags,
            merged_into: ticket.merged_into,
        }),
        message: message.map(|message| MessageFacts {
            id: message.id,
            kind: message.kind,
            public: message.public,
            author: message.author.as_ref().map(|author| author.address.as_str()),
        }),
        details,
    };
    written(&event.kind, event.at, &data)
}

/// The body of a test, at `now` in ms.
pub fn test(now: i64) -> String {
    written(TEST, now, &serde_json::json!({ "text": "This is a test of Ombud. Nothing has happened." }))
}

fn written(kind: &str, at: i64, data: &impl Serialize) -> String {
    // Keys are strings and numbers finite: it can't fail.
    let data = serde_json::to_value(data).unwrap_or_default();
    serde_json::to_string(&Payload { kind, timestamp: rfc3339(at), data }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> EventItem {
        let (kind, actor) = ("ticket.status_changed".into(), "person:7".into());
        EventItem { seq: 12, kind, at: 1_795_255_200_000, actor, ticket: Some(TicketId(3)), data: data.into() }
    }

    #[test]
    fn an_event_is_told_with_its_details() {
        let body = body(&event(r#"{"from":"open","to":"solved","message":9}"#), None, None);
        let told = r#"{"type":"ticket.status_changed","timestamp":"2026-11-21T10:00:00.000Z","data":{"actor":"person:7","details":{"from":"open","to":"solved"},"seq":12}}"#;
        assert_eq!(body, told);
    }

    #[test]
    fn what_was_erased_has_no_details() {
        for data in ["null", "{}", "x", r#"{"message":9}"#] {
            assert!(!body(&event(data), None, None).contains("details"), "{data}");
        }
        assert_eq!(message_of(&event(r#"{"message":9}"#)), Some(MessageId(9)));
        assert_eq!(message_of(&event("null")), None);
    }
}
