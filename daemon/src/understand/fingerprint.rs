//! One number for all copies of a mail.

use memchr::{memchr, memchr_iter};
use sha2::{Digest, Sha256};

use crate::model::text::split_lines;

/// SHA-256 over the fields that say which mail this is, the text without what relays change (line ends, trailing white
/// space) and the hashes of the attachments.
pub fn fingerprint(fields: [&str; 4], text: &str, attachments: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for field in fields {
        add(field.split_whitespace().collect::<Vec<_>>().join(" ").as_bytes());
    }
    let mut bare = String::with_capacity(text.len() + 1);
    for line in split_lines(text) {
        bare.extend([line.trim_end(), "\n"]);
    }
    add(bare.trim().as_bytes());
    for attachment in attachments {
        add(attachment.as_bytes());
    }
    hash.finalize().into()
}

/// What tells an attached file from others: its SHA-256, which is `sha256`, but for line ends. A file that is not in base64
/// has those of the way on which the mail came: CRLF on the wire, LF from a pipe. One with a NUL has no lines, and no way
/// takes it but in code.
pub fn file(bytes: &[u8], sha256: &str) -> String {
    let Some(first) = line_end(bytes).filter(|_| memchr(0, bytes).is_none()) else { return sha256.to_owned() };
    let (mut hash, mut rest, mut end) = (Sha256::new(), bytes, Some(first));
    while let Some(at) = end {
        hash.update(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        end = line_end(rest);
    }
    hash.update(rest);
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// Where the first CRLF is.
fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\r', bytes).find(|at| bytes.get(at + 1) == Some(&b'\n'))
}

/// Lower-case hexadecimal SHA-256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_with_either_line_end() {
        let of = |bytes: &[u8]| file(bytes, &sha256_hex(bytes));
        assert_eq!(of(b"a\r\nb\r\n"), of(b"a\nb\n"));
        assert_eq!(of(b"a\r\n\r\n"), sha256_hex(b"a\n\n"));
        assert_eq!(of(b"a\r\r\n"), sha256_hex(b"a\r\n"));
        assert_eq!(of(b"PK\0\r\n"), sha256_hex(b"PK\0\r\n"));
        assert_ne!(of(b"a\rb"), of(b"ab"));
        assert_ne!(of(b"a\nb"), of(b"ab"));
    }

    #[test]
    fn copies_agree_and_others_do_not() {
        let one = fingerprint(["a", "b", "c", "d  e"], "x \r\ny\r\n", &[]);
        assert_eq!(one, fingerprint(["a", "b", "c", "d\te"], "x\ny", &[]));
        assert_ne!(one, fingerprint(["a", "b", "c", "d e"], "x\nz", &[]));
        assert_ne!(one, fingerprint(["ab", "", "c", "d e"], "x\ny", &[]));
    }
}
