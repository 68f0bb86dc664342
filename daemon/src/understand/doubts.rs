//! What in a body or a name looks like a trick: a link that shows one host and leads to another, letters of several
//! scripts in one word or in a host, a text part and an HTML part that say different things.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::model::text::is_letter;

/// Octets and words of the beginning of each part that are compared.
const COMPARED: usize = 4 << 10;
const MOST_WORDS: usize = 200;
/// Words that both parts need before they can be said to differ.
const WORDS: usize = 12;

/// The warnings about a body, a sentence each.
pub fn of_body(text: &str, link: Option<FalseLink>, host: Option<String>, html_text: Option<&str>) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(host) = host {
        out.push(format!("a link leads to {host}, where letters of several scripts stand in a word"));
    }
    if let Some(FalseLink { shown, leads }) = link {
        out.push(format!("a link shows {shown} and leads to {leads}"));
    }
    if html_text.is_some_and(|other| differ(text, other)) {
        out.push("the text part and the HTML part say different things".to_owned());
    }
    out
}

/// Whether one word has letters of Latin and of a script that looks like it.
pub fn mixes_scripts(name: &str) -> bool {
    let latin = |c: char| c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}');
    let alike = |c: char| matches!(c, '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}' | '\u{531}'..='\u{587}' | '\u{13a0}'..='\u{13ff}');
    !name.is_ascii() && name.split(|c: char| !c.is_alphabetic()).any(|word| word.contains(latin) && word.contains(alike))
}

/// Whether a host mixes scripts in a word once its labels are read as people see them (RFC 5890 §2.3.2.1).
pub fn is_odd_host(host: &str) -> bool {
    host.len() <= 253 && mixes_scripts(&letters(host))
}

/// A host as people see it.
fn letters(host: &str) -> Cow<'_, str> {
    let is_coded = host.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"xn--"));
    if is_coded || !host.is_ascii() { Cow::Owned(idna::domain_to_unicode(host).0) } else { Cow::Borrowed(host) }
}

/// A link whose words are another host than the one it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FalseLink {
    shown: String,
    leads: String,
}

impl FalseLink {
    /// What the words of a link to the host `leads` hide, if they do.
    pub fn of(words: &str, leads: String) -> Option<Self> {
        let shown = host(words, false).filter(|shown| !same_owner(shown, &leads))?;
        Some(Self { shown, leads })
    }
}

/// The host of a link, or of words that are nothing but one.
pub fn host(text: &str, link: bool) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let stripped = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    if lower.contains(char::is_whitespace) || stripped.is_none() && (link || !lower.starts_with("www.")) {
        return None;
    }
    let rest = stripped.unwrap_or(&lower);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?.trim_end_matches('.');
    let plain = host.contains('.') && host.len() <= 253 && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'));
    plain.then(|| host.trim_start_matches("www.").to_owned())
}

/// One is the other, or in it, or both share a name below a top-level domain. Short second labels are taken for a part of
/// it, as in `co.uk`.
fn same_owner(a: &str, b: &str) -> bool {
    let owner = |host: &str| -> String {
        let labels: Vec<&str> = host.rsplit('.').collect();
        let take = if labels.get(1).is_some_and(|l| l.len() <= 3) && labels.len() > 2 { 3 } else { 2 };
        labels.into_iter().take(take).collect::<Vec<_>>().join(".")
    };
    let (a, b) = (letters(a), letters(b));
    a == b || owner(&a) == owner(&b)
}

/// Whether hardly a fifth of the longer words of one text stand in the other, too.
fn differ(text: &str, html: &str) -> bool {
    // Nearly always they say the same in the same order: half of the most words that there can be are half of all.
    let (mut alike, mut all) = (0, 0);
    for (a, b) in text.split_ascii_whitespace().zip(html.split_ascii_whitespace()).take(MOST_WORDS) {
        (alike, all) = (alike + usize::from(a == b), all + 1);
        if alike * 2 >= MOST_WORDS {
            return false;
        }
    }
    if alike * 2 >= all && all >= WORDS {
        return false;
    }
    let (text, html) = (lower(text), lower(html));
    let words = |text| -> HashSet<&str> { longer_words(text).collect() };
    let (a, b) = (words(&text), words(&html));
    let shared = a.intersection(&b).count();
    a.len() >= WORDS && b.len() >= WORDS && shared * 5 < a.len().min(b.len())
}

fn lower(text: &str) -> String {
    text.get(..text.floor_char_boundary(COMPARED)).unwrap_or_default().to_lowercase()
}

fn longer_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_letter(c) && !c.is_numeric()).filter(|word| word.chars().nth(3).is_some()).take(MOST_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::understand::html;

    #[test]
    fn a_link_that_shows_another_host() {
        let shown = |html: &str| html::text::read(html).false_link.map(|link| format!("{} {}", link.shown, link.leads));
        let link = "<a href=\"https://evil.test/x\">https://www.<b>bank</b>.example/login</a>";
        assert_eq!(shown(link).as_deref(), Some("bank.example evil.test"));
        for html in [
            "<a href=https://mail.bank.example/r?u=1>www.bank.example</a>",
            "<a href=https://shop.co.uk>https://www.shop.co.uk/</a>",
            "<a href=https://count.test/r>read on at bank.example now</a>",
            "<a href=https://count.test/r>Readme.md</a>",
            "<a href=mailto:a@b.test>https://c.test</a>",
            "<a href=https://xn--bcher-kva.test/>https://www.bücher.test</a>",
        ] {
            assert_eq!(shown(html), None, "{html}");
        }
        let odd = |html: &str| html::text::read(html).odd_host;
        assert_eq!(odd("<a href=https://a.test>x</a><a href=https://xn--pypal-4ve.com/>y</a>").as_deref(), Some("xn--pypal-4ve.com"));
        assert_eq!(odd("<a href=https://a.test>https://p\u{430}ypal.com</a>").as_deref(), Some("p\u{430}ypal.com"));
        assert_eq!(shown("<a href=https://a.co.uk>https://b.co.uk</a>").as_deref(), Some("b.co.uk a.co.uk"));
    }

    #[test]
    fn scripts_in_one_word() {
        assert!(mixes_scripts("P\u{430}ypal") && mixes_scripts("Ann \u{391}cme"));
        assert!(is_odd_host("www.xn--pypal-4ve.com") && is_odd_host("p\u{430}ypal.com") && is_odd_host("XN--PYPAL-4VE.com"));
        assert!(
            !is_odd_host("xn--bcher-kva.test") && !is_odd_host("xn--e1afmkfd.xn--p1ai") && !is_odd_host("xn--") && !is_odd_host("a.test")
        );
        assert!(!mixes_scripts("Анна (Acme)") && !mixes_scripts("Łukasz Żak") && !mixes_scripts("山田 Taro"));
    }

    #[test]
    fn parts_that_say_different_things() {
        let one = "Please transfer the money today because otherwise your account will certainly become closed forever tomorrow morning";
        let two =
            "Hello everybody, this lovely newsletter brings wonderful recipes about vegetables, cooking, gardens, flowers, summer, weather";
        assert!(differ(one, two) && !differ(one, one) && !differ("short", two));
        assert!(!differ(one, &format!("{one} and {two}")));
        assert!(differ(&format!("Hello {}", one.replace(' ', "\u{a0}")), &format!("Hello {two}")));
    }
}
