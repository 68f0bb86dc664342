//! Content-Transfer-Encoding undone (RFC 2045 §6), with what stands there in spite of the standard left as it is.

use std::borrow::Cow;

use memchr::{memchr, memrchr};

use super::headers::lines;
use super::words::{b64_decode, hex_pair};

/// Octets of a body that show whether it is base64 at all.
const SAMPLE: usize = 1 << 10;

/// The octets behind a transfer encoding; an unknown one is taken as none.
pub fn decode<'a>(body: &'a [u8], encoding: &str) -> Cow<'a, [u8]> {
    match encoding {
        "base64" | "base-64" | "b" => base64(body),
        "quoted-printable" | "quotedprintable" | "qp" | "q" => Cow::Owned(quoted_printable(body)),
        "x-uuencode" | "uuencode" | "x-uue" | "uue" => uudecode(body).map_or(Cow::Borrowed(body), Cow::Owned),
        _ => Cow::Borrowed(body),
    }
}

/// Base64 up to what a list put behind its padding; text that only claims to be base64 stays as it is.
fn base64(body: &[u8]) -> Cow<'_, [u8]> {
    let foreign = |b: &u8| !b.is_ascii_alphanumeric() && !matches!(b, b'+' | b'/' | b'=' | b'\r' | b'\n');
    // No line is padded above the first `=`.
    let above = body.get(..memchr(b'=', body).unwrap_or(body.len())).and_then(|head| memrchr(b'\n', head)).map_or(0, |at| at + 1);
    let (mut end, mut padded, mut start) = (body.len(), false, above);
    for (line, used) in lines(body.get(above..).unwrap_or_default()) {
        let line = line.trim_ascii();
        if padded && line.iter().any(foreign) {
            end = start;
            break;
        }
        padded |= line.ends_with(b"=");
        start = above + used;
    }
    let coded = body.get(..end).unwrap_or(body);
    let sample = coded.get(..SAMPLE).unwrap_or(coded);
    let odd = sample.iter().filter(|b| foreign(b)).count();
    if odd * 8 > sample.len() { Cow::Borrowed(body) } else { Cow::Owned(b64_decode(coded)) }
}

/// Quoted-printable (RFC 2045 §6.7); an `=` that escapes nothing stays.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(ahead) = body.get(at..).filter(|ahead| !ahead.is_empty()) {
        let plain = memchr(b'=', ahead).unwrap_or(ahead.len());
        out.extend_from_slice(ahead.get(..plain).unwrap_or_default());
        at += plain;
        let Some(rest) = body.get(at + 1..) else { break };
        if let Some(byte) = rest.get(..2).and_then(hex_pair) {
            out.push(byte);
            at += 3;
            continue;
        }
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).take(1000).count();
        match rest.get(blanks..) {
            Some([b'\r', b'\n', ..]) => at += blanks + 3,
            Some([b'\n', ..]) => at += blanks + 2,
            Some([]) => break,
            _ => {
                out.push(b'=');
                at += 1;
            }
        }
    }
    out
}

/// A uuencoded body: from its `begin` line to its `end`; all of it where both are missing and each line is as long as it
/// says.
pub fn uudecode(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut inside = false;
    for (line, _) in lines(body) {
        match line {
            _ if !inside => inside = line.starts_with(b"begin "),
            b"end" | b"`" | b"" => break,
            _ => uu_line(line, &mut out),
        }
    }
    if inside { Some(out) } else { uu_lines(body) }
}

fn uu_lines(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (line, _) in lines(body) {
        let (&count, data) = match line.split_first() {
            None | Some((b'`', [])) => break,
            Some(parts) => parts,
        };
        let octets = usize::from(count.wrapping_sub(32));
        if !(1..=45).contains(&octets) || data.len().abs_diff(octets.div_ceil(3) * 4) > 1 {
            return None;
        }
        uu_line(line, &mut out);
    }
    (!out.is_empty()).then_some(out)
}

/// Decodes one line of uuencoded data.
pub fn uu_line(line: &[u8], out: &mut Vec<u8>) {
    let six = |b: u8| b.wrapping_sub(32) & 63;
    let Some((&count, data)) = line.split_first() else { return };
    let mut left = usize::from(six(count));
    for group in data.chunks(4) {
        let value = |n: usize| six(group.get(n).copied().unwrap_or(b' '));
        let (a, b, c, d) = (value(0), value(1), value(2), value(3));
        for byte in [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d] {
            if left == 0 {
                return;
            }
            out.push(byte);
            left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_keeps_what_is_no_escape() {
        assert_eq!(decode(b"a=C3=a4 = b=\r\nc=  \nd=ZZ=", "quoted-printable").as_ref(), "aä = bcd=ZZ".as_bytes());
    }

    #[test]
    fn base64_ends_where_it_ends() {
        let decoded = |body: &[u8]| String::from_utf8_lossy(&decode(body, "base64")).into_owned();
        assert_eq!(decoded(b"SGVsbG8g\r\ndGhlcmUs\r\n IGZyaWVuZA==\r\n-- \r\nThis list\r\n"), "Hello there, friend");
        assert_eq!(decoded(b"Hello there, this is no base64.\r\n"), "Hello there, this is no base64.\r\n");
        assert_eq!(decoded(b"SGVsbG8gdGhlcmUs!IGZyaWVuZA="), "Hello there, friend");
    }

    #[test]
    fn uuencode_is_read_between_begin_and_end() {
        assert_eq!(decode(b"#0V%T\n`\n", "x-uuencode").as_ref(), b"Cat");
        assert_eq!(decode(b"no such thing\n", "x-uuencode").as_ref(), b"no such thing\n");
        assert_eq!(decode(b"x\nbegin 644 a.txt\n#0V%T\n`\nend\n", "x-uuencode").as_ref(), b"Cat");
    }
}
