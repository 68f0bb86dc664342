//! One linear pass over the raw octets, before anything is built from them: what a mail would cost, and whether that is
//! too much. A parser's tree is only as deep as its input says, and dropping a deep one overflows the stack.

use memchr::memchr;

use super::headers::{HeaderLine, classify, lines, without_mark};
use super::params;
use crate::model::Reply;
use crate::understand::limits::Limits;

/// What the pass saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Octets of the mail's header block.
    pub header_size: usize,
    /// Fields of the mail's header block.
    pub header_fields: usize,
    /// From fields of the mail's header block; anything but one makes the author unknown.
    pub from_fields: usize,
    /// Received fields of the mail's header block.
    pub received: usize,
    /// Deepest nesting of parts, attached mails included.
    pub depth: usize,
    /// Parts, attached mails included.
    pub parts: usize,
    /// Whether there is a NUL octet.
    pub nul: bool,
}

/// Why a mail is refused before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header block is larger than this many octets.
    #[error("the header is larger than {0} octets")]
    HeaderSize(usize),
    /// A header field is longer than this many octets.
    #[error("a header field is longer than {0} octets")]
    HeaderField(usize),
    /// There are more header fields than this.
    #[error("there are more than {0} header fields")]
    HeaderFields(usize),
    /// There are more Received fields than this: a loop (RFC 5321 §6.3).
    #[error("there are more than {0} Received fields")]
    Hops(usize),
    /// Parts are nested deeper than this.
    #[error("parts are nested deeper than {0}")]
    Depth(usize),
    /// There are more parts than this.
    #[error("there are more than {0} parts")]
    Parts(usize),
}

impl Refusal {
    /// What an SMTP client is told; all of it is permanent.
    pub fn reply(&self) -> Reply {
        match self {
            Self::Hops(_) => Reply::new(554, "5.4.6", "Too many hops: this mail goes in a circle"),
            _ => Reply::with(554, "5.6.0", format!("This mail cannot be read: {self}")),
        }
    }
}

/// Passes once over `raw`.
///
/// # Errors
/// At the first limit that is exceeded.
pub fn prescan(raw: &[u8], limits: &Limits) -> Result<Scan, Refusal> {
    let raw = without_mark(raw);
    let scan = Scan { nul: memchr(0, raw).is_some(), ..Scan::default() };
    let mut pass = Pass { limits, scan, stack: Vec::new(), block: Some(Block { top: true, ..Block::default() }) };
    let mut walk = lines(raw);
    loop {
        if pass.block.is_none() {
            walk.skip_to_dashes();
        }
        let start = walk.at();
        let Some((line, after)) = walk.next() else { break };
        pass.line(line, start, after)?;
    }
    if let Some(block) = pass.block.take() {
        pass.header_end(block, raw.len())?;
    }
    Ok(pass.scan)
}

/// One level of nesting: a multipart with its boundary, or an attached mail.
struct Level {
    boundary: Option<Vec<u8>>,
    digest: bool,
}

/// The header block that is being read.
#[derive(Default)]
struct Block {
    top: bool,
    /// Whether an unlabelled part here is a mail (multipart/digest).
    digest: bool,
    start: usize,
    fields: usize,
    field_start: usize,
    in_content_type: bool,
    content_types: Vec<Vec<u8>>,
}

struct Pass<'a> {
    limits: &'a Limits,
    scan: Scan,
    stack: Vec<Level>,
    block: Option<Block>,
}

impl Pass<'_> {
    fn line(&mut self, line: &[u8], start: usize, after: usize) -> Result<(), Refusal> {
        if line.starts_with(b"--") && self.boundary(line, start, after)? {
            return Ok(());
        }
        let Some(mut block) = self.block.take() else { return Ok(()) };
        let kind = classify(line);
        let mbox = block.top && start == 0 && (line.starts_with(b"From ") || line.starts_with(b">From "));
        let text = block.fields == 0 && !mbox && matches!(kind, HeaderLine::Junk | HeaderLine::Continuation);
        if kind == HeaderLine::End || text {
            return self.header_end(block, start);
        }
        self.header_line(&mut block, line, kind, start, after)?;
        self.block = Some(block);
        Ok(())
    }

    fn header_line(&mut self, block: &mut Block, line: &[u8], kind: HeaderLine, start: usize, after: usize) -> Result<(), Refusal> {
        if let HeaderLine::Field(name) = kind {
            let name = line.get(..name).unwrap_or_default();
            block.fields += 1;
            block.field_start = start;
            block.in_content_type = name.eq_ignore_ascii_case(b"content-type");
            if block.in_content_type {
                block.content_types.push(Vec::new());
            }
            if block.top {
                self.scan.from_fields += usize::from(name.eq_ignore_ascii_case(b"from"));
                self.scan.received += usize::from(name.eq_ignore_ascii_case(b"received"));
            }
        }
        if block.in_content_type
            && kind != HeaderLine::Junk
            && let Some(value) = block.content_types.last_mut()
        {
            value.extend_from_slice(line);
            value.push(b' ');
        }
        let l = self.limits;
        match () {
            () if self.scan.received > l.received => Err(Refusal::Hops(l.received)),
            () if block.fields > l.header_fields => Err(Refusal::HeaderFields(l.header_fields)),
            () if after - block.start > l.header_size => Err(Refusal::HeaderSize(l.header_size)),
            () if after - block.field_start > l.header_field => Err(Refusal::HeaderField(l.header_field)),
            () => Ok(()),
        }
    }

    /// The header block is complete: counts the part it belongs to and the nesting it opens. Every Content-Type field
    /// counts, because readers disagree about which one is meant.
    fn header_end(&mut self, block: Block, end: usize) -> Result<(), Refusal> {
        if block.top {
            self.scan.header_size = end;
            self.scan.header_fields = block.fields;
        }
        let mut mail = block.digest && block.content_types.is_empty();
        for raw in &block.content_types {
            let after_colon = raw.iter().position(|&b| b == b':').map_or(raw.as_slice(), |n| raw.get(n + 1..).unwrap_or_default());
            let value = params::parse(after_colon);
            mail |= matches!(value.value.as_str(), "message/rfc822" | "message/global" | "message/news");
            if let Some(boundary) = value.get("boundary").filter(|b| !b.is_empty() && value.value.starts_with("multipart")) {
                self.deeper(Level { boundary: Some(boundary.trim_end().as_bytes().to_vec()), digest: value.value == "multipart/digest" })?;
            }
        }
        if mail {
            self.part()?;
            self.deeper(Level { boundary: None, digest: false })?;
            self.block = Some(Block { start: end, field_start: end, ..Block::default() });
        }
        Ok(())
    }

    fn deeper(&mut self, level: Level) -> Result<(), Refusal> {
        self.stack.push(level);
        self.scan.depth = self.scan.depth.max(self.stack.len());
        if self.stack.len() > self.limits.mime_depth { Err(Refusal::Depth(self.limits.mime_depth)) } else { Ok(()) }
    }

    fn part(&mut self) -> Result<(), Refusal> {
        self.scan.parts += 1;
        if self.scan.parts > self.limits.mime_parts { Err(Refusal::Parts(self.limits.mime_parts)) } else { Ok(()) }
    }

    /// Whether the line is the boundary of an open multipart; what was open inside it is closed (RFC 2046 §5.1.2).
    fn boundary(&mut self, line: &[u8], start: usize, after: usize) -> Result<bool, Refusal> {
        let rest = line.get(2..).unwrap_or_default().trim_ascii_end();
        let hit = self.stack.iter().enumerate().rev().find_map(|(i, level)| {
            let tail = rest.strip_prefix(level.boundary.as_deref()?)?;
            matches!(tail, b"" | b"--").then(|| (i, tail == b"--"))
        });
        let Some((i, closes)) = hit else { return Ok(false) };
        if let Some(block) = self.block.take() {
            self.header_end(block, start)?;
        }
        self.stack.truncate(if closes { i } else { i + 1 });
        self.block = None;
        if !closes {
            self.part()?;
            let digest = self.stack.last().is_some_and(|level| level.digest);
            self.block = Some(Block { digest, start: after, field_start: after, ..Block::default() });
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
