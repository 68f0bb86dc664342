//! The parts of a mail, flat and in order (RFC 2046). Attached mails are leaves: who wants to look into one reads it as
//! a mail of its own. Nothing here recurses, so nothing here can overflow a stack.

use std::borrow::Cow;

use super::headers::{Headers, lines, parse};
use super::params::{self, Value};
use super::transfer;
use crate::understand::limits::Limits;

/// Most octets of a part that are read as text.
const TEXT: usize = 8 << 20;

/// One part.
#[derive(Debug)]
pub struct Part<'a> {
    /// Its header block.
    pub headers: Headers<'a>,
    /// Its media type with parameters; `text/plain` where none is given (RFC 2045 §5.2).
    pub kind: Value,
    /// Content-Disposition (RFC 2183).
    pub disposition: Value,
    /// Content-Transfer-Encoding, lower case.
    pub encoding: String,
    /// What follows the header block, still encoded.
    pub body: &'a [u8],
    /// Parts directly inside, for a multipart.
    pub children: Vec<usize>,
    /// The multipart it stands in.
    pub parent: Option<usize>,
}

impl<'a> Part<'a> {
    /// The decoded octets.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        transfer::decode(self.body, &self.encoding)
    }

    /// The decoded octets as text; of very many only the first.
    pub fn text(&self) -> String {
        let body = self.body.get(..2 * TEXT).unwrap_or(self.body);
        let bytes = transfer::decode(body, &self.encoding);
        let bytes = bytes.get(..TEXT).unwrap_or(&bytes);
        let label = self.kind.get("charset").map(str::to_owned);
        let label = label.or_else(|| if self.is("text/html") { declared_inside(bytes) } else { None });
        super::charset::decode(bytes, label.as_deref())
    }

    /// The name its sender gave it, as written.
    pub fn name(&self) -> Option<&str> {
        let names = [self.disposition.get("filename"), self.kind.get("name")];
        names.into_iter().flatten().find(|name| !name.trim().is_empty())
    }

    /// Whether the media type is this.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.value == kind
    }

    /// Whether the part is a multipart with parts in it.
    pub fn is_multipart(&self) -> bool {
        !self.children.is_empty()
    }
}

/// The character set that HTML declares in its own head.
fn declared_inside(html: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(html.get(..html.len().min(2048))?).to_ascii_lowercase();
    let meta = head.get(head.find("<meta")?..)?;
    let value = meta.get(meta.find("charset=")? + 8..)?.trim_start_matches(['"', '\'', ' ']);
    let label = value.split(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).next()?;
    // Whoever reads this in ASCII letters does not read UTF-16.
    (!label.is_empty() && !label.starts_with("utf-16")).then(|| label.to_owned())
}

/// All parts of a mail; the first is the mail itself.
#[derive(Debug, Default)]
pub struct Tree<'a> {
    /// The parts in the order of their bytes.
    pub parts: Vec<Part<'a>>,
    /// What was odd.
    pub warnings: Vec<String>,
}

impl<'a> Tree<'a> {
    /// The mail's own header block.
    pub fn headers(&self) -> Option<&Headers<'a>> {
        self.parts.first().map(|p| &p.headers)
    }
}

/// Takes a mail apart. Nesting and parts beyond the limits are left in the part where they stand. A multipart whose
/// boundary is missing or nowhere to be found has the one that its lines show.
pub fn tree<'a>(raw: &'a [u8], limits: &Limits) -> Tree<'a> {
    let tree = with_boundary(raw, limits, None);
    let lost = tree.parts.first().filter(|root| tree.parts.len() == 1 && root.kind.value.starts_with("multipart/"));
    match lost.and_then(|root| shown_boundary(root.body)) {
        Some(shown) => with_boundary(raw, limits, Some(shown)),
        None => tree,
    }
}

/// The boundary that stands above something that begins like a part.
fn shown_boundary(body: &[u8]) -> Option<&[u8]> {
    let mut walk = lines(body).map(|(line, _)| line).take(2_000).peekable();
    while let Some(line) = walk.next() {
        let boundary = line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end).filter(|b| (1..=200).contains(&b.len()));
        let begins = walk.peek().is_some_and(|next| next.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-")));
        if let Some(boundary) = boundary.filter(|_| begins) {
            return Some(boundary);
        }
    }
    None
}

fn with_boundary<'a>(raw: &'a [u8], limits: &Limits, shown: Option<&[u8]>) -> Tree<'a> {
    let mut builder = Builder { raw, limits, tree: Tree::default(), stack: Vec::new(), open: None };
    let (headers, body) = parse(raw, limits.header_size, limits.header_fields);
    builder.begin(headers, body, None);
    if let Some(boundary) = shown {
        builder.stack = vec![(0, boundary.to_vec())];
        builder.warn("the boundary of the multipart was wrong; the one that its lines show counts");
    }
    let mut header: Option<usize> = None;
    let mut walk = lines(raw.get(body..).unwrap_or_default());
    while !builder.stack.is_empty() {
        if header.is_none() {
            walk.skip_to_dashes();
        }
        let begin = body + walk.at();
        let Some((line, used)) = walk.next() else { break };
        let after = body + used;
        if line.starts_with(b"--")
            && let Some((level, closes)) = builder.boundary(line)
        {
            if let Some(from) = header.take() {
                builder.part(from, begin);
            }
            builder.end(before_line_end(raw, begin));
            builder.stack.truncate(if closes { level } else { level + 1 });
            header = (!closes).then_some(after);
        } else if let Some(from) = header.filter(|_| line.is_empty()) {
            header = None;
            builder.part(from, after);
        }
    }
    if let Some(from) = header {
        builder.part(from, raw.len());
    }
    builder.end(raw.len());
    builder.finish()
}

/// Where a part ends whose boundary begins at `at`: the line end before a boundary belongs to it (RFC 2046 §5.1.1).
fn before_line_end(raw: &[u8], at: usize) -> usize {
    let head = raw.get(..at).unwrap_or_default();
    let head = head.strip_suffix(b"\n").unwrap_or(head);
    head.strip_suffix(b"\r").unwrap_or(head).len()
}

struct Builder<'a, 'l> {
    raw: &'a [u8],
    limits: &'l Limits,
    tree: Tree<'a>,
    /// Open multiparts with their boundaries.
    stack: Vec<(usize, Vec<u8>)>,
    /// The part whose body is being read, and where the body begins.
    open: Option<(usize, usize)>,
}

impl<'a> Builder<'a, '_> {
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.get(2..)?.trim_ascii_end();
        self.stack.iter().enumerate().rev().find_map(|(i, (_, boundary))| match rest.strip_prefix(boundary.as_slice())? {
            b"" => Some((i, false)),
            b"--" => Some((i, true)),
            _ => None,
        })
    }

    /// A part whose header block lies in `from..to` begins; what of that is no header is its body.
    fn part(&mut self, from: usize, to: usize) {
        if self.tree.parts.len() > self.limits.mime_parts {
            return;
        }
        let (headers, used) = parse(self.raw.get(from..to).unwrap_or_default(), self.limits.header_size, self.limits.header_fields);
        let parent = self.stack.last().map(|(index, _)| *index);
        self.begin(headers, from + used, parent);
    }

    fn begin(&mut self, headers: Headers<'a>, body: usize, parent: Option<usize>) {
        let index = self.tree.parts.len();
        let digest = parent.and_then(|p| self.tree.parts.get(p)).is_some_and(|p| p.is("multipart/digest"));
        let part = new_part(headers, parent, digest);
        self.judge(&part);
        if let Some(boundary) = part.kind.get("boundary").filter(|b| !b.is_empty() && part.kind.value.starts_with("multipart"))
            && self.stack.len() < self.limits.depth()
        {
            self.stack.push((index, boundary.trim_end().as_bytes().to_vec()));
        }
        if let Some(p) = parent.and_then(|p| self.tree.parts.get_mut(p)) {
            p.children.push(index);
        }
        self.tree.parts.push(part);
        self.open = Some((index, body));
    }

    /// What readers will disagree about is told.
    fn judge(&mut self, part: &Part) {
        if part.headers.all("content-type").count() > 1 {
            self.warn("a part has two Content-Type fields; the first counts");
        }
        if part.kind.ambiguous {
            self.warn("a part has two different boundaries; the first counts");
        }
        if part.kind.value.starts_with("multipart") && !matches!(part.encoding.as_str(), "" | "7bit" | "8bit" | "binary") {
            self.warn("a multipart has a transfer encoding; it was ignored");
        }
    }

    fn warn(&mut self, text: &str) {
        if !self.tree.warnings.iter().any(|w| w == text) {
            self.tree.warnings.push(text.to_owned());
        }
    }

    fn end(&mut self, at: usize) {
        if let Some((index, begin)) = self.open.take()
            && let Some(part) = self.tree.parts.get_mut(index)
        {
            part.body = self.raw.get(begin..at.max(begin)).unwrap_or_default();
        }
    }

    fn finish(mut self) -> Tree<'a> {
        if !self.stack.is_empty() {
            self.warn("a multipart is not closed");
        }
        self.tree
    }
}

fn new_part(headers: Headers<'_>, parent: Option<usize>, digest: bool) -> Part<'_> {
    let mut kind = headers.first("content-type").map(params::parse).unwrap_or_default();
    if !is_media_type(&kind.value) {
        kind.value = match kind.value.as_str() {
            "" if digest => "message/rfc822",
            // Mailers before MIME wrote "text" and "html".
            "html" => "text/html",
            _ => "text/plain",
        }
        .to_owned();
    }
    let disposition = headers.first("content-disposition").map(params::parse).unwrap_or_default();
    let encoding = headers.text("content-transfer-encoding").map(|e| super::headers::without_comments(&e).to_ascii_lowercase());
    let encoding = encoding.unwrap_or_default().replace("quoted printable", "quoted-printable");
    let encoding = encoding.trim_matches(['"', '\'']).split([' ', ';', ',', '"']).next().unwrap_or_default().to_owned();
    Part { headers, kind, disposition, encoding, body: &[], children: Vec::new(), parent }
}

/// Whether a value is a type and a subtype (RFC 2045 §5.1).
pub fn is_media_type(value: &str) -> bool {
    let token = |s: &str| !s.is_empty() && s.len() <= 127 && s.chars().all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c));
    value.split_once('/').is_some_and(|(a, b)| token(a) && token(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(raw: &str) -> Vec<(String, String)> {
        let tree = tree(raw.as_bytes(), &Limits::default());
        tree.parts.iter().filter(|p| !p.is_multipart()).map(|p| (p.kind.value.clone(), p.text())).collect()
    }

    #[test]
    fn parts_end_before_the_line_end_of_their_boundary() {
        let raw = "Content-Type: multipart/mixed; boundary=\"b b\"\r\n\r\npre\r\n--b b\r\n\r\none\r\n\r\n--b b  \r\nContent-Type: text/html\r\n\r\ntwo\r\n--b b--\r\nepilogue";
        assert_eq!(shape(raw), [("text/plain".into(), "one\n".into()), ("text/html".into(), "two".into())]);
    }

    #[test]
    fn an_outer_boundary_closes_what_was_left_open() {
        let raw =
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=ab\n\n--ab\n\nx\n--a\n\ny\n";
        assert_eq!(shape(raw), [("text/plain".into(), "x".into()), ("text/plain".into(), "y\n".into())]);
    }

    #[test]
    fn a_multipart_without_parts_is_text() {
        assert_eq!(shape("Content-Type: multipart/mixed; boundary=a\n\nhello"), [("multipart/mixed".into(), "hello".into())]);
    }

    #[test]
    fn a_boundary_that_is_wrong_or_missing_is_seen() {
        let parts = "--real=1\nContent-Type: text/plain\n\none\n--real=1\nContent-Type: text/html\n\ntwo\n--real=1--\n";
        for head in ["Content-Type: multipart/mixed; boundary=other", "Content-Type: multipart/mixed"] {
            let raw = format!("{head}\n\n{parts}");
            assert_eq!(shape(&raw), [("text/plain".into(), "one".into()), ("text/html".into(), "two".into())], "{head}");
            assert!(!tree(raw.as_bytes(), &Limits::default()).warnings.is_empty());
        }
        assert_eq!(shape("Content-Type: multipart/mixed; boundary=a\n\n--b\nhello"), [("multipart/mixed".into(), "--b\nhello".into())]);
    }

    #[test]
    fn html_says_its_own_character_set() {
        let raw = b"Content-Type: text/html\n\n<html><meta http-equiv=x content=\"text/html; charset=windows-1251\">\xcf\xf0\xe8";
        let tree = tree(raw, &Limits::default());
        assert!(tree.parts.first().is_some_and(|p| p.text().ends_with("При")));
    }

    #[test]
    fn a_part_without_an_empty_line_keeps_its_text() {
        assert_eq!(
            shape("Content-Type: multipart/mixed; boundary=a\n\n--a\njust text\n--a--\n"),
            [("text/plain".into(), "just text".into())]
        );
    }
}
