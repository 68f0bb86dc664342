//! What a server says, taken apart (RFC 9051 §7). Pure; what can't be understood is `None`, never a panic, and nothing here
//! recurses: nesting is counted.

/// A stretch of one response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Part of a line, without its CRLF and without the `{n}` that announces a literal.
    Text(Vec<u8>),
    /// A literal.
    Literal(Vec<u8>),
    /// A literal that went elsewhere while it came in: so many octets.
    Streamed(u64),
}

/// OK, NO or BAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// `+`: go on.
    Continue,
    /// `* OK …` without a tag, or the end of a command with its tag.
    Status { tag: Option<String>, status: Status, code: String, text: String },
    /// Anything else without a tag: `* 5 EXISTS`, `* SEARCH 1 2`.
    Data(Data),
}

/// An untagged response that is no status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// The number before its name.
    pub(super) number: Option<u32>,
    /// Its name, upper case.
    pub(super) name: String,
    pieces: Vec<Piece>,
}

/// What a FETCH response says (RFC 9051 §7.5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fetch {
    pub(super) uid: Option<u32>,
    pub(super) size: Option<u64>,
    /// Day of INTERNALDATE, `21-Nov-2026`.
    pub(super) day: Option<String>,
    /// All of INTERNALDATE, in seconds since 1970.
    pub(super) at: Option<i64>,
    pub(super) body: Option<Body>,
}

/// The content of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// It went elsewhere while it came in.
    Streamed,
    /// A short one, as a quoted string.
    Here(Vec<u8>),
    /// The server has none.
    Nil,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Octets of the literal that a line announces at its end, `{5}` or `{5+}`. The text of a status is for people and announces
/// nothing.
pub(super) fn announced(line: &[u8]) -> Option<(usize, u64)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    let digits = inner.get(open + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || digits.len() > 19 || is_status(line) {
        return None;
    }
    let size = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let start = if open > 0 && inner.get(open - 1) == Some(&b'~') { open - 1 } else { open };
    Some((start, size))
}

/// Whether a line, up to a literal, ends where a mail's content begins.
pub(super) fn before_body(line: &[u8]) -> bool {
    let tail = line.get(line.len().saturating_sub(7)..).unwrap_or_default();
    tail.eq_ignore_ascii_case(b"BODY[] ")
}

fn is_status(line: &[u8]) -> bool {
    line.split(|b| *b == b' ').nth(1).is_some_and(|word| status(word).is_some())
}

fn status(word: &[u8]) -> Option<Status> {
    let words: [(&[u8], Status); 5] =
        [(b"OK", Status::Ok), (b"NO", Status::No), (b"BAD", Status::Bad), (b"BYE", Status::Bye), (b"PREAUTH", Status::Preauth)];
    words.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, status)| status)
}

/// A whole response; `None` when it is none.
pub(super) fn parse(pieces: Vec<Piece>) -> Option<Response> {
    let Some(Piece::Text(line)) = pieces.first() else { return None };
    if line.first() == Some(&b'+') {
        return Some(Response::Continue);
    }
    let mut words = line.splitn(3, |b| *b == b' ');
    let (tag, word, rest) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    let tag = if tag == b"*" { None } else { Some(String::from_utf8(tag.to_vec()).ok()?) };
    if let Some(status) = status(word) {
        let (code, text) = split_code(rest);
        return Some(Response::Status { tag, status, code, text });
    }
    if tag.is_some() {
        return None;
    }
    let word = std::str::from_utf8(word).ok()?;
    let (number, name) = match word.parse::<u32>() {
        Ok(number) => (Some(number), std::str::from_utf8(rest.split(|b| *b == b' ').next()?).ok()?),
        Err(_) => (None, word),
    };
    let name = name.to_ascii_uppercase();
    Some(Response::Data(Data { number, name, pieces }))
}

/// `[CODE words] text`.
fn split_code(rest: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(rest);
    let coded = text.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    match coded {
        Some((code, text)) => (code.to_owned(), text.trim().to_owned()),
        None => (String::new(), text.trim().to_owned()),
    }
}

impl Data {
    /// The words of a list such as CAPABILITY, upper case, at most `most`.
    pub(super) fn words(&self, most: usize) -> Vec<String> {
        let words = Tokens::behind(self).filter_map(|token| match token {
            Token::Atom(word) => Some(String::from_utf8_lossy(word).to_ascii_uppercase()),
            _ => None,
        });
        words.take(most).collect()
    }

    /// UIDs of a SEARCH, or of an ESEARCH with ALL (RFC 4731), at most `most`.
    pub(super) fn uids(&self, most: usize) -> Option<Vec<u32>> {
        let mut tokens = Tokens::behind(self);
        match self.name.as_str() {
            "SEARCH" => tokens.take(most).map(|token| token.number()).collect(),
            "ESEARCH" => {
                while let Some(token) = tokens.next() {
                    if matches!(token, Token::Atom(word) if word.eq_ignore_ascii_case(b"ALL")) {
                        let Some(Token::Atom(set)) = tokens.next() else { return None };
                        return expand(std::str::from_utf8(set).ok()?, most);
                    }
                }
                Some(Vec::new())
            }
            _ => None,
        }
    }

    /// What a FETCH says; `None` when it can't be read.
    pub(super) fn fetch(&self) -> Option<Fetch> {
        let mut tokens = Tokens::behind(self);
        // The number stands before the name.
        tokens.next()?;
        let mut fetch = Fetch::default();
        if tokens.next()? != Token::Open {
            return None;
        }
        loop {
            let name = match tokens.next()? {
                Token::Atom(name) => name.to_ascii_uppercase(),
                Token::Close => break,
                _ => return None,
            };
            let value = tokens.next()?;
            match (name.as_slice(), &value) {
                (b"UID", value) => fetch.uid = Some(value.number()?),
                (b"RFC822.SIZE", Token::Atom(digits)) => fetch.size = Some(std::str::from_utf8(digits).ok()?.parse().ok()?),
                (b"INTERNALDATE", Token::String(date)) => (fetch.day, fetch.at) = (day(date), moment(date)),
                (b"BODY[]", value) => fetch.body = Some(value.body()?),
                (_, Token::Open) => tokens.skip_list()?,
                (_, Token::Close) => return None,
                _ => {}
            }
        }
        if tokens.next().is_some() { None } else { Some(fetch) }
    }
}

/// The second of an INTERNALDATE, `21-Nov-2026 10:00:00 +0100` (RFC 9051, `date-time`).
fn moment(date: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(date).ok()?.trim();
    jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text).ok()?.to_timestamp().ok().map(jiff::Timestamp::as_second)
}

/// The day of an INTERNALDATE, in the form that SEARCH wants (RFC 9051, `date`).
fn day(date: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(date.get(..11)?).ok()?.trim();
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?.parse::<u8>().ok()?, parts.next()?, parts.next()?.parse::<u16>().ok()?);
    let month = MONTHS.into_iter().find(|m| m.eq_ignore_ascii_case(month))?;
    ((1..=31).contains(&day) && year >= 1000 && parts.next().is_none()).then(|| format!("{day}-{month}-{year}"))
}

/// `1:3,7` as numbers, at most `most`.
pub(super) fn expand(set: &str, most: usize) -> Option<Vec<u32>> {
    let mut out = Vec::new();
    for range in set.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let (first, last) = if first <= last { (first, last) } else { (last, first) };
        out.extend((first..=last).take(most.saturating_sub(out.len())));
    }
    Some(out)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Atom(&'a [u8]),
    String(Vec<u8>),
    Streamed,
}

impl Token<'_> {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Atom(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
            _ => None,
        }
    }

    fn body(&self) -> Option<Body> {
        match self {
            Self::Streamed => Some(Body::Streamed),
            Self::String(text) => Some(Body::Here(text.clone())),
            Self::Atom(word) if word.eq_ignore_ascii_case(b"NIL") => Some(Body::Nil),
            _ => None,
        }
    }
}

/// Reads tokens across pieces.
struct Tokens<'a> {
    pieces: &'a [Piece],
    text: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// Those behind `* NAME`; of a numbered response, behind the number.
    fn behind(data: &'a Data) -> Self {
        let Some((Piece::Text(line), pieces)) = data.pieces.split_first() else { return Self { pieces: &[], text: b"" } };
        let start = line.iter().enumerate().filter(|(_, b)| **b == b' ').nth(1).map_or(line.len(), |(at, _)| at);
        Self { pieces, text: line.get(start..).unwrap_or_default() }
    }

    /// Passes over a list whose `(` was read.
    fn skip_list(&mut self) -> Option<()> {
        let mut depth = 1usize;
        while depth > 0 {
            match self.next()? {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }

    fn take(&mut self, octets: usize) -> &'a [u8] {
        let (taken, rest) = self.text.split_at_checked(octets).unwrap_or((self.text, b""));
        self.text = rest;
        taken
    }

    fn quoted(&mut self) -> Vec<u8> {
        let (mut out, mut used, mut escaped) = (Vec::new(), 1, false);
        for byte in self.text.iter().skip(1) {
            used += 1;
            match byte {
                b'\\' if !escaped => escaped = true,
                b'"' if !escaped => break,
                _ => {
                    escaped = false;
                    out.push(*byte);
                }
            }
        }
        self.take(used);
        out
    }

    /// Up to a delimiter that is not inside brackets, as in `BODY[HEADER.FIELDS (TO)]`.
    fn atom(&mut self) -> &'a [u8] {
        let mut inside = false;
        let end = self.text.iter().position(|b| {
            match b {
                b'[' => inside = true,
                b']' => inside = false,
                _ => {}
            }
            !inside && matches!(b, b' ' | b'(' | b')' | b'"')
        });
        self.take(end.unwrap_or(self.text.len()))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            match self.text.first() {
                Some(b' ') => _ = self.take(1),
                Some(b'(') => {
                    self.take(1);
                    return Some(Token::Open);
                }
                Some(b')') => {
                    self.take(1);
                    return Some(Token::Close);
                }
                Some(b'"') => return Some(Token::String(self.quoted())),
                Some(_) => return Some(Token::Atom(self.atom())),
                None => {
                    let (piece, rest) = self.pieces.split_first()?;
                    self.pieces = rest;
                    match piece {
                        Piece::Text(text) => self.text = text,
                        Piece::Literal(octets) => return Some(Token::String(octets.clone())),
                        Piece::Streamed(_) => return Some(Token::Streamed),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "response/tests.rs"]
mod tests;
