//! Why a delivery failed: the words of the remote server first, its codes where the words say nothing (RFC 3463).

/// Words that servers use, most telling reason first. A `+` joins words that must all be there.
const WORDS: [(&str, &[&str]); 8] = [
    (
        "mailbox_full",
        &[
            "mailbox full",
            "mailbox is full",
            "mailbox exceeds",
            "mailbox+over quota",
            "over quota",
            "overquota",
            "quota exceeded",
            "exceeded+quota",
            "exceeds+quota",
            "quotaexceeded",
            "out of storage",
            "insufficient+storage space",
            "user is over",
            "mailfolder is full",
            "disk quota",
            "inbox is full",
            "is over the quota",
            "not enough storage space in",
            "maildir+over quota",
            "storage quota",
            "exceeded storage",
            "mailbox size limit exceeded",
            "mailbox space",
            "account is full",
            "mail quota",
            "full mailbox",
            "delivery failed: over quota",
            "over disk quota",
            "mailbox has exceeded",
            "quota violation",
            "recipient's mailbox exceeded",
            "mailbox exceeded",
            "recipient's mailbox is full",
            "boîte+pleine",
        ],
    ),
    (
        "message_too_large",
        &[
            "message too large",
            "message size exceeds",
            "message too big",
            "exceeds size limit",
            "maximum message size",
            "message is too large",
            "size limit exceeded",
            "too large to send",
            "exceeds the maximum message size",
            "message size+exceed",
            "message file too big",
            "max message size exceeded",
            "message exceeds",
            "message length exceeds",
            "larger than the current system limit",
            "exceeds fixed maximum message size",
            "file too large",
            "message header size exceeds",
        ],
    ),
    (
        "expired",
        &[
            "expired",
            "retry timeout",
            "retry time not reached",
            "retry time-out",
            "delivery time",
            "gave up",
            "giving up",
            "not received within",
            "not delivered within",
            "could not be delivered within",
            "could not be delivered for",
            "delivery timeout",
            "timeout has been reached",
            "been in the queue",
            "in the queue too long",
            "aborted after",
            "will be retried",
            "has been delayed",
            "queued too long",
            "days in the queue",
            "message timed out",
            "did not accept our requests to connect",
            "have been failing for a long time",
            "undeliverable for",
            "maximum queue",
            "retrying",
        ],
    ),
    (
        "spam",
        &[
            "spam",
            "blocked as junk",
            "message content rejected",
            "considered unsolicited",
            "unsolicited",
            "bulk mail",
            "junk mail",
            "spamassassin",
            "appears to be unsolicited",
            "high probability of",
            "identified as spam",
            "message scored",
            "virus",
            "content filter",
            "malicious",
            "malware",
            "scored too high",
            "blacklisted url",
            "blacklisted link",
            "your message was identified",
        ],
    ),
    (
        "domain_error",
        &[
            "host unknown",
            "unknown host",
            "host not found",
            "domain not found",
            "domain does not exist",
            "name or service not known",
            "no such domain",
            "unrouteable mail domain",
            "unrouteable domain",
            "couldn't find any host",
            "couldn't find any host",
            "nxdomain",
            "name server+not found",
            "type=mx: host",
            "no such host",
            "domain name not found",
            "illegal host",
            "bad destination system",
            "no mx",
            "null mx",
            "domain is invalid",
            "no route to domain",
            "recipient domain",
            "unknown domain",
            "no matches to nameserver query",
            "host or domain name not found",
            "mail domain mentioned in email address is unknown",
            "domain+not found",
            "couldn't find a mail exchanger",
            "invalid domain",
            "dns error",
            "dns server returned",
            "dns lookup failure",
            "name service error",
            "unrouteable address",
            "unroutable address",
            "could not find a gateway",
            "account or domain may not exist",
            "domain is not reachable",
            "domain isn't in my list",
            "domain may not exist",
            "domain doesn't exist",
            "no dns",
            "domain unknown",
            "mx record",
            "nodename nor servname",
        ],
    ),
    (
        "user_unknown",
        &[
            "user unknown",
            "unknown user",
            "no such user",
            "no such recipient",
            "no such mailbox",
            "no such address",
            "no such person",
            "no such account",
            "does not exist",
            "doesn't exist",
            "not exist",
            "mailbox unavailable",
            "mailbox not found",
            "user not found",
            "recipient not found",
            "address rejected: unknown",
            "unknown recipient",
            "recipient unknown",
            "invalid recipient",
            "invalid mailbox",
            "unknown mailbox",
            "unknown address",
            "no mailbox here",
            "account disabled",
            "account has been disabled",
            "mailbox disabled",
            "user disabled",
            "disabled recipient",
            "recipient address rejected",
            "unknown local part",
            "local user+not found",
            "user doesn't have",
            "not a valid",
            "not listed in",
            "is not a known user",
            "no account by that name",
            "delivery to+not allowed",
            "mailbox inactive",
            "inactive user",
            "inactive mailbox",
            "user is inactive",
            "account is inactive",
            "not our customer",
            "addressee unknown",
            "address unknown",
            "undeliverable address",
            "invalid address",
            "bad destination mailbox",
            "no valid recipients",
            "recipientnotfound",
            "resolver.adr",
            "recipnotfound",
            "not found by smtp address lookup",
            "unable to find recipient",
            "cannot find the recipient",
            "we do not have a mailbox",
            "this user doesn't",
            "can't create user output file",
            "account suspended",
            "invalid user",
            "unknown or illegal alias",
            "no mail box",
            "not known",
            "user has moved",
            "no longer",
            "is unavailable",
            "mail address is not",
            "mailbox temporarily disabled",
            "user+suspended",
            "not a user",
            "nonexistent",
            "non-existent",
            "non existent",
            "couldn't be found",
            "could not be found",
            "wasn't found",
            "could not find",
            "recipient rejected",
            "no recipient",
            "there is no one",
            "not on file",
            "does not like recipient",
            "name is not recognized",
            "invalid final delivery userid",
            "deactivated",
            "not an active address",
            "bad_recipient",
            "check if address is correct",
            "not a valid user here",
            "no users here",
            "isn't a valid",
            "invalid user",
            "user reject",
            "unknown user account",
        ],
    ),
    (
        "policy",
        &[
            "blacklist",
            "blocklist",
            "block list",
            "blocked",
            "blocking",
            "banned",
            "policy",
            "denied",
            "not allowed",
            "prohibited",
            "rejected due to",
            "reputation",
            "spf",
            "dkim",
            "dmarc",
            "not authorized",
            "not permitted",
            "authentication required",
            "unauthenticated",
            "authenticat",
            "rbl",
            "dnsbl",
            "listed",
            "relaying",
            "relay access",
            "relay not permitted",
            "reverse dns",
            "ptr",
            "greylist",
            "graylist",
            "too many",
            "rate limit",
            "rate-limit",
            "refused",
            "reject",
            "restricted",
            "deferred",
            "poor",
            "throttl",
            "suspicious",
            "security",
            "access",
            "you are not",
            "not accept",
            "rfc",
            "helo",
            "forbidden",
        ],
    ),
    (
        "network",
        &[
            "connection timed out",
            "connection refused",
            "timed out",
            "timeout",
            "network",
            "unreachable",
            "no route to host",
            "connection reset",
            "lost connection",
            "connection dropped",
            "could not connect",
            "couldn't connect",
            "unable to connect",
            "dropped connection",
            "host not reachable",
            "not reachable",
            "temporary failure in name resolution",
            "hop count",
            "too many hops",
            "mail loop",
            "loops back",
            "loop detected",
            "tls",
            "connection lost",
            "connection attempt failed",
            "not responding",
        ],
    ),
];

const SYSTEM: [&str; 14] = [
    "internal error",
    "system error",
    "local error",
    "i/o error",
    "configuration error",
    "service unavailable",
    "disk full",
    "no space left",
    "insufficient system",
    "command died",
    "unknown mailer error",
    "can't open",
    "temporary local problem",
    "server error",
];

/// The reason, one of the words of CONTRACT.md. `said` is what the server said, `status` its enhanced status code.
pub fn reason(status: Option<&str>, said: &str) -> &'static str {
    let said = said.to_lowercase();
    let holds = |phrase: &&str| phrase.split('+').all(|part| said.contains(part));
    let code = status.and_then(|s| s.split_once('.')).map(|(_, rest)| rest).unwrap_or_default();
    match code {
        "1.1" | "1.10" if !WORDS.iter().take(1).any(|(_, words)| words.iter().any(holds)) => return "user_unknown",
        "2.2" => return "mailbox_full",
        "3.4" | "2.3" => return "message_too_large",
        "1.2" => return "domain_error",
        "4.7" => return "expired",
        _ => {}
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
