//! Mail of any bytes, and each kind of part where a parser of its own reads it.

use std::collections::HashSet;

use crate::understand::{Limits, SafeHtml, glimpse, parts, understand};

/// A whole mail.
pub(super) fn whole(raw: &[u8]) {
    let limits = Limits::default();
    let mail = understand(raw, &limits);
    assert_eq!(mail, understand(raw, &limits), "the same bytes say the same");
    let said = [&mail.text, &mail.reply_text, &mail.quoted_text, &mail.signature, &mail.subject];
    assert!(said.iter().all(|text| !text.contains('\0')));
    assert!(mail.text.len() <= limits.text_size + 1_000 && mail.subject.chars().count() <= limits.subject);
    let parts_of_it = [&mail.reply_text, &mail.quoted_text, &mail.signature];
    assert!(mail.text.chars().all(is_drawn) || parts_of_it.iter().any(|part| !part.is_empty()), "nothing said is lost: {}", mail.text);
    assert_eq!(parts(raw, &limits).len(), mail.attachments.len());
    for name in mail.attachments.iter().filter_map(|file| file.name.as_deref()) {
        let harmless = !name.contains(['/', '\\']) && !name.chars().any(char::is_control) && !name.trim_matches(['.', ' ']).is_empty();
        assert!(harmless && name.chars().count() <= limits.file_name, "{name:?}");
    }
    if let Some(html) = &mail.html {
        stays(html, &limits);
    }
    let seen = glimpse(raw);
    assert!(seen.subject.bytes().all(|b| (b' '..=b'~').contains(&b)) && seen.message_id.is_none_or(|id| !id.is_empty()));
}

/// What rules are drawn with, and what stands between them: nobody's words.
fn is_drawn(c: char) -> bool {
    c.is_whitespace() || "-_=*~#+–—\u{1427}".contains(c)
}

/// One field after the other.
pub(super) fn headers(data: &[u8]) {
    for name in
        ["From", "To", "Subject", "Date", "Message-ID", "References", "Received", "Content-Type", "Content-Disposition", "Auto-Submitted"]
    {
        whole(&[name.as_bytes(), b": ", data, b"\r\n\r\nHello\r\n"].concat());
    }
}

/// The text of a plain mail: replies, quotes, signatures, what was forwarded.
pub(super) fn text(data: &[u8]) {
    for kind in ["charset=utf-8", "charset=utf-8; format=flowed; delsp=yes", "charset=iso-2022-jp", "charset=x-unknown"] {
        let head = format!("From: Ann <ann@customer.test>\r\nSubject: Re: text\r\nContent-Type: text/plain; {kind}\r\n\r\n");
        whole(&[head.as_bytes(), data].concat());
    }
}

/// The same for HTML.
pub(super) fn html(data: &[u8]) {
    whole(&[b"From: ann@customer.test\r\nContent-Type: text/html; charset=utf-8\r\n\r\n", data].concat());
}

/// The second half of a report of a delivery (RFC 3464).
pub(super) fn bounce(data: &[u8]) {
    let head = "From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\n";
    let middle = "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n";
    whole(&[head.as_bytes(), data, middle.as_bytes(), data, b"\r\n--b--\r\n"].concat());
}

/// An invitation (RFC 5545).
pub(super) fn calendar(data: &[u8]) {
    let head = "From: ann@customer.test\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n";
    whole(&[head.as_bytes(), data].concat());
}

/// A winmail.dat; whatever its beginning is, it gets the signature of one.
pub(super) fn tnef(data: &[u8]) {
    let head = "From: ann@customer.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    whole(&[head.as_bytes(), &0x223e_9f78_u32.to_le_bytes(), data, b"\r\n--b--\r\n"].concat());
}

/// HTML by itself.
pub(super) fn sanitized(data: &[u8]) {
    let limits = Limits::default();
    if let Some(safe) = SafeHtml::sanitize(&String::from_utf8_lossy(data), &limits) {
        stays(safe.as_str(), &limits);
    }
}

/// Cleaned again it stays what it is, and it has no tag that can act.
fn stays(html: &str, limits: &Limits) {
    assert_eq!(SafeHtml::sanitize(html, limits).map(SafeHtml::into_string).as_deref(), Some(html));
    let bad =
        HashSet::from(["script", "style", "iframe", "object", "embed", "form", "input", "svg", "math", "link", "meta", "base", "template"]);
    for piece in html.split('<').skip(1) {
        let name: String = piece.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        assert!(!bad.contains(name.as_str()), "<{name}");
    }
}
