//! Complaints: somebody has called a mail unwanted, and their provider says so (RFC 5965).

use super::bounce::{Evidence, original_id};
use super::dsn::clean_address;
use super::ses;
use crate::model::understood::Complaint;
use crate::understand::limits::Limits;
use crate::understand::mime::headers;

/// Most fields of a report that are read.
const FIELDS: usize = 100;

/// The complaint that a mail is; `None` for reports that call no mail unwanted (DMARC, TLS, failed authentication, viruses, and that
/// a mail was no spam).
pub fn read(e: &Evidence, limits: &Limits) -> Option<Complaint> {
    let id = || original_id(e, "", limits);
    if let Some(part) = e.tree.parts.iter().find(|part| part.is("message/feedback-report")) {
        let bytes = part.bytes();
        let (fields, _) = headers::parse(&bytes, limits.header_size, FIELDS);
        let named = |name: &str| fields.text(name).and_then(|value| clean_address(&value));
        let recipient = named("original-rcpt-to").or_else(|| named("removal-recipient"));
        let unwanted = fields.text("feedback-type").is_some_and(|kind| is_unwanted(&kind));
        return unwanted.then(|| Complaint { original_message_id: id(), recipient });
    }
    // Microsoft sends the mail as it was, and the recipient in a field of its own.
    if let Some(recipient) = e.headers.text("x-hmxmroriginalrecipient") {
        return Some(Complaint { original_message_id: id(), recipient: clean_address(&recipient) });
    }
    ses::complaint(e.text)
}

/// Whether a type of feedback (RFC 5965 §7.3) says that a mail was unwanted.
pub(super) fn is_unwanted(kind: &str) -> bool {
    let word = kind.split(|c: char| c == ';' || c == '(' || c.is_whitespace()).find(|word| !word.is_empty()).unwrap_or_default();
    matches!(word.to_ascii_lowercase().as_str(), "abuse" | "fraud" | "opt-out" | "opt-out-list")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::understood::{Automatic, Complaint};
    use crate::understand::{Limits, understand};

    fn of(raw: &str) -> (Option<Automatic>, Option<Complaint>) {
        let out = understand(raw.replace('\n', "\r\n").as_bytes(), &Limits::default());
        (out.automatic, out.facts.complaint)
    }

    fn arf(fields: &str) -> String {
        format!(
            "From: fbl@provider.test\nSubject: complaint\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n\
             --b\n\nThis is a report.\n--b\nContent-Type: message/feedback-report\n\n{fields}\n\
             --b\nContent-Type: message/rfc822\n\nMessage-ID: <first@desk.test>\nSubject: hello\n\nhello\n--b--\n"
        )
    }

    #[test]
    fn a_complaint_names_the_mail() {
        let (class, complaint) = of(&arf("Feedback-Type: Abuse (spam)\nVersion: 1\nOriginal-Rcpt-To: <ann@provider.test>\n"));
        assert_eq!(class, Some(Automatic::FeedbackReport));
        let named = complaint.map(|c| (c.original_message_id, c.recipient));
        assert_eq!(named, Some((Some("first@desk.test".into()), Some("ann@provider.test".into()))));
        let microsoft = "From: staff@hotmail.test\nX-HmXmrOriginalRecipient: ann@hotmail.test\nContent-Type: multipart/mixed; boundary=b\n\n\
            --b\nContent-Type: message/rfc822\n\nMessage-ID: <second@desk.test>\n\nhello\n--b--\n";
        assert_eq!(of(microsoft).1.and_then(|c| c.original_message_id).as_deref(), Some("second@desk.test"));
        let amazon = |kind: &str| {
            let header = r#"{"name":"Message-ID","value":"<third@desk.test>"}"#;
            format!(
                "From: no-reply@sns.test\n\n{{\"notificationType\":\"Complaint\",\"complaint\":{{{kind}\"complainedRecipients\":\
                 [{{\"emailAddress\":\"a@x.test\"}}]}},\"mail\":{{\"headers\":[{header}]}}}}\n"
            )
        };
        assert_eq!(of(&amazon("")).1.and_then(|c| c.original_message_id).as_deref(), Some("third@desk.test"));
        assert_eq!(of(&amazon("\"complaintFeedbackType\":\"not-spam\",")), (Some(Automatic::FeedbackReport), None));
    }

    #[test]
    fn a_report_of_something_else_is_no_complaint() {
        for kind in ["not-spam", "auth-failure", "virus", "other", "dmarc", ""] {
            assert_eq!(of(&arf(&format!("Feedback-Type: {kind}\nVersion: 1\n"))), (Some(Automatic::FeedbackReport), None), "{kind}");
        }
        assert_eq!(of("From: ann@x.test\nSubject: abuse\n\nFeedback-Type: abuse\n"), (None, None));
    }

    proptest! {
        #[test]
        fn any_report_is_read(fields in "(Feedback-Type|Original-Rcpt-To|x|:| |<|>|@|;|abuse|\\PC|\n){0,60}") {
            let (class, complaint) = of(&arf(&fields));
            prop_assert!(complaint.is_none() || class == Some(Automatic::FeedbackReport));
        }
    }
}
