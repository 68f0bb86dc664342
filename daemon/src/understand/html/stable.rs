//! Whether sanitized HTML is read back as the tree that it was written from, told from its tags alone: by every parser
//! that follows the standard, so no second pass is needed. Anything unusual is a no.

use std::borrow::Cow;

use memchr::memchr2;

use super::tokens::{Token, tokens};

/// Elements without an end tag.
pub const VOID: [&str; 4] = ["br", "col", "hr", "img"];
/// What closes an open paragraph (WHATWG HTML §13.2.6.4.7).
const CLOSES_P: [&str; 19] =
    ["blockquote", "center", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "table", "ul"];
const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];
/// Within them only certain elements and white space may stand.
pub const TABLE_PARTS: [&str; 6] = ["table", "colgroup", "thead", "tbody", "tfoot", "tr"];
/// A paragraph outside of one of these stays open.
const CELLS: [&str; 4] = ["caption", "table", "td", "th"];
/// Between an item and the list it belongs to: only these, or what is no block.
const LOOSE: [&str; 2] = ["div", "p"];

/// Whether a parser makes of `html`, which a serializer has written, just what was written; and nests at most `depth` deep.
pub fn is_stable(html: &str, depth: usize) -> bool {
    if memchr2(b'\r', 0, html.as_bytes()).is_some() {
        return false;
    }
    let mut open: Vec<&str> = Vec::new();
    let mut behind_pre = false;
    for token in tokens(html) {
        let begins_pre = std::mem::take(&mut behind_pre);
        let stays = match token {
            Token::Open(Cow::Borrowed(name), _) => {
                behind_pre = name == "pre";
                let stays = fits(name, &open);
                if !VOID.contains(&name) {
                    open.push(name);
                }
                stays && open.len() <= depth
            }
            Token::Close(name) => open.pop().is_some_and(|inner| inner == name),
            // The parser drops a line feed at the beginning of `<pre>`.
            Token::Text(text) => {
                !(begins_pre && text.starts_with('\n'))
                    && (text.trim_ascii().is_empty() || !open.last().is_some_and(|inner| TABLE_PARTS.contains(inner)))
            }
            Token::Comment(_) | Token::Open(..) => false,
        };
        if !stays {
            return false;
        }
    }
    open.is_empty()
}

/// Whether an element can stand inside these, the innermost last, without any of them being closed.
pub fn fits(name: &str, open: &[&str]) -> bool {
    let parent = open.last().copied().unwrap_or_default();
    let allowed = match parent {
        "table" => matches!(name, "caption" | "colgroup" | "thead" | "tbody" | "tfoot"),
        "colgroup" => name == "col",
        "thead" | "tbody" | "tfoot" => name == "tr",
        "tr" => matches!(name, "td" | "th"),
        _ => !matches!(name, "caption" | "colgroup" | "thead" | "tbody" | "tfoot" | "col" | "tr" | "td" | "th"),
    };
    let in_p = || open.iter().rev().take_while(|inner| !CELLS.contains(inner)).any(|inner| *inner == "p");
    allowed
        && !(CLOSES_P.contains(&name) && in_p())
        && !(HEADINGS.contains(&name) && HEADINGS.contains(&parent))
        && !(name == "a" && open.contains(&"a"))
        && match name {
            "li" => !closes(&["li"], open),
            "dd" | "dt" => !closes(&["dd", "dt"], open),
            _ => true,
        }
}

/// Whether a new item ends one of these: none of the blocks that part items is between.
fn closes(items: &[&str], open: &[&str]) -> bool {
    let block = |name: &str| !LOOSE.contains(&name) && (CLOSES_P.contains(&name) || CELLS.contains(&name) || TABLE_PARTS.contains(&name));
    open.iter().rev().find(|inner| items.contains(inner) || block(inner)).is_some_and(|inner| items.contains(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_mail_is_stable() {
        for html in [
            "<p>a &amp; <b>b<i>c</i></b><br><a href=\"http://x.test/?a>b\">d</a></p>\n<ul><li><p>x</p><ul><li>y</li></ul></li><li>z</li></ul>",
            "<div><table><tbody><tr><td><p>a</p><table><tbody>\n<tr><th>b</th></tr></tbody></table></td></tr></tbody></table></div>",
            "<b><p>x</p></b><pre>a\n\nb</pre><dl><dt>a</dt><dd>b<dl><dt>c</dt></dl></dd></dl><h1><span>x</span></h1>",
        ] {
            assert!(is_stable(html, 100), "{html}");
        }
    }

    #[test]
    fn what_is_read_otherwise_is_not() {
        for html in [
            "<p><div>x</div></p>",
            "<p><b><p>x</p></b></p>",
            "<a>x<b><a>y</a></b></a>",
            "<table>x<tbody></tbody></table>",
            "<table><tr><td>x</td></tr></table>",
            "<td>x</td>",
            "<li><div><li>x</li></div></li>",
            "<dd><p><dt>x</dt></p></dd>",
            "<h1><h2>x</h2></h1>",
            "<pre>\nx</pre>",
            "<pre></pre><b>x</i>",
            "<b>x",
            "x</b>",
            "<B>x</B>",
            "a\rb",
            "<!-- x -->",
        ] {
            assert!(!is_stable(html, 100), "{html}");
        }
        assert!(!is_stable(&format!("{}{}", "<b>".repeat(9), "</b>".repeat(9)), 8));
    }
}
