//! The body of DATA: CRLF line ends and dot-stuffing. Pure; what it promises is why nobody can smuggle a second mail through us.

use std::borrow::Cow;

use memchr::{memchr2_iter, memmem};

/// What ends the mail after [`stuff`]ed octets.
pub(super) const FINAL_DOT: &[u8] = b".\r\n";

/// The mail with every line ended by CRLF: a bare CR or LF becomes CRLF (RFC 5321 §2.3.8 forbids to send them, and servers
/// disagree on whether they end a line), and a last line without an end gets one. An empty mail stays empty.
pub(super) fn normalise(mail: &[u8]) -> Cow<'_, [u8]> {
    if is_normal(mail) {
        return Cow::Borrowed(mail);
    }
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 32 + 2);
    let mut octets = mail.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' => {
                octets.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(other),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    Cow::Owned(out)
}

fn is_normal(mail: &[u8]) -> bool {
    let mut ends = memchr2_iter(b'\r', b'\n', mail);
    while let Some(at) = ends.next() {
        if !mail.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")) || ends.next().is_none() {
            return false;
        }
    }
    mail.is_empty() || mail.ends_with(b"\n")
}

/// A [`normalise`]d mail with a second dot before each line that begins with one (RFC 5321 §4.5.2), without the final dot.
pub(super) fn stuff(normal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(normal.len() + normal.len() / 64 + 2);
    let mut rest = normal;
    if normal.starts_with(b".") {
        out.push(b'.');
    }
    while let Some((line_end, dotted)) = memmem::find(rest, b"\n.").and_then(|at| rest.split_at_checked(at + 1)) {
        out.extend_from_slice(line_end);
        out.push(b'.');
        rest = dotted;
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A strict server: the mail up to the first CRLF.CRLF and what comes after it; `None` for a bare CR or LF or a missing end.
    pub(in super::super) fn strict_server(mut data: &[u8]) -> Option<(Vec<u8>, &[u8])> {
        let mut mail = Vec::new();
        loop {
            let end = data.windows(2).position(|pair| pair == b"\r\n")?;
            let (line, rest) = data.split_at(end);
            data = &rest[2..];
            match line {
                b"." => return Some((mail, data)),
                bare if bare.contains(&b'\r') || bare.contains(&b'\n') => return None,
                text => mail.extend_from_slice(text.strip_prefix(b".").unwrap_or(text)),
            }
            mail.extend_from_slice(b"\r\n");
        }
    }

    fn on_the_wire(mail: &[u8]) -> Vec<u8> {
        [stuff(&normalise(mail)).as_slice(), FINAL_DOT].concat()
    }

    #[test]
    fn line_ends_and_dots() {
        for (mail, wire) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\r\nMAIL FROM:<x>\r", "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"),
            ("\r\r\n\n", "\r\n\r\n\r\n.\r\n"),
            ("a.b\r\n..c", "a.b\r\n...c\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&on_the_wire(mail.as_bytes())), wire, "{mail:?}");
        }
    }

    #[test]
    fn a_clean_mail_is_not_copied() {
        assert!(matches!(normalise(b"a\r\n.b\r\n"), Cow::Borrowed(_)));
        for dirty in [&b"a\r\nb"[..], b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n", b"a\r"] {
            assert!(matches!(normalise(dirty), Cow::Owned(_)), "{dirty:?}");
        }
    }

    proptest! {
        #[test]
        fn a_strict_server_gets_exactly_the_normalised_mail(mail in "[\r\n.aM\u{80}]{0,60}") {
            let wire = on_the_wire(mail.as_bytes());
            let (got, rest) = strict_server(&wire).ok_or_else(|| TestCaseError::fail("no strict server takes this"))?;
            prop_assert_eq!(got, normalise(mail.as_bytes()).into_owned());
            prop_assert!(rest.is_empty(), "a second mail could begin here");
        }

        #[test]
        fn normalising_loses_nothing_but_line_ends(mail in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = |m: &[u8]| m.iter().copied().filter(|o| !b"\r\n".contains(o)).collect::<Vec<_>>();
            let once = normalise(&mail).into_owned();
            prop_assert_eq!(text(&once), text(&mail));
            prop_assert!(matches!(normalise(&once), Cow::Borrowed(_)));
        }
    }
}
