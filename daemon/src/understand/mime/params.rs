//! Values with parameters: Content-Type and Content-Disposition, with the continuations and character sets of RFC 2231
//! and the liberties that senders take.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::charset;
use super::words;

/// Most parameters and segments that are read of one field.
const MOST: usize = 100;

/// A value and its parameters, names in lower case.
#[derive(Clone, Debug, Default)]
pub struct Value {
    /// What stands before the first semicolon, lower case.
    pub value: String,
    params: Vec<(String, String)>,
    /// A parameter stands there twice with different values, or in two spellings: readers will disagree about it.
    pub ambiguous: bool,
}

impl Value {
    /// The parameter of that name, decoded.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Reads one field value.
pub fn parse(raw: &[u8]) -> Value {
    let foreign = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
    // What was not folded needs no copy.
    let end = raw.strip_suffix(b"\n").map_or(raw, |line| line.strip_suffix(b"\r").unwrap_or(line));
    let flat: Cow<'_, [u8]> =
        if end.iter().any(foreign) { end.iter().copied().filter(|b| !foreign(b)).collect() } else { Cow::Borrowed(end) };
    let mut pieces = split(&flat).into_iter();
    let (head, forgotten) = without_semicolon(pieces.next().unwrap_or_default());
    let head = super::headers::without_comments(&String::from_utf8_lossy(head)).to_ascii_lowercase();
    let mut raw_params: Vec<(String, Vec<u8>)> = Vec::new();
    for piece in forgotten.into_iter().chain(pieces).take(MOST) {
        let Some(eq) = piece.iter().position(|&b| b == b'=') else { continue };
        let (name, value) = piece.split_at(eq);
        let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
        if !name.is_empty() {
            raw_params.push((name, unquote(value.get(1..).unwrap_or_default())));
        }
    }
    let mut out = Value { value: head.split_whitespace().collect(), params: Vec::new(), ambiguous: false };
    join(&raw_params, &mut out);
    out
}

/// A value, and the parameter behind it that has only a blank before it: `attachment filename=a.txt`.
fn without_semicolon(head: &[u8]) -> (&[u8], Option<&[u8]>) {
    let found = head.iter().position(|&b| b == b'=').and_then(|eq| {
        let name = head.get(..eq)?.trim_ascii_end();
        let blank = name.iter().rposition(u8::is_ascii_whitespace)?;
        (!name.contains(&b'(')).then(|| head.split_at(blank))
    });
    match found {
        Some((value, parameter)) if !value.trim_ascii().is_empty() => (value, Some(parameter)),
        _ => (head, None),
    }
}

/// Splits at semicolons that are not quoted.
fn split(flat: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let (mut quoted, mut escaped, mut from) = (false, false, 0);
    for (at, &b) in flat.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                out.push(flat.get(from..at).unwrap_or_default());
                from = at + 1;
                if out.len() > MOST {
                    return out;
                }
            }
            _ => {}
        }
    }
    out.push(flat.get(from..).unwrap_or_default());
    out
}

/// A value without its quotes; what follows a closing quote (a comment, a missing semicolon) is dropped.
fn unquote(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let Some(inner) = value.strip_prefix(b"\"") else {
        return match value.iter().position(|&b| b == b'(') {
            Some(n) if n > 0 && value.ends_with(b")") && value.get(n - 1) == Some(&b' ') => {
                value.get(..n).unwrap_or(value).trim_ascii().to_vec()
            }
            _ => value.to_vec(),
        };
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for (i, &b) in inner.iter().enumerate() {
        match b {
            // A backslash before anything but a quote or itself is a DOS path that its writer forgot to escape.
            b'\\' if !escaped && matches!(inner.get(i + 1), Some(b'"' | b'\\')) => escaped = true,
            b'"' if !escaped => break,
            _ => {
                escaped = false;
                out.push(b);
            }
        }
    }
    out
}

/// Joins RFC 2231 segments and decodes values.
fn join(raw: &[(String, Vec<u8>)], out: &mut Value) {
    for (name, value) in raw {
        let Some((base, _)) = name.split_once('*') else {
            add(out, name.clone(), words::decode(value), false);
            continue;
        };
        if out.params.iter().any(|(n, _)| n == base) && !raw.iter().any(|(n, _)| n == base) {
            continue;
        }
        let (mut bytes, mut label, mut any) = (Vec::new(), None, false);
        for n in 0..=MOST {
            let spelled =
                |suffix: &str| raw.iter().find(|(r, _)| r.len() == suffix.len() + base.len() && r.starts_with(base) && r.ends_with(suffix));
            let plain = spelled(&format!("*{n}")).map(|(_, v)| (v, false));
            let coded = spelled(&format!("*{n}*")).map(|(_, v)| (v, true));
            let whole = if n == 0 { spelled("*").map(|(_, v)| (v, true)) } else { None };
            let Some((piece, encoded)) = coded.or(plain).or(whole) else {
                if n == 0 {
                    continue;
                } else {
                    break;
                };
            };
            any = true;
            let mut piece = piece.as_slice();
            if encoded && label.is_none() {
                let mut parts = piece.splitn(3, |&b| b == b'\'');
                if let (Some(set), Some(_), Some(rest)) = (parts.next(), parts.next(), parts.next()) {
                    label = Some(String::from_utf8_lossy(set).into_owned());
                    piece = rest;
                }
            }
            bytes.extend(if encoded { percent(piece) } else { piece.to_vec() });
        }
        if any {
            let text = match &label {
                Some(set) => charset::decode_raw(&bytes, Some(set)),
                None => words::decode(&bytes),
            };
            add(out, base.to_owned(), text, true);
        }
    }
}

/// The RFC 2231 spelling wins over the plain one, which is there for readers that do not know it.
fn add(out: &mut Value, name: String, value: String, extended: bool) {
    match out.params.iter_mut().find(|(n, _)| *n == name) {
        Some((_, old)) if *old == value => {}
        Some((_, old)) => {
            out.ambiguous |= name == "boundary";
            if extended {
                *old = value;
            }
        }
        None => out.params.push((name, value)),
    }
}

/// Octets with `%XX` undone.
pub fn percent(value: &[u8]) -> Vec<u8> {
    percent_decode(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(raw: &str) -> Option<String> {
        parse(raw.as_bytes()).get("filename").map(str::to_owned)
    }

    #[test]
    fn names_come_in_many_spellings() {
        assert_eq!(name("attachment; filename=\"a;b.pdf\"").as_deref(), Some("a;b.pdf"));
        assert_eq!(name("attachment; filename=two words.pdf; size=1").as_deref(), Some("two words.pdf"));
        assert_eq!(name("attachment; filename*=utf-8''%C3%A4%20b.pdf").as_deref(), Some("ä b.pdf"));
        assert_eq!(name("attachment; filename*0*=iso-8859-1'de'%E4;\r\n filename*1=\" b\"; filename*2=.pdf").as_deref(), Some("ä b.pdf"));
        assert_eq!(name("attachment; filename=\"=?utf-8?q?=C3=A4?=.pdf\"").as_deref(), Some("ä.pdf"));
        assert_eq!(name("attachment; filename=x.pdf; filename*=utf-8''y.pdf").as_deref(), Some("y.pdf"));
        assert_eq!(name("attachment filename=\"a.txt\"").as_deref(), Some("a.txt"));
        assert_eq!(parse(b"text/plain charset=utf-8; name=x").value, "text/plain");
        assert_eq!(name("attachment; filename=\"=?utf-8?q?caf=C3?= =?utf-8?q?=A9.txt?=\"").as_deref(), Some("café.txt"));
        assert_eq!(name("attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac%20; filename*2=b%20").as_deref(), Some("€ b%20"));
        assert_eq!(name("attachment; filename*=caf%C3%A9.txt").as_deref(), Some("café.txt"));
        assert_eq!(name("attachment; filename=\"C:\\temp\\a.txt\"").as_deref(), Some("C:\\temp\\a.txt"));
    }

    #[test]
    fn two_boundaries_are_ambiguous() {
        assert!(parse(b"multipart/mixed; boundary=a; boundary=b").ambiguous);
        assert!(!parse(b"multipart/mixed; boundary=a").ambiguous);
        assert_eq!(parse(b"Text/HTML ; charset=x").value, "text/html");
    }

    #[test]
    fn a_hundred_thousand_segments_are_bounded() {
        let many: String = (0..100_000).map(|n| format!("; filename*{n}=x")).collect();
        assert!(name(&format!("attachment{many}")).is_some_and(|n| n.len() <= 101));
    }
}
