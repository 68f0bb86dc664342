//! What in a body or a name looks like a trick: a link that shows one host and leads to another, letters of several
//! scripts in one word, a text part and an HTML part that say different things.

use std::collections::HashSet;

use super::entities;
use super::html_tokens::{Token, attributes, tokens};

/// Most octets of HTML and of text that are looked at.
const MOST: usize = 1 << 20;
/// Words that both parts need before they can be said to differ.
const WORDS: usize = 12;

/// The warnings about a body, a sentence each.
pub fn of_body(text: &str, html: Option<&str>, html_text: Option<&str>) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((shown, leads)) = html.and_then(false_link) {
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
    name.split(|c: char| !c.is_alphabetic()).any(|word| word.contains(latin) && word.contains(alike))
}

fn head(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MOST)).unwrap_or_default()
}

/// The first link whose words are another host than the one it leads to.
fn false_link(html: &str) -> Option<(String, String)> {
    let mut open: Option<(String, String)> = None;
    for token in tokens(head(html)) {
        match token {
            Token::Open(name, raw) if name == "a" => {
                let target = attributes(raw).into_iter().find(|(key, _)| key == "href").map(|(_, value)| entities::decode(&value));
                open = target.as_deref().and_then(|t| host(t, true)).map(|host| (host, String::new()));
            }
            Token::Text(text) => {
                if let Some((_, words)) = open.as_mut().filter(|(_, words)| words.len() < 300) {
                    words.push_str(text.get(..text.floor_char_boundary(300)).unwrap_or_default());
                }
            }
            Token::Close(name) if name == "a" => {
                let Some((leads, words)) = open.take() else { continue };
                let shown = host(entities::decode(&words).trim(), false);
                if let Some(shown) = shown.filter(|shown| !same_owner(shown, &leads)) {
                    return Some((shown, leads));
                }
            }
            _ => {}
        }
    }
    None
}

/// The host of a link, or of words that are nothing but one.
fn host(text: &str, link: bool) -> Option<String> {
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
    a == b || owner(a) == owner(b)
}

fn differ(text: &str, html: &str) -> bool {
    let words = |text: &str| -> HashSet<String> {
        head(text).split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() >= 4).take(2_000).map(str::to_lowercase).collect()
    };
    let (a, b) = (words(text), words(html));
    let shared = a.intersection(&b).count();
    a.len() >= WORDS && b.len() >= WORDS && shared * 5 < a.len().min(b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_shows_another_host() {
        let shown = |html: &str| false_link(html).map(|(shown, leads)| format!("{shown} {leads}"));
        let link = "<a href=\"https://evil.test/x\">https://www.<b>bank</b>.example/login</a>";
        assert_eq!(shown(link).as_deref(), Some("bank.example evil.test"));
        for html in [
            "<a href=https://mail.bank.example/r?u=1>www.bank.example</a>",
            "<a href=https://shop.co.uk>https://www.shop.co.uk/</a>",
            "<a href=https://count.test/r>read on at bank.example now</a>",
            "<a href=https://count.test/r>Readme.md</a>",
            "<a href=mailto:a@b.test>https://c.test</a>",
        ] {
            assert_eq!(shown(html), None, "{html}");
        }
        assert_eq!(shown("<a href=https://a.co.uk>https://b.co.uk</a>").as_deref(), Some("b.co.uk a.co.uk"));
    }

    #[test]
    fn scripts_in_one_word() {
        assert!(mixes_scripts("P\u{430}ypal") && mixes_scripts("Ann \u{391}cme"));
        assert!(!mixes_scripts("Анна (Acme)") && !mixes_scripts("Łukasz Żak") && !mixes_scripts("山田 Taro"));
    }

    #[test]
    fn parts_that_say_different_things() {
        let one = "Please transfer the money today because otherwise your account will certainly become closed forever tomorrow morning";
        let two =
            "Hello everybody, this lovely newsletter brings wonderful recipes about vegetables, cooking, gardens, flowers, summer, weather";
        assert!(differ(one, two) && !differ(one, one) && !differ("short", two));
        assert!(!differ(one, &format!("{one} and {two}")));
    }
}
