//! How names and lists of mails are written in a command.

use std::fmt::Write as _;

use data_encoding::BASE64_NOPAD;

/// A string in quotes (RFC 9051 §4.3). The text holds no control characters.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name of a folder as it goes over the wire: modified UTF-7 (RFC 3501 §5.1.3), which every server reads.
pub(super) fn folder(name: &str) -> String {
    let (mut out, mut wide) = (String::new(), Vec::new());
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            shift(&mut out, &mut wide);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0; 2];
            wide.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    shift(&mut out, &mut wide);
    out
}

fn shift(out: &mut String, wide: &mut Vec<u8>) {
    if !wide.is_empty() {
        // Writing into a String does not fail.
        let _ = write!(out, "&{}-", BASE64_NOPAD.encode(wide).replace('/', ","));
        wide.clear();
    }
}

/// A set of mails, `1:3,7`, of ascending UIDs.
pub(super) fn set(uids: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*uid) => *last = *uid,
            _ => ranges.push((*uid, *uid)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}:{last}") });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_written_as_rfc_3501_has_it() {
        assert_eq!(folder("INBOX/Support"), "INBOX/Support");
        assert_eq!(folder("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(folder("Q&A"), "Q&-A");
        assert_eq!(folder("Entwürfe"), "Entw&APw-rfe");
        assert_eq!(folder("a😀"), "a&2D3eAA-");
    }

    #[test]
    fn quotes_are_escaped() {
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn sets_are_short() {
        assert_eq!(set(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(set(&[u32::MAX - 1, u32::MAX]), "4294967294:4294967295");
        assert_eq!(set(&[]), "");
    }
}
