//! Notifications of Amazon SES: delivery reports as JSON in a text part.

use serde_json::Value;

use super::bounce_reason::{reason, status_in};
use super::complaint::is_unwanted;
use crate::model::understood::{Automatic, Bounce, BounceRecipient, Complaint};

/// Most recipients that are told.
const MOST: usize = 100;
/// Longest text that is looked at, in octets.
const LONGEST: usize = 256 << 10;

/// Reads a text as such a notification.
pub fn read(text: &str) -> Option<(Automatic, Option<Bounce>)> {
    let value = notification(text)?;
    match kind(&value)? {
        "Bounce" => Some((Automatic::Bounce, Some(bounce(&value)))),
        "Complaint" => Some((Automatic::FeedbackReport, None)),
        "Delivery" | "DeliveryDelay" => Some((Automatic::DeliveryReport, None)),
        _ => None,
    }
}

/// Reads a text as the notification that a mail was called unwanted.
pub fn complaint(text: &str) -> Option<Complaint> {
    let value = notification(text).filter(|value| kind(value) == Some("Complaint"))?;
    let feedback = value.pointer("/complaint/complaintFeedbackType").and_then(Value::as_str);
    let recipient = value.pointer("/complaint/complainedRecipients/0/emailAddress").and_then(Value::as_str).map(str::to_owned);
    is_unwanted(feedback.unwrap_or("abuse")).then(|| Complaint { original_message_id: message_id(&value), recipient })
}

fn kind(value: &Value) -> Option<&str> {
    value.get("notificationType").or_else(|| value.get("eventType"))?.as_str()
}

fn notification(text: &str) -> Option<Value> {
    if text.len() > LONGEST || !text.trim_start().starts_with('{') || !text.contains("notificationType") && !text.contains("eventType") {
        return None;
    }
    // A footer for people follows the object.
    // Mail wraps the object's lines, also inside its strings.
    let text = text.replace('\n', "");
    let value: Value = serde_json::Deserializer::from_str(text.trim_start()).into_iter().next()?.ok()?;
    // SNS wraps it as a string once more.
    let inner = value.get("Message").and_then(Value::as_str).and_then(|m| serde_json::from_str(m).ok());
    Some(inner.unwrap_or(value))
}

/// Message-ID of the mail that it is about.
fn message_id(value: &Value) -> Option<String> {
    let headers = value.pointer("/mail/headers").and_then(Value::as_array);
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = headers
        .into_iter()
        .flatten()
        .find(|h| text(h, "name").is_some_and(|n| n.eq_ignore_ascii_case("message-id")))
        .and_then(|h| text(h, "value"));
    id.map(|i| i.trim_matches(['<', '>', ' ']).to_owned())
}

fn bounce(value: &Value) -> Bounce {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let failed = value.pointer("/bounce/bouncedRecipients").and_then(Value::as_array);
    let recipients = failed.into_iter().flatten().take(MOST).map(|r| {
        let diagnostic = text(r, "diagnosticCode");
        let status = text(r, "status").or_else(|| diagnostic.as_deref().and_then(status_in));
        let why = reason(status.as_deref(), diagnostic.as_deref().unwrap_or_default());
        BounceRecipient { address: text(r, "emailAddress"), action: text(r, "action"), reason: why.to_owned(), status, diagnostic }
    });
    Bounce { recipients: recipients.collect(), original_message_id: message_id(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_read() {
        let text = r#"{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@x.test","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 no such user"}]},"mail":{"headers":[{"name":"Message-ID","value":"<o@id>"}]}}
-- 
footer"#;
        let found = read(text).and_then(|(class, bounce)| bounce.map(|b| (class, b)));
        let (class, bounce) = found.unwrap_or((Automatic::Own, Bounce::default()));
        assert_eq!((class, bounce.original_message_id.as_deref()), (Automatic::Bounce, Some("o@id")));
        assert_eq!(bounce.recipients.first().map(|r| r.reason.as_str()), Some("user_unknown"));
        assert_eq!(read("{\"notificationType\": [[["), None);
    }
}
