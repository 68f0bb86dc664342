//! Lines that introduce a quote: "On … wrote:" in the languages people write it in.

use self::words::{CAPITALS, OPENERS, VERBS, WEEKDAYS};
use super::separator;
use crate::understand::html::text::{Hint, TextLine};

mod words;

/// Longest attribution, in characters, joined.
const LONGEST: usize = 400;
/// Most lines over which an attribution is wrapped.
const WRAPPED: usize = 5;

/// Finds the attributions of a text: for each, its first line and the line behind its last. `quoted` says which lines are
/// marked as a quote.
pub fn find(lines: &[TextLine], quoted: &[bool]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for end in 0..lines.len() {
        let from = out.last().map_or(0, |(_, behind)| *behind);
        if let Some(start) = ending_at(lines, quoted, from, end) {
            out.push((start, end + 1));
        }
    }
    out
}

/// Where in its first line an attribution begins that stands behind words of the writer: `Thanks! On Mon, … wrote:`.
pub fn begins_within(line: &str) -> Option<usize> {
    let ends = line.char_indices().filter(|(_, c)| matches!(c, '.' | '!' | '?' | '…' | ')' | '。' | '！'));
    let starts = ends.map(|(i, c)| i + c.len_utf8()).filter(|at| line.get(*at..).is_some_and(|rest| rest.starts_with(char::is_whitespace)));
    let behind_sentence = starts.take(20).find(|at| {
        let rest = line.get(*at..).unwrap_or_default().trim_start().to_lowercase();
        let dated = has_year(&rest) || has_clock(&rest);
        // `fre. den 21. nov.` and `2026 г. в 10:00` are one date.
        let own = line.get(..*at).unwrap_or_default().to_lowercase();
        let begun = has_year(&own) || own.contains('@') || own.len() < 14 && WEEKDAYS.iter().any(|day| own.starts_with(day));
        dated && !begun && OPENERS.iter().any(|o| rest.starts_with(o))
    });
    behind_sentence.or_else(|| behind_words(line))
}

/// The same where no sentence ends: a word that opens attributions in its capital, and a date at once.
fn behind_words(line: &str) -> Option<usize> {
    let blanks = line.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(i, c)| (i, i + c.len_utf8()));
    let (blank, _) = blanks.take(60).find(|(blank, at)| {
        let (own, rest) = (line.get(..*blank).unwrap_or_default(), line.get(*at..).unwrap_or_default());
        let Some(date) = CAPITALS.iter().find_map(|o| rest.strip_prefix(o)) else { return false };
        let soon: String = date.chars().take(20).collect();
        let lower = date.to_lowercase();
        // Who wrote it may stand before the date; then it is all one attribution.
        let before = own.to_lowercase();
        let whole = own.contains(['@', '<', ':']) || VERBS.iter().any(|verb| has_word(&before, verb));
        !own.trim().is_empty()
            && !whole
            && soon.contains(|c: char| c.is_ascii_digit())
            && has_year(&lower)
            && has_clock(&lower)
            && VERBS.iter().any(|verb| has_word(&lower, verb))
    })?;
    let own = line.get(..blank)?.trim_end();
    let bare = own.trim_end_matches('-');
    Some(if own.len() - bare.len() >= 3 { bare.len() } else { blank })
}

/// Where the attribution begins whose last line is `end`, if there is one.
fn ending_at(lines: &[TextLine], quoted: &[bool], from: usize, end: usize) -> Option<usize> {
    let last = lines.get(end)?;
    let text = bare(&last.text);
    let is_quoted = |i: usize| quoted.get(i).copied().unwrap_or(false);
    if text.is_empty() || is_quoted(end) {
        return None;
    }
    if last.hint == Hint::Attribution {
        return (from..=end).rev().take_while(|&i| lines.get(i).is_some_and(|l| l.hint == Hint::Attribution)).last();
    }
    let next = lines.iter().enumerate().skip(end + 1).find(|(_, l)| !l.text.trim().is_empty());
    let quoted_next = next.is_some_and(|(i, _)| is_quoted(i));
    if !ends_like_one(text, quoted_next) {
        return None;
    }
    let mut joined = String::new();
    let mut loose = None;
    for start in (from..=end).rev().take(WRAPPED) {
        let line = bare(&lines.get(start)?.text);
        // An empty line inside is what some wrap with; two are a gap.
        if is_quoted(start) || line.is_empty() && (start + 1 > end || joined.starts_with(' ') || end - start > 2) {
            break;
        }
        joined = format!("{line} {joined}");
        if joined.chars().count() > LONGEST {
            break;
        }
        match judge(&joined, quoted_next) {
            Judgement::Complete => return Some(start),
            Judgement::Possible if loose.is_none() => loose = Some(start),
            _ => {}
        }
    }
    loose
}

/// Without the marks of writing direction that Hebrew and Arabic programs put around names and lines.
fn bare(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || is_direction(c))
}

/// Isolates, too: they stand around names.
fn is_direction(c: char) -> bool {
    separator::is_direction(c) || matches!(c, '\u{2066}'..='\u{2069}')
}

/// In lower case, on one line, with plain blanks and European digits.
fn plain(joined: &str) -> String {
    let digit = |c: char, zero: u32| char::from_digit((c as u32).saturating_sub(zero), 10).unwrap_or(c);
    let one = |c: char| match c {
        '\u{a0}' | '\u{202f}' | '\u{2007}' | '\u{2009}' => ' ',
        '\u{660}'..='\u{669}' => digit(c, 0x660),
        '\u{6f0}'..='\u{6f9}' => digit(c, 0x6f0),
        '\u{966}'..='\u{96f}' => digit(c, 0x966),
        c => c,
    };
    joined.chars().filter(|c| !is_direction(*c)).map(one).collect::<String>().to_lowercase()
}

fn ends_like_one(text: &str, quoted_next: bool) -> bool {
    text.ends_with([':', '：'])
        || text.ends_with("wrote ----")
        || text.ends_with("wrote")
        || text.ends_with("----") && text.contains("wrote")
        || quoted_next && (text.ends_with('>') || VERBS.iter().any(|verb| ends_with_word(text, verb)))
}

enum Judgement {
    /// Begins like one, says when or who, and ends like one.
    Complete,
    /// Says who, and ends like one, but the beginning may be missing.
    Possible,
    No,
}

fn judge(joined: &str, quoted_next: bool) -> Judgement {
    let plain = plain(joined);
    let lower = plain.trim().trim_start_matches(['-', '*', ' ', '_']);
    let body = lower.trim_end_matches(|c: char| matches!(c, ':' | '：' | '-' | '*' | '_') || c.is_whitespace());
    let has_address = body.contains('@');
    let has_date = has_clock(body) || has_year(body);
    if !has_address && !has_date {
        // `---- Ann wrote ----`, as telephones draw it.
        let drawn = plain.trim().starts_with("--") && plain.trim().ends_with("wrote ----");
        return if drawn { Judgement::Complete } else { Judgement::No };
    }
    let verb_at_end = VERBS.iter().any(|verb| ends_with_word(body, verb));
    let verb = verb_at_end || VERBS.iter().any(|verb| has_word(body, verb));
    let begins_dated = lower.starts_with(|c: char| c.is_ascii_digit())
        && lower.get(..lower.floor_char_boundary(24)).is_some_and(|head| has_year(head) || has_clock(head));
    let opener = begins_dated || opens(lower);
    let colon = lower.ends_with([':', '：']);
    // Who, when and a colon above marked lines, in whatever language.
    let told = has_address && has_year(body) && has_clock(body) && colon && (quoted_next || opener && body.ends_with('>'));
    if verb && (verb_at_end || colon) {
        let named = has_address && has_date && lower.contains('<') && lower.starts_with(char::is_alphabetic);
        return match () {
            () if opener || named => Judgement::Complete,
            // "This is what I wrote in 2026:" above words that nothing marks is a sentence.
            () if !has_address && !quoted_next && !verb_at_end => Judgement::No,
            () => Judgement::Possible,
        };
    }
    // `2016-10-24 15:36 GMT+02:00 Ann <ann@x>:` has no verb at all.
    let dated = body.starts_with(|c: char| c.is_ascii_digit()) && has_year(body);
    if dated && has_address && (colon && body.ends_with('>') || quoted_next) {
        return Judgement::Complete;
    }
    if told {
        return if opener || lower.starts_with(char::is_alphabetic) { Judgement::Complete } else { Judgement::Possible };
    }
    if quoted_next && colon {
        return if opener { Judgement::Complete } else { Judgement::Possible };
    }
    Judgement::No
}

/// Whether a word that begins attributions stands in front, and a number soon behind it.
fn opens(lower: &str) -> bool {
    let soon = |chars: usize| lower.chars().take(chars).any(char::is_numeric);
    let days = |day: &&str| lower.starts_with(*day) && soon(if day.chars().count() <= 3 { 10 } else { 24 });
    OPENERS.iter().any(|o| lower.starts_with(o) && (o.len() > 8 || soon(40))) || WEEKDAYS.iter().any(days)
}

fn has_clock(text: &str) -> bool {
    text.as_bytes()
        .windows(4)
        .any(|w| matches!(w, [a, b':' | b'.', b, c] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit()))
}

fn has_year(text: &str) -> bool {
    text.as_bytes().windows(4).any(|w| matches!(w, [b'1' | b'2', b'9' | b'0', a, b] if a.is_ascii_digit() && b.is_ascii_digit()))
        || text
            .as_bytes()
            .windows(6)
            .any(|w| matches!(w, [b'/' | b'.' | b'-', a, b, b'/' | b'.' | b'-', c, d] if [a, b, c, d].iter().all(|x| x.is_ascii_digit())))
        || text.as_bytes().windows(5).any(|w| matches!(w, [a, b'.', b' ', b, c] if [a, b, c].iter().all(|x| x.is_ascii_digit())))
}

fn ends_with_word(text: &str, word: &str) -> bool {
    text.strip_suffix(word).is_some_and(|head| !word.is_ascii() || !head.ends_with(char::is_alphanumeric))
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(i, _)| {
        let open = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        open(text.get(..i).and_then(|h| h.chars().next_back())) && open(text.get(i + word.len()..).and_then(|t| t.chars().next()))
    })
}

#[cfg(test)]
mod tests;
