//! The language of a text, where it is long enough to tell.

use whatlang::{Lang, Script, detect, detect_script};

use super::function_words;
use crate::model::text::is_letter;

/// Characters of the beginning that are looked at: more take time and change nothing.
const SAMPLE: usize = 400;
/// Letters that a guess needs.
const LETTERS: usize = 40;

/// ISO 639-1 code of the text's language; `None` when it is short, or the guess unreliable.
pub fn language(text: &str) -> Option<String> {
    let ascii = text.get(..SAMPLE.min(text.len())).filter(|sample| sample.is_ascii());
    let beginning = || text.get(..text.char_indices().nth(SAMPLE).map_or(text.len(), |(at, _)| at)).unwrap_or_default();
    let sample = ascii.unwrap_or_else(beginning);
    // Where more than half are its letters there is no need to look for others.
    let latin = sample.bytes().filter(u8::is_ascii_alphabetic).count();
    if latin > SAMPLE / 2 || ascii.is_some() && latin >= LETTERS {
        return function_words::language(sample).map(str::to_owned);
    }
    let dense = |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}');
    // A character of these scripts says as much as a few letters of another.
    let weight = |c: char| if dense(c) { 4 } else { usize::from(is_letter(c)) };
    let letters: usize = sample.chars().map(weight).sum();
    if letters < LETTERS {
        return None;
    }
    if detect_script(sample)? == Script::Latin {
        return function_words::language(sample).map(str::to_owned);
    }
    let info = detect(sample)?;
    (info.is_reliable() || letters >= 200 && info.confidence() > 0.5).then(|| code(info.lang()).to_owned())
}

fn code(lang: Lang) -> &'static str {
    match lang {
        Lang::Epo => "eo",
        Lang::Eng => "en",
        Lang::Rus => "ru",
        Lang::Cmn => "zh",
        Lang::Spa => "es",
        Lang::Por => "pt",
        Lang::Ita => "it",
        Lang::Ben => "bn",
        Lang::Fra => "fr",
        Lang::Deu => "de",
        Lang::Ukr => "uk",
        Lang::Kat => "ka",
        Lang::Ara => "ar",
        Lang::Hin => "hi",
        Lang::Jpn => "ja",
        Lang::Heb => "he",
        Lang::Yid => "yi",
        Lang::Pol => "pl",
        Lang::Amh => "am",
        Lang::Jav => "jv",
        Lang::Kor => "ko",
        Lang::Nob => "no",
        Lang::Dan => "da",
        Lang::Swe => "sv",
        Lang::Fin => "fi",
        Lang::Tur => "tr",
        Lang::Nld => "nl",
        Lang::Hun => "hu",
        Lang::Ces => "cs",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Bel => "be",
        Lang::Mar => "mr",
        Lang::Kan => "kn",
        Lang::Ron => "ro",
        Lang::Slv => "sl",
        Lang::Hrv => "hr",
        Lang::Srp => "sr",
        Lang::Mkd => "mk",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Tam => "ta",
        Lang::Vie => "vi",
        Lang::Urd => "ur",
        Lang::Tha => "th",
        Lang::Guj => "gu",
        Lang::Uzb => "uz",
        Lang::Pan => "pa",
        Lang::Aze => "az",
        Lang::Ind => "id",
        Lang::Tel => "te",
        Lang::Pes => "fa",
        Lang::Mal => "ml",
        Lang::Ori => "or",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Sin => "si",
        Lang::Khm => "km",
        Lang::Tuk => "tk",
        Lang::Aka => "ak",
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Afr => "af",
        Lang::Lat => "la",
        Lang::Slk => "sk",
        Lang::Cat => "ca",
        Lang::Tgl => "tl",
        Lang::Hye => "hy",
        Lang::Cym => "cy",
    }
}

#[cfg(test)]
mod tests {
    use super::language;

    #[test]
    fn long_texts_have_a_language_and_short_ones_have_none() {
        assert_eq!(
            language("Hello, my invoice from last month is wrong and I would like to have a corrected one please.").as_deref(),
            Some("en")
        );
        assert_eq!(language("Guten Tag, meine Rechnung vom letzten Monat ist falsch und ich hätte gern eine neue.").as_deref(), Some("de"));
        assert_eq!(language("お世話になっております。先月の請求書に誤りがありましたので、修正をお願いいたします。").as_deref(), Some("ja"));
        assert_eq!(language("ok, thx"), None);
    }
}
