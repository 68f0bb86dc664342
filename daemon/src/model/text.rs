//! Cleaning of text that strangers wrote before it is shown, compared or put into a header.

use memchr::memchr_iter;

/// Removes what can deceive a reader or break a header: C0 and C1 controls (tab and line feed stay where `lines`),
/// bidirectional controls and invisible characters (CVE-2021-42574).
pub fn clean(s: &str, lines: bool) -> String {
    let goes = |c: char| match c {
        '\n' | '\t' => !lines,
        ' '..='~' => false,
        c => c.is_control() || is_deceptive(c),
    };
    s.split(goes).collect()
}

/// Whether a line of a text that leaves is quoted: `>` is the very first of it (RFC 3676 §4.5).
pub fn is_quoted(line: &str) -> bool {
    line.starts_with('>')
}

/// [`char::is_alphabetic`], with a quick answer for the letters that most mail is written in.
pub fn is_letter(c: char) -> bool {
    match c {
        ..='\u{7f}' => c.is_ascii_alphabetic(),
        '\u{c0}'..='\u{24f}' => !matches!(c, '\u{d7}' | '\u{f7}'),
        '\u{400}'..='\u{481}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => true,
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' => true,
        c => c.is_alphabetic(),
    }
}

/// One line for a header or a label: controls become spaces, white space is folded, at most `max` characters.
pub fn one_line(s: &str, max: usize) -> String {
    // Most are one already.
    let stays = |c| matches!(c, ' '..='~') || !c.is_whitespace() && !c.is_control() && !is_deceptive(c);
    if s.len() <= max && s.chars().all(stays) && !s.starts_with(' ') && !s.ends_with(' ') && !s.contains("  ") {
        return s.to_owned();
    }
    let spaced: String = s.chars().map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c }).collect();
    let folded = clean(&spaced, false).split_whitespace().collect::<Vec<_>>().join(" ");
    shorten(&folded, max)
}

/// The lines of a text and what stands behind the last line end, as `split('\n')` parts them; many are quicker found so.
pub fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    let mut from = 0;
    ends.map(move |end| text.get(std::mem::replace(&mut from, end + 1)..end).unwrap_or_default())
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

/// A server's words without our secrets: every word that is or holds a piece of one becomes `***`.
pub fn blackened(text: &str, secrets: &[String]) -> String {
    let whole = secrets.iter().fold(text.to_owned(), |text, secret| if secret.is_empty() { text } else { text.replace(secret, "***") });
    let is_piece = |word: &str| {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        core.len() >= 6 && secrets.iter().any(|secret| secret.contains(core))
    };
    whole.split(' ').map(|word| if is_piece(word) { "***" } else { word }).collect::<Vec<_>>().join(" ")
}

/// Text for HTML that can neither open a tag nor leave an attribute.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A subject without the `Re:` of one language or another that clients put before it.
pub fn bare_subject(subject: &str) -> &str {
    const PREFIXES: [&str; 12] = ["re:", "aw:", "sv:", "vs:", "antw:", "tr:", "res:", "odp:", "ynt:", "rif:", "回复:", "答复:"];
    let mut bare = subject.trim();
    while let Some(rest) = PREFIXES.iter().find_map(|p| {
        let (head, rest) = bare.split_at_checked(p.len())?;
        (head.to_lowercase() == **p).then_some(rest)
    }) {
        bare = rest.trim_start();
    }
    bare
}

/// Bidirectional and invisible formatting characters.
pub fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A value of a header without its comments (RFC 5322 §3.2.2), and whether all quotes and comments in it end. Quoted
/// strings keep their quotes.
pub fn without_comments(value: &str) -> (String, bool) {
    let mut out = String::with_capacity(value.len());
    let (mut depth, mut quoted, mut escaped, mut is_sound) = (0usize, false, false, true);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => {
                depth -= 1;
                continue;
            }
            ')' if !quoted => is_sound = false,
            _ => {}
        }
        if depth == 0 {
            out.push(c);
        }
    }
    (out, is_sound && depth == 0 && !quoted && !escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_letter_is_what_unicode_says() {
        assert!(('\0'..=char::MAX).all(|c| is_letter(c) == c.is_alphabetic()));
    }

    #[test]
    fn a_bare_subject_has_no_prefix_of_any_language() {
        assert_eq!(bare_subject("Re: AW: re:Antw: Rechnung: Re: x"), "Rechnung: Re: x");
        assert_eq!(bare_subject("回复: 你好"), "你好");
        assert_eq!(bare_subject("Reform"), "Reform");
    }

    #[test]
    fn one_line_cannot_make_two() {
        assert_eq!(one_line("Hi\r\nBcc: eve@x.test\u{202e}", 100), "Hi Bcc: eve@x.test");
        assert_eq!(one_line("a\u{2028}b", 100), "a b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn lines_are_what_stands_between_line_ends(s in "[a\\nä\\r]{0,12}") {
            prop_assert!(split_lines(&s).eq(s.split('\n')));
        }

        #[test]
        fn one_line_is_its_words(s in "[ -~\\t\\u{a0}é]{0,12}", max in 1..14usize) {
            let words: Vec<&str> = s.split_whitespace().collect();
            prop_assert_eq!(one_line(&s, max), shorten(&words.join(" "), max));
        }
    }
}
