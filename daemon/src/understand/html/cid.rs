//! What HTML refers to in its own mail by `cid:` (RFC 2392), in whatever way: `<img>`, a background, CSS, and what Outlook writes
//! for itself alone (VML, in conditional comments).

use super::entities;
use super::tokens::{Token, attributes, tokens};
use crate::understand::mime::params;

/// Longest Content-ID that is looked at, in octets.
const LONGEST: usize = 300;
/// Most references that are read of one text.
const MOST: usize = 1_000;
/// Attributes whose value is words.
const WORDS: [&str; 4] = ["alt", "title", "o:title", "aria-label"];

/// All Content-IDs that `text`, HTML or CSS, has behind a `cid:`, at most a thousand.
pub fn named(text: &str) -> Vec<String> {
    let found = text
        .match_indices(':')
        .filter(|(at, _)| at.checked_sub(3).and_then(|from| text.get(from..*at)).is_some_and(|s| s.eq_ignore_ascii_case("cid")));
    let ends = |c: char| c.is_whitespace() || "\"'<>)&".contains(c);
    let ids =
        found.take(MOST).filter_map(|(at, _)| text.get(at + 1..)).filter_map(|rest| rest.get(..rest.find(ends).unwrap_or(rest.len())));
    ids.map(decoded).collect()
}

/// The Content-IDs that CSS names and that can be one.
pub fn of_css(css: &str) -> impl Iterator<Item = String> {
    named(css).into_iter().filter(|id| is_plain(id))
}

/// The Content-IDs that a start tag names: `raw` is what stands behind its name.
pub fn of_tag(raw: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (key, value) in attributes(raw) {
        // Most values cannot name one, with or without character references.
        if !value.contains([':', '&']) || WORDS.contains(&key.as_ref()) {
            continue;
        }
        let value = entities::decode(value);
        match key.as_ref() {
            "style" | "srcset" => out.extend(of_css(&value)),
            _ => out.extend(of_address(&value)),
        }
    }
    out
}

/// What a conditional comment names: for some versions of Outlook it is no comment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Conditional {
    /// Content-IDs where the comment stands.
    pub here: Vec<String>,
    /// Those of the background of the whole page.
    pub page: Vec<String>,
}

/// The Content-IDs that a comment names which some versions of Outlook read (`<!--[if gte vml 1]>…<![endif]-->`); nothing of others.
pub fn of_comment(comment: &str) -> Conditional {
    let mut out = Conditional::default();
    let inside = comment.strip_prefix("<!--").map(str::trim_start).and_then(|inside| inside.strip_prefix("[if"));
    let Some((_, content)) = inside.and_then(|inside| inside.split_once("]>")) else { return out };
    let mut in_page = false;
    for token in tokens(content) {
        let ids = match token {
            Token::Open(name, raw) => {
                in_page |= name == "v:background";
                of_tag(raw)
            }
            Token::Close(name) => {
                in_page &= name != "v:background";
                continue;
            }
            Token::Text(text) => of_css(text).collect(),
            Token::Comment(_) => continue,
        };
        let place = if in_page { &mut out.page } else { &mut out.here };
        place.extend(ids);
    }
    out
}

/// The Content-ID that an address names.
fn of_address(address: &str) -> Option<String> {
    let (scheme, id) = address.trim().split_at_checked(4)?;
    let id = decoded(id);
    (scheme.eq_ignore_ascii_case("cid:") && is_plain(&id)).then_some(id)
}

fn decoded(id: &str) -> String {
    String::from_utf8_lossy(&params::percent(id.as_bytes())).into_owned()
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST && !id.contains(|c: char| c.is_whitespace() || c.is_control() || "[]".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tag_names_them_in_many_ways() {
        for (raw, want) in [
            (" src=\"CID:x%40y\"", vec!["x@y"]),
            (" src='cid:1&#46;2' alt=\"cid:z\"", vec!["1.2"]),
            (" background=cid:a style='list-style:url(\"cid:b\");background: URL( cid:c ), url(https://x.test/d)'", vec!["a", "b", "c"]),
            (" style=\"background:url(&quot;cid:a@b&quot;)\"", vec!["a@b"]),
            (" srcset=\"cid:a 1x,cid:b 2x\"", vec!["a", "b"]),
            (" src=cid: data=\"cid:a b\" href=\"cid:[x]\" x=\"acid:b\"", vec![]),
            (" title=\"cid:a\" o:title='cid:b'", vec![]),
        ] {
            assert_eq!(of_tag(raw), want, "{raw}");
        }
    }

    #[test]
    fn only_conditional_comments_are_read() {
        let shape = "<v:shape><v:imagedata src=\"cid:a\" o:title=\"cid:t\"/></v:shape>";
        let ground = "<v:background><v:fill src='cid:g'/></v:background>";
        let got = of_comment(&format!("<!--[if gte vml 1]>{shape}{ground}<style>p {{background:url(cid:s)}}</style><![endif]-->"));
        assert_eq!(got, Conditional { here: vec!["a".into(), "s".into()], page: vec!["g".into()] });
        for none in [format!("<!-- {shape} -->"), "<!--[if mso".into(), "<!doctype x>".into(), "<![if !vml]>".into(), String::new()] {
            assert_eq!(of_comment(&none), Conditional::default(), "{none}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nothing_that_comes_out_breaks_a_line_or_a_bracket(
            pieces in prop::collection::vec(
                prop::sample::select(&["cid:", "<!--[if x]>", "<v:fill src=", "style=", "\"", "'", "%0a", "%5d", "&#10;", "]", "ü", " ", ">", "url(", "a@b"]),
                0..30,
            ),
        ) {
            let text = pieces.concat();
            let comment = of_comment(&text);
            for id in of_tag(&text).iter().chain(&comment.here).chain(&comment.page) {
                prop_assert!(is_plain(id), "{id:?}");
            }
        }
    }
}
