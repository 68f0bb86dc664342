//! winmail.dat: what Outlook packs instead of MIME (MS-OXTNEF). One flat pass over length-prefixed records; a mail inside
//! is an attachment, never opened, and a record that is longer than what is left ends the pass.

use self::event::Meeting;
use super::charset;
use super::rtf;
use crate::understand::calendar::Event;
use crate::understand::limits::Limits;

mod event;

/// Most attachments that are taken out.
const MOST: usize = 50;
/// Most properties of one record.
const PROPERTIES: usize = 2_000;

/// What was inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The text of the mail, if it has one.
    pub text: Option<String>,
    /// Its HTML, if it has any.
    pub html: Option<String>,
    /// The meeting that it is, if it is one.
    pub event: Option<Event>,
    /// The files.
    pub files: Vec<File>,
    /// Whether all records could be read.
    pub complete: bool,
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its name as written.
    pub name: Option<String>,
    /// Its media type, if it has one.
    pub kind: Option<String>,
    /// Its Content-ID.
    pub content_id: Option<String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the long name is known, which nothing shorter replaces.
    named: bool,
}

impl File {
    /// A file of which only name and bytes are known.
    pub fn new(name: String, bytes: Vec<u8>) -> Self {
        Self { name: Some(name), bytes, ..Self::default() }
    }
}

/// A reader over bytes that never goes past their end.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Octets with what fills them up to a multiple of four.
    fn padded(&mut self, n: usize) -> Option<&'a [u8]> {
        let bytes = self.take(n)?;
        let _ = self.take(n.wrapping_neg() % 4);
        Some(bytes)
    }
}

/// Reads a stream; `None` when it is none.
pub fn read(raw: &[u8], limits: &Limits) -> Option<Content> {
    let mut cursor = Cursor(raw);
    if cursor.u32()? != 0x223e_9f78 {
        return None;
    }
    cursor.u16()?;
    let mut reader =
        Reader { limits, content: Content::default(), codepage: "windows-1252".to_owned(), rtf: None, meeting: Meeting::default() };
    reader.content.complete = reader.records(&mut cursor).is_some();
    Some(reader.finish())
}

struct Reader<'l> {
    limits: &'l Limits,
    content: Content,
    codepage: String,
    rtf: Option<Vec<u8>>,
    meeting: Meeting,
}

impl Reader<'_> {
    fn records(&mut self, cursor: &mut Cursor) -> Option<()> {
        while !cursor.0.is_empty() {
            let level = cursor.u8()?;
            if !matches!(level, 1 | 2) {
                return None;
            }
            let id = cursor.u32()? & 0xffff;
            let length = cursor.size()?;
            let data = cursor.take(length)?;
            cursor.u16()?;
            self.record(id, data);
        }
        Some(())
    }

    fn record(&mut self, id: u32, data: &[u8]) {
        match id {
            0x9007 => {
                self.codepage = data.get(..4).and_then(|b| b.try_into().ok()).map(|b| codepage(u32::from_le_bytes(b))).unwrap_or_default()
            }
            0x8004 => self.meeting.subject(&self.text8(data)),
            0x8008 => self.meeting.class(&self.text8(data)),
            0x800c => {
                let text = self.text8(data);
                self.content.text.get_or_insert(text);
            }
            0x9003 => self.properties(data, false),
            0x9002 if self.content.files.len() < MOST => self.content.files.push(File::default()),
            0x8010 => {
                let name = self.text8(data);
                if let Some(file) = self.content.files.last_mut().filter(|f| f.name.is_none()) {
                    file.name = Some(name);
                }
            }
            0x800f => {
                if let Some(file) = self.content.files.last_mut() {
                    file.bytes = data.to_vec();
                }
            }
            0x9005 => self.properties(data, true),
            _ => {}
        }
    }

    fn text8(&self, data: &[u8]) -> String {
        let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
        charset::decode(data.get(..end).unwrap_or_default(), Some(&self.codepage))
    }

    /// Text of a property of this type.
    fn unicode_or_8(&self, kind: u16, value: &[u8]) -> String {
        match kind {
            0x1f => charset::decode(value, Some("utf-16le")).trim_end_matches('\0').to_owned(),
            _ => self.text8(value),
        }
    }

    /// A list of MAPI properties (MS-OXTNEF §2.1.3.4).
    fn properties(&mut self, data: &[u8], of_file: bool) {
        let mut cursor = Cursor(data);
        let count = cursor.size().unwrap_or(0).min(PROPERTIES);
        for _ in 0..count {
            if self.property(&mut cursor, of_file).is_none() {
                return;
            }
        }
    }

    fn property(&mut self, cursor: &mut Cursor, of_file: bool) -> Option<()> {
        let (kind, id) = (cursor.u16()?, cursor.u16()?);
        let mut number = Some(u32::from(id));
        if id >= 0x8000 {
            let set = cursor.take(16)?;
            number = None;
            match cursor.u32()? {
                0 => {
                    let four = cursor.take(4)?;
                    number = event::named(set, u32::from_le_bytes(four.try_into().ok()?));
                    four
                }
                _ => {
                    let length = cursor.size()?;
                    cursor.padded(length)?
                }
            };
        }
        let base = kind & 0x0fff;
        if base < 2 {
            return Some(());
        }
        let sized = matches!(base, 0x1e | 0x1f | 0x102 | 0x0d);
        let values = if sized || kind & 0x1000 != 0 { cursor.size()? } else { 1 };
        for _ in 0..values {
            let value = match base {
                0x1e | 0x1f | 0x102 | 0x0d => {
                    let length = cursor.size()?;
                    cursor.padded(length)?
                }
                0x02 | 0x0b => cursor.padded(2)?,
                0x05 | 0x06 | 0x07 | 0x14 | 0x40 => cursor.take(8)?,
                0x48 => cursor.take(16)?,
                _ => cursor.take(4)?,
            };
            if sized {
                self.value(id, base, value, of_file);
            }
            match number.filter(|_| !of_file) {
                Some(number) if sized && Meeting::wants_text(number) => self.meeting.text(number, &self.unicode_or_8(base, value)),
                Some(number) if !sized => self.meeting.number(number, value),
                _ => {}
            }
        }
        Some(())
    }

    fn value(&mut self, id: u16, kind: u16, value: &[u8], of_file: bool) {
        let text = || self.unicode_or_8(kind, value);
        if !of_file {
            match id {
                0x1000 => self.content.text = Some(text()),
                0x1013 => self.content.html = Some(if kind == 0x1f { text() } else { charset::decode(value, None) }),
                0x1009 => self.rtf = rtf::decompress(value, 2 * self.limits.html_output),
                _ => {}
            }
            return;
        }
        let label = if matches!(id, 0x3707 | 0x3704 | 0x3001 | 0x370e | 0x3712) { text() } else { String::new() };
        let Some(file) = self.content.files.last_mut() else { return };
        match id {
            0x3707 => {
                file.name = Some(label);
                file.named = true;
            }
            0x3704 | 0x3001 if !file.named && (id == 0x3704 || file.name.is_none()) => file.name = Some(label),
            0x370e => file.kind = Some(label.to_ascii_lowercase()),
            0x3712 => file.content_id = Some(label),
            0x3701 => {
                // An object begins with the id of its interface.
                file.bytes = if kind == 0x0d { value.get(16..).unwrap_or_default().to_vec() } else { value.to_vec() };
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Content {
        let missing = |t: &Option<String>| t.as_deref().is_none_or(|t| t.trim().is_empty());
        if missing(&self.content.text)
            && missing(&self.content.html)
            && let Some(rtf) = &self.rtf
        {
            self.content.text = Some(rtf::text(rtf, self.limits.text_size));
        }
        self.content.event = self.meeting.event();
        self.content
    }
}

fn codepage(number: u32) -> String {
    match number {
        65001 => "utf-8".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gb18030".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        28591..=28606 => format!("iso-8859-{}", number - 28590),
        20866 => "koi8-r".to_owned(),
        n => format!("windows-{n}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn record(level: u8, id: u32, data: &[u8]) -> Vec<u8> {
        let mut out = vec![level];
        out.extend(id.to_le_bytes());
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(data);
        out.extend([0, 0]);
        out
    }

    fn stream(records: &[Vec<u8>]) -> Vec<u8> {
        [vec![0x78, 0x9f, 0x3e, 0x22, 1, 0], records.concat()].concat()
    }

    #[test]
    fn files_and_text_are_taken_out() {
        let mut long = 1u32.to_le_bytes().to_vec();
        long.extend([0x1f, 0, 0x07, 0x37, 1, 0, 0, 0, 6, 0, 0, 0, 0xe4, 0, b'b', 0, 0, 0, 0, 0]);
        let raw = stream(&[
            record(1, 0x2_800c, b"hello\0"),
            record(2, 0x6_9002, &[0; 14]),
            record(2, 0x1_8010, b"SHORT~1.TXT\0"),
            record(2, 0x6_800f, b"data"),
            record(2, 0x6_9005, &long),
        ]);
        let content = read(&raw, &Limits::default()).unwrap();
        assert_eq!((content.text.as_deref(), content.complete), (Some("hello"), true));
        let file = content.files.first().unwrap();
        assert_eq!((file.name.as_deref(), file.bytes.as_slice()), (Some("äb"), b"data".as_slice()));
    }

    #[test]
    fn a_meeting_is_known() {
        let named = |kind: u16, number: u32, value: &[u8]| {
            let set = [0x02, 0x20, 0x06, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
            [&kind.to_le_bytes()[..], &[0x05, 0x80], &set, &[0; 4], &number.to_le_bytes(), value].concat()
        };
        let noon = ((1_795_262_400i64 + 11_644_473_600) * 10_000_000).to_le_bytes();
        let properties = [&3u32.to_le_bytes()[..], &named(0x40, 0x820d, &noon), &named(0x0b, 0x8223, &[1, 0, 0, 0])].concat();
        let place = named(0x1e, 0x8208, &[1, 0, 0, 0, 5, 0, 0, 0, b'R', b'o', b'o', b'm', 0, 0, 0, 0]);
        let raw = stream(&[
            record(1, 0x7_8008, b"IPM.Microsoft Schedule.MtgReq\0"),
            record(1, 0x1_8004, b"Tea\0"),
            record(1, 0x6_9003, &[properties, place].concat()),
        ]);
        let event = read(&raw, &Limits::default()).unwrap().event.unwrap();
        assert_eq!(event.line(), "[Invitation: Tea; when: 2026-11-21 12:00 UTC; where: Room; repeats]");
    }

    #[test]
    fn a_record_that_lies_about_its_length_ends_the_pass() {
        let mut raw = stream(&[record(2, 0x6_9002, &[0; 14])]);
        raw.extend([2, 0x0f, 0x80, 6, 0, 0xff, 0xff, 0xff, 0xff, 1]);
        let content = read(&raw, &Limits::default()).unwrap();
        assert_eq!((content.complete, content.files.len()), (false, 1));
        assert!(read(&stream(&vec![record(2, 0x6_9002, &[]); 1000]), &Limits::default()).unwrap().files.len() <= MOST);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_have_an_answer(raw in proptest::collection::vec(any::<u8>(), 0..500), id in 0u32..0x1_0000) {
            let _ = read(&stream(&[record(1, id, &raw), record(2, 0x9002, &[]), record(2, 0x9005, &raw), raw.clone(), record(1, 0x9003, &raw)]), &Limits::default());
        }
    }
}
