//! Cleaning of text that strangers wrote before it is shown, compared or put into a header.

/// Removes what can deceive a reader or break a header: C0 and C1 controls (tab and line feed stay where `lines`),
/// bidirectional controls and invisible characters (CVE-2021-42574).
pub fn clean(s: &str, lines: bool) -> String {
    s.chars().filter(|&c| !is_deceptive(c) && (!c.is_control() || (lines && (c == '\n' || c == '\t')))).collect()
}

/// One line for a header or a label: controls become spaces, white space is folded, at most `max` characters.
pub fn one_line(s: &str, max: usize) -> String {
    let spaced: String = s.chars().map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c }).collect();
    let folded = clean(&spaced, false).split_whitespace().collect::<Vec<_>>().join(" ");
    shorten(&folded, max)
}

/// At most `max` characters, with an ellipsis where something was cut.
pub fn shorten(s: &str, max: usize) -> String {
    if s.chars().count() <= max {
        return s.to_owned();
    }
    let mut out: String = s.chars().take(max.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// Bidirectional and invisible formatting characters.
pub fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_cannot_make_two() {
        assert_eq!(one_line("Hi\r\nBcc: eve@x.test\u{202e}", 100), "Hi Bcc: eve@x.test");
        assert_eq!(one_line("a\u{2028}b", 100), "a b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
