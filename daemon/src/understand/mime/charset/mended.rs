//! Text that was broken on its way: UTF-16 that nobody declared, UTF-8 that was encoded twice, single octets of another set
//! inside UTF-8.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::{memchr, memchr_iter};

/// Octets that are looked at for the traces of UTF-16.
const SAMPLE: usize = 4 << 10;

/// The UTF-16 that octets are without saying so: every other octet of Western text is NUL. `None` for other octets.
pub fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = bytes.get(..bytes.len().min(SAMPLE))?;
    memchr(0, sample)?;
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, units) = (zeros(0), zeros(1), sample.len() / 2);
    match () {
        () if units == 0 => None,
        () if even * 2 > units && odd * 20 <= units => Some(UTF_16BE),
        () if odd * 2 > units && even * 20 <= units => Some(UTF_16LE),
        () => None,
    }
}

/// The byte order of declared UTF-16 without a mark: the one in which blanks and Latin letters are few octets; big-endian
/// where that says nothing (RFC 2781 §4.3).
pub fn byte_order(bytes: &[u8]) -> &'static Encoding {
    let zeros = |parity: usize| bytes.iter().take(SAMPLE).skip(parity).step_by(2).filter(|b| **b == 0).count();
    if zeros(1) > zeros(0) { UTF_16LE } else { UTF_16BE }
}

/// UTF-8 in which single octets are of windows-1252, because a program wrote two sets into one text.
pub fn mixed(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        match chunk.invalid() {
            [] => {}
            [one] => out.push_str(&WINDOWS_1252.decode_without_bom_handling(&[*one]).0),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}

/// Text that was UTF-8, was taken for windows-1252 and encoded once more; `Ã¶` was `ö`. Only text of which every character
/// says so is changed.
pub fn undoubled(text: String) -> String {
    let mut text = text;
    for _ in 0..2 {
        match once(&text) {
            Some(single) => text = single,
            None => break,
        }
    }
    text
}

fn once(text: &str) -> Option<String> {
    // One of U+00C2 to U+00F4, which are 0xC3 and another octet in UTF-8, before what 0x80 to 0xBF are in windows-1252.
    let octets = text.as_bytes();
    let lead = |at: usize| {
        octets.get(at + 1).is_some_and(|b| (0x82..=0xb4).contains(b))
            && octets.get(at + 2).is_some_and(|b| matches!(b, 0xc2 | 0xc5 | 0xc6 | 0xcb | 0xe2))
    };
    if !memchr_iter(0xc3, octets).any(lead) {
        return None;
    }
    let (bytes, _, foreign) = WINDOWS_1252.encode(text);
    if foreign {
        return None;
    }
    std::str::from_utf8(&bytes).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_known_by_its_zeros() {
        let le: Vec<u8> = "Hello you".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = "Hello you".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((utf16(&le), utf16(&be)), (Some(UTF_16LE), Some(UTF_16BE)));
        assert_eq!((utf16(b"plain text"), utf16(b""), utf16(&[0; 100])), (None, None, None));
        assert_eq!(byte_order("日 本".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice()), UTF_16LE);
    }

    #[test]
    fn what_was_encoded_twice_is_decoded_twice() {
        assert_eq!(undoubled("schÃ¶n, donâ€™t".to_owned()), "schön, don’t");
        assert_eq!(undoubled("schÃƒÂ¶n".to_owned()), "schön");
        for fine in ["schön", "São Ã¶ 中", "Ã¶ und é", "ÃÃ", "GARÇÃO"] {
            assert_eq!(undoubled(fine.to_owned()), fine);
        }
    }

    #[test]
    fn every_pair_of_octets_is_known_again() {
        for c in ('\u{80}'..='\u{7ff}').chain(['€', '„', '‘', 'ｱ', '中', '😀']) {
            let twice = WINDOWS_1252.decode_without_bom_handling(c.encode_utf8(&mut [0; 4]).as_bytes()).0.into_owned();
            assert_eq!(undoubled(twice), c.to_string());
        }
    }

    #[test]
    fn stray_octets_are_letters() {
        assert_eq!(mixed(b"gr\xc3\xbcn und sch\xf6n \x80"), "grün und schön €");
        assert_eq!(mixed(b"cut \xe2\x82"), "cut \u{fffd}");
    }
}
