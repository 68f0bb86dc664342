//! What HTML would cost the sanitizer, told from its tokens: its tree builder is quadratic in nesting, in attributes and
//! in formatting elements that are never closed. The count never falls below the real nesting by more than a small
//! factor: an end tag is believed only where the tree builder must believe it, too (WHATWG HTML §13.2.6).

use std::borrow::Cow;

use super::tokens::{Token, tokens};
use crate::understand::limits::Limits;

/// Most attributes of one element.
const ATTRIBUTES: usize = 100;
/// Most `<html>` and `<body>` tags: the attributes of each are merged into the first.
const BODIES: usize = 20;
/// Most formatting elements that are opened again for being unclosed.
const REOPENED: usize = 300_000;

/// Most character references without their semicolon: each makes the tokenizer go back.
const OPEN_REFERENCES: usize = 10_000;
/// Most words and elements that stand in a table but in none of its cells: each is moved before it, one by one.
const MOVED: usize = 2_000;

/// Elements that nest by no more than one between two that are counted, or not at all.
const UNCOUNTED: [&str; 30] = [
    "area", "base", "body", "br", "caption", "col", "colgroup", "embed", "head", "hr", "html", "img", "input", "link", "meta", "option",
    "p", "param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr", "frame", "bgsound", "basefont",
];
const FORMATTING: [&str; 14] = ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// End tags do not reach through these.
const BARRIERS: [&str; 9] = ["table", "select", "template", "object", "marquee", "applet", "button", "svg", "math"];
/// What may stand in a table outside its cells.
const TABLE_PARTS: [&str; 13] =
    ["caption", "col", "colgroup", "form", "input", "script", "style", "tbody", "td", "template", "tfoot", "th", "thead"];
/// Items close the one before them, unless a block is between.
const ITEMS: [&str; 3] = ["li", "dd", "dt"];
const BLOCKS: [&str; 42] = [
    "li",
    "dd",
    "dt",
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "listing",
    "main",
    "menu",
    "nav",
    "ol",
    "pre",
    "section",
    "summary",
    "ul",
    "table",
    "select",
    "template",
    "object",
    "marquee",
    "applet",
    "button",
];

/// Whether a sanitizer can take this HTML in reasonable time and memory.
pub fn is_simple(html: &str, limits: &Limits) -> bool {
    if html.len() > limits.html_size || open_references(html) > OPEN_REFERENCES {
        return false;
    }
    let mut scan = Scan::default();
    let mut inside = Cow::Borrowed("");
    for token in tokens(html) {
        match token {
            Token::Open(name, attributes) => {
                if attributes.len() > 2 * ATTRIBUTES && many_attributes(attributes) {
                    return false;
                }
                // In foreign content tags nest by other rules; nothing there is believed to close.
                if matches!(name.as_ref(), "svg" | "math") && html.matches('<').count() > limits.html_depth {
                    return false;
                }
                scan.open(&name);
                inside = name;
            }
            Token::Close(name) => {
                scan.close(&name);
                inside = Cow::Borrowed("");
            }
            // Inside these the tree builder and this scan might disagree about where a script or a section ends.
            Token::Text(text) if inside == "script" && text.contains("<!--") => return false,
            Token::Comment(text) if text.starts_with("<![CDATA[") => return false,
            Token::Text(text) => scan.text(text),
            Token::Comment(_) => {}
        }
        if scan.stack.len() > limits.html_depth || scan.bodies > BODIES || scan.reopened > REOPENED || scan.moved > MOVED {
            return false;
        }
    }
    true
}

fn open_references(html: &str) -> usize {
    let closed = |after: &str| after.bytes().take(40).find(|b| !b.is_ascii_alphanumeric() && *b != b'#') == Some(b';');
    html.split('&').skip(1).filter(|after| !closed(after)).count()
}

/// A bound from above: every white space or slash may begin an attribute.
fn many_attributes(raw: &str) -> bool {
    raw.bytes().filter(|b| *b == b'=').count() > ATTRIBUTES
        || raw.split(['/', ' ', '\t', '\n', '\r', '\u{c}']).filter(|w| !w.is_empty()).count() > 4 * ATTRIBUTES
}

#[derive(Default)]
struct Scan {
    stack: Vec<String>,
    formatting: usize,
    reopened: usize,
    moved: usize,
    bodies: usize,
    /// For each open table, whether one of its cells is open.
    cells: Vec<bool>,
    /// Whether `<noscript>` is markup or text depends; behind it nothing is believed to close.
    unclosing: bool,
}

impl Scan {
    fn text(&mut self, text: &str) {
        self.reopened += self.formatting;
        self.moved += usize::from(self.cells.last() == Some(&false) && !text.trim().is_empty());
    }

    fn open(&mut self, name: &str) {
        self.bodies += usize::from(matches!(name, "html" | "body"));
        self.unclosing |= name == "noscript";
        self.reopened += self.formatting;
        let part = name == "tr" || TABLE_PARTS.contains(&name);
        match (name, self.cells.last_mut()) {
            ("table", _) => self.cells.push(false),
            (_, Some(cell)) if part => *cell = matches!(name, "td" | "th" | "caption"),
            (_, Some(false)) => self.moved += 1,
            _ => {}
        }
        if UNCOUNTED.contains(&name) {
            return;
        }
        if ITEMS.contains(&name) {
            self.close_item(name);
        }
        self.formatting += usize::from(FORMATTING.contains(&name));
        self.stack.push(name.to_owned());
    }

    /// A new item ends the open one of its kind, if nothing but inline elements and plain blocks is between.
    fn close_item(&mut self, name: &str) {
        let same = |open: &str| open == name || name != "li" && matches!(open, "dd" | "dt");
        let stops = |open: &str| !matches!(open, "address" | "div") && (BLOCKS.contains(&open) || BARRIERS.contains(&open));
        let hit = self.stack.iter().rposition(|open| same(open) || stops(open));
        if let Some(open) = hit.and_then(|at| self.stack.get(at)).filter(|open| same(open)).cloned() {
            self.close(&open);
        }
    }

    fn close(&mut self, name: &str) {
        if self.unclosing {
            return;
        }
        if matches!(name, "td" | "th" | "tr" | "caption")
            && let Some(cell) = self.cells.last_mut()
        {
            *cell = false;
        }
        let Some(at) = self.stack.iter().rposition(|open| open == name) else { return };
        let above = self.stack.get(at + 1..).unwrap_or_default();
        let believed = match name {
            "table" => true,
            _ if BLOCKS.contains(&name) => !above.iter().any(|a| BARRIERS.contains(&a.as_str())),
            _ => !above.iter().any(|a| BLOCKS.contains(&a.as_str()) || BARRIERS.contains(&a.as_str())),
        };
        if !believed {
            return;
        }
        if name == "table" {
            self.cells.pop();
        }
        // What is above goes, too, but formatting elements come back with the next text.
        let mut kept: Vec<String> = self.stack.split_off(at).into_iter().skip(1).collect();
        kept.retain(|open| name != "table" && FORMATTING.contains(&open.as_str()));
        self.stack.append(&mut kept);
        self.formatting = self.stack.iter().filter(|open| FORMATTING.contains(&open.as_str())).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simple(html: &str) -> bool {
        is_simple(html, &Limits::default())
    }

    #[test]
    fn ordinary_mail_is_simple() {
        assert!(simple(&"<table><tr><td><p>x<br><li><b>y</b></td></tr></table>".repeat(2_000)));
        assert!(simple(&format!("<ul>{}</ul>", "<li>x<p>y<div>z</div>".repeat(5_000))));
        assert!(simple(&"<a href=\"https://x.test/?a=1&b=2\">x &amp; y</a>".repeat(5_000)));
        assert!(simple(&"<div><span style=\"a:b\">x</div>".repeat(2_000)));
    }

    #[test]
    fn what_stalls_the_sanitizer_is_not() {
        for bad in [
            "<div>".repeat(100_000),
            "<ul><li>".repeat(20_000),
            "<div></b>".repeat(10_000),
            "<div><table><td></div>".repeat(5_000),
            "<b><div></b>".repeat(5_000),
            format!("{}<div>{}", "<span>".repeat(200), "</span>".repeat(200)).repeat(100),
            "<div><!--</div>-->".repeat(5_000),
            "<div><select></div></select>".repeat(5_000),
            "<dd><li><p>".repeat(20_000),
            "&amp".repeat(100_000),
            format!("<table>{}", "x<p>y</p>".repeat(50_000)),
            "<svg><style><g><g>".repeat(500),
            "<div><script><!--<script></script></div>--></script>".repeat(500),
            format!("<b{}>", (0..50_000).map(|n| format!(" a{n}")).collect::<String>()),
            (0..20_000).map(|n| format!("<body a{n}>")).collect(),
            format!("<p>{}{}", (0..250).map(|n| format!("<b a{n}>")).collect::<String>(), "</p><p>x".repeat(5_000)),
            "x".repeat(600 << 10),
        ] {
            assert!(!simple(&bad), "{}", bad.get(..60).unwrap_or_default());
        }
    }
}
