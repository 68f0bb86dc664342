//! Splitting: text to tokens with their places. `foo@bar.example` and `INV-2041` are the terms of their parts at
//! neighbouring places, so they are found whole (as a phrase) and by part.

use super::fold;
use super::script::{continues, dense, letter};

/// A term, where it stands among the terms and where in the text (octets).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) position: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// What the terms are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// To be found: each character of a dense run by itself and with its neighbour.
    Index,
    /// To be asked for: dense runs as pairs, a single character as itself.
    Ask,
}

/// Walks over a text once. Every term takes memory of [`fold::MAX_TERM`] characters at most, whatever the text is.
pub(crate) struct Splitter<'a> {
    text: &'a str,
    at: usize,
    position: usize,
    purpose: Use,
    /// A pair that begins with the character that was just given out: where it begins and ends.
    pair: Option<(usize, usize)>,
    /// The character at `at` goes on with a dense run.
    inside: bool,
}

impl<'a> Splitter<'a> {
    pub(crate) fn new(text: &'a str, purpose: Use) -> Self {
        Self { text, at: 0, position: 0, purpose, pair: None, inside: false }
    }

    /// Writes the next token; `false` at the end of the text.
    pub(crate) fn next_into(&mut self, token: &mut Token) -> bool {
        loop {
            if let Some((from, to)) = self.pair.take()
                && self.give(from, to, self.position - 1, token)
            {
                return true;
            }
            let Some(c) = self.peek(self.at) else { return false };
            let from = self.at;
            if dense(c) {
                if self.unit(from, c, token) {
                    return true;
                }
                continue;
            }
            self.inside = false;
            self.at += c.len_utf8();
            if !letter(c) {
                self.skip_ascii(|byte| !byte.is_ascii_alphanumeric());
            } else {
                self.skip_ascii(|byte| byte.is_ascii_alphanumeric());
                self.skip(|c| letter(c) && !dense(c) || continues(c));
                let position = self.position;
                if self.give(from, self.at, position, token) {
                    self.position += 1;
                    return true;
                }
            }
        }
    }

    /// One character of a dense run, with what belongs to it, and the pair it makes with the next one.
    fn unit(&mut self, from: usize, c: char, token: &mut Token) -> bool {
        self.at += c.len_utf8();
        self.skip(continues);
        let to = self.at;
        let next = self.peek(to).filter(|&c| dense(c));
        let alone = !self.inside && next.is_none();
        self.inside = next.is_some();
        if let Some(next) = next {
            self.at += next.len_utf8();
            self.skip(continues);
            self.pair = Some((from, self.at));
            self.at = to;
        }
        self.position += 1;
        (self.purpose == Use::Index || alone) && self.give(from, to, self.position - 1, token)
    }

    fn give(&self, from: usize, to: usize, position: usize, token: &mut Token) -> bool {
        token.text.clear();
        fold::word(self.text.get(from..to).unwrap_or_default(), &mut token.text);
        (token.position, token.from, token.to) = (position, from, to);
        !token.text.is_empty()
    }

    /// Most of most texts is ASCII, and needs no tables.
    fn skip_ascii(&mut self, more: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| byte.is_ascii() && more(**byte)).count();
    }

    fn skip(&mut self, more: impl Fn(char) -> bool) {
        while let Some(c) = self.peek(self.at).filter(|&c| more(c)) {
            self.at += c.len_utf8();
        }
    }

    fn peek(&self, at: usize) -> Option<char> {
        self.text.get(at..)?.chars().next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str, purpose: Use) -> Vec<(usize, String)> {
        let (mut splitter, mut token, mut all) = (Splitter::new(text, purpose), Token::default(), Vec::new());
        while splitter.next_into(&mut token) {
            all.push((token.position, token.text.clone()));
        }
        all
    }

    fn words(text: &str) -> String {
        split(text, Use::Index).into_iter().map(|(at, text)| format!("{at}:{text}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_of_many_languages() {
        for (text, expected) in [
            ("Die Tür über der Straße", "0:die 1:tur 2:uber 3:der 4:strasse"),
            ("L'imprimante ne marche pas, ça m’énerve", "0:l 1:imprimante 2:ne 3:marche 4:pas 5:ca 6:m 7:enerve"),
            ("Принтер сломан: ошибка №5", "0:принтер 1:сломан 2:ошибка 3:5"),
            ("هذا كِتَابٌ", "0:هذا 1:كتاب"),
            ("東京都", "0:東 0:東京 1:京 1:京都 2:都"),
            ("打印机 坏了", "0:打 0:打印 1:印 1:印机 2:机 3:坏 3:坏了 4:了"),
            ("PC が", "0:pc 1:が"),
            ("注文INV-7を", "0:注 0:注文 1:文 2:inv 3:7 4:を"),
            ("ที่นี่", "0:ที่ 0:ที่นี่ 1:นี่"),
            ("foo@bar.example", "0:foo 1:bar 2:example"),
            ("<INV-2041>, 1.2.3.4", "0:inv 1:2041 2:1 3:2 4:3 5:4"),
            ("snake_case a--b", "0:snake 1:case 2:a 3:b"),
            ("", ""),
            ("… 🙂 --- \u{301}", ""),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_asked_for_takes_pairs() {
        assert_eq!(split("京", Use::Ask), [(0, "京".into())]);
        assert_eq!(split("東京都 x", Use::Ask), [(0, "東京".into()), (1, "京都".into()), (3, "x".into())]);
        assert_eq!(split("a京b", Use::Ask), [(0, "a".into()), (1, "京".into()), (2, "b".into())]);
    }

    #[test]
    fn a_long_word_is_found_by_its_beginning() {
        let [(_, term)] = &split(&"x".repeat(100_000), Use::Index)[..] else { unreachable!("one word") };
        assert_eq!(term.len(), 64);
    }

    proptest! {
        #[test]
        fn every_term_asked_for_is_indexed_at_its_place(text in "[a-z東京が한글ที่é@. \u{301}\u{ad}]{0,40}") {
            let indexed = split(&text, Use::Index);
            for term in split(&text, Use::Ask) {
                prop_assert!(indexed.contains(&term), "{term:?} not in {indexed:?}");
            }
        }

        #[test]
        fn any_text_is_split_in_order(text in "\\PC{0,80}") {
            let (mut splitter, mut token, mut last) = (Splitter::new(&text, Use::Index), Token::default(), 0);
            while splitter.next_into(&mut token) {
                prop_assert!(token.position >= last && token.from < token.to && text.get(token.from..token.to).is_some());
                last = token.position;
            }
        }
    }
}
