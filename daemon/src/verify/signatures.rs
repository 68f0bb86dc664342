//! Which DKIM signatures (RFC 6376) of a mail are tried.

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Signature;

use super::align::{ascii, may_be_aligned};

/// More signatures of one mail are not looked at.
const MOST: usize = 5;
/// How far ahead of our clock a signer's may be, in seconds.
const AHEAD: u64 = 86_400;

/// What became of the signatures before any was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// There is none.
    None,
    /// None of them counts: `l=`, rsa-sha1, expired, From not covered, unreadable.
    Unfit,
    /// Those that count are of domains that can't speak for the author.
    Strangers,
    /// Some are left to be verified.
    Some,
}

/// Leaves the signatures in `message` that could prove the author: those of the very domain first, then of its
/// relatives, at most five. `now` in seconds.
pub(super) fn choose(message: &mut AuthenticatedMessage<'_>, author: &str, now: u64) -> Chosen {
    let any = !message.dkim_headers.is_empty() || message.has_dkim_errors;
    message.errors.clear();
    message.dkim_headers.retain(|field| counts(&field.header, now));
    if message.dkim_headers.is_empty() {
        return if any { Chosen::Unfit } else { Chosen::None };
    }
    message.dkim_headers.retain(|field| may_be_aligned(&ascii(&field.header.d), author));
    message.dkim_headers.sort_by_key(|field| ascii(&field.header.d) != author);
    message.dkim_headers.truncate(MOST);
    for field in &mut message.dkim_headers {
        // Reports to the signer and signatures in somebody else's name only cost look-ups.
        field.header.r = false;
        field.header.atps = None;
    }
    if message.dkim_headers.is_empty() { Chosen::Strangers } else { Chosen::Some }
}

fn counts(signature: &Signature, now: u64) -> bool {
    let in_time = (signature.x == 0 || (signature.x > signature.t && signature.x > now)) && signature.t <= now + AHEAD;
    let covers_author = signature.h.iter().any(|name| name.eq_ignore_ascii_case("from"));
    signature.l == 0 && !matches!(signature.a, Algorithm::RsaSha1) && in_time && covers_author
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn chosen(fields: &[&str]) -> (Chosen, Vec<String>) {
        let mut raw = String::from("From: a@example.com\r\n");
        for field in fields {
            raw.push_str(&format!("DKIM-Signature: v=1; a=rsa-sha256; s=s; c=relaxed/relaxed; bh=YWJj; b=YWJj; {field}\r\n"));
        }
        raw.push_str("\r\ntext\r\n");
        let mut message = AuthenticatedMessage::parse(raw.as_bytes()).unwrap();
        let found = choose(&mut message, "example.com", 1_000_000);
        (found, message.dkim_headers.iter().map(|field| field.header.d.clone()).collect())
    }

    #[test]
    fn the_authors_own_come_first() {
        let (found, domains) = chosen(&["d=a.example.com; h=From", "d=esp.test; h=From", "d=Example.com; h=from:From"]);
        assert_eq!(found, Chosen::Some);
        assert_eq!(domains.len(), 2);
        assert!(domains[0].eq_ignore_ascii_case("example.com"), "{domains:?}");
    }

    #[test]
    fn what_does_not_count_is_not_verified() {
        for unfit in ["h=From; l=3", "h=From; x=999999", "h=To", "h=From; t=1086401"] {
            assert_eq!(chosen(&[&format!("d=example.com; {unfit}")]), (Chosen::Unfit, vec![]), "{unfit}");
        }
        assert_eq!(chosen(&["d=esp.test; h=From"]), (Chosen::Strangers, vec![]));
        assert_eq!(chosen(&[]), (Chosen::None, vec![]));
        assert_eq!(chosen(&["d=example.com; h=From; x=1000001; t=1086400"]).0, Chosen::Unfit);
        assert_eq!(chosen(&["d=example.com; h=From; x=1000001; t=1000000"]).0, Chosen::Some);
    }

    #[test]
    fn there_is_an_end_to_them() {
        let many: Vec<String> = (0..200).map(|n| format!("d=s{n}.example.com; h=From")).collect();
        assert_eq!(chosen(&many.iter().map(String::as_str).collect::<Vec<_>>()).1.len(), MOST);
    }
}
