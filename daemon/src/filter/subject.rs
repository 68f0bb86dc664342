//! A mail as a filter gets it: its envelope, its header fields one by one, its body.

use crate::model::Envelope;

/// Longest part of a field, in octets: frames have 65,535.
const FIELD: usize = 32_000;

/// A mail to be judged. Its bytes are only looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// How it came.
    pub(super) envelope: &'a Envelope,
    /// Our own name.
    pub(super) hostname: &'a str,
    /// All of it.
    pub(super) raw: &'a [u8],
}

/// Header fields, then what is left is the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Subject<'a> {
    /// Its header.
    pub(super) fn fields(&self) -> Fields<'a> {
        Fields { rest: self.raw }
    }
}

impl<'a> Fields<'a> {
    /// The body, once all fields were taken. A header that ends without an empty line has its body there.
    pub(super) fn body(self) -> &'a [u8] {
        let rest = self.rest;
        rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).unwrap_or(rest)
    }
}

impl Iterator for Fields<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    /// Name, and value as libmilter has it: folded lines end with LF, the last one with nothing, and there is no NUL.
    fn next(&mut self) -> Option<Self::Item> {
        let first = line(self.rest);
        let colon = first.iter().position(|b| *b == b':')?;
        let name = first.get(..colon)?.trim_ascii_end();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut end = first.len();
        while let Some(b' ' | b'\t') = self.rest.get(end) {
            end += line(self.rest.get(end..)?).len();
        }
        let value = self.rest.get(colon + 1..end)?;
        self.rest = self.rest.get(end..)?;
        let name = name.iter().copied().take(FIELD).collect();
        Some((name, plain(value)))
    }
}

/// The first line with its end.
fn line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
    bytes.get(..end).unwrap_or(bytes)
}

fn plain(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = value.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        let ends_line = octet == b'\r' && octets.peek() == Some(&b'\n');
        if !ends_line && octet != 0 && out.len() < FIELD {
            out.push(octet);
        }
    }
    if out.last() == Some(&b'\n') {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(raw: &[u8]) -> (Vec<(String, String)>, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = Fields { rest: raw };
        let list = fields.by_ref().map(|(name, value)| (text(&name), text(&value))).collect();
        (list, text(fields.body()))
    }

    #[test]
    fn fields_are_taken_apart_as_libmilter_has_them() {
        let (fields, body) = split(b"From: a@x.test\r\nSubject:  one\r\n two\r\n\tthree\r\nX :y\r\n\r\nHello\r\n");
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(fields, [field("From", " a@x.test"), field("Subject", "  one\n two\n\tthree"), field("X", "y")]);
        assert_eq!(body, "Hello\r\n");
        assert_eq!(split(b"A: b\n\nc\n"), (vec![field("A", " b")], "c\n".into()));
        assert_eq!(split(b"A: b\r\nno field\r\n\r\nc"), (vec![field("A", " b")], "no field\r\n\r\nc".into()));
        assert_eq!(split(b"A: b"), (vec![field("A", " b")], String::new()));
        assert_eq!(split(b"\r\nA: b"), (vec![], "A: b".into()));
        assert_eq!(split(b"A: b\0c\r\n"), (vec![field("A", " bc")], String::new()));
    }

    proptest! {
        #[test]
        fn any_octets_are_a_header_and_a_body(raw in prop::collection::vec(prop::sample::select(b"\r\n: \0\tab".to_vec()), 0..60)) {
            let mut fields = Fields { rest: &raw };
            for (name, value) in fields.by_ref() {
                prop_assert!(!name.is_empty() && !name.contains(&0) && !value.contains(&0));
            }
            prop_assert!(raw.ends_with(fields.body()));
        }
    }
}
