//! The text of HTML, line by line, with what its markup says about quotes and signatures. Works on tokens, so hostile
//! nesting costs nothing.

use super::entities;
use super::html_tokens::{Token, attributes, tokens};

/// Most octets of HTML that are read.
const MOST: usize = 4 << 20;

/// What markup says about a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    #[default]
    None,
    /// Says who wrote the quote that follows.
    Attribution,
    /// From here on everything is quoted.
    Cut,
    /// Belongs to the signature.
    Signature,
}

/// One line with its hint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextLine {
    /// The text; quoted lines begin with `> ` for each level.
    pub text: String,
    /// What its markup says.
    pub hint: Hint,
}

/// The lines of `html`.
pub fn lines(html: &str) -> Vec<TextLine> {
    let mut end = html.len().min(MOST);
    while !html.is_char_boundary(end) {
        end -= 1;
    }
    let mut walker = Walker::default();
    for token in tokens(html.get(..end).unwrap_or_default()) {
        match token {
            Token::Text(text) => walker.text(text),
            Token::Open(name, raw) => walker.open(name, raw),
            Token::Close(name) => walker.close(&name),
            Token::Comment(_) => {}
        }
    }
    walker.break_line();
    walker.lines
}

/// The lines as one text.
pub fn join(lines: &[TextLine]) -> String {
    let text: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    text.join("\n").trim_matches('\n').to_owned()
}

#[derive(Default)]
struct Walker {
    lines: Vec<TextLine>,
    line: String,
    /// Whether a blank stands between the line and the next word.
    blank: bool,
    /// Whether an empty line stands before the next one that is not.
    gap: bool,
    quotes: usize,
    pre: usize,
    /// The element whose content is not shown.
    hidden: Option<String>,
    /// A hint, the element that carries it, and how many of that name are open inside it.
    hint: Hint,
    holder: String,
    nested: usize,
}

impl Walker {
    fn text(&mut self, raw: &str) {
        if self.hidden.is_some() {
            return;
        }
        let text = entities::decode(raw);
        for c in text.chars() {
            match c {
                '\n' if self.pre > 0 => self.end_line(),
                '\r' => {}
                c if self.pre > 0 && c == '\t' => self.line.push(' '),
                c if (c.is_ascii_whitespace() || c == '\u{a0}') && self.pre == 0 => self.blank = true,
                '\u{a0}' => self.line.push(' '),
                c if c.is_control() => {}
                c => {
                    if self.blank && !self.line.is_empty() {
                        self.line.push(' ');
                    }
                    self.blank = false;
                    self.line.push(c);
                }
            }
        }
    }

    fn open(&mut self, name: String, raw: &str) {
        if self.hidden.is_some() {
            return;
        }
        if self.hint != Hint::None && name == self.holder {
            self.nested += 1;
        }
        match name.as_str() {
            "script" | "style" | "title" | "noembed" | "noframes" | "iframe" | "xmp" | "select" | "template" | "object" => {
                self.hidden = Some(name.clone())
            }
            "br" => self.end_line(),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" => self.paragraph(),
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
                self.line.push_str("* ");
            }
            "td" | "th" => self.blank = true,
            "div" | "tr" | "table" | "hr" | "dd" | "dt" | "section" | "article" | "header" | "footer" | "center" | "address" | "form" => {
                self.break_line()
            }
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
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" => self.paragraph(),
            "blockquote" => {
                self.break_line();
                self.quotes = self.quotes.saturating_sub(1);
                self.paragraph();
            }
            "pre" => {
                self.break_line();
                self.pre = self.pre.saturating_sub(1);
            }
            "div" | "tr" | "table" | "li" | "dd" | "dt" | "section" | "article" | "header" | "footer" | "center" | "address" | "form" => {
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
        let line = std::mem::take(&mut self.line);
        let depth = self.quotes.min(20);
        if std::mem::take(&mut self.gap)
            && let Some(last) = self.lines.last().map(|l| l.text.as_str())
            && !last.trim_matches(['>', ' ']).is_empty()
        {
            let shared = depth.min(last.split(' ').take_while(|w| *w == ">").count());
            self.lines.push(TextLine { text: "> ".repeat(shared).trim_end().to_owned(), hint: self.hint });
        }
        let text = format!("{}{line}", "> ".repeat(depth));
        self.lines.push(TextLine { text: text.trim_end().to_owned(), hint: self.hint });
        self.blank = false;
    }
}

/// What class, id and style of an element say; the marks that the common mail programs leave.
fn hint(name: &str, raw: &str) -> Option<Hint> {
    if raw.len() < 6 || name == "blockquote" {
        return None;
    }
    let mut hint = None;
    for (key, value) in attributes(raw) {
        let value = value.to_ascii_lowercase();
        let words = || value.split_whitespace().map(|w| w.trim_start_matches("x_"));
        hint = hint.or(match key.as_str() {
            "class" | "id" => words().find_map(of_word),
            "data-smartmail" if value == "gmail_signature" => Some(Hint::Signature),
            "style" => outlook_rule(&value).then_some(Hint::Cut),
            _ => None,
        });
    }
    hint
}

fn of_word(word: &str) -> Option<Hint> {
    match word {
        "gmail_attr" | "moz-cite-prefix" | "moz-email-headers-table" | "protonmail_quote_header" => Some(Hint::Attribution),
        "divrplyfwdmsg"
        | "appendonsend"
        | "olk_src_body_section"
        | "yahoo_quoted"
        | "mail-editor-reference-message-container"
        | "zmail_extra"
        | "ydp_yahoo_quoted"
        | "outlookmessageheader" => Some(Hint::Cut),
        "gmail_signature"
        | "gmail_signature_prefix"
        | "moz-signature"
        | "applemailsignature"
        | "signature"
        | "ms-outlook-mobile-signature"
        | "protonmail_signature_block"
        | "signature_block" => Some(Hint::Signature),
        _ if word.starts_with("yahoo_quoted") || word.ends_with("yahoo_quoted") => Some(Hint::Cut),
        _ => None,
    }
}

/// The line that Outlook draws above the header block of what it quotes.
fn outlook_rule(style: &str) -> bool {
    let squeezed: String = style.chars().filter(|c| !c.is_whitespace()).collect();
    squeezed.contains("border:none")
        && ["#e1e1e1", "#b5c4df"].iter().any(|colour| squeezed.contains(&format!("border-top:solid{colour}1.0pt")))
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
    fn half_a_mebibyte_of_nesting_is_cheap() {
        assert!(lines(&"<div>".repeat(100_000)).len() <= 1);
        assert!(join(&lines(&"<blockquote>x".repeat(20_000))).len() < 4 << 20);
    }
}
