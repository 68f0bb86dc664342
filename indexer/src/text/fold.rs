//! Folding: what is spelled differently and meant the same becomes the same.

use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;

use super::script::{accent, continues, unseen};

/// Most characters of a term; a longer word is found by its beginning.
pub(super) const MAX_TERM: usize = 64;

/// Characters that stand in the table: Latin, Greek, Cyrillic.
const LETTERS: u32 = 0x500;

/// What each of them is folded to. Almost all words that are not ASCII are made of these or are simple as they are, and all
/// normal forms together cost more than splitting a text.
static TABLE: OnceLock<Vec<String>> = OnceLock::new();

/// Appends a word, folded: NFKC, lower case, no accents, letters and digits alone, at most [`MAX_TERM`] characters.
pub(super) fn word(raw: &str, out: &mut String) {
    if raw.is_ascii() {
        let begin = out.len();
        out.push_str(raw.get(..MAX_TERM).unwrap_or(raw));
        if let Some(word) = out.get_mut(begin..) {
            word.make_ascii_lowercase();
        }
    } else if raw.chars().all(is_simple) {
        let table = TABLE.get_or_init(|| (0..LETTERS).filter_map(char::from_u32).map(alone).collect());
        let folded = raw.chars().flat_map(|c| {
            let known = table.get(c as usize);
            // What is not in the table is simple as it is.
            known.into_iter().flat_map(|word| word.chars()).chain(known.is_none().then_some(c))
        });
        out.extend(folded.take(MAX_TERM));
    } else {
        out.extend(letters(raw).take(MAX_TERM));
    }
}

/// Whether a character is folded the same whatever stands beside it: it composes with none that is simple itself.
fn is_simple(c: char) -> bool {
    matches!(c, '\0'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{4ff}') || is_same(c)
}

/// Whether a letter is folded to itself: Han, kana, Hangul syllables.
fn is_same(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{ac00}'..='\u{d7a3}')
}

/// One character, folded by itself.
fn alone(c: char) -> String {
    letters(c.encode_utf8(&mut [0; 4])).collect()
}

fn letters(raw: &str) -> impl Iterator<Item = char> {
    folded(raw).filter(|&c| c.is_alphanumeric() || continues(c))
}

/// A value that is compared as a whole, as a tag or an address: folded like a word, with its punctuation; runs of
/// spaces are one space.
pub(crate) fn label(raw: &str) -> String {
    let folded: String = folded(raw).collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn folded(raw: &str) -> impl Iterator<Item = char> {
    raw.nfkd().flat_map(char::to_lowercase).filter(|&c| !accent(c) && !unseen(c)).flat_map(spelled).nfc()
}

/// Letters that no normal form takes apart.
fn spelled(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'ø' => ('o', None),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        'ł' => ('l', None),
        'ŧ' => ('t', None),
        'ς' => ('σ', None),
        c => (c, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fold(raw: &str) -> String {
        let mut out = String::new();
        word(raw, &mut out);
        out
    }

    #[test]
    fn spellings_of_one_word_meet() {
        for (one, other) in [
            ("Café", "cafe"),
            ("CAFE\u{301}", "café"),
            ("Straße", "STRASSE"),
            ("GROẞ", "gross"),
            ("İstanbul", "istanbul"),
            ("ısı", "isi"),
            ("Ｏｍｂｕｄ", "ombud"),
            ("ﬁnance", "finance"),
            ("Ёлка", "елка"),
            ("ΟΔΟΣ", "οδος"),
            ("كِتَاب", "كتاب"),
            ("أحمد", "احمد"),
            ("كتـــاب", "كتاب"),
            ("ﾊﾟｿｺﾝ", "パソコン"),
            ("Dampf\u{ad}schiff", "dampfschiff"),
            ("łódź", "Lodz"),
            ("smørrebrød", "smorrebrod"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn other_words_stay_apart() {
        assert_ne!(fold("か"), fold("が"));
        assert_ne!(fold("कि"), fold("की"));
    }

    #[test]
    fn labels_keep_their_punctuation() {
        assert_eq!(label("  Billing \t EMEA "), "billing emea");
        assert_eq!(label("Ann+X@Example.COM"), "ann+x@example.com");
    }

    #[test]
    fn the_quick_way_is_the_long_way() {
        let long = |raw: &str| folded(raw).filter(|&c| c.is_alphanumeric() || continues(c)).take(MAX_TERM).collect::<String>();
        for c in (0..=0x3_ffff).filter_map(char::from_u32).filter(|&c| is_simple(c)) {
            for raw in [format!("é{c}"), format!("e{c}é"), format!("か{c}한"), format!("и{c}{c}")] {
                assert_eq!(fold(&raw), long(&raw), "{raw:?} ({:x})", c as u32);
            }
        }
    }

    proptest! {
        #[test]
        fn simple_words_are_folded_as_others(raw in "[\\u{00}-\\u{2ff}\\u{370}-\\u{482}\\u{48a}-\\u{4ff}あ-んア-ヴ가-힣一-龥]{1,80}") {
            let raw = format!("{raw}é");
            let long = folded(&raw).filter(|&c| c.is_alphanumeric() || continues(c)).take(MAX_TERM).collect::<String>();
            prop_assert_eq!(fold(&raw), long);
        }

        #[test]
        fn terms_are_short(raw in "\\PC{0,200}") {
            prop_assert!(fold(&raw).chars().count() <= MAX_TERM);
        }
    }
}
