//! mbox files (RFC 4155) with the quoting of mboxo and mboxrd; line ends are LF or CRLF.
//!
//! A mail begins at a "From " line at the start or after an empty line, where that line holds a date or a header field
//! follows: what a person wrote may begin with "From ", too. One ">" is taken off before each "From " that is quoted. Lengths
//! in `Content-Length` (mboxcl) are not believed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{Archive, ArchiveError, Dating, Entry, HEADER, LeftOut, Old, Source, is_empty, is_field};
use crate::clock::since_1970;

/// Octets of a line that are looked at.
const LINE: usize = 4 << 10;
/// Octets that are read at once.
const BUFFER: usize = 256 << 10;

/// Finds where the mails lie.
pub(super) fn look_through(path: &Path, most: u64, dating: Dating<'_>) -> Result<Archive, ArchiveError> {
    let unreadable = |error| ArchiveError::Unreadable(path.display().to_string(), error);
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(ArchiveError::Foreign(format!("{} is neither a file nor a folder", path.display())));
    }
    let written = about.modified().ok().map(since_1970);
    let mut input = BufReader::with_capacity(BUFFER, file.try_clone().map_err(unreadable)?);
    let mut scan = Scan::new(path, most, written, dating);
    let mut line = Line::default();
    while line.read(&mut input).map_err(unreadable)? {
        scan.line(&line)?;
    }
    let (entries, left_out) = scan.end();
    Ok(Archive { source: Source::Mbox(file, path.to_owned()), entries, left_out, passed_by: 0 })
}

/// Reads one mail.
pub(super) fn read(file: &File, entry: &Entry) -> io::Result<Old> {
    let mut line = vec![0; usize::try_from(entry.line).unwrap_or(0)];
    file.read_exact_at(&mut line, entry.from)?;
    let mut bytes = vec![0; usize::try_from(entry.size).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, entry.from + u64::from(entry.line))?;
    unquote(&mut bytes);
    let sender = line.split(u8::is_ascii_whitespace).nth(1).and_then(|word| std::str::from_utf8(word).ok());
    Ok(Old { at: entry.at, bytes, sender: sender.filter(|word| word.contains('@')).map(str::to_owned) })
}

/// Takes one ">" off each line that is a quoted "From " line.
fn unquote(bytes: &mut Vec<u8>) {
    let is_quoted = |line: &[u8]| {
        let quotes = line.iter().take_while(|b| **b == b'>').count();
        quotes > 0 && line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From "))
    };
    if !bytes.windows(6).any(|six| six == b">From ") {
        return;
    }
    let plain = bytes.split_inclusive(|b| *b == b'\n').flat_map(|line| line.get(usize::from(is_quoted(line))..).unwrap_or_default());
    *bytes = plain.copied().collect();
}

/// The beginning of a line, and how long it is with its end.
#[derive(Clone, Debug, Default)]
struct Line {
    head: Vec<u8>,
    octets: u64,
}

impl Line {
    /// Reads the next one; whether there was one.
    fn read(&mut self, input: &mut impl BufRead) -> io::Result<bool> {
        self.head.clear();
        self.octets = 0;
        loop {
            let found = match input.fill_buf() {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if found.is_empty() {
                return Ok(self.octets > 0);
            }
            let end = found.iter().position(|b| *b == b'\n');
            let take = end.map_or(found.len(), |at| at + 1);
            let room = LINE.saturating_sub(self.head.len()).min(take);
            self.head.extend_from_slice(found.get(..room).unwrap_or_default());
            self.octets += take as u64;
            input.consume(take);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

/// A mail while its lines go by.
#[derive(Debug)]
struct Mail {
    from: u64,
    line: Line,
    header: Vec<u8>,
    in_header: bool,
    has_field: bool,
}

/// What was seen of a file so far.
struct Scan<'a> {
    path: &'a Path,
    most: u64,
    written: Option<i64>,
    dating: Dating<'a>,
    /// Octets and lines before the next line.
    at: u64,
    number: u64,
    /// Octets of the empty line that was the last one; where no mail began yet, every line counts as one.
    empty: u64,
    /// A "From " line without a date: the next line says whether it begins a mail.
    doubtful: Option<(u64, u64, Line)>,
    mail: Option<Mail>,
    entries: Vec<Entry>,
    left_out: Vec<LeftOut>,
}

impl<'a> Scan<'a> {
    fn new(path: &'a Path, most: u64, written: Option<i64>, dating: Dating<'a>) -> Self {
        let (entries, left_out) = (Vec::new(), Vec::new());
        Self { path, most, written, dating, at: 0, number: 0, empty: 0, doubtful: None, mail: None, entries, left_out }
    }

    fn line(&mut self, line: &Line) -> Result<(), ArchiveError> {
        self.number += 1;
        if let Some((from, gap, doubtful)) = self.doubtful.take()
            && (is_field(&line.head) || self.mail.is_none())
        {
            self.begin(from, gap, doubtful);
        }
        let begins = (self.empty > 0 || self.mail.is_none()) && line.head.starts_with(b"From ");
        match (begins, begins && is_dated(&line.head)) {
            (true, true) => self.begin(self.at, self.empty, line.clone()),
            (true, false) => self.doubtful = Some((self.at, self.empty, line.clone())),
            (false, _) if self.mail.is_some() => self.inside(&line.head),
            (false, _) if is_empty(&line.head) => {}
            (false, _) => {
                let what = format!("{} is no mbox file: line {} does not begin with \"From \"", self.path.display(), self.number);
                return Err(ArchiveError::Foreign(what));
            }
        }
        self.empty = if is_empty(&line.head) { line.octets } else { 0 };
        self.at += line.octets;
        Ok(())
    }

    /// A line of the mail that goes by.
    fn inside(&mut self, head: &[u8]) {
        let Some(mail) = &mut self.mail else { return };
        if mail.in_header {
            mail.in_header = !is_empty(head);
            mail.has_field |= is_field(head);
            if mail.header.len() + head.len() <= HEADER {
                mail.header.extend_from_slice(head);
            }
        }
    }

    /// A mail begins at an octet, behind an empty line of `gap` octets that belongs to the file.
    fn begin(&mut self, from: u64, gap: u64, line: Line) {
        self.finish(from.saturating_sub(gap));
        self.mail = Some(Mail { from, line, header: Vec::new(), in_header: true, has_field: false });
    }

    /// The mail ends before an octet.
    fn finish(&mut self, end: u64) {
        let Some(mail) = self.mail.take() else { return };
        let size = end.saturating_sub(mail.from + mail.line.octets);
        let why = match () {
            () if mail.line.octets > LINE as u64 => "its \"From \" line is too long".to_owned(),
            () if size > self.most => format!("it is larger than {} octets ([limits] message_size)", self.most),
            () if !mail.has_field => "it has no header".to_owned(),
            () => {
                let at = (self.dating)(&mail.header, Some(&mail.line.head), self.written);
                let line = u32::try_from(mail.line.octets).unwrap_or(u32::MAX);
                return self.entries.push(Entry { at, from: mail.from, line, size });
            }
        };
        self.left_out.push(LeftOut { place: format!("{} at octet {}", self.path.display(), mail.from), why });
    }

    fn end(mut self) -> (Vec<Entry>, Vec<LeftOut>) {
        if let Some((from, gap, line)) = self.doubtful.take()
            && self.mail.is_none()
        {
            self.begin(from, gap, line);
        }
        self.finish(self.at.saturating_sub(self.empty));
        (self.entries, self.left_out)
    }
}

/// Whether a "From " line holds a time of day and a year, as every program writes it.
fn is_dated(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).skip(2);
    let digits = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let is_clock = |word: &[u8]| word.splitn(3, |b| *b == b':').all(digits) && word.contains(&b':');
    let is_year = |word: &[u8]| word.len() == 4 && digits(word);
    let (clock, year) = words.by_ref().take(12).fold((false, false), |(c, y), word| (c || is_clock(word), y || is_year(word)));
    clock && year
}
