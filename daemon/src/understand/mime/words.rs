//! Unstructured header text: folding and encoded words (RFC 2047).

use memchr::memmem;

use super::charset;
use crate::model::text::one_line;

/// One decoded line of at most `max` characters.
pub fn text(value: &[u8], max: usize) -> String {
    one_line(&decode(value), max)
}

/// A header value as text: unfolded, encoded words decoded, raw 8-bit octets guessed. Adjacent encoded words of one
/// character set are joined as octets first, because senders split them inside a character.
pub fn decode(value: &[u8]) -> String {
    let flat: Vec<u8> = value.iter().copied().filter(|b| *b != b'\r' && *b != b'\n').collect();
    // Most are plain.
    if charset::is_plain(&flat) && memmem::find(&flat, b"=?").is_none() {
        return String::from_utf8(flat).unwrap_or_default();
    }
    let mut out = String::with_capacity(flat.len());
    let mut run = Run::default();
    let mut at = 0;
    let mut plain = 0;
    let mut endless = false;
    while let Some(found) = flat.get(at..).and_then(|r| memmem::find(r, b"=?")).map(|n| at + n) {
        match word(&flat, found, &mut endless) {
            Some((word, after)) => {
                let between = flat.get(plain..found).unwrap_or_default();
                if !(run.any && between.iter().all(|b| b.is_ascii_whitespace())) {
                    run.flush(&mut out);
                    out.push_str(&literal(between));
                }
                run.push(word, &mut out);
                at = after;
                plain = after;
            }
            None => at = found + 2,
        }
    }
    run.flush(&mut out);
    out.push_str(&literal(flat.get(plain..).unwrap_or_default()));
    charset::undoubled(out)
}

fn literal(bytes: &[u8]) -> String {
    charset::decode_raw(bytes, None)
}

/// Octets of encoded words that follow each other in one character set.
#[derive(Default)]
struct Run {
    charset: String,
    bytes: Vec<u8>,
    any: bool,
}

impl Run {
    fn push(&mut self, word: Word, out: &mut String) {
        if self.any && self.charset != word.charset {
            self.flush(out);
        }
        self.any = true;
        self.charset = word.charset;
        self.bytes.extend_from_slice(&word.bytes);
    }

    fn flush(&mut self, out: &mut String) {
        if self.any {
            out.push_str(&charset::decode_raw(&self.bytes, Some(&self.charset)));
        }
        *self = Self::default();
    }
}

struct Word {
    charset: String,
    bytes: Vec<u8>,
}

/// The encoded word at `at`, and where it ends. `endless` remembers that no `?=` follows, so that a field of openings
/// is still read in linear time.
fn word(flat: &[u8], at: usize, endless: &mut bool) -> Option<(Word, usize)> {
    let rest = flat.get(at + 2..)?;
    let set = rest.iter().take(60).position(|&b| b == b'?')?;
    let kind = rest.get(set + 1)?.to_ascii_lowercase();
    if set == 0 || rest.get(set + 2) != Some(&b'?') || !matches!(kind, b'q' | b'b') || *endless {
        return None;
    }
    let payload = rest.get(set + 3..)?;
    let Some(end) = memmem::find(payload, b"?=") else {
        *endless = true;
        return None;
    };
    let (charset, data) = (rest.get(..set)?, payload.get(..end)?);
    let charset = String::from_utf8_lossy(charset.split(|&b| b == b'*').next().unwrap_or_default()).to_ascii_lowercase();
    let bytes = if kind == b'q' { q_decode(data) } else { b64_decode(data) };
    Some((Word { charset, bytes }, at + 2 + set + 3 + end + 2))
}

fn q_decode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut it = data.iter().copied().enumerate();
    while let Some((i, b)) = it.next() {
        let hex = data.get(i + 1..i + 3).and_then(hex_pair);
        match (b, hex) {
            (b'_', _) => out.push(b' '),
            (b'=', Some(value)) => {
                out.push(value);
                it.nth(1);
            }
            _ => out.push(b),
        }
    }
    out
}

/// The octet that two hexadecimal digits name.
pub fn hex_pair(two: &[u8]) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    match two {
        [a, b] => u8::try_from(digit(*a)? * 16 + digit(*b)?).ok(),
        _ => None,
    }
}

/// Base64 with whatever stands between its letters ignored (RFC 2045 §6.8); several padded pieces in a row are joined.
pub fn b64_decode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 4 * 3 + 3);
    let (mut bits, mut held, mut rest) = (0u32, 0u32, data);
    let [.., last] = &VALUES;
    loop {
        // Nearly all stand in whole groups.
        if held == 0 {
            rest = groups(rest, &mut out);
        }
        let Some((b, more)) = rest.split_first() else { return out };
        rest = more;
        match value(last, *b) {
            NOTHING => {}
            PADDING => (bits, held) = (0, 0),
            value => {
                bits = (bits << 6) | value;
                held += 6;
                if held >= 8 {
                    held -= 8;
                    out.push((bits >> held) as u8);
                    bits &= (1 << held) - 1;
                }
            }
        }
    }
}

/// Decodes groups of four letters as long as nothing else stands between them; what follows is returned.
fn groups<'a>(data: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (fours, _) = data.as_chunks::<4>();
    let bits = |four: &[u8; 4]| four.iter().zip(&VALUES).fold(0, |bits, (letter, values)| bits | value(values, *letter));
    let mut used = 0;
    for bits in fours.iter().map(bits).take_while(|bits| *bits < NOTHING) {
        let [_, octets @ ..] = bits.to_be_bytes();
        out.extend_from_slice(&octets);
        used += 4;
    }
    data.get(used..).unwrap_or_default()
}

fn value(values: &[u32; 256], letter: u8) -> u32 {
    values.get(usize::from(letter)).copied().unwrap_or(NOTHING)
}

/// Neither a letter of base64 nor padding; more than four letters can say.
const NOTHING: u32 = 1 << 24;
const PADDING: u32 = NOTHING | 1;

/// What letters of base64 stand for in each of the four places of a group.
static VALUES: [[u32; 256]; 4] = [values(18), values(12), values(6), values(0)];

const fn values(shift: u32) -> [u32; 256] {
    let (mut values, mut b) = ([NOTHING; 256], 0u8);
    loop {
        values[b as usize] = match b {
            b'A'..=b'Z' => ((b - b'A') as u32) << shift,
            b'a'..=b'z' => ((b - b'a') as u32 + 26) << shift,
            b'0'..=b'9' => ((b - b'0') as u32 + 52) << shift,
            b'+' => 62 << shift,
            b'/' => 63 << shift,
            b'=' => PADDING,
            _ => NOTHING,
        };
        if b == u8::MAX {
            return values;
        }
        b += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Letter by letter, as RFC 2045 §6.8 tells it; behind padding the next one begins anew.
    fn by_letter(data: &[u8]) -> Vec<u8> {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = Vec::new();
        for run in data.split(|b| *b == b'=') {
            let bits = run.iter().filter_map(|b| LETTERS.iter().position(|letter| letter == b));
            let bits: Vec<bool> = bits.flat_map(|value| (0..6).rev().map(move |bit| value >> bit & 1 == 1)).collect();
            out.extend(bits.chunks_exact(8).map(|octet| octet.iter().fold(0, |all, bit| all << 1 | u8::from(*bit))));
        }
        out
    }

    proptest! {
        #[test]
        fn groups_are_what_their_letters_are(lines in prop::collection::vec("[A-Za-z0-9+/]{0,90}[=!é\r\n]{0,3}", 0..6)) {
            let data = lines.concat();
            prop_assert_eq!(b64_decode(data.as_bytes()), by_letter(data.as_bytes()));
        }
    }

    #[test]
    fn words_split_inside_a_character_are_joined() {
        assert_eq!(decode(b"=?utf-8?Q?=C3?=\r\n =?utf-8?Q?=A4b?= c"), "äb c");
        assert_eq!(decode(b"=?utf-8?B?w6TDvA==?= =?UTF-8*de?Q?_x?="), "äü x");
        assert_eq!(decode(b"a =?iso-8859-1?q?=E4?= b =?nonsense"), "a ä b =?nonsense");
        assert_eq!(decode(b"=?utf-8?q?with space?="), "with space");
    }

    #[test]
    fn controls_never_reach_a_line() {
        assert_eq!(text(b"=?utf-8?q?Hi=0d=0aBcc:_eve@x.test?=", 100), "Hi Bcc: eve@x.test");
        assert_eq!(text("gr\u{fc}n".as_bytes(), 100), "grün");
        assert_eq!(text(b"gr\xfcn ist sch\xf6n", 100), "grün ist schön");
    }

    #[test]
    fn base64_takes_what_is_there() {
        assert_eq!(b64_decode(b"aGVs\r\nbG8=!d29ybGQ"), b"helloworld");
        assert_eq!(b64_decode(b"a"), b"");
        assert_eq!(b64_decode(b"AP+/\r\nAP8=\r\nAA==aGVs"), b"\0\xff\xbf\0\xff\0hel");
    }

    #[test]
    fn a_hundred_thousand_words_are_linear() {
        let words = "=?utf-8?q?=C3=A4?= ".repeat(100_000);
        assert_eq!(decode(words.as_bytes()).trim().chars().count(), 100_000);
        assert_eq!(decode("=?a?q?x ".repeat(100_000).as_bytes()).len(), 800_000);
    }
}
