//! The machine-readable part of a delivery status notification (RFC 3464 §2).

use crate::understand::limits::Limits;
use crate::understand::mime::headers::{Headers, parse, unfold};

/// Most recipients that are read.
const MOST: usize = 100;

/// The fields of one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// Final-Recipient, else Original-Recipient, without its type.
    pub address: Option<String>,
    /// Status.
    pub status: Option<String>,
    /// Action, lower case.
    pub action: Option<String>,
    /// Diagnostic-Code without its type.
    pub diagnostic: Option<String>,
}

/// Reads the part: blocks of fields, the first about the mail, each other about a recipient.
pub fn recipients(body: &[u8], limits: &Limits) -> Vec<Recipient> {
    let mut rest = body;
    let mut out = Vec::new();
    while !rest.is_empty() && out.len() < MOST {
        let (headers, used) = parse(rest, limits.header_size, 100);
        let empty = headers.fields.is_empty();
        out.extend(recipient(&headers));
        // A block that is none, or no line at all: step over it, so that this always ends.
        let step = if empty && used == 0 { rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |n| n + 1) } else { used.max(1) };
        rest = rest.get(step..).unwrap_or_default();
    }
    out
}

fn recipient(headers: &Headers) -> Option<Recipient> {
    let typed = |name: &str| headers.first(name).map(unfold).map(|v| v.split_once(';').map_or(v.clone(), |(_, rest)| rest.to_owned()));
    let address = |name: &str| typed(name).and_then(|v| clean_address(&v));
    let found = Recipient {
        address: address("final-recipient").or_else(|| address("original-recipient")).or_else(|| address("x-actual-recipient")),
        status: headers.text("status").and_then(|s| super::bounce_reason::status_in(&format!("{s} ")).or_else(|| success(&s))),
        action: headers
            .text("action")
            .and_then(|a| a.split(|c: char| !c.is_alphabetic()).next().map(str::to_lowercase))
            .filter(|a| !a.is_empty()),
        diagnostic: typed("diagnostic-code").map(|d| d.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|d| !d.is_empty()),
    };
    (found.address.is_some() || found.action.is_some()).then_some(found)
}

fn success(status: &str) -> Option<String> {
    let word = status.split_whitespace().next()?;
    (word.starts_with("2.") && word.len() < 10).then(|| word.to_owned())
}

/// An address without brackets, quotes and comments; `None` when nothing like one is left.
pub fn clean_address(raw: &str) -> Option<String> {
    let raw = raw.trim();
    let inner = match (raw.find('<'), raw.rfind('>')) {
        (Some(a), Some(b)) if a < b => raw.get(a + 1..b).unwrap_or_default(),
        _ => raw.split_whitespace().next().unwrap_or_default(),
    };
    let inner = inner.trim().trim_matches(['\'', ',', ';']);
    let inner = if inner.contains("\"@") { inner } else { inner.trim_matches('"') };
    (inner.contains('@') && inner.len() <= 254 && !inner.contains(char::is_control)).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_recipients() {
        let body = b"Reporting-MTA: dns; x.test\r\n\r\nFinal-Recipient: rfc822; <a@x.test>\r\nAction: Failed (permanent)\r\nStatus: 5.1.1 (unknown)\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n no\r\n\r\n\r\nOriginal-Recipient: rfc822;b@x.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n";
        let got = recipients(body, &Limits::default());
        assert_eq!(got.len(), 2);
        assert_eq!(
            got.first(),
            Some(&Recipient {
                address: Some("a@x.test".into()),
                status: Some("5.1.1".into()),
                action: Some("failed".into()),
                diagnostic: Some("550 5.1.1 no".into())
            })
        );
        assert_eq!(got.get(1).and_then(|r| r.status.clone()).as_deref(), Some("2.0.0"));
    }

    #[test]
    fn garbage_ends() {
        assert!(recipients(&b"\n\n junk\n: x\nmore junk\n\n".repeat(1000), &Limits::default()).is_empty());
    }
}
