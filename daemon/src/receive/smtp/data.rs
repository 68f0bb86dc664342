//! The content of a mail on the wire (RFC 5321 §4.1.1.4): where it ends, and what was inside before dot-stuffing.
//!
//! Only `CRLF . CRLF` ends a mail. Servers that also took `LF . LF` and its kin let one mail carry another past every
//! check (CVE-2023-51764, -51765, -51766), so such octets never end anything here; they are noted.

/// A pure reader: octets in, content out, in whatever pieces they come.
#[derive(Debug)]
pub(super) struct DataReader {
    state: State,
    size: u64,
    line: usize,
    max_line: usize,
    noted: Noted,
}

/// What was odd in the content so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// A CR without LF or an LF without CR, or a line of NUL and a dot: what could be taken for an end elsewhere.
    pub(super) stray: bool,
    /// A line over the limit, counted without its line end.
    pub(super) long_line: bool,
}

/// What one piece brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many octets of the piece belong to this mail, its end included.
    pub(super) used: usize,
    /// Whether the end was among them.
    pub(super) ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After CRLF, or before the first octet: the CRLF of the DATA command counts.
    LineStart,
    /// Within a line.
    Text,
    /// Within a line, after a CR.
    Cr,
    /// After the dot that begins a line; it is not content.
    Dot,
    /// After that dot and a CR; neither is content yet.
    DotCr,
    /// In a line of NUL only.
    Nul,
    /// In a line of NUL and one dot.
    NulDot,
    /// The same, after a CR.
    NulDotCr,
    /// Past the end.
    End,
}

impl DataReader {
    pub(super) fn new(max_line: usize) -> Self {
        Self { state: State::LineStart, size: 0, line: 0, max_line, noted: Noted::default() }
    }

    /// Octets of content so far, as they would be stored (RFC 1870 §5: without dot-stuffing and end).
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn noted(&self) -> Noted {
        self.noted
    }

    /// Reads one piece and appends its content to `out`. After the end nothing more is used.
    pub(super) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let before = out.len();
        let mut rest = input;
        while self.state != State::End {
            if self.state == State::Text {
                rest = self.plain(rest, out);
            }
            let Some((&byte, tail)) = rest.split_first() else { break };
            rest = tail;
            self.step(byte, out);
        }
        self.size += (out.len() - before) as u64;
        Progress { used: input.len() - rest.len(), ended: self.state == State::End }
    }

    /// The quick way through ordinary text: everything up to the next CR or LF.
    fn plain<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let run = input.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(input.len());
        let (text, rest) = input.split_at(run);
        out.extend_from_slice(text);
        self.lengthen(run);
        rest
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        use State::{Cr, Dot, DotCr, End, LineStart, Nul, NulDot, NulDotCr, Text};
        self.state = match (self.state, byte) {
            (DotCr, b'\n') => End,
            (LineStart, b'.') => Dot,
            (Dot, b'\r') => DotCr,
            (Cr | NulDotCr, b'\n') => {
                // A server that drops NULs would have seen the end here.
                self.noted.stray |= self.state == NulDotCr;
                self.end_line(out);
                LineStart
            }
            (state, byte) => {
                if state == DotCr {
                    out.push(b'\r');
                }
                self.noted.stray |= matches!(state, Cr | DotCr | NulDotCr) || byte == b'\n';
                self.content(byte, out);
                match (state, byte) {
                    (NulDot, b'\r') => NulDotCr,
                    (_, b'\r') => Cr,
                    (LineStart | Nul, 0) => Nul,
                    (Nul, b'.') | (Dot | NulDot, 0) => NulDot,
                    _ => Text,
                }
            }
        };
    }

    /// An octet of content that is not the LF of a CRLF. A stray LF begins a new line for the limit, but nothing else.
    fn content(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' => self.end_line(out),
            byte => {
                out.push(byte);
                self.lengthen(usize::from(byte != b'\r'));
            }
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.push(b'\n');
        self.line = 0;
    }

    fn lengthen(&mut self, octets: usize) {
        self.line = self.line.saturating_add(octets);
        self.noted.long_line |= self.line > self.max_line;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(input: &[u8]) -> (Vec<u8>, Progress, Noted) {
        let (mut reader, mut out) = (DataReader::new(10), Vec::new());
        let progress = reader.feed(input, &mut out);
        assert_eq!(reader.size(), out.len() as u64);
        (out, progress, reader.noted())
    }

    #[test]
    fn dots_are_unstuffed_and_the_end_is_found() {
        for (wire, content) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b".a\r\n.\r\n", b"a\r\n"),
            (b"...\r\n\r\n.\r\n", b"..\r\n\r\n"),
            (b"a.\r\n.\r\n", b"a.\r\n"),
            (b"a\0b\r\n\0\r\n.\r\n", b"a\0b\r\n\0\r\n"),
        ] {
            let (out, progress, noted) = read(wire);
            assert_eq!(out, content);
            assert_eq!(progress, Progress { used: wire.len(), ended: true });
            assert_eq!(noted, Noted::default(), "{wire:?}");
        }
    }

    #[test]
    fn what_follows_the_end_is_left() {
        assert_eq!(read(b"a\r\n.\r\nQUIT\r\n").1, Progress { used: 6, ended: true });
    }

    #[test]
    fn no_other_end_is_an_end() {
        for fake in
            [&b"\n.\n"[..], b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n", b"\r.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n"]
        {
            let wire = [b"a", fake, b"b\r\n.\r\n"].concat();
            let (out, progress, noted) = read(&wire);
            assert_eq!(progress, Progress { used: wire.len(), ended: true }, "{fake:?}");
            assert!(noted.stray, "{fake:?}");
            assert!(out.ends_with(b"b\r\n"), "{fake:?}");
        }
    }

    #[test]
    fn stray_line_ends_are_kept_as_they_are() {
        assert_eq!(read(b"a\nb\rc\r\r\nd\r\n.\r\n").0, b"a\nb\rc\r\r\nd\r\n");
        assert_eq!(read(b"a\n.\nb\r\n.\r\n").0, b"a\n.\nb\r\n");
    }

    #[test]
    fn long_lines_are_noted() {
        assert!(!read(b"0123456789\r\n0123456789\n0123456789\r\n.\r\n").2.long_line);
        assert!(read(b"0123456789x\r\n.\r\n").2.long_line);
        assert!(read(b"\0\0\0\0\0\0\0\0\0\0\0\r\n.\r\n").2.long_line);
    }

    /// Octets that matter, and the fewest others.
    fn wire() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\r\n.\0ab".to_vec()), 0..40)
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(wire in wire()) {
            let whole = read(&wire);
            for at in 0..=wire.len() {
                let (mut reader, mut out) = (DataReader::new(10), Vec::new());
                let (head, tail) = wire.split_at(at);
                let first = reader.feed(head, &mut out);
                let second = reader.feed(tail, &mut out);
                prop_assert_eq!(first.used + second.used, whole.1.used);
                prop_assert_eq!((&out, second.ended, reader.noted()), (&whole.0, whole.1.ended, whole.2));
            }
        }

        #[test]
        fn the_end_is_the_first_crlf_dot_crlf(wire in wire()) {
            let framed = [b"\r\n", &wire[..]].concat();
            let end = framed.windows(5).position(|w| w == b"\r\n.\r\n").map(|at| at + 3);
            let progress = read(&wire).1;
            prop_assert_eq!(progress, Progress { used: end.unwrap_or(wire.len()), ended: end.is_some() });
        }

        #[test]
        fn what_was_stuffed_comes_back(lines in prop::collection::vec("[.a]{0,4}", 0..8)) {
            let content: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let wire: String = lines.iter().map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") }).collect();
            let (out, progress, noted) = read(format!("{wire}.\r\n").as_bytes());
            prop_assert!(progress.ended && !noted.stray);
            prop_assert_eq!(out, content.into_bytes());
        }
    }
}
