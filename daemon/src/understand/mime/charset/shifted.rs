//! Character sets that encoding_rs does not read, because browsers must not; mail has them: UTF-7 (RFC 2152), HZ
//! (RFC 1843), ISO-2022-KR (RFC 1557) and the code pages of DOS.

use encoding_rs::{EUC_KR, Encoding, GB18030};

use crate::understand::mime::words::b64_decode;

const CP437: &str =
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";
const CP852: &str = "ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}";

const UTF_7: [&str; 5] = ["utf-7", "utf7", "unicode-1-1-utf-7", "x-unicode-1-1-utf-7", "csunicode11utf7"];
const HZ: [&str; 3] = ["hz-gb-2312", "hz", "x-hz"];

/// Whether printable ASCII may stand for other characters in the set of that label (lower case).
pub fn is_one(label: &str) -> bool {
    UTF_7.contains(&label) || HZ.contains(&label)
}

/// Text in the set of that label (lower case); `None` where it is none of these sets.
pub fn decode(bytes: &[u8], label: &str) -> Option<String> {
    let number = label.trim_start_matches("ibm").trim_start_matches("cp").trim_start_matches('-');
    match label {
        _ if UTF_7.contains(&label) => return Some(utf7(bytes)),
        _ if HZ.contains(&label) => return Some(lifted(bytes, (b"~{", b"~}"), GB18030)),
        "iso-2022-kr" | "csiso2022kr" => return Some(lifted(bytes, (b"\x0e", b"\x0f"), EUC_KR)),
        _ if number == label => return None,
        _ => {}
    }
    let page = match number {
        "437" => CP437,
        "850" | "858" => CP850,
        "852" => CP852,
        _ => return None,
    };
    let high: Vec<char> = page.chars().collect();
    let of = |b: &u8| b.checked_sub(128).and_then(|n| high.get(usize::from(n)).copied()).unwrap_or(*b as char);
    Some(bytes.iter().map(of).collect())
}

fn utf7(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = rest.iter().position(|b| *b == b'+').unwrap_or(rest.len());
        let (head, tail) = rest.split_at(plain);
        out.push_str(&String::from_utf8_lossy(head));
        let coded = tail.get(1..).unwrap_or_default();
        let length = coded.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        let units = b64_decode(coded.get(..length).unwrap_or_default());
        let units =
            units.chunks_exact(2).map(|two| u16::from_be_bytes([two.first().copied().unwrap_or(0), two.last().copied().unwrap_or(0)]));
        let before = out.len();
        out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        let after = coded.get(length..).unwrap_or_default();
        rest = after.strip_prefix(b"-").unwrap_or(after);
        if out.len() == before && !tail.is_empty() {
            // Nothing was coded: `+-` is a plus, and one that opens nothing is one, too.
            out.push('+');
            if length > 0 {
                rest = coded;
            }
        }
    }
    out
}

/// Text whose shifted stretches lack the highest bit of their octets.
fn lifted(bytes: &[u8], (shift_out, shift_in): (&[u8], &[u8]), set: &'static Encoding) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut rest, mut high) = (bytes, false);
    while let Some((&b, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(if high { shift_in } else { shift_out }) {
            (rest, high) = (behind, !high);
        } else if let Some(behind) = rest.strip_prefix(b"\x1b$)C") {
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix(b"~~").filter(|_| !high && shift_out.len() == 2) {
            out.push(b'~');
            rest = behind;
        } else {
            // A line end ends a shift that was left open.
            high &= b != b'\n';
            out.push(if high && b > b' ' { b | 0x80 } else { b });
            rest = behind;
        }
    }
    set.decode_without_bom_handling(&out).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn utf_7_is_read() {
        for (raw, want) in
            [("Gr+APwA3w-e", "Grüße"), ("1 +- 1", "1 + 1"), ("a+b", "a+b"), ("+2D3eAA-!", "😀!"), ("+AOQ b", "ä b"), ("x+", "x+")]
        {
            assert_eq!(decode(raw.as_bytes(), "utf-7").as_deref(), Some(want), "{raw}");
        }
        assert!(decode(&b"+A".repeat(100_000), "utf-7").is_some_and(|t| t.len() < 1 << 20));
    }

    #[test]
    fn shifted_sets_are_read() {
        assert_eq!(decode(b"a ~{VPND~} ~~ b", "hz-gb-2312").as_deref(), Some("a 中文 ~ b"));
        assert_eq!(decode(b"\x1b$)Ca \x0eGQ1[\x0f b", "iso-2022-kr").as_deref(), Some("a 한글 b"));
    }

    #[test]
    fn pages_of_dos_are_read() {
        assert_eq!(decode(b"Gr\x81\xe1e", "cp850").as_deref(), Some("Grüße"));
        assert_eq!(decode(b"\x9c", "ibm437").as_deref(), Some("£"));
        assert_eq!(decode(b"\x9f", "cp852").as_deref(), Some("č"));
        assert_eq!((decode(b"x", "utf-8"), decode(b"x", "850")), (None, None));
    }
}
