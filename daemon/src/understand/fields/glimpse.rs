//! What a mail that can't be understood says of itself, so that a person finds it: nothing is decoded, and no parser is
//! asked that may have been what it broke.

use crate::model::Understood;
use crate::understand::mime::headers::{HeaderLine, classify, lines, without_mark};

/// Octets of the header that are looked at.
const HEADER: usize = 64 << 10;
/// Octets of a field that are kept.
const FIELD: usize = 250;

/// Message-ID and Subject as they stand in the first lines, and nothing else.
pub fn glimpse(raw: &[u8]) -> Understood {
    let raw = without_mark(raw);
    let head = raw.get(..HEADER).unwrap_or(raw);
    let id = field(head, "message-id").and_then(|id| Some(id.split_once('<')?.1.split_once('>')?.0.to_owned()));
    let message_id = id.filter(|id| !id.is_empty() && !id.contains(' '));
    Understood { message_id, subject: field(head, "subject").unwrap_or_default(), ..Understood::default() }
}

/// The first such field, unfolded; what is not printable ASCII is a question mark.
fn field(head: &[u8], name: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for (line, _) in lines(head) {
        let value = match (classify(line), &found) {
            (HeaderLine::End, _) => break,
            (HeaderLine::Continuation, Some(_)) => line,
            (_, Some(_)) => break,
            (HeaderLine::Field(end), None) if line.get(..end).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())) => {
                line.iter().position(|b| *b == b':').and_then(|colon| line.get(colon + 1..)).unwrap_or_default()
            }
            _ => continue,
        };
        let text = found.get_or_insert_default();
        let room = FIELD.saturating_sub(text.len());
        text.extend(value.iter().take(room).map(|b| if (b' '..=b'~').contains(b) { char::from(*b) } else { '?' }));
    }
    found.map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_two_fields_are_found_as_they_stand() {
        let raw = b"From: x\r\nSUBJECT : a \xffproblem\r\n with =?utf-8?q?more?=\r\nMessage-ID:\r\n <a.b@c.test>\r\n\r\nSubject: no\r\n";
        let seen = glimpse(raw);
        assert_eq!(seen.message_id.as_deref(), Some("a.b@c.test"));
        assert_eq!(seen.subject, "a ?problem with =?utf-8?q?more?=");
        let seen = glimpse(b"Message-ID: none\n\nSubject: body\n");
        assert_eq!((seen.message_id, seen.subject.as_str()), (None, ""));
    }

    proptest! {
        #[test]
        fn any_octets_have_an_answer(raw in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let seen = glimpse(&raw);
            prop_assert!(seen.subject.len() <= FIELD && seen.subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert!(seen.message_id.is_none_or(|id| !id.is_empty() && id.len() <= FIELD));
        }
    }
}
