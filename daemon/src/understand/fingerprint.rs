//! One number for all copies of a mail.

use sha2::{Digest, Sha256};

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
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    add(text.join("\n").trim().as_bytes());
    for attachment in attachments {
        add(attachment.as_bytes());
    }
    hash.finalize().into()
}

/// Lower-case hexadecimal SHA-256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_agree_and_others_do_not() {
        let one = fingerprint(["a", "b", "c", "d  e"], "x \r\ny\r\n", &[]);
        assert_eq!(one, fingerprint(["a", "b", "c", "d\te"], "x\ny", &[]));
        assert_ne!(one, fingerprint(["a", "b", "c", "d e"], "x\nz", &[]));
        assert_ne!(one, fingerprint(["ab", "", "c", "d e"], "x\ny", &[]));
    }
}
