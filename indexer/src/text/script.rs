//! What a character is to the analyzer.

use unicode_normalization::char::is_combining_mark;

/// A letter or digit of a script that is written without spaces between words, or (Hangul) glues particles to them:
/// runs of these are taken in pairs.
pub(super) fn dense(c: char) -> bool {
    if c < '\u{0e00}' {
        return false;
    }
    let script = matches!(c,
        '\u{0e00}'..='\u{0eff}'        // Thai, Lao
        | '\u{1000}'..='\u{109f}'      // Myanmar
        | '\u{1100}'..='\u{115f}'      // Hangul, leading letters
        | '\u{1780}'..='\u{17ff}'      // Khmer
        | '\u{3005}'..='\u{3007}'      // iteration mark, closing mark, zero
        | '\u{3040}'..='\u{312f}'      // Hiragana, Katakana, Bopomofo
        | '\u{3130}'..='\u{318f}'      // Hangul, compatibility letters
        | '\u{31f0}'..='\u{31ff}'      // Katakana, small
        | '\u{3400}'..='\u{4dbf}'      // Han, extension A
        | '\u{4e00}'..='\u{9fff}'      // Han
        | '\u{ac00}'..='\u{d7af}'      // Hangul syllables
        | '\u{f900}'..='\u{faff}'      // Han, compatibility
        | '\u{ff66}'..='\u{ff9d}'      // Katakana, half width
        | '\u{20000}'..='\u{3ffff}'    // Han, the other planes
    );
    script && c.is_alphanumeric() && !is_combining_mark(c)
}

/// Begins or goes on with a word.
pub(super) fn letter(c: char) -> bool {
    c.is_alphanumeric() && !continues(c)
}

/// Belongs to the character before it: accents and vowel signs, joiners, soft hyphens, Hangul vowels and finals.
pub(super) fn continues(c: char) -> bool {
    !c.is_ascii() && (is_combining_mark(c) || unseen(c) || matches!(c, '\u{1160}'..='\u{11ff}' | '\u{ff9e}' | '\u{ff9f}'))
}

/// Stands inside words without being part of them.
pub(super) fn unseen(c: char) -> bool {
    matches!(c, '\u{00ad}' | '\u{0640}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// An accent that makes no other word: dropped, so that both spellings are found. Vowel signs and the voicing marks of
/// Japanese stay.
pub(super) fn accent(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}'        // Latin, Greek, Cyrillic
        | '\u{0591}'..='\u{05c7}'      // Hebrew points
        | '\u{064b}'..='\u{065f}' | '\u{0670}' | '\u{06d6}'..='\u{06dc}'  // Arabic vowels, hamza above and below
    )
}
