#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::understand::{Limits, origin};

fn subject(raw: &[u8]) -> Subject {
    Subject::read(raw, origin(raw, &Limits::default()))
}

fn failed(policy: &str) -> Verdict {
    Verdict { dmarc: Some("fail".into()), policy: Some(policy.into()), ..Verdict::default() }
}

#[test]
fn a_policy_refuses_what_fails_and_nothing_else() {
    assert!(refusal(&failed("reject"), false).is_some_and(|reply| reply.code == 550));
    assert!(refusal(&failed("quarantine"), true).is_some() && refusal(&failed("quarantine"), false).is_none());
    assert!(refusal(&failed("none"), true).is_none());
    for word in ["pass", "none", "temperror", "permerror"] {
        assert!(refusal(&Verdict { dmarc: Some(word.into()), ..failed("reject") }, true).is_none(), "{word}");
    }
}

#[test]
fn the_one_author_is_the_one_that_is_signed() {
    let one = subject(b"From: Ann <Ann@customer.test>\r\nTo: b@x.test\r\n\r\ntext\r\n");
    assert_eq!(one.message().unwrap().from, ["ann@customer.test"]);
    for raw in [
        &b"From: a@x.test\r\nFrom: b@x.test\r\n\r\n"[..],
        b"From : a@x.test\r\n\r\n",
        b"From: a@x.test, b@x.test\r\n\r\n",
        b"To: a@x.test\r\n\r\nFrom: a@x.test\r\n",
        b"",
    ] {
        assert_eq!(subject(raw).message(), None, "{}", String::from_utf8_lossy(raw));
    }
}

proptest! {
    #[test]
    fn any_bytes_have_one_author_or_none(raw in proptest::collection::vec(prop::sample::select(b"From: a@x.test\r\n\0DKIM-Signature;=,<>\"()".to_vec()), 0..200)) {
        if let Some(message) = subject(&raw).message() {
            prop_assert_eq!(message.from.len(), 1);
        }
    }

    #[test]
    fn signatures_of_any_shape_are_chosen_or_not(field in "[ -~]{0,80}") {
        let raw = format!("DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=From; bh=YQ==; b=YQ==; {field}\r\nFrom: a@x.test\r\n\r\n");
        if let Some(mut message) = subject(raw.as_bytes()).message() {
            signatures::choose(&mut message, "x.test", 1_000);
            prop_assert!(message.dkim_headers.len() <= 1);
        }
    }
}
