//! HTML in tokens, with the boundaries of the WHATWG tokenizer (§13.2.5) but no tree: linear in time and constant in
//! memory, for what has to look at HTML before anything is built from it.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

/// One token.
#[derive(Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// Text with its character references; also the content of `<style>`, `<script>` and their like.
    Text(&'a str),
    /// A start tag: lower-case name and what stands behind it up to `>`.
    Open(Cow<'a, str>, &'a str),
    /// An end tag.
    Close(Cow<'a, str>),
    /// A comment, a doctype or what counts as one.
    Comment(&'a str),
}

/// Elements whose content is no markup.
pub const RAW_TEXT: [&str; 8] = ["script", "style", "xmp", "iframe", "noembed", "noframes", "textarea", "title"];

/// The tokens of `html`.
pub fn tokens(html: &str) -> Tokens<'_> {
    Tokens { html, at: 0, raw: None }
}

/// See [`tokens`].
pub struct Tokens<'a> {
    html: &'a str,
    at: usize,
    raw: Option<Cow<'a, str>>,
}

impl<'a> Tokens<'a> {
    /// Whether there was no next token because of a tag that never ends.
    pub fn is_cut(&self) -> bool {
        !self.rest().is_empty()
    }

    fn rest(&self) -> &'a str {
        self.html.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, octets: usize) -> &'a str {
        let taken = self.rest().get(..octets).unwrap_or_else(|| self.rest());
        self.at += taken.len();
        taken
    }

    fn comment(&mut self) -> Token<'a> {
        let body = self.rest().get(4..).unwrap_or_default();
        let end = match body {
            b if b.starts_with('>') => 1,
            b if b.starts_with("->") => 2,
            b => {
                let plain = b.find("-->").map_or(b.len(), |n| n + 3);
                b.get(..plain).and_then(|head| head.find("--!>")).map_or(plain, |n| n + 4)
            }
        };
        Token::Comment(self.take(4 + end))
    }

    fn bogus(&mut self) -> Token<'a> {
        let end = self.rest().find('>').map_or(self.rest().len(), |n| n + 1);
        Token::Comment(self.take(end))
    }

    fn tag(&mut self, close: bool) -> Option<Token<'a>> {
        let skip = if close { 2 } else { 1 };
        let body = self.rest().get(skip..)?;
        let name_end = body.bytes().position(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>'))?;
        let name = lower(body.get(..name_end)?);
        let attributes = body.get(name_end..)?;
        // A tag that never ends is dropped with all behind it.
        let end = tag_end(attributes)?;
        let attributes = attributes.get(..end).unwrap_or_default();
        self.take(skip + name_end + end + 1);
        if close {
            return Some(Token::Close(name));
        }
        if RAW_TEXT.contains(&name.as_ref()) || name == "plaintext" {
            self.raw = Some(name.clone());
        }
        Some(Token::Open(name, attributes))
    }

    /// Text inside an element whose content is no markup, up to its end tag.
    fn raw_text(&mut self, name: &str) -> Option<Token<'a>> {
        let rest = self.rest();
        let end = if name == "plaintext" { rest.len() } else { find_close(rest, name).unwrap_or(rest.len()) };
        (end > 0).then(|| Token::Text(self.take(end)))
    }
}

/// Where `</name` stands, in any case, followed by white space, `/` or `>`.
fn find_close(rest: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + rest.get(from..)?.find("</")?;
        let behind = rest.as_bytes().get(at + 2..)?;
        let hit = behind.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()));
        if hit && behind.get(name.len()).is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>')) {
            return Some(at);
        }
        from = at + 2;
    }
}

/// Offset of the `>` that ends a tag; one inside a quoted attribute value does not.
fn tag_end(attributes: &str) -> Option<usize> {
    let octets = attributes.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr3(b'>', b'"', b'\'', octets.get(from..)?)?;
        let quote = *octets.get(at)?;
        if quote == b'>' {
            return Some(at);
        }
        // A quote opens a value only behind an equals sign.
        let opens = octets.get(from..at)?.trim_ascii_end().ends_with(b"=");
        from = at + 1;
        if opens {
            from += memchr(quote, octets.get(from..)?)? + 1;
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(name) = self.raw.take()
            && let Some(text) = self.raw_text(&name)
        {
            return Some(text);
        }
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let letter = |n: usize| rest.as_bytes().get(n).is_some_and(u8::is_ascii_alphabetic);
        match rest {
            r if !r.starts_with('<') => {
                let end = memchr(b'<', r.as_bytes()).unwrap_or(r.len());
                Some(Token::Text(self.take(end)))
            }
            r if r.starts_with("<!--") => Some(self.comment()),
            r if r.starts_with("<!") || r.starts_with("<?") => Some(self.bogus()),
            r if r.starts_with("</") && letter(2) => self.tag(true),
            r if r.starts_with("</") && r.len() > 2 => Some(self.bogus()),
            r if r.starts_with('<') && letter(1) => self.tag(false),
            r => {
                let end = r.as_bytes().get(1..).and_then(|t| memchr(b'<', t)).map_or(r.len(), |n| n + 1);
                Some(Token::Text(self.take(end)))
            }
        }
    }
}

/// In lower case; what is so already is not copied.
pub fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

/// The attributes of a start tag, at most a thousand: lower-case names with their values, character references left in.
pub fn attributes(raw: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    Attributes { rest: raw }.take(1_000)
}

struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        // A name may begin with `=`; the next one ends it.
        let skip = rest.chars().next()?.len_utf8();
        let stop = |b: u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'=');
        let end = rest.bytes().skip(skip).position(stop).map_or(rest.len(), |n| n + skip);
        let (name, rest) = rest.split_at_checked(end)?;
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let (value, rest) = match rest.strip_prefix('=') {
            Some(behind) => value_of(behind.trim_start_matches(|c: char| c.is_ascii_whitespace())),
            None => ("", rest),
        };
        self.rest = rest;
        Some((lower(name), value))
    }
}

fn value_of(behind: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = behind.strip_prefix(quote) {
            return inner.split_once(quote).unwrap_or((inner, ""));
        }
    }
    let end = behind.find(|c: char| c.is_ascii_whitespace()).unwrap_or(behind.len());
    behind.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(html: &str) -> String {
        tokens(html)
            .map(|t| match t {
                Token::Text(t) => t.to_owned(),
                Token::Open(n, _) => format!("[{n}]"),
                Token::Close(n) => format!("[/{n}]"),
                Token::Comment(_) => "[!]".to_owned(),
            })
            .collect()
    }

    /// Character by character: a quote opens a value only behind an equals sign.
    fn end_by_octet(attributes: &str) -> Option<usize> {
        let mut quote = None;
        let mut value_next = false;
        for (i, b) in attributes.bytes().enumerate() {
            match (quote, b) {
                (Some(q), _) if b == q => quote = None,
                (Some(_), _) => {}
                (None, b'>') => return Some(i),
                (None, b'=') => value_next = true,
                (None, b'"' | b'\'') if value_next => {
                    quote = Some(b);
                    value_next = false;
                }
                (None, _) if b.is_ascii_whitespace() => {}
                (None, _) => value_next = false,
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_tag_ends_where_it_does_octet_by_octet(attributes in "[a= \"'>\n]{0,24}") {
            prop_assert_eq!(tag_end(&attributes), end_by_octet(&attributes));
        }
    }

    #[test]
    fn boundaries_are_those_of_browsers() {
        assert_eq!(shape("a<B x='>' y=\">\">b</B >c"), "a[b]b[/b]c");
        assert_eq!(shape("<!-- <b> --><!--><b><!doctype x><?x?></ y>"), "[!][!][b][!][!][!]");
        assert_eq!(shape("<style>a<b></styl></STYLE >x"), "[style]a<b></styl>[/style]x");
        assert_eq!(shape("1 < 2 <3 <"), "1 < 2 <3 <");
        assert_eq!(shape("x<a href='"), "x");
    }

    #[test]
    fn attributes_are_read() {
        let pairs: Vec<_> = attributes(" HREF=\"a b\" x y='c'z = d/").collect();
        let want = [("href", "a b"), ("x", ""), ("y", "c"), ("z", "d/")];
        assert_eq!(pairs, want.map(|(a, b)| (Cow::Borrowed(a), b)));
    }
}
