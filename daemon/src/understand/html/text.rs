//! The text of HTML, line by line, with what its markup says about quotes and signatures. Works on tokens, so hostile
//! nesting costs nothing.

use std::borrow::Cow;

pub use super::hints::Hint;
use super::hints::hint;
use super::tokens::{Token, attributes, tokens};
use super::{cid, entities};
use crate::understand::doubts::{self, FalseLink};

/// Most octets of HTML that are read.
const MOST: usize = 4 << 20;
/// Longest target of a link that is written out; longer ones are for counting clicks.
const TARGET: usize = 300;
/// Octets that most lines have room in.
const LINE: usize = 80;
/// Deepest nesting of lists and of tables that is told apart.
const NESTED: usize = 16;

/// One line with its hint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextLine {
    /// The text; quoted lines begin with `> ` for each level.
    pub text: String,
    /// What its markup says.
    pub hint: Hint,
}

/// What is read from HTML.
#[derive(Debug, Default)]
pub struct Reading {
    /// Its text.
    pub lines: Vec<TextLine>,
    /// The first link that shows another host than the one it leads to.
    pub false_link: Option<FalseLink>,
    /// The first host of a link that mixes letters of several scripts.
    pub odd_host: Option<String>,
    /// Where pictures are written out: those that the page has as a whole, as its background or in its styles.
    pub page: Vec<String>,
}

/// The lines of `html`.
pub fn lines(html: &str) -> Vec<TextLine> {
    read(html).lines
}

/// What of `html` is shown, as one text.
pub fn shown_text(html: &str) -> String {
    join(&lines(html))
}

/// Reads `html`.
pub fn read(html: &str) -> Reading {
    walk(html, Walker::default())
}

/// Reads `html` with its own pictures in it, as `[cid:ID]` (RFC 2392), wherever something names one.
pub fn pictured(html: &str) -> Reading {
    walk(html, Walker { pictures: true, ..Walker::default() })
}

fn walk<'a>(html: &'a str, mut walker: Walker<'a>) -> Reading {
    let mut end = html.len().min(MOST);
    while !html.is_char_boundary(end) {
        end -= 1;
    }
    for token in tokens(html.get(..end).unwrap_or_default()) {
        match token {
            Token::Text(text) => walker.text(text),
            Token::Open(name, raw) => {
                let page = name == "body";
                walker.open(name, raw);
                if walker.pictures {
                    // Behind what the tag opens: the background of a quote belongs to the quote.
                    walker.refer(cid::of_tag(raw), page);
                }
            }
            Token::Close(name) => walker.close(&name),
            Token::Comment(comment) if walker.pictures => {
                let found = cid::of_comment(comment);
                walker.refer(found.here, false);
                walker.refer(found.page, true);
            }
            Token::Comment(_) => {}
        }
    }
    walker.break_line();
    Reading { lines: walker.lines, false_link: walker.false_link, odd_host: walker.odd_host, page: walker.page }
}

/// The lines as one text.
pub fn join(lines: &[TextLine]) -> String {
    let text: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    text.join("\n").trim_matches('\n').to_owned()
}

#[derive(Default)]
struct Walker<'a> {
    /// Whether pictures are written out.
    pictures: bool,
    /// Those of the page as a whole.
    page: Vec<String>,
    lines: Vec<TextLine>,
    line: String,
    /// Whether a blank stands between the line and the next word.
    blank: bool,
    /// Whether an empty line stands before the next one that is not.
    gap: bool,
    quotes: usize,
    pre: usize,
    /// The element whose content is not shown.
    hidden: Option<Cow<'a, str>>,
    /// A hint, the element that carries it, and how many of that name are open inside it.
    hint: Hint,
    holder: Cow<'a, str>,
    nested: usize,
    link: Option<Link>,
    odd_host: Option<String>,
    false_link: Option<FalseLink>,
    /// The open lists: the number of the next item, where they are numbered.
    lists: Vec<Option<usize>>,
    /// The open tables: whether they hold data, not layout, and whether the row has a cell.
    tables: Vec<(bool, bool)>,
}

/// An open link.
struct Link {
    /// Its target, where that is to be written out.
    target: Option<String>,
    /// The host that it leads to.
    host: Option<String>,
    /// Where on the line its words begin.
    from: usize,
}

impl<'a> Walker<'a> {
    fn text(&mut self, raw: &str) {
        if let Some(hidden) = &self.hidden {
            if self.pictures && hidden == "style" {
                self.refer(cid::of_css(raw).collect(), true);
            }
            return;
        }
        let text = entities::decode(raw);
        let mut rest = text.as_ref();
        // Words are taken whole, what stands between them one by one; 0xC2 begins the no-break space and other controls.
        while !rest.is_empty() {
            let end = rest.bytes().position(|b| b <= b' ' || matches!(b, 0x7f | 0xc2)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            self.word(word);
            let mut chars = behind.chars();
            match chars.next() {
                Some('\n') if self.pre > 0 => self.end_line(),
                Some('\r') | None => {}
                Some('\t' | '\u{a0}') if self.pre > 0 => self.line.push(' '),
                Some(c) if self.pre == 0 && (c.is_ascii_whitespace() || c == '\u{a0}') => self.blank = true,
                Some(c) if c.is_control() => {}
                Some(c) => self.word(c.encode_utf8(&mut [0; 4])),
            }
            rest = chars.as_str();
        }
    }

    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        if self.blank && !self.line.is_empty() {
            self.line.push(' ');
        }
        self.blank = false;
        self.line.push_str(word);
    }

    fn open(&mut self, name: Cow<'a, str>, raw: &str) {
        if self.hidden.is_some() {
            return;
        }
        if self.hint != Hint::None && name == self.holder {
            self.nested += 1;
        }
        match name.as_ref() {
            "script" | "style" | "title" | "noembed" | "noframes" | "iframe" | "xmp" | "select" | "template" | "object" => {
                self.hidden = Some(name.clone())
            }
            "br" => self.end_line(),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" => self.paragraph(),
            "ul" | "ol" => self.list(&name, raw),
            "a" => self.link(raw),
            "blockquote" => {
                self.paragraph();
                self.quotes += 1;
            }
            "pre" => {
                self.break_line();
                self.pre += 1;
            }
            "li" => {
                self.break_line();
                self.item();
            }
            "td" | "th" => self.cell(name == "th"),
            "table" => {
                self.break_line();
                self.table(raw);
            }
            "tr" => {
                self.break_line();
                self.row();
            }
            "div" | "hr" | "dd" | "dt" | "section" | "article" | "header" | "footer" | "center" | "address" | "form" => self.break_line(),
            _ => {}
        }
        if self.hint == Hint::None
            && let Some(hint) = hint(&name, raw)
        {
            self.break_line();
            self.hint = hint;
            self.holder = name;
            self.nested = 0;
            if hint == Hint::Cut {
                // Whatever comes later is quoted as well, so one empty line carries it.
                self.lines.push(TextLine { text: String::new(), hint });
                self.hint = Hint::None;
            }
        }
    }

    fn close(&mut self, name: &str) {
        if let Some(hidden) = &self.hidden {
            if hidden == name {
                self.hidden = None;
            }
            return;
        }
        match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" => self.paragraph(),
            "ul" | "ol" => {
                self.lists.pop();
                if self.lists.is_empty() { self.paragraph() } else { self.break_line() }
            }
            "a" => self.linked(),
            "table" => {
                self.break_line();
                self.tables.pop();
            }
            "blockquote" => {
                self.break_line();
                self.quotes = self.quotes.saturating_sub(1);
                self.paragraph();
            }
            "pre" => {
                self.break_line();
                self.pre = self.pre.saturating_sub(1);
            }
            "div" | "tr" | "li" | "dd" | "dt" | "section" | "article" | "header" | "footer" | "center" | "address" | "form" => {
                self.break_line()
            }
            _ => {}
        }
        if self.hint != Hint::None && name == self.holder {
            if self.nested == 0 {
                self.break_line();
                self.hint = Hint::None;
            } else {
                self.nested -= 1;
            }
        }
    }

    fn list(&mut self, name: &str, raw: &str) {
        if self.lists.is_empty() {
            self.paragraph()
        } else {
            self.break_line()
        }
        let start = attributes(raw).find(|(key, _)| key == "start").and_then(|(_, value)| value.parse().ok());
        if self.lists.len() < NESTED {
            self.lists.push((name == "ol").then_some(start.filter(|n| *n < 1_000_000).unwrap_or(1)));
        }
    }

    fn item(&mut self) {
        self.line.push_str(&"  ".repeat(self.lists.len().saturating_sub(1)));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.line.push_str(&format!("{number}. "));
                *number += 1;
            }
            _ => self.line.push_str("* "),
        }
    }

    fn table(&mut self, raw: &str) {
        let border = attributes(raw).any(|(key, value)| key == "border" && value.parse().is_ok_and(|n: u32| n > 0));
        if self.tables.len() < NESTED {
            self.tables.push((border, false));
        }
    }

    fn row(&mut self) {
        if let Some((_, begun)) = self.tables.last_mut() {
            *begun = false;
        }
    }

    /// The cells of data are parted by a bar; layout has words beside each other and nothing between.
    fn cell(&mut self, head: bool) {
        let Some((data, begun)) = self.tables.last_mut() else {
            self.blank = true;
            return;
        };
        *data |= head;
        if std::mem::replace(begun, true) && *data && !self.line.is_empty() {
            self.line.push_str(" |");
        }
        self.blank = true;
    }

    /// Writes out pictures where they are named, each once where two forms of it stand beside each other. `page`: what names them
    /// draws the page as a whole, unless it came in with some mail below the first words.
    fn refer(&mut self, ids: Vec<String>, page: bool) {
        let above = self.lines.is_empty() && self.line.is_empty() && self.quotes == 0 && self.hint == Hint::None;
        for mark in ids.into_iter().map(|id| format!("[cid:{id}]")) {
            if page && above {
                self.page.push(mark);
            } else if !self.line.ends_with(&mark) {
                self.word(&mark);
            }
        }
    }

    fn link(&mut self, raw: &str) {
        self.linked();
        let target = attributes(raw).find(|(key, _)| key == "href").map(|(_, value)| entities::decode(value));
        let web =
            |t: &&str| t.len() <= TARGET && (t.starts_with("http://") || t.starts_with("https://")) && !t.contains(char::is_whitespace);
        let Some(target) = target.as_deref().map(str::trim) else { return };
        let host = if self.false_link.is_none() || self.odd_host.is_none() { doubts::host(target, true) } else { None };
        self.link = Some(Link { target: web(&target).then(|| target.to_owned()), host, from: self.line.len() });
    }

    /// Writes where a link leads, unless its words say so, or there are none.
    fn linked(&mut self) {
        let Some(Link { target, host, from }) = self.link.take() else { return };
        let words = self.line.get(from..).unwrap_or_default().trim();
        self.odd_host =
            self.odd_host.take().or_else(|| host.clone().into_iter().chain(doubts::host(words, false)).find(|h| doubts::is_odd_host(h)));
        self.false_link = self.false_link.take().or_else(|| FalseLink::of(words, host?));
        if let Some(target) = target.filter(|target| !words.is_empty() && !says(words, target)) {
            self.line.push_str(&format!(" <{target}>"));
        }
    }

    /// Ends the line, if there is anything on it.
    fn break_line(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.blank = false;
    }

    /// Leaves one empty line before what comes next.
    fn paragraph(&mut self) {
        self.break_line();
        self.gap = true;
    }

    fn end_line(&mut self) {
        self.linked();
        let line = std::mem::replace(&mut self.line, String::with_capacity(LINE));
        let depth = self.quotes.min(20);
        if std::mem::take(&mut self.gap)
            && let Some(last) = self.lines.last().map(|l| l.text.as_str())
            && !last.trim_matches(['>', ' ']).is_empty()
        {
            let shared = depth.min(last.split(' ').take_while(|w| *w == ">").count());
            self.lines.push(TextLine { text: "> ".repeat(shared).trim_end().to_owned(), hint: self.hint });
        }
        let mut text = if depth > 0 { format!("{}{line}", "> ".repeat(depth)) } else { line };
        text.truncate(text.trim_end().len());
        self.lines.push(TextLine { text, hint: self.hint });
        self.blank = false;
    }
}

/// Whether the words of a link are its target, without what nobody types.
fn says(words: &str, target: &str) -> bool {
    let bare = |text: &str| {
        let lower = text.to_lowercase();
        let host = lower.trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.");
        host.trim_end_matches(['/', '.']).to_owned()
    };
    let target = bare(target);
    if target.contains('.') && !words.contains('.') {
        return false;
    }
    let words = bare(words);
    words.contains(&target) || !words.contains(' ') && words.contains('.') && target.starts_with(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_break_lines_and_blanks_collapse() {
        let text =
            join(&lines("<title>t</title><p>a  b\n c</p><p>d<br>e</p><ul><li>x<li>y</ul><pre>p\n  q</pre><table><tr><td>1<td>2</table>"));
        assert_eq!(text, "a b c\n\nd\ne\n\n* x\n* y\n\np\n  q\n1 2");
    }

    #[test]
    fn markup_says_what_is_quoted_and_signed() {
        let html = "<div>yes</div><div class=gmail_signature>Ann</div><div class=\"gmail_quote\"><div class=gmail_attr>Bob:</div><blockquote>q<blockquote>r</blockquote></blockquote></div>";
        let got: Vec<(String, Hint)> = lines(html).into_iter().filter(|l| !l.text.is_empty()).map(|l| (l.text, l.hint)).collect();
        let want = [
            ("yes", Hint::None),
            ("Ann", Hint::Signature),
            ("Bob:", Hint::Attribution),
            ("> q", Hint::None),
            (">", Hint::None),
            ("> > r", Hint::None),
        ];
        assert_eq!(got, want.map(|(t, h)| (t.to_owned(), h)));
    }

    #[test]
    fn links_say_where_they_lead() {
        let text = join(&lines(
            "<p>See <a href=\"https://x.test/a?b=1&amp;c\">our page</a>, <a href=https://www.x.test/>x.test</a>, <a href=mailto:ann@x.test>Ann</a>, \
             <a href=\"javascript:x\">y</a> and <a href=https://x.test/><img src=z></a>end <a href=https://x.test/open>open<br>more</a></p>",
        ));
        assert_eq!(text, "See our page <https://x.test/a?b=1&c>, x.test, Ann, y and end open <https://x.test/open>\nmore");
    }

    #[test]
    fn pictures_are_written_out_where_they_are_asked_for() {
        let html =
            "<p>a <img src=\"CID:x%40y\">b</p><img src=https://x.test/z><img alt=q src='cid:1&#46;2'><img src=cid:><img src=\"cid:a b\">";
        assert_eq!(join(&pictured(html).lines), "a [cid:x@y]b\n\n[cid:1.2]");
        assert_eq!(join(&lines(html)), "a b");
        let html = "<style>a{b:url(cid:s)}</style><body background=cid:g><!--[if gte vml 1]><v:imagedata src=cid:x><![endif]--><![if !vml]><img src=cid:x><![endif]>\
            <blockquote style='c:url(cid:q)'><style>a{b:url(cid:r)}</style>d</blockquote>";
        let reading = pictured(html);
        assert_eq!((join(&reading.lines).as_str(), reading.page.concat().as_str()), ("[cid:x]\n\n> [cid:q][cid:r]d", "[cid:s][cid:g]"));
        assert_eq!(join(&lines(html)), "> d");
    }

    #[test]
    fn lists_and_tables_keep_their_shape() {
        let text = join(&lines("<ol start=3><li>a<ul><li>b</li></ul></li><li>c</li></ol>d"));
        assert_eq!(text, "3. a\n  * b\n4. c\n\nd");
        let text = join(&lines("<table><tr><th>Item<th>Price</tr><tr><td>Tea</td><td>3</td></tr></table><table><tr><td>x<td>y</table>"));
        assert_eq!(text, "Item | Price\nTea | 3\nx y");
        assert_eq!(join(&lines("<table border=1><tr><td>a</td><td>b</td></tr></table>")), "a | b");
    }

    #[test]
    fn half_a_mebibyte_of_nesting_is_cheap() {
        assert!(lines(&"<div>".repeat(100_000)).len() <= 1);
        assert!(join(&lines(&"<blockquote>x".repeat(20_000))).len() < 4 << 20);
        for hostile in ["<ol><li>", "<table><tr><th>", "<a href=https://x.test/>x", "<ul><a href=https://x.test/>"] {
            assert!(join(&lines(&hostile.repeat(20_000))).len() < 4 << 20);
        }
    }
}
