//! Knowledge-base pages: what one is, and what may stand in it.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::text::one_line;
use super::ticket::words;

/// Longest slug, in octets.
const SLUG: usize = 80;
/// Longest title, in characters.
const TITLE: usize = 200;
/// Longest body, in octets: as JSON it still fits into a request of 1 MiB.
pub const BODY: usize = 512 << 10;
/// Longest language tag that anybody uses (RFC 5646 §4.4.1).
const LANGUAGE: usize = 35;

words!(
    /// Who may see an article once it is published.
    Visibility {
        /// Customers, too.
        Public = "public",
        /// Those who work here.
        Internal = "internal",
    }
);

words!(
    /// Where an article stands.
    Publication {
        /// Not yet, or no longer, for its readers.
        Draft = "draft",
        /// For its readers.
        Published = "published",
    }
);

/// The name of an article in addresses and files: 1 to 80 of `a`-`z`, `0`-`9` and `-`, with no `-` at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// A slug as it stands; `None` for a word that is none.
    pub fn of(text: &str) -> Option<Self> {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let sound = (1..=SLUG).contains(&text.len()) && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-');
        sound.then(|| Self(text.to_owned()))
    }

    /// A slug made from a title: marks fall off their letters, anything between words becomes one hyphen. `None` when no
    /// letter or digit of ASCII is left.
    pub fn made_from(title: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in title.to_lowercase().nfkd() {
            let letters = match c {
                'a'..='z' | '0'..='9' => {
                    slug.push(c);
                    continue;
                }
                'ß' => "ss",
                'æ' => "ae",
                'œ' => "oe",
                'ø' => "o",
                'ł' => "l",
                'đ' | 'ð' => "d",
                'þ' => "th",
                'ı' => "i",
                '\'' | '’' => "",
                c if is_combining_mark(c) => "",
                _ if slug.is_empty() || slug.ends_with('-') => "",
                _ => "-",
            };
            slug.push_str(letters);
        }
        slug.truncate(SLUG);
        Self::of(slug.trim_end_matches('-'))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something can't be an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The slug is none.
    #[error("a slug is 1 to 80 of a-z, 0-9 and `-`, with no `-` at either end")]
    Slug,
    /// There is no slug, and the title makes none.
    #[error("no slug can be made from this title: give one")]
    NoSlug,
    /// The title is empty.
    #[error("an article needs a title")]
    NoTitle,
    /// The title is too long.
    #[error("a title has at most 200 characters")]
    Title,
    /// The body is too long.
    #[error("a body has at most 512 KiB")]
    Body,
    /// The language is none.
    #[error("a language is a tag like `en` or `pt-BR` (BCP 47)")]
    Language,
}

/// A knowledge-base page whose every part is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    slug: Slug,
    title: String,
    body: String,
    language: String,
    /// Who may see it once it is published.
    pub visibility: Visibility,
    /// Where it stands.
    pub status: Publication,
}

impl Article {
    /// An internal draft in English, with the slug that stands there or one made from the title.
    ///
    /// # Errors
    /// The first part that is not sound.
    pub fn new(slug: Option<&str>, title: &str) -> Result<Self, Fault> {
        let title = sound_title(title)?;
        let slug = match slug {
            Some(slug) => Slug::of(slug).ok_or(Fault::Slug)?,
            None => Slug::made_from(&title).ok_or(Fault::NoSlug)?,
        };
        let (visibility, status) = (Visibility::Internal, Publication::Draft);
        Ok(Self { slug, title, body: String::new(), language: "en".into(), visibility, status })
    }

    /// With another title: one line.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn titled(self, title: &str) -> Result<Self, Fault> {
        Ok(Self { title: sound_title(title)?, ..self })
    }

    /// With this body, Markdown, as it stands; only NUL, which no database keeps, falls out.
    ///
    /// # Errors
    /// When it is too long.
    pub fn saying(self, body: &str) -> Result<Self, Fault> {
        match body.len() {
            0..=BODY => Ok(Self { body: body.replace('\0', ""), ..self }),
            _ => Err(Fault::Body),
        }
    }

    /// In this language.
    ///
    /// # Errors
    /// When it is no language tag.
    pub fn speaking(self, language: &str) -> Result<Self, Fault> {
        Ok(Self { language: language_tag(language).ok_or(Fault::Language)?, ..self })
    }

    /// Its name.
    pub fn slug(&self) -> &Slug {
        &self.slug
    }

    /// Its title: one line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its text, Markdown.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Its language (BCP 47).
    pub fn language(&self) -> &str {
        &self.language
    }
}

fn sound_title(title: &str) -> Result<String, Fault> {
    let title = one_line(title, usize::MAX);
    match title.chars().count() {
        0 => Err(Fault::NoTitle),
        1..=TITLE => Ok(title),
        _ => Err(Fault::Title),
    }
}

/// A language tag in its usual letters (RFC 5646 §2.1.1): `pt-BR`, `zh-Hant`. `None` for what has not the form of one.
pub fn language_tag(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('-').collect();
    let first = parts.first().is_some_and(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let rest = parts.iter().skip(1).all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if text.len() > LANGUAGE || !first || !rest {
        return None;
    }
    let usual = |(i, part): (usize, &&str)| {
        // What follows a single letter belongs to an extension and stays small.
        let extended = parts.iter().take(i).any(|p| p.len() == 1);
        let lower = part.to_ascii_lowercase();
        match (i, extended, part.len()) {
            (1.., false, 2) => part.to_ascii_uppercase(),
            (1.., false, 4) => lower[..1].to_ascii_uppercase() + &lower[1..],
            _ => lower,
        }
    };
    Some(parts.iter().enumerate().map(usual).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(title: &str) -> Option<String> {
        Slug::made_from(title).map(|slug| slug.0)
    }

    #[test]
    fn slugs_are_words_for_addresses() {
        for good in ["a", "7", "reset-your-password", "a--b", &"x".repeat(80)] {
            assert_eq!(Slug::of(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "-", "A", "a_b", "a b", "a/b", "..", "ü", "a\n", "a.md", &"x".repeat(81)] {
            assert_eq!(Slug::of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn titles_make_slugs() {
        for (title, slug) in [
            ("How to reset your password?", "how-to-reset-your-password"),
            ("  C'est l’été — déjà!  ", "cest-lete-deja"),
            ("Größe & Maße", "grosse-masse"),
            ("Łódź Æther ﬁne Ⅳ", "lodz-aether-fine-iv"),
            ("a__b..c", "a-b-c"),
            ("E-Mail", "e-mail"),
        ] {
            assert_eq!(made(title).as_deref(), Some(slug), "{title}");
        }
        assert_eq!((made("パスワード"), made("?!"), made("")), (None, None, None));
        assert_eq!(made(&format!("{} b", "x".repeat(79))).unwrap(), "x".repeat(79), "no hyphen is left at the cut");
    }

    #[test]
    fn language_tags_have_their_usual_letters() {
        for (given, tag) in [("en", "en"), ("EN-us", "en-US"), ("zh-hANT-tw", "zh-Hant-TW"), ("sl-rozaj-1994", "sl-rozaj-1994")] {
            assert_eq!(language_tag(given).as_deref(), Some(tag));
        }
        assert_eq!(language_tag("en-X-US").as_deref(), Some("en-x-us"));
        for bad in
            ["", "e", "en_US", "en-", "-en", "e1", "englishes", "en--us", "de-abcdefghi", "ü", "en-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa"]
        {
            assert_eq!(language_tag(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_article_is_sound_or_none() {
        let article = Article::new(None, " Hello\tthere ").unwrap().saying("a\0b\r\n").unwrap().speaking("DE").unwrap();
        assert_eq!(
            (article.slug().as_str(), article.title(), article.body(), article.language()),
            ("hello-there", "Hello there", "ab\r\n", "de")
        );
        assert_eq!((article.visibility, article.status), (Visibility::Internal, Publication::Draft));
        assert_eq!(Article::new(Some("A"), "x"), Err(Fault::Slug));
        assert_eq!(Article::new(None, "!"), Err(Fault::NoSlug));
        assert_eq!(Article::new(None, "\u{202e} \n"), Err(Fault::NoTitle));
        assert!(Article::new(None, &"ä".repeat(200)).is_ok());
        assert_eq!(Article::new(None, &"ä".repeat(201)), Err(Fault::Title));
        assert!(article.clone().saying(&"x".repeat(BODY)).is_ok());
        assert_eq!(article.clone().saying(&"x".repeat(BODY + 1)), Err(Fault::Body));
        assert_eq!(article.clone().speaking("english language"), Err(Fault::Language));
        assert_eq!(article.titled(""), Err(Fault::NoTitle));
    }

    proptest! {
        #[test]
        fn whatever_a_title_makes_is_a_slug(title in ".*") {
            if let Some(slug) = Slug::made_from(&title) {
                prop_assert_eq!(Slug::of(slug.as_str()), Some(slug.clone()));
                prop_assert_eq!(Slug::made_from(slug.as_str()), Some(slug));
            }
        }

        #[test]
        fn a_language_tag_is_its_own_tag(text in "[a-zA-Z0-9-]{0,40}") {
            if let Some(tag) = language_tag(&text) {
                prop_assert!(tag.eq_ignore_ascii_case(&text));
                prop_assert_eq!(language_tag(&tag), Some(tag));
            }
        }
    }
}
