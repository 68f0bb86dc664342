//! Why a delivery failed: the words of the remote server first, its codes where the words say nothing (RFC 3463).

mod words;

use words::{SYSTEM, WORDS};

/// Whether a reason only says that there was a refusal; somebody else's words may say why.
pub fn is_vague(reason: &str) -> bool {
    matches!(reason, "policy" | "system" | "other")
}

/// A host that does not exist, and an address that was refused: who or what the words are about stands before them.
fn about(said: &str) -> Option<&'static str> {
    for ending in ["does not exist", "doesn't exist", "not found", "is unknown"] {
        let named = said.split(ending).next().filter(|head| head.len() < said.len()).and_then(|head| head.split_whitespace().next_back());
        let host = |name: &str| {
            let name = name.trim_matches(|c: char| !c.is_alphanumeric());
            !name.contains('@')
                && name.contains('.')
                && name.split('.').all(|label| !label.is_empty())
                && name.ends_with(|c: char| c.is_ascii_lowercase())
        };
        if named.is_some_and(host) {
            return Some("domain_error");
        }
    }
    let mut words = said.split_whitespace().peekable();
    while let Some(word) = words.next() {
        // `542 ann@x.test rejected` tells no more, but it tells whom.
        if word.contains('@') && words.peek().is_some_and(|next| next.starts_with("reject")) {
            return Some("user_unknown");
        }
    }
    None
}

/// The reason, one of the words of CONTRACT.md. `said` is what the server said, `status` its enhanced status code.
pub fn reason(status: Option<&str>, said: &str) -> &'static str {
    let said = said.to_lowercase();
    let of_sender = ["sender address rejected", "sender rejected", "client host rejected", "helo command rejected"];
    if of_sender.iter().any(|w| said.contains(w)) && !said.contains("spam") {
        return "policy";
    }
    let holds = |phrase: &&str| phrase.split('+').all(|part| said.contains(part));
    let code = status.and_then(|s| s.split_once('.')).map(|(_, rest)| rest).unwrap_or_default();
    match code {
        "1.1" | "1.10" if !WORDS.iter().take(2).any(|(_, words)| words.iter().any(holds)) => return "user_unknown",
        "2.2" => return "mailbox_full",
        "3.4" | "2.3" => return "message_too_large",
        "1.2" => return "domain_error",
        "4.7" => return "expired",
        _ => {}
    }
    if let Some(word) = about(&said) {
        return word;
    }
    if let Some((word, _)) = WORDS.iter().find(|(_, words)| words.iter().any(holds)) {
        return word;
    }
    if SYSTEM.iter().any(|w| said.contains(w)) {
        return "system";
    }
    match code {
        "1.0" | "1.3" | "1.6" | "2.0" | "2.1" => "user_unknown",
        "1.8" | "1.7" => "policy",
        "4.4" | "4.6" | "4.1" | "4.2" | "4.3" => "network",
        _ if code.starts_with("7.") => "policy",
        _ if code.starts_with("4.") => "network",
        _ if code.starts_with("3.") => "system",
        _ => "other",
    }
}

/// How much a status code says: 0 for `5.0.0`, 1 for `5.1.0`, 2 for one with a detail.
pub fn status_worth(code: &str) -> i32 {
    if code.ends_with(".0.0") {
        0
    } else if code.ends_with(".0") {
        1
    } else {
        2
    }
}

/// An enhanced status code that stands in a text (RFC 3463 §2).
pub fn status_in(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut best: Option<String> = None;
    for (i, window) in bytes.windows(4).enumerate() {
        let [class @ (b'2' | b'4' | b'5'), b'.', a, _] = window else { continue };
        let free = i == 0 || bytes.get(i - 1).is_some_and(|b| !b.is_ascii_alphanumeric() && *b != b'.' && *b != b'-');
        if !free || !a.is_ascii_digit() {
            continue;
        }
        let digits = |from: usize| bytes.get(from..).unwrap_or_default().iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let subject = digits(i + 2);
        let dot = i + 2 + subject;
        let detail = digits(dot + 1);
        let behind = bytes.get(dot + 1 + detail);
        let ended =
            !behind.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.' && bytes.get(dot + 2 + detail).is_some_and(u8::is_ascii_digit));
        if bytes.get(dot) != Some(&b'.') || !(1..=3).contains(&subject) || !(1..=3).contains(&detail) || !ended {
            continue;
        }
        let found = text.get(i..dot + 1 + detail).map(str::to_owned);
        let better = match (&best, &found) {
            (Some(best), Some(found)) => status_worth(found) > status_worth(best),
            (None, _) => true,
            _ => false,
        };
        if *class != b'2' && better {
            best = found;
        }
    }
    best
}

/// An SMTP reply code that stands in a text: 4xx or 5xx at the beginning or behind a colon, bracket or white space.
pub fn code_in(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    bytes.windows(3).enumerate().find_map(|(i, window)| {
        let [b'4' | b'5', b'0'..=b'7', c] = window else { return None };
        let before =
            i == 0 || bytes.get(i - 1).is_some_and(|b| matches!(b, b' ' | b':' | b'(' | b'[' | b'<' | b'#' | b'\n' | b'\t' | b'"' | b'\''));
        let after =
            bytes.get(i + 3).is_none_or(|b| matches!(b, b' ' | b'-' | b':' | b'\n' | b')' | b'#' | b'"' | b'\'' | b',' | b';' | b']'));
        (c.is_ascii_digit() && before && after).then(|| text.get(i..i + 3)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_say_why() {
        for (status, said, want) in [
            (Some("5.1.1"), "550 max message size exceeded", "message_too_large"),
            (None, "553 customer.test does not exist", "domain_error"),
            (None, "550 ann@customer.test does not exist", "user_unknown"),
            (Some("5.0.0"), "542 ann@customer.test Rejected", "user_unknown"),
            (None, "554 <desk@x.test>: Sender address rejected: not found", "policy"),
            (None, "Der Empfänger ist unbekannt: Adresse existiert nicht", "user_unknown"),
            (None, "Scanned by Mail Security Suite", "other"),
            (Some("5.1.1"), "550 5.1.1 <a@x.test>: User unknown", "user_unknown"),
            (None, "552 Mailbox is full", "mailbox_full"),
            (Some("5.0.0"), "550 Message rejected as spam", "spam"),
            (Some("5.1.2"), "", "domain_error"),
            (None, "Host or domain name not found. Name service error for name=x.test", "domain_error"),
            (Some("5.7.1"), "", "policy"),
            (None, "Connection timed out", "network"),
            (None, "", "other"),
        ] {
            assert_eq!(reason(status, said), want, "{status:?} {said}");
        }
    }

    #[test]
    fn codes_are_found_in_text_and_addresses_are_none() {
        assert_eq!(status_in("said: 550 5.1.1 no").as_deref(), Some("5.1.1"));
        assert_eq!(status_in("(#5.7.1)").as_deref(), Some("5.7.1"));
        assert_eq!(status_in("5.0.0 then 4.2.2").as_deref(), Some("4.2.2"));
        assert_eq!(status_in("host 5.6.7.8 and 1.5.6.7 and v5.1"), None);
        assert_eq!((code_in("said: 550 no"), code_in("id 1550 x")), (Some(550), None));
    }
}
