//! Folding: what is spelled differently and meant the same becomes the same.

use unicode_normalization::UnicodeNormalization;

use super::script::{accent, continues, unseen};

/// Most characters of a term; a longer word is found by its beginning.
pub(super) const MAX_TERM: usize = 64;

/// Appends a word, folded: NFKC, lower case, no accents, letters and digits alone, at most [`MAX_TERM`] characters.
pub(super) fn word(raw: &str, out: &mut String) {
    if raw.is_ascii() {
        let begin = out.len();
        out.push_str(raw.get(..MAX_TERM).unwrap_or(raw));
        if let Some(word) = out.get_mut(begin..) {
            word.make_ascii_lowercase();
        }
    } else {
        out.extend(folded(raw).filter(|&c| c.is_alphanumeric() || continues(c)).take(MAX_TERM));
    }
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

    proptest! {
        #[test]
        fn terms_are_short(raw in "\\PC{0,200}") {
            prop_assert!(fold(&raw).chars().count() <= MAX_TERM);
        }
    }
}
