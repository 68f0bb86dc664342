//! Where a writer's own words end and the signature begins: the delimiter of RFC 3676 §4.3, and the lines that
//! telephones and mail programs add.

use self::words::{CLOSINGS, PROGRAMS, SENT_WITH, SHORT_PROGRAMS, TAGLINES};
use super::disclaimer;

mod words;

/// Whether a line separates a signature: `-- `, or one of the dashes and rules that people type instead.
pub fn is_delimiter(line: &str) -> bool {
    let bare = line.trim_end();
    matches!(bare, "--" | "__" | "—" | "––" | "——" | "- --" | "---" | "--=20") || is_rule(bare)
}

fn is_rule(bare: &str) -> bool {
    bare.len() >= 5 && (bare.chars().all(|c| c == '_') || bare.chars().all(|c| c == '-'))
}

/// Whether a line is one that a telephone or mail program adds by itself.
pub fn is_tagline(line: &str) -> bool {
    let line = line.trim().trim_start_matches(|c: char| "[(<*_|-–—".contains(c) || c.is_whitespace());
    if line.is_empty() || line.chars().count() > 120 {
        return false;
    }
    let lower = line.to_lowercase();
    // A program's line is short and no sentence.
    let program = (lower.starts_with("sent from ") || lower.starts_with("sent by "))
        && lower.split_whitespace().count() <= 8
        && !lower.ends_with(['.', '!', '?', ',']);
    let begins = |beginnings: &[&str]| beginnings.iter().any(|words| lower.starts_with(words));
    (begins(&TAGLINES) || begins(&SENT_WITH) && names_program(&lower)) && !lower.ends_with('?') && !says_something(&lower)
        || names_device(&lower)
        || program
        || lower.ends_with(" gesendet") && lower.starts_with("von ")
        || lower.ends_with("から送信") && lower.chars().count() < 30
}

/// A line that begins like a program's and goes on as a person does; what asks to excuse slips is in many of them.
fn says_something(lower: &str) -> bool {
    let verb = |w: &str| matches!(w, "is" | "was" | "are" | "has" | "have" | "because" | "works" | "but");
    let excuses = ["excuse", "forgive", "pardon", "sorry", "typo", "brief", "brevity"].iter().any(|w| lower.contains(w));
    !excuses && lower.starts_with("sent ") && lower.split_whitespace().count() > 6 && lower.split_whitespace().any(verb)
}

/// Whether a line names a telephone or a program for mail. `Sent with` without one tells of a parcel.
pub fn names_program(line: &str) -> bool {
    let lower = line.to_lowercase();
    PROGRAMS.iter().any(|name| lower.contains(name))
        || lower.split(|c: char| !c.is_alphanumeric()).any(|word| SHORT_PROGRAMS.contains(&word))
}

/// `From my iPhone 6`, `Ann from mobile`: few words and a telephone, without a verb.
fn names_device(lower: &str) -> bool {
    const DEVICES: [&str; 12] =
        ["iphone", "ipad", "ipod", "android", "mobile", "phone", "cell", "blackberry", "galaxy", "tablet", "smartphone", "handy"];
    let words: Vec<&str> = lower.split_whitespace().collect();
    let device = |word: &&str| DEVICES.contains(&word.trim_matches(|c: char| !c.is_alphanumeric()));
    let tail = words.iter().position(|w| matches!(*w, "from" | "von" | "via")).and_then(|at| words.get(at + 1..)).unwrap_or_default();
    match words.as_slice() {
        ["from" | "von", "my" | "meinem", rest @ ..] => rest.len() <= 4 && rest.iter().any(device),
        [_, _, ..] if words.len() <= 4 => tail.len() == 1 && tail.iter().all(device) && !lower.ends_with(['.', '?', '!']),
        _ => false,
    }
}

/// Most octets of a closing formula, with a few to spare for capitals that are longer than their small letters.
const LONGEST: usize = 48;

/// Whether a line is a closing formula and nothing else.
pub fn is_closing(line: &str) -> bool {
    let bare = line.trim().trim_end_matches([',', '.', '!', ';', '-', ' ']);
    bare.len() <= LONGEST && CLOSINGS.contains(&bare.to_lowercase().as_str())
}

/// One to three words that all begin with a capital.
fn is_name(line: &str) -> bool {
    let line = line.trim().trim_end_matches(['.', ',']);
    let words: Vec<&str> = line.split_whitespace().collect();
    let capital = |w: &&str| w.starts_with(char::is_uppercase) && w.chars().all(|c| c.is_alphabetic() || ".-'’".contains(c));
    (1..=3).contains(&words.len()) && words.iter().all(capital)
}

/// Lines that a signature may have, empty ones not counted.
const CARD: usize = 16;

/// Where the signature begins in the lines of one stretch of own words; `None` when there is none. `last` says that no
/// more own words follow in the mail.
pub fn begins(lines: &[&str], last: bool) -> Option<usize> {
    // Dashes and rules are also drawn inside a text; above a few short last lines they are a signature.
    let strict = lines.iter().position(|line| matches!(line.trim_end(), "--" | "--=20" | "- --"));
    let legal = if last { disclaimer::begins(lines) } else { None };
    let lines = lines.get(..legal.unwrap_or(lines.len())).unwrap_or_default();
    let near = lines.iter().enumerate().rev().filter(|(_, l)| !l.trim().is_empty()).nth(CARD).map_or(0, |(i, _)| i);
    let drawn = (near..lines.len())
        .filter(|_| last)
        .find(|i| lines.get(*i).is_some_and(|l| is_delimiter(l)) && looks_like_card(lines.get(i + 1..).unwrap_or_default()));
    let found = [strict, drawn, taglines(lines)].into_iter().flatten().min();
    if !last {
        return found;
    }
    let above = lines.get(..found.unwrap_or(lines.len())).unwrap_or_default();
    let closed = if found.is_none() { closing(lines) } else { None };
    closed.or_else(|| dashed_name(above)).or(found).or(legal)
}

/// A last line that is a dash and a name, below a sentence that is finished; below a list it is one more of its lines.
fn dashed_name(lines: &[&str]) -> Option<usize> {
    let mut filled = lines.iter().enumerate().rev().filter(|(_, l)| !l.trim().is_empty());
    let (at, line) = filled.next()?;
    let (above, said) = filled.next()?;
    let name = line.trim_end().strip_prefix(['-', '–', '—'])?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let near = name.strip_prefix(' ').unwrap_or(name);
    let spaced = near.len() < name.len();
    let word = !spaced || near.split_whitespace().count() == 1;
    let named = is_name(near) || word && near.chars().count() <= 20 && !near.is_empty() && near.chars().all(char::is_alphabetic);
    let finished = said.trim_end().ends_with(['.', '!', ')']) && !said.trim_start().starts_with(['-', '*', '•', '–', '—']);
    (named && finished && (!spaced || above + 1 < at)).then_some(at)
}

/// Where the lines begin that only programs wrote: each is one, or a delimiter stands behind, or very little.
fn taglines(lines: &[&str]) -> Option<usize> {
    let mut found = None;
    let mut below = None;
    let (mut filled, mut only, mut short, mut delimited) = (0usize, true, true, false);
    for (i, line) in lines.iter().enumerate().rev().filter(|(_, l)| !l.trim().is_empty()) {
        // Where it would not count nobody needs to know.
        let tagline = (only || delimited || filled <= 2 && short || found.is_some() && found == below) && is_tagline(line);
        if tagline {
            found = Some(i);
        }
        delimited = is_delimiter(line);
        only &= tagline || delimited;
        short &= line.chars().count() <= 60;
        filled += 1;
        below = Some(i);
    }
    found
}

/// A closing formula with a name below it, as the last lines of a text that has more.
fn closing(lines: &[&str]) -> Option<usize> {
    let mut tail: Vec<usize> = lines.iter().enumerate().rev().filter(|(_, l)| !l.trim().is_empty()).map(|(i, _)| i).take(9).collect();
    tail.reverse();
    let at = |n: usize| tail.get(n).and_then(|i| lines.get(*i)).copied().unwrap_or_default();
    let card = |from: usize| (from..tail.len()).all(|m| at(m).chars().count() <= 60 && !at(m).trim_end().ends_with(['?', '!', ':']));
    let hit = (1..tail.len().saturating_sub(1)).find(|n| is_closing(at(*n)) && is_name(at(n + 1)) && card(n + 2));
    hit.and_then(|n| tail.get(n).copied())
}

/// A few short lines, or some with what only signatures and list footers hold.
fn looks_like_card(lines: &[&str]) -> bool {
    let filled: Vec<&str> = lines.iter().map(|l| l.trim()).filter(|l| !l.is_empty()).collect();
    let short = |most: usize| filled.iter().all(|l| l.chars().count() <= most);
    let contact = filled
        .iter()
        .any(|l| l.contains("http") || l.contains("www.") || l.contains('@') || l.chars().filter(char::is_ascii_digit).count() >= 7);
    filled.len() <= 2 && short(40) || filled.len() <= CARD && contact && short(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_closing_is_too_long_to_be_looked_for() {
        assert!(CLOSINGS.iter().all(|closing| closing.len() <= LONGEST));
    }

    #[test]
    fn delimiters_and_taglines_begin_a_signature() {
        assert_eq!(begins(&["yes", "-- ", "Ann", "Acme"], true), Some(1));
        assert_eq!(begins(&["yes", "", "Sent from my iPhone"], true), Some(2));
        assert_eq!(begins(&["ja", "Von meinem iPhone gesendet"], true), Some(1));
        assert_eq!(begins(&["yes", "Get Outlook for iOS<https://x.test>", "_____"], true), Some(1));
        assert_eq!(begins(&["yes", "________________", "Ann"], true), Some(1));
    }

    #[test]
    fn a_closing_with_a_name_begins_a_signature() {
        assert_eq!(begins(&["yes", "", "Kind regards,", "Ann Smith", "Acme Inc."], true), Some(2));
        assert_eq!(begins(&["Thanks,", "please call us"], true), None);
        assert_eq!(begins(&["yes", "Thanks,", "please call us"], true), None);
        assert_eq!(begins(&["yes", "Best regards"], true), None);
    }

    #[test]
    fn a_rule_inside_a_text_is_no_signature() {
        assert_eq!(begins(&["Steps", "-----", "First do this, and then do that with the other thing.", "Then go on"], true), None);
        assert_eq!(begins(&["yes", "___________", "list footer", "https://lists.x.test/"], true), Some(1));
    }

    #[test]
    fn a_dash_and_a_name_sign() {
        assert_eq!(begins(&["It works now.", "", "-Ann Smith"], true), Some(2));
        assert_eq!(begins(&["It works now!", "", "- ann"], true), Some(2));
        assert_eq!(begins(&["It works now.", "", "-Ann Smith", "", "____________", "list footer", "https://lists.x.test/"], true), Some(2));
        for list in [vec!["I need:", "", "- milk"], vec!["- milk.", "", "- Bread"], vec!["Which one?", "", "-Both"], vec!["-Ann"]] {
            assert_eq!(begins(&list, true), None, "{list:?}");
        }
    }

    #[test]
    fn devices_are_named_in_few_words() {
        for line in
            ["From my iPhone 6", "Ann from mobile", "Von meinem Handy", "Diese Nachricht wurde von meinem Telefon mit K-9 gesendet."]
        {
            assert_eq!(begins(&["yes", "", line], true), Some(2), "{line}");
        }
        for line in [
            "Sent from my desk, which is where I am much happier.",
            "I wrote from my phone and it broke",
            "calls from mobile?",
            "It came from Berlin",
        ] {
            assert!(!is_tagline(line), "{line}");
        }
    }

    #[test]
    fn words_about_phones_are_words() {
        assert_eq!(begins(&["It was sent from my iPhone yesterday."], true), None);
        assert_eq!(begins(&["Sent from my desk, this mail", "has", "many", "more lines"], true), None);
        assert_eq!(begins(&["a --", "b"], true), None);
    }
}
