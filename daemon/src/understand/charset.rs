//! Bytes to text: declared character sets by encoding_rs, undeclared ones by a guess (RFC 2045 §5.2).

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Text of `bytes` in the character set `label`; what the label does not explain is guessed. NUL and other controls
/// but tab and line feed are gone, line ends are LF.
pub fn decode(bytes: &[u8], label: Option<&str>) -> String {
    tidy(&decode_raw(bytes, label))
}

/// Like [`decode`], with all controls left in.
pub fn decode_raw(bytes: &[u8], label: Option<&str>) -> String {
    if let Some((encoding, skip)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes.get(skip..).unwrap_or_default());
        return text.into_owned();
    }
    let declared = label.and_then(named);
    match declared {
        Some(encoding) if encoding == UTF_8 => utf8(bytes),
        Some(encoding) => {
            let (text, broken) = encoding.decode_without_bom_handling(bytes);
            match broken {
                true => std::str::from_utf8(bytes).map_or_else(|_| text.into_owned(), str::to_owned),
                false => text.into_owned(),
            }
        }
        None => guess(bytes),
    }
}

/// The encoding a label names; `None` for ASCII, UTF-7 and what nobody knows, which are read as they stand.
fn named(label: &str) -> Option<&'static Encoding> {
    let label = label.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    let known = match label.as_str() {
        "us-ascii" | "ascii" | "unknown-8bit" | "default" | "utf-7" | "unicode-1-1-utf-7" => return None,
        "cp932" | "windows-932" | "mskanji" => "shift_jis",
        "cp936" | "windows-936" | "gb18030-2000" => "gb18030",
        "cp949" | "windows-949" | "ks_c_5601" => "euc-kr",
        "cp950" | "windows-950" => "big5",
        "latin-1" | "iso8859_1" | "iso_8859_1" | "8859-1" => "windows-1252",
        "utf8mb4" | "utf-8-mac" | "utf_8" | "utf8-mac" => "utf-8",
        "cp850" | "cp437" | "ibm850" | "ibm437" => "windows-1252",
        other => other,
    };
    Encoding::for_label_no_replacement(known.as_bytes()).or_else(|| {
        let dashed = known.replace('_', "-").replace("iso8859", "iso-8859").replace("cp12", "windows-12");
        Encoding::for_label_no_replacement(dashed.as_bytes())
    })
}

/// UTF-8 where nearly all of it is; else the sender's label was wrong.
fn utf8(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let broken = text.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count();
    let special = bytes.iter().filter(|b| !b.is_ascii()).count();
    if broken * 4 <= special { text.into_owned() } else { guess(bytes) }
}

fn guess(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !bytes.windows(2).any(|w| w == b"\x1b$")
    {
        return text.to_owned();
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes.get(..1 << 16).unwrap_or(bytes), true);
    let encoding = detector.guess(None, Utf8Detection::Allow);
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    if broken { WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned() } else { text.into_owned() }
}

/// LF line ends, and no controls but tab and LF.
pub fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\n' | '\t' => out.push(c),
            '\u{c}' | '\u{b}' => out.push(' '),
            c if c.is_control() || c == '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_believed_until_the_bytes_contradict() {
        assert_eq!(decode(b"caf\xe9", Some("iso-8859-1")), "café");
        assert_eq!(decode("café".as_bytes(), Some("UTF-8")), "café");
        assert_eq!(decode(b"Das ist sch\xf6n und gr\xfc\xdft", Some("utf-8")), "Das ist schön und grüßt");
        assert_eq!(decode(b"Das ist sch\xf6n und gr\xfc\xdft", None), "Das ist schön und grüßt");
        assert_eq!(decode(b"+ADw-script+AD4-", Some("utf-7")), "+ADw-script+AD4-");
        assert_eq!(decode(b"\x1b$B$3$s\x1b(B", Some("us-ascii")), "こん");
    }

    #[test]
    fn controls_go_and_line_ends_are_one() {
        assert_eq!(decode(b"a\0\x1bb\r\nc\rd\te", None), "ab\nc\nd\te");
    }
}
