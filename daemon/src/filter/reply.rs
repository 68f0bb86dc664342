//! What a filter says, read from its frames. Every octet of them comes from outside.

use super::codec::{Fault, Frame};

/// Longest text of a filter that is kept, in characters.
const TEXT: usize = 200;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Go on; at the end of the mail: it may pass.
    Continue,
    /// It may pass, and nothing more need be said.
    Accept,
    /// Refused.
    Reject(Option<String>),
    /// Refused for now.
    Tempfail(Option<String>),
    /// It shall vanish.
    Discard,
    /// No more of this kind is wanted.
    Skip,
    /// Still working.
    Progress,
    /// A header field is added or changed.
    Header(String),
    /// It shall be held.
    Quarantine(Option<String>),
    /// The mail shall be changed in a way that we don't.
    Change,
}

impl Reply {
    /// Reads a frame.
    pub(super) fn read(frame: &Frame) -> Result<Self, Fault> {
        let data = frame.data.as_slice();
        match frame.code {
            b'c' => Ok(Self::Continue),
            b'a' => Ok(Self::Accept),
            b'r' => Ok(Self::Reject(None)),
            // "4" closes the SMTP connection with 421, "f" lets connecting fail: both ask to come again.
            b't' | b'4' | b'f' => Ok(Self::Tempfail(None)),
            b'd' => Ok(Self::Discard),
            b's' => Ok(Self::Skip),
            b'p' => Ok(Self::Progress),
            b'y' => coded(data),
            b'h' => field(data),
            b'm' | b'i' => field(data.get(4..).ok_or(Fault::Garbage("a header field without a place"))?),
            b'q' => Ok(Self::Quarantine(sane(data))),
            b'b' | b'+' | b'2' | b'-' | b'e' | b'l' => Ok(Self::Change),
            _ => Err(Fault::Garbage("an unknown reply")),
        }
    }
}

/// A reply as SMTP has it: `550 5.7.1 Text`.
fn coded(data: &[u8]) -> Result<Reply, Fault> {
    let (code, rest) = data.split_at_checked(3).ok_or(Fault::Garbage("a reply without a code"))?;
    if !code.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Garbage("a reply without a code"));
    }
    let text = sane(rest).and_then(|text| {
        let is_status = |word: &str| word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let text = text.split_once(' ').filter(|(word, _)| is_status(word)).map_or(text.as_str(), |(_, text)| text.trim());
        (!text.is_empty()).then(|| text.to_owned())
    });
    match code.first() {
        Some(b'4') => Ok(Reply::Tempfail(text)),
        Some(b'5') => Ok(Reply::Reject(text)),
        _ => Err(Fault::Garbage("a reply that is no refusal")),
    }
}

/// A header field: name, NUL, value, NUL. One without a value is taken away.
fn field(data: &[u8]) -> Result<Reply, Fault> {
    let mut parts = data.split(|b| *b == 0);
    let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::Garbage("a header field without a name"));
    }
    Ok(Reply::Header(shown(&[name, b": ", value].concat())))
}

/// Text that can go over the wire as it is: one line of printable ASCII, not too long.
fn sane(data: &[u8]) -> Option<String> {
    let text = data.split(|b| *b == 0).next().unwrap_or_default().trim_ascii();
    let is_sane = (1..=TEXT).contains(&text.len()) && text.iter().all(|b| (b' '..=b'~').contains(b));
    is_sane.then(|| String::from_utf8_lossy(text).into_owned())
}

/// Text as far as it can be shown on one line.
pub(super) fn shown(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line: String = words.collect::<Vec<_>>().join(" ");
    line.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn read(code: u8, data: &[u8]) -> Result<Reply, Fault> {
        Reply::read(&Frame { code, data: data.to_vec() })
    }

    #[test]
    fn a_coded_reply_keeps_its_text_when_it_is_one_line() {
        let text = |data: &[u8]| read(b'y', data).unwrap();
        assert_eq!(text(b"550 5.7.1 Gtube pattern\0"), Reply::Reject(Some("Gtube pattern".into())));
        assert_eq!(text(b"451 Try again\0"), Reply::Tempfail(Some("Try again".into())));
        assert_eq!(text(b"554 5.7.1\0"), Reply::Reject(Some("5.7.1".into())));
        for odd in [
            &b"550-5.7.1 one\r\n550 5.7.1 two\0"[..],
            b"550 \xff\0",
            b"550 a\x1b[1m\0",
            b"550\0",
            b"550",
            &[b"550 ", [b'x'; 300].as_slice()].concat(),
        ] {
            assert_eq!(text(odd), Reply::Reject(None), "{odd:?}");
        }
        for bad in [&b""[..], b"55", b"abc x\0", b"250 fine\0"] {
            assert!(read(b'y', bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fields_are_kept_on_one_line() {
        assert_eq!(read(b'h', b"X-Spam\0Yes\0").unwrap(), Reply::Header("X-Spam: Yes".into()));
        assert_eq!(read(b'i', b"\0\0\0\x01X-Report\0a\n\tb\x1b\xc3\xa4\0").unwrap(), Reply::Header("X-Report: a b ?".into()));
        assert_eq!(read(b'm', b"\0\0\0\x01X-Spam\0\0").unwrap(), Reply::Header("X-Spam:".into()));
        assert!(read(b'm', b"\0\0\0").is_err() && read(b'h', b"\0x\0").is_err() && read(b'h', b"").is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_is_kept_can_break_a_line(code in any::<u8>(), data in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(Reply::Reject(Some(text)) | Reply::Tempfail(Some(text)) | Reply::Quarantine(Some(text)) | Reply::Header(text)) = read(code, &data) {
                prop_assert!(!text.is_empty() && text.len() <= TEXT);
                prop_assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text:?}");
            }
        }
    }
}
