//! HTML that cannot act: no script, no style, no form, nothing fetched from anywhere.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, Url, UrlRelative};

use super::direct;
use super::scan::is_simple;
use super::stable::is_stable;
use crate::understand::limits::Limits;

/// Most times that HTML is cleaned until it stays the same.
const PASSES: usize = 4;

/// HTML that went through [`SafeHtml::sanitize`]; there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeHtml(String);

/// The elements that may stay, in the order of the alphabet.
pub const TAGS: [&str; 51] = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
];

/// Elements that go with all that is in them; of others only the tags go.
const DROPPED: [&str; 19] = [
    "script",
    "style",
    "title",
    "textarea",
    "noscript",
    "template",
    "iframe",
    "select",
    "svg",
    "math",
    "object",
    "embed",
    "applet",
    "audio",
    "video",
    "noembed",
    "noframes",
    "xmp",
    "plaintext",
];

/// Attributes that any element may have.
pub const GENERIC: [&str; 3] = ["dir", "lang", "title"];
/// Attributes that certain elements may have.
pub const OF_TAG: [(&str, &[&str]); 5] = [
    ("a", &["href"]),
    ("img", &["src", "alt", "width", "height"]),
    ("td", &["colspan", "rowspan", "align", "valign"]),
    ("th", &["colspan", "rowspan", "align", "valign"]),
    ("ol", &["start"]),
];
/// Schemes that an address may have; [`filter`] says where.
const SCHEMES: [&str; 5] = ["http", "https", "mailto", "tel", "cid"];
/// What every link says about where it leads.
pub const REL: &str = "noopener noreferrer nofollow";

/// The sanitizer with its whole parser.
pub static BUILDER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(TAGS))
        .clean_content_tags(HashSet::from(DROPPED))
        .tag_attributes(OF_TAG.into_iter().map(|(tag, names)| (tag, HashSet::from_iter(names.iter().copied()))).collect::<HashMap<_, _>>())
        .generic_attributes(HashSet::from(GENERIC))
        .url_schemes(HashSet::from(SCHEMES))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some(REL))
        .strip_comments(true)
        .attribute_filter(filter);
    builder
});

/// Whether an address is whole and of a scheme that may stay.
pub fn leads_out(address: &str) -> bool {
    is_ordinary(address) || Url::parse(address).is_ok_and(|url| SCHEMES.contains(&url.scheme()))
}

/// Whether an address is one of the web with a host of plain labels and no port or user: no parser refuses it.
fn is_ordinary(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")) else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase()) && !label.starts_with("xn");
    host.len() <= 253 && host.contains('.') && host.split('.').all(label)
}

/// Links lead out, images only into the mail itself (RFC 2392).
pub fn filter<'u>(tag: &str, name: &str, value: &'u str) -> Option<Cow<'u, str>> {
    let scheme = value.trim_start().split(':').next().unwrap_or_default().to_ascii_lowercase();
    match (tag, name) {
        ("img", "src") => (scheme == "cid").then_some(Cow::Borrowed(value)),
        ("a", "href") => matches!(scheme.as_str(), "http" | "https" | "mailto" | "tel").then_some(Cow::Borrowed(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

impl SafeHtml {
    /// Makes HTML safe; `None` when that would cost too much, or the result is too large.
    pub fn sanitize(html: &str, limits: &Limits) -> Option<Self> {
        if html.len() <= limits.html_size
            && let Some(clean) = direct::clean(html, limits.html_depth)
            && clean.len() <= limits.html_output
        {
            return Some(Self(unmarked(clean)));
        }
        if !is_simple(html, limits) {
            return None;
        }
        let pass = |html: &str| unmarked(BUILDER.clean(html).to_string());
        let mut clean = pass(html);
        let passes = Limits { html_size: limits.html_output, ..limits.clone() };
        // What was dropped can leave elements in each other that no parser would put there. Only what reads the same
        // again is safe for readers that we do not know.
        for _ in 0..PASSES {
            if clean.len() <= limits.html_output && is_stable(&clean, limits.html_depth) {
                return Some(Self(clean));
            }
            if !is_simple(&clean, &passes) {
                return None;
            }
            let again = pass(&clean);
            if again == clean {
                return Some(Self(clean));
            }
            clean = again;
        }
        None
    }

    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The HTML.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Without byte order marks at its beginning, which the next reader would take for one and drop.
fn unmarked(mut html: String) -> String {
    let marks = html.len() - html.trim_start_matches('\u{feff}').len();
    html.drain(..marks);
    html
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn clean(html: &str) -> String {
        SafeHtml::sanitize(html, &Limits::default()).unwrap().into_string()
    }

    #[test]
    fn nothing_acts() {
        assert_eq!(clean("<script>x</script><p onclick=x style=y id=z class=c>hi</p><style>a</style>"), "<p>hi</p>");
        assert_eq!(
            clean("<img src=\"https://x.test/a.png\" alt=a><img src=\"cid:b@c\"><img src=//x.test/y>"),
            "<img alt=\"a\"><img src=\"cid:b@c\"><img>"
        );
        assert_eq!(clean("<a href=\"javascript:x\">a</a><a href=\"//x.test\">b</a>").matches("href").count(), 0);
        assert_eq!(
            clean("<a href=\"HTTPS://x.test/\" target=_top name=n>a</a>"),
            "<a href=\"HTTPS://x.test/\" rel=\"noopener noreferrer nofollow\">a</a>"
        );
        for tag in ["svg", "math", "form", "iframe", "title", "textarea", "noscript", "template", "select", "style"] {
            assert!(!clean(&format!("<{tag}><b>x</b></{tag}>")).contains(&format!("<{tag}")), "{tag}");
        }
        assert!(!clean("<a href=\"cid:x\">a</a>").contains("cid"));
    }

    #[test]
    fn what_reads_differently_again_is_cleaned_again() {
        let once = clean("<pre><a href=\"http://x.test/\"><p><select><a href=\"http://x.test/\"></select>y");
        assert_eq!(BUILDER.clean(&once).to_string(), once);
    }

    #[test]
    fn what_costs_too_much_is_refused() {
        assert!(SafeHtml::sanitize(&"<div>".repeat(100_000), &Limits::default()).is_none());
        assert!(SafeHtml::sanitize(&"x".repeat((512 << 10) + 1), &Limits::default()).is_none());
    }

    proptest! {
        #[test]
        fn what_is_ordinary_no_parser_refuses(host in "[a-zA-Z0-9.:@%_-]{0,20}", tail in "[/?#\\\\@: -~é]{0,12}", s in "s?") {
            let address = format!("http{s}://{host}{tail}");
            prop_assert!(!is_ordinary(&address) || Url::parse(&address).is_ok_and(|url| SCHEMES.contains(&url.scheme())), "{}", address);
        }

        #[test]
        fn an_ordinary_host_is_no_other_in_a_parser(labels in prop::collection::vec("[a-z]{1,70}", 1..6), tail in "([/?#][ -~é]{0,12})?") {
            let address = format!("https://{}{tail}", labels.join("."));
            prop_assert!(!is_ordinary(&address) || Url::parse(&address).is_ok_and(|url| url.host_str() == Some(labels.join(".").as_str())));
        }
    }

    #[test]
    fn a_mark_at_the_beginning_goes() {
        assert_eq!(clean("\u{feff}<b></b>\u{feff}a\u{feff}b"), "<b></b>\u{feff}a\u{feff}b");
        assert_eq!(clean("\u{feff}<script></script>\u{feff}a"), "a");
    }

    const PIECES: [&str; 52] = [
        "<p>",
        "</p>",
        "<table>",
        "</table>",
        "<tr>",
        "<td>",
        "</td>",
        "<caption>",
        "<colgroup>",
        "<col>",
        "<b x='",
        "'>",
        "<b>",
        "</b>",
        "<svg>",
        "<style>",
        "</style>",
        "<math><mi>",
        "<a href=\"http://x.test/?a&b\">",
        "</a>",
        "<img src=cid:x>",
        "&lt;script&gt;",
        "<!--",
        "-->",
        "x",
        "<form>",
        "<select>",
        "<template>",
        "<noscript>",
        "<pre>\n",
        "<pre>",
        "</",
        "\0",
        "&#13;",
        "\n",
        "<ul>",
        "</ul>",
        "<li>",
        "</li>",
        "<dl>",
        "<dd>",
        "<dt>",
        "<h1>",
        "</h1>",
        "<h2>",
        "<div>",
        "</div>",
        "<hr>",
        "<object>",
        "<button>",
        "<blockquote>",
        "<span>",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn cleaning_twice_changes_nothing(parts in proptest::collection::vec(proptest::sample::select(&PIECES), 0..30)) {
            let once = clean(&parts.concat());
            // Really read again: what is stable is not.
            prop_assert_eq!(BUILDER.clean(&once).to_string(), once);
        }
    }
}
