//! A public key as it stands in the DNS (RFC 6376 §3.6.1).

/// `AlgorithmIdentifier` of rsaEncryption, DER.
const RSA: [u8; 15] = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 3;

/// An RSA key (PKCS #1) in the wrapping that all verifiers expect.
pub(super) fn subject_public_key_info(key: &[u8]) -> Vec<u8> {
    let bits = [&[0], key].concat();
    der(SEQUENCE, &[&RSA[..], &der(BIT_STRING, &bits)].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let octets = length.to_be_bytes();
    let significant = octets.iter().position(|octet| *octet != 0).and_then(|at| octets.get(at..)).unwrap_or_default();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Whether one of the texts of a TXT record, put together, publishes this key. An empty `p=` has revoked it.
pub(super) fn publishes(text: &[u8], public: &str) -> bool {
    let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_whitespace()).collect();
    text.split(';').any(|tag| tag.strip_prefix("p=") == Some(public))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_as_short_as_can_be() {
        assert_eq!(der(4, b"ab"), [4, 2, b'a', b'b']);
        assert_eq!(der(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(der(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn a_record_is_compared_without_its_white_space() {
        assert!(publishes(b"v=DKIM1; k=rsa; p=AB CD\t=", "ABCD="));
        assert!(!publishes(b"v=DKIM1; k=rsa; p=", "ABCD="));
        assert!(!publishes(b"v=DKIM1; np=ABCD=", "ABCD="));
    }

    proptest! {
        #[test]
        fn any_record_has_an_answer(text: Vec<u8>) {
            let _ = publishes(&text, "ABCD=");
        }
    }
}
