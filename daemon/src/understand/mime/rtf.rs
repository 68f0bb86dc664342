//! Rich text inside winmail.dat: its compression (MS-OXRTFCP) and its words.

use super::charset;

/// What the dictionary holds at first (MS-OXRTFCP §2.2.1.1).
const PRELOADED: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const WINDOW: usize = 4096;

/// Decompresses, at most `most` octets; `None` when it is not compressed rich text.
pub fn decompress(raw: &[u8], most: usize) -> Option<Vec<u8>> {
    let kind = raw.get(8..12)?;
    let body = raw.get(16..)?;
    match kind {
        b"MELA" => return Some(body.get(..most).unwrap_or(body).to_vec()),
        b"LZFu" => {}
        _ => return None,
    }
    let mut window = [b' '; WINDOW];
    for (slot, byte) in window.iter_mut().zip(PRELOADED) {
        *slot = *byte;
    }
    let mut end = PRELOADED.len();
    let mut out = Vec::new();
    let mut input = body.iter().copied();
    let mut put = |byte: u8, end: &mut usize, window: &mut [u8; WINDOW]| {
        if let Some(slot) = window.get_mut(*end % WINDOW) {
            *slot = byte;
        }
        *end = (*end + 1) % WINDOW;
        out.push(byte);
        out.len() < most
    };
    'runs: while let Some(control) = input.next() {
        for bit in 0..8 {
            if control & (1 << bit) == 0 {
                let Some(byte) = input.next() else { break 'runs };
                if !put(byte, &mut end, &mut window) {
                    break 'runs;
                }
                continue;
            }
            let (Some(high), Some(low)) = (input.next(), input.next()) else { break 'runs };
            let offset = usize::from(high) << 4 | usize::from(low >> 4);
            if offset == end {
                break 'runs;
            }
            for n in 0..usize::from(low & 15) + 2 {
                let byte = window.get((offset + n) % WINDOW).copied().unwrap_or(b' ');
                if !put(byte, &mut end, &mut window) {
                    break 'runs;
                }
            }
        }
    }
    Some(out)
}

/// Groups that hold no words.
const SILENT: [&str; 12] = [
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "themedata",
    "datastore",
    "latentstyles",
    "listtable",
    "listoverridetable",
    "generator",
];

/// The words of rich text, at most `most` octets.
pub fn text(rtf: &[u8], most: usize) -> String {
    let mut out = Words::default();
    let mut silent: Vec<bool> = vec![false];
    let mut at = 0;
    while let Some(&byte) = rtf.get(at) {
        at += 1;
        let hidden = silent.last().copied().unwrap_or(false);
        match byte {
            // Deeper groups than any writer makes are read as one.
            b'{' if silent.len() < 1_000 => silent.push(hidden),
            b'}' if silent.len() > 1 => {
                silent.pop();
            }
            b'{' | b'}' | b'\r' | b'\n' => {}
            b'\\' => {
                let (word, number, used) = control(rtf.get(at..).unwrap_or_default());
                at += used;
                if word == "*" || SILENT.contains(&word.as_str()) || word == "htmlrtf" && number != Some(0) {
                    if let Some(last) = silent.last_mut() {
                        *last = word != "htmlrtf" || *last;
                    }
                } else if !hidden {
                    out.control(&word, number);
                }
            }
            _ if !hidden => out.byte(byte),
            _ => {}
        }
        if out.text.len() >= most {
            break;
        }
    }
    out.flush();
    out.text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// A control word or symbol behind its backslash, with its number and its length.
fn control(rest: &[u8]) -> (String, Option<i32>, usize) {
    let letters = rest.iter().take(32).take_while(|b| b.is_ascii_alphabetic()).count();
    if letters == 0 {
        let symbol = rest.first().copied().unwrap_or(b' ');
        if symbol == b'\'' {
            let value = rest.get(1..3).and_then(super::words::hex_pair).map(i32::from);
            return ("'".to_owned(), value, rest.len().min(3));
        }
        return ((symbol as char).to_string(), None, rest.len().min(1));
    }
    let word = String::from_utf8_lossy(rest.get(..letters).unwrap_or_default()).into_owned();
    let minus = usize::from(rest.get(letters) == Some(&b'-'));
    let digits = rest.get(letters + minus..).unwrap_or_default().iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let end = if digits == 0 { letters } else { letters + minus + digits };
    let number = rest.get(letters..end).and_then(|n| std::str::from_utf8(n).ok()).and_then(|n| n.parse().ok());
    let space = usize::from(rest.get(end) == Some(&b' '));
    (word, number, end + space)
}

#[derive(Default)]
struct Words {
    text: String,
    /// Octets of the code page that are not decoded yet.
    bytes: Vec<u8>,
    codepage: Option<String>,
    /// Octets to skip behind a `\u`, which repeat it for old readers.
    skip: u8,
}

impl Words {
    fn byte(&mut self, byte: u8) {
        match self.skip {
            0 => self.bytes.push(byte),
            n => self.skip = n - 1,
        }
    }

    fn flush(&mut self) {
        let label = self.codepage.clone().unwrap_or_else(|| "windows-1252".to_owned());
        let bytes = std::mem::take(&mut self.bytes);
        self.text.push_str(&charset::decode(&bytes, Some(&label)));
    }

    fn control(&mut self, word: &str, number: Option<i32>) {
        match word {
            "'" => self.byte(number.and_then(|n| u8::try_from(n).ok()).unwrap_or(b'?')),
            "\\" | "{" | "}" => self.byte(word.bytes().next().unwrap_or(b' ')),
            "~" => self.byte(b' '),
            "par" | "line" | "row" | "sect" | "page" => self.byte(b'\n'),
            "tab" | "cell" => self.byte(b'\t'),
            "ansicpg" => self.codepage = number.map(|n| format!("windows-{n}")),
            "u" => {
                self.flush();
                let unit = u16::try_from(number.unwrap_or(0).rem_euclid(65_536)).unwrap_or(0);
                self.text.push(char::decode_utf16([unit]).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER));
                self.skip = 1;
            }
            "emdash" | "endash" => self.byte(b'-'),
            "lquote" | "rquote" => self.byte(b'\''),
            "ldblquote" | "rdblquote" => self.byte(b'"'),
            "bullet" => self.byte(b'*'),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        let rtf =
            b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}}{\\*\\generator X;}\\f0 Gr\\'fc\\'dfe \\u228?\\par {\\b fett}\\line x\\}}";
        assert_eq!(text(rtf, 1000), "Grüße ä\nfett\nx}");
        assert_eq!(text(&b"{".repeat(100_000), 1000), "");
    }

    #[test]
    fn compressed_text_is_bounded() {
        // The example of MS-OXRTFCP §3.1.1.
        let raw = [
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 3, 0, 0x0a, 0, 0x72, 0x63, 0x70, 0x67, 0x31,
            0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 9, 0, 0x20, 0x62, 0x77, 5, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80,
            0x0f, 0xa0,
        ];
        let plain = decompress(&raw, 10_000).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&plain), "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(decompress(&raw, 5).map(|p| p.len()), Some(5));
    }
}
