//! Header blocks: which bytes are fields, and what they are called (RFC 5322 §2.2). Every reader of a header in this
//! room comes through here, so that no two of them see different fields.

use memchr::{memchr, memmem};

use crate::model::text;

/// One header field as it stands in the mail.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// The name without white space before the colon.
    pub name: &'a str,
    /// What follows the colon, still folded.
    pub value: &'a [u8],
}

/// The fields of one header block, in order.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a> {
    /// The fields.
    pub fields: Vec<Field<'a>>,
    /// Lines that are neither a field nor part of one.
    pub junk: usize,
}

impl<'a> Headers<'a> {
    /// Values of all fields of that name, topmost first.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.fields.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value)
    }

    /// Value of the topmost field of that name.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Value of the topmost field of that name as plain unfolded text, not decoded.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(|v| unfold(v).trim().to_owned())
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }
}

/// What one line of a header block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderLine {
    /// Begins a field whose name has this many octets (white space before the colon not counted).
    Field(usize),
    /// Continues the field above (RFC 5322 §2.2.3).
    Continuation,
    /// The empty line.
    End,
    /// Anything else.
    Junk,
}

/// Says what a line (without its end) is.
pub fn classify(line: &[u8]) -> HeaderLine {
    match line.first() {
        None => HeaderLine::End,
        Some(b' ' | b'\t') => HeaderLine::Continuation,
        Some(_) => match line.iter().position(|&b| b == b':' || !(33..127).contains(&b)) {
            Some(0) | None => HeaderLine::Junk,
            Some(end) => {
                let rest = line.get(end..).unwrap_or_default();
                match rest.iter().find(|&&b| b != b' ' && b != b'\t') {
                    Some(b':') => HeaderLine::Field(end),
                    _ => HeaderLine::Junk,
                }
            }
        },
    }
}

/// The lines of `raw` without their ends (LF, with CR before it or not), each with the offset behind it.
pub fn lines(raw: &[u8]) -> Lines<'_> {
    Lines { raw, at: 0 }
}

/// See [`lines`].
pub struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
}

impl Lines<'_> {
    /// Where the next line begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Skips all lines that no boundary can be: those that do not begin with two dashes (RFC 2046 §5.1.1).
    pub fn skip_to_dashes(&mut self) {
        let rest = self.raw.get(self.at..).unwrap_or_default();
        if !rest.starts_with(b"--") {
            self.at += memmem::find(rest, b"\n--").map_or(rest.len(), |end| end + 1);
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.raw.get(self.at..).filter(|r| !r.is_empty())?;
        let (line, used) = match memchr(b'\n', rest) {
            Some(n) => (rest.get(..n).unwrap_or_default(), n + 1),
            None => (rest, rest.len()),
        };
        self.at += used;
        Some((line.strip_suffix(b"\r").unwrap_or(line), self.at))
    }
}

/// The mail without a byte order mark that an editor put before it.
pub fn without_mark(raw: &[u8]) -> &[u8] {
    raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw)
}

/// Splits `raw` into its header block and the offset where the body begins; reads at most `size` octets and `fields` fields
/// of the block. An mbox "From " line above is skipped. Text that does not begin with a field has no header block; a
/// stray line between fields is skipped, one that is followed by something else begins the body.
pub fn parse<'a>(raw: &'a [u8], size: usize, fields: usize) -> (Headers<'a>, usize) {
    let mut headers = Headers::default();
    let mut start = 0;
    let mut open: Option<(usize, usize, usize)> = None;
    let mut walk = lines(raw).peekable();
    while let Some((line, after)) = walk.next() {
        let begin = start;
        start = after;
        match classify(line) {
            HeaderLine::End => {
                close(&mut headers, raw, open, begin, fields);
                return (headers, after);
            }
            HeaderLine::Continuation if open.is_some() => {}
            HeaderLine::Field(name) if begin <= size => {
                close(&mut headers, raw, open, begin, fields);
                let colon = line.iter().position(|&b| b == b':').unwrap_or(name);
                open = Some((begin, name, begin + colon + 1));
            }
            HeaderLine::Field(_) => {}
            HeaderLine::Junk | HeaderLine::Continuation => {
                let mbox = begin == 0 && (line.starts_with(b"From ") || line.starts_with(b">From "));
                let mut more =
                    || walk.peek().is_some_and(|(next, _)| matches!(classify(next), HeaderLine::Field(_))) || resumes(raw, after);
                if !mbox && (begin == 0 || !more()) {
                    close(&mut headers, raw, open, begin, fields);
                    return (headers, begin);
                }
                close(&mut headers, raw, open.take(), begin, fields);
                headers.junk += usize::from(!mbox);
            }
        }
    }
    close(&mut headers, raw, open, raw.len(), fields);
    (headers, raw.len())
}

/// Whether a field that every mail has follows soon: then the lines between were folded by somebody who forgot the blank.
fn resumes(raw: &[u8], from: usize) -> bool {
    const USUAL: [&[u8]; 8] = [b"received", b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"];
    for (line, _) in lines(raw.get(from..).unwrap_or_default()).take(64) {
        match classify(line) {
            HeaderLine::End => return false,
            HeaderLine::Field(n) if line.get(..n).is_some_and(|name| USUAL.iter().any(|u| name.eq_ignore_ascii_case(u))) => return true,
            _ => {}
        }
    }
    false
}

fn close<'a>(headers: &mut Headers<'a>, raw: &'a [u8], open: Option<(usize, usize, usize)>, end: usize, most: usize) {
    let Some((begin, name, value)) = open else { return };
    if headers.fields.len() >= most {
        return;
    }
    let name = raw.get(begin..begin + name).and_then(|n| std::str::from_utf8(n).ok()).unwrap_or_default();
    let value = raw.get(value..end).unwrap_or_default();
    headers.fields.push(Field { name, value });
}

/// A value on one line: line ends go, what is not ASCII is read as UTF-8.
pub fn unfold(value: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(value).into_owned();
    text.retain(|c| c != '\r' && c != '\n' && c != '\0');
    text
}

/// A value without its comments, trimmed; quoted strings keep their quotes.
pub fn without_comments(value: &str) -> String {
    text::without_comments(value).0.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(raw: &str) -> (Vec<String>, String) {
        let (h, body) = parse(raw.as_bytes(), 1 << 20, 100);
        (
            h.fields.iter().map(|f| format!("{}={}", f.name, unfold(f.value).trim())).collect(),
            raw.get(body..).unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn fields_are_folded_and_end_at_the_empty_line() {
        let (fields, body) = names("From ann Sat\r\nA: 1\r\n 2\r\nB :3\r\n\r\nC: 4\r\n");
        assert_eq!(fields, ["A=1 2", "B=3"]);
        assert_eq!(body, "C: 4\r\n");
    }

    #[test]
    fn text_without_fields_is_all_body() {
        assert_eq!(names("hello there\nA: b\n"), (vec![], "hello there\nA: b\n".to_owned()));
    }

    #[test]
    fn a_stray_line_between_fields_is_skipped_and_one_before_text_begins_the_body() {
        assert_eq!(names("A: 1\nstray line\nB: 2\n\nx").0, ["A=1", "B=2"]);
        assert_eq!(names("A: 1\nhello you\nand me\n").1, "hello you\nand me\n");
    }

    #[test]
    fn comments_go_and_quotes_stay() {
        assert_eq!(without_comments("auto-replied (vacation (x)) \"a(b\""), "auto-replied  \"a(b\"");
    }
}
