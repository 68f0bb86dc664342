//! Characters in more octets than they need: UTF-32 (RFC 2781 names what it takes from ISO 10646), and UTF-8 whose characters beyond
//! the first plane were taken for two (CESU-8, Unicode Technical Report 26).

use memchr::memchr_iter;

/// Octets in which undeclared text is looked for.
const SAMPLE: usize = 4 << 10;

/// Text in UTF-32: marked, or declared (lower-case label), or plainly nothing else. `None` for other octets.
pub fn utf32(bytes: &[u8], label: Option<&str>) -> Option<String> {
    let (rest, order): (_, fn([u8; 4]) -> u32) = match (bytes.strip_prefix(b"\xff\xfe\0\0"), bytes.strip_prefix(b"\0\0\xfe\xff")) {
        (Some(rest), _) if is_text(rest, u32::from_le_bytes) => (rest, u32::from_le_bytes),
        (_, Some(rest)) if is_text(rest, u32::from_be_bytes) => (rest, u32::from_be_bytes),
        // A label adds nothing: what is text in four octets each is no text in any other way.
        _ if bytes.len() >= 8 && is_text(bytes, u32::from_le_bytes) => (bytes, u32::from_le_bytes),
        _ if bytes.len() >= 8 && is_text(bytes, u32::from_be_bytes) => (bytes, u32::from_be_bytes),
        _ if label.is_some_and(is_utf32) && bytes.len() >= 4 && is_text(bytes, u32::from_be_bytes) => (bytes, u32::from_be_bytes),
        _ if label.is_some_and(is_utf32) && bytes.len() >= 4 && is_text(bytes, u32::from_le_bytes) => (bytes, u32::from_le_bytes),
        _ => return None,
    };
    let chars = rest.chunks_exact(4).filter_map(|four| Some(order(four.try_into().ok()?)));
    Some(chars.map(|n| char::from_u32(n).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

fn is_utf32(label: &str) -> bool {
    ["utf-32", "utf32", "utf_32", "ucs-4", "iso-10646-ucs-4", "csucs4"].iter().any(|name| label.starts_with(name))
}

/// Whether the beginning is characters of four octets each; NUL is none. A few octets at the end may be missing.
fn is_text(bytes: &[u8], order: fn([u8; 4]) -> u32) -> bool {
    let mut fours = bytes.chunks_exact(4).take(SAMPLE / 4).map(|four| four.try_into().map_or(0, order));
    fours.all(|n| n != 0 && char::from_u32(n).is_some())
}

/// UTF-8 in which pairs of surrogates stand for characters; `None` where none do, or the rest is not UTF-8.
pub fn cesu(bytes: &[u8]) -> Option<String> {
    let is_pair = |at: &usize| matches!(bytes.get(*at..*at + 6), Some([0xed, 0xa0..=0xaf, _, 0xed, 0xb0..=0xbf, _]));
    let mut out = Vec::new();
    let mut from = 0;
    for at in memchr_iter(0xed, bytes).filter(is_pair) {
        let Some([_, a, b, _, c, d]) = bytes.get(at..at + 6) else { continue };
        let part = |octet: &u8, bits: u32| u32::from(*octet) & ((1 << bits) - 1);
        let c = char::from_u32(0x1_0000 + (part(a, 4) << 16 | part(b, 6) << 10 | part(c, 4) << 6 | part(d, 6)))?;
        out.extend_from_slice(bytes.get(from..at)?);
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        from = at + 6;
    }
    out.extend_from_slice(bytes.get(from..).filter(|_| from > 0)?);
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    fn le(text: &str) -> Vec<u8> {
        text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()
    }

    fn be(text: &str) -> Vec<u8> {
        text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()
    }

    #[test]
    fn four_octets_are_a_character() {
        let text = "Grüße, Привет 😀";
        for label in [None, Some("utf-32"), Some("UTF-32LE"), Some("utf-8"), Some("us-ascii")] {
            for octets in [le(text), be(text), [b"\xff\xfe\0\0", &le(text)[..]].concat(), [b"\0\0\xfe\xff", &be(text)[..]].concat()] {
                assert_eq!(decode(&octets, label), text, "{label:?} {octets:?}");
            }
        }
        assert_eq!(decode(&be("a"), Some("ucs-4")), "a");
        assert_eq!(decode(b"only ascii", Some("utf-32")), "only ascii");
        let two: Vec<u8> = "\u{feff}Grüße".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&two, None), "Grüße", "the mark of UTF-16 is still that");
        assert_eq!(utf32(&[0; 64], Some("utf-32")), None);
    }

    #[test]
    fn surrogates_in_utf_8_are_one_character() {
        let smile = b"a \xed\xa0\xbd\xed\xb8\x80 \xc3\xa4";
        for label in [None, Some("cesu-8"), Some("utf-8"), Some("iso-8859-1")] {
            assert_eq!(decode(smile, label), "a 😀 ä", "{label:?}");
        }
        assert_eq!(cesu(b"\xed\xa0\xbd x"), None, "half a pair");
        assert_eq!(cesu(b"\xed\xa1\xa2\xed\xb1\xb2\xff"), None, "what is not UTF-8 else");
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_so_is_read(text in "[^\\x00\u{feff}]{2,40}") {
            proptest::prop_assert_eq!(utf32(&le(&text), None), Some(text.clone()));
            proptest::prop_assert_eq!(utf32(&be(&text), Some("utf-32be")), Some(text));
        }
    }
}
