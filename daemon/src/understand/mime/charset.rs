//! Bytes to text: declared character sets by encoding_rs, undeclared ones by a guess (RFC 2045 §5.2).

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::{memchr, memmem};

mod mended;
mod shifted;
mod wide;

pub use mended::undoubled;

/// Text of `bytes` in the character set `label`; what the label does not explain is guessed. NUL and other controls
/// but tab and line feed are gone, line ends are LF, and what was encoded twice is decoded twice.
pub fn decode(bytes: &[u8], label: Option<&str>) -> String {
    if let Some(text) = plain(bytes, label) {
        return text;
    }
    let text = match mended::utf16(bytes) {
        Some(encoding) => encoding.decode_with_bom_removal(bytes).0.into_owned(),
        None => decode_raw(bytes, label),
    };
    tidy(mended::undoubled(text))
}

/// Text that is nothing but ASCII without controls, which is most; `None` for other octets, and where the set may mean other
/// characters by it.
fn plain(bytes: &[u8], label: Option<&str>) -> Option<String> {
    if !is_plain(bytes) || label.is_some_and(|label| shifted::is_one(&bare(label))) {
        return None;
    }
    std::str::from_utf8(bytes).ok().map(line_feeds)
}

/// Whether all octets are printable ASCII, tabs and line ends. All are looked at, which is quicker than to stop at one.
pub fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, b| all & matches!(b, b'\r' | b'\n' | b'\t' | b' '..=b'~'))
}

/// Like [`decode`], with all controls left in, and nothing mended that can be read as it stands: what is compared as an
/// address must be what others read.
pub fn decode_raw(bytes: &[u8], label: Option<&str>) -> String {
    let label = label.map(bare);
    // Its mark begins like the one of UTF-16.
    if let Some(text) = wide::utf32(bytes, label.as_deref()).or_else(|| wide::cesu(bytes)) {
        return text;
    }
    if let Some((encoding, skip)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(bytes.get(skip..).unwrap_or_default());
        return text.into_owned();
    }
    let Some(label) = label else { return guess(bytes) };
    if let Some(text) = shifted::decode(bytes, &label) {
        return text;
    }
    match named(&label) {
        Some(encoding) if encoding == UTF_8 => utf8(bytes),
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => wide(bytes, encoding, &label),
        Some(encoding) => declared(bytes, encoding),
        None => guess(bytes),
    }
}

/// A label as senders mean it: without quotes, and without what a careless program wrote around it.
fn bare(label: &str) -> String {
    let label = label.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    let label = label.split([';', ',', ' ']).next().unwrap_or_default();
    label.strip_prefix("charset=").unwrap_or(label).trim_matches(['"', '\'']).to_owned()
}

/// The encoding a label names; `None` for ASCII and what nobody knows, which are read as they stand.
fn named(label: &str) -> Option<&'static Encoding> {
    let known = match label {
        "us-ascii" | "ascii" | "unknown-8bit" | "default" | "x-user-defined" | "replacement" => return None,
        "cp932" | "windows-932" | "mskanji" | "shift-jis-2004" | "shift_jis-2004" => "shift_jis",
        "cp936" | "windows-936" | "gb18030-2000" | "iso-gb2312" | "gb2312-80" | "hz-gb2312" => "gb18030",
        "cp949" | "windows-949" | "ks_c_5601" | "x-windows-949" | "uhc" => "euc-kr",
        "cp950" | "windows-950" | "chinesebig5" | "big5-eten" => "big5",
        "ujis" | "eucjp" | "x-eucjp" => "euc-jp",
        "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-2004" | "iso-2022-jp-ms" | "cp50220" | "cp50221" | "jis" => {
            "iso-2022-jp"
        }
        "latin-1" | "iso8859_1" | "iso_8859_1" | "8859-1" | "ansi" | "cp-1252" | "win-1252" | "ms-ansi" | "ansi_x3.4-1968" => {
            "windows-1252"
        }
        "latin9" | "latin-9" | "iso-8859-15-euro" => "iso-8859-15",
        "utf8mb4" | "utf-8-mac" | "utf_8" | "utf8-mac" | "utf-8n" | "cp65001" | "65001" | "cesu-8" | "cscesu-8" | "cesu8" => "utf-8",
        "utf16" | "utf-16" | "unicode" | "ucs-2" | "iso-10646-ucs-2" => "utf-16be",
        "win-1251" | "cp-1251" | "win1251" => "windows-1251",
        other => other,
    };
    Encoding::for_label_no_replacement(known.as_bytes()).or_else(|| {
        let dashed = known.replace('_', "-").replace("iso8859", "iso-8859").replace("cp12", "windows-12").replace("cp-12", "windows-12");
        Encoding::for_label_no_replacement(dashed.as_bytes())
    })
}

/// Declared UTF-16, in the byte order that it has.
fn wide(bytes: &[u8], encoding: &'static Encoding, label: &str) -> String {
    if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() {
        return utf8(bytes);
    }
    let sure = label.ends_with("le") || label.ends_with("be");
    let encoding = mended::utf16(bytes).unwrap_or_else(|| if sure { encoding } else { mended::byte_order(bytes) });
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Text in a declared set, unless the octets say that it is another one.
fn declared(bytes: &[u8], encoding: &'static Encoding) -> String {
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    // Octets of one single-byte set or another are hardly ever well-formed UTF-8 by chance.
    if (broken || encoding.is_single_byte())
        && !bytes.is_ascii()
        && let Ok(utf8) = std::str::from_utf8(bytes)
    {
        return utf8.to_owned();
    }
    if !broken {
        return text.into_owned();
    }
    let other = guess(bytes);
    if holes(&other) < holes(&text) { other } else { text.into_owned() }
}

/// UTF-8 where nearly all of it is; else the sender's label was wrong.
fn utf8(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => return text.to_owned(),
        Err(_) => mended::mixed(bytes),
    };
    let broken: usize = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    let special = bytes.iter().filter(|b| !b.is_ascii()).count();
    if broken * 4 <= special { text } else { guess(bytes) }
}

fn holes(text: &str) -> usize {
    text.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count()
}

fn guess(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && memmem::find(bytes, b"\x1b$").is_none()
    {
        return text.to_owned();
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes.get(..1 << 16).unwrap_or(bytes), true);
    let encoding = detector.guess(None, Utf8Detection::Allow);
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    if broken { WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned() } else { text.into_owned() }
}

/// The text with LF line ends.
fn line_feeds(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((line, behind)) = memchr(b'\r', rest.as_bytes()).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(line);
        out.push('\n');
        rest = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix('\r')).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// LF line ends, and no controls but tab and LF.
pub fn tidy(text: String) -> String {
    // Octets that no character begins with that goes. All are looked at, which is quicker than to stop at one.
    let stays = |b: u8| !matches!(b, ..b' ' | 0x7f | 0xc2 | 0xe2 | 0xef) | matches!(b, b'\r' | b'\n' | b'\t');
    if text.bytes().fold(true, |all, b| all & stays(b)) {
        return if memchr(b'\r', text.as_bytes()).is_some() { line_feeds(&text) } else { text };
    }
    // Runs of what stays are taken whole. Of other characters those that go begin with these octets.
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.bytes().position(|b| !stays(b) || b == b'\r').unwrap_or(rest.len());
        let (run, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push_str(run);
        let mut chars = behind.chars();
        match chars.next() {
            Some('\r') if chars.as_str().starts_with('\n') => {}
            Some('\r' | '\u{85}' | '\u{2028}' | '\u{2029}') => out.push('\n'),
            Some('\u{c}' | '\u{b}') => out.push(' '),
            Some(c) if c.is_control() || c == '\u{feff}' => {}
            Some(c) => out.push(c),
            None => {}
        }
        rest = chars.as_str();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_believed_until_the_bytes_contradict() {
        assert_eq!(decode(b"caf\xe9", Some("iso-8859-1")), "café");
        assert_eq!(decode("café".as_bytes(), Some("UTF-8")), "café");
        assert_eq!(decode(b"Das ist sch\xf6n und gr\xfc\xdft", Some("utf-8")), "Das ist schön und grüßt");
        assert_eq!(decode(b"Das ist sch\xf6n und gr\xfc\xdft", None), "Das ist schön und grüßt");
        assert_eq!(decode(b"+ADw-b+AD4-", Some("utf-7")), "<b>");
        assert_eq!(decode(b"\x1b$B$3$s\x1b(B", Some("us-ascii")), "こん");
    }

    #[test]
    fn wrong_labels_are_seen_through() {
        assert_eq!(decode("grüne Äpfel".as_bytes(), Some("iso-8859-1")), "grüne Äpfel");
        assert_eq!(decode("Привет, как дела".as_bytes(), Some("koi8-r")), "Привет, как дела");
        assert_eq!(decode(b"\xe9\x46\xbb\xf9 \xd6\xd0\xce\xc4", Some("gb2312")), "镕基 中文");
        assert_eq!(decode(b"\x93quoted\x94 \x80 5", Some("iso-8859-1")), "“quoted” € 5");
        assert_eq!(decode("schÃ¶n".as_bytes(), Some("utf-8")), "schön");
        assert_eq!(decode("gr\u{fc}n".as_bytes(), Some("charset=\"utf-8\"; format=flowed")), "grün");
        let wide: Vec<u8> = "Grüße an alle".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for label in [None, Some("utf-16"), Some("utf-16le"), Some("us-ascii")] {
            assert_eq!(decode(&wide, label), "Grüße an alle", "{label:?}");
        }
        assert_eq!(decode(b"only ascii", Some("utf-16")), "only ascii");
        assert_eq!(decode(b"\xa4\xb3\xa4\xf3\xa4\xcb\xa4\xc1\xa4\xcf", Some("iso-2022-jp")), "こんにちは");
    }

    #[test]
    fn controls_go_and_line_ends_are_one() {
        assert_eq!(decode(b"a\0\x1bb\r\nc\rd\te", None), "ab\nc\nd\te");
    }

    const LABELS: &str = "utf-8 us-ascii utf-16 utf-16le utf-32 utf-7 utf7 UTF-7 charset=\"utf-7\" 'HZ';x hz-gb-2312 x-hz iso-2022-kr \
        iso-2022-jp iso-2022-cn shift_jis euc-jp gb18030 big5 cp037 ibm850 cp437 macintosh koi8-r viscii x replacement x-user-defined";

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_long_one_does(
            text in "[\\t\\r\\n -~]{0,80}|([+][A-Za-z]{0,5}-|~[{][!-~]{0,5}~[}]| ){0,9}",
            label in proptest::option::of(prop::sample::select(LABELS.split_whitespace().collect::<Vec<_>>())),
        ) {
            let long = tidy(mended::undoubled(decode_raw(text.as_bytes(), label)));
            prop_assert_eq!(decode(text.as_bytes(), label), long);
        }
    }
}
