//! From when until when an out-of-office answer says that its writer is away, where the dates can be read.

use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::model::understood::Absence;
use crate::understand::fields::dates::month;

/// Octets of the text that are looked at.
const MOST: usize = 4 << 10;
/// Days before the mail in which an absence without a year may have begun or ended.
const PAST: i64 = 60;
/// Words behind which the last day of an absence stands, or the day of the return.
const UNTIL: [&str; 27] = [
    "until",
    "till",
    "through",
    "thru",
    "to",
    "back",
    "return",
    "returning",
    "bis",
    "wieder",
    "zurück",
    "jusqu'au",
    "au",
    "retour",
    "hasta",
    "até",
    "ao",
    "fino",
    "al",
    "rientro",
    "tot",
    "t/m",
    "terug",
    "till",
    "til",
    "do",
    "-",
];

/// The absence that the text tells of; `sent` is the mail's own date (RFC 3339), which gives the year where none stands.
pub fn of(text: &str, sent: Option<&str>) -> Option<Absence> {
    let sent: Option<Date> = sent.and_then(|day| day.get(..10)).and_then(|day| day.parse().ok());
    let head = text.get(..text.floor_char_boundary(MOST)).unwrap_or_default();
    let words: Vec<&str> = head.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty()).collect();
    let mut found: Vec<(Date, bool)> = Vec::new();
    let mut at = 0;
    while at < words.len() && found.len() < 2 {
        let Some((day, used)) = words.get(at..).and_then(|rest| date(rest, sent)) else {
            at += 1;
            continue;
        };
        // The words right before it say what it is.
        let before = words.get(at.saturating_sub(4)..at).unwrap_or_default();
        let until = before.iter().any(|word| UNTIL.contains(&bare(word).as_str()) || *word == "–");
        found.push((day, until));
        at += used;
    }
    match found.as_slice() {
        [(from, _), (until, _)] if from <= until => Some(Absence { from: Some(from.to_string()), until: Some(until.to_string()) }),
        [(until, true), ..] => Some(Absence { from: None, until: Some(until.to_string()) }),
        [(from, false)] => Some(Absence { from: Some(from.to_string()), until: None }),
        _ => None,
    }
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '/' | '\'')).to_lowercase()
}

/// A date at the beginning of these words, and how many of them it takes.
fn date(words: &[&str], sent: Option<Date>) -> Option<(Date, usize)> {
    let first = words.first()?.trim_matches(|c: char| !c.is_alphanumeric());
    if let Some(date) = numbers(words.first()?, sent) {
        return Some((date, 1));
    }
    let word = |n: usize| words.get(n).map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()));
    // `20 December 2026`, `20. Dezember`, `20 de diciembre de 2026`.
    if let Some(day) = day(first) {
        let of = |n: usize| usize::from(word(n).is_some_and(|w| matches!(w.to_lowercase().as_str(), "de" | "of")));
        let at = 1 + of(1);
        let month = month(word(at)?).filter(|_| word(at).is_some_and(|w| w.chars().count() >= 3))?;
        let behind = at + 1 + of(at + 1);
        let year = word(behind).and_then(year);
        let used = if year.is_some() { behind + 1 } else { at + 1 };
        return Some((completed(year, month, day, sent)?, used));
    }
    // `December 20, 2026`.
    let month = month(first).filter(|_| first.chars().count() >= 3 && first.starts_with(char::is_uppercase))?;
    let day = day(word(1)?)?;
    let year = word(2).and_then(year);
    Some((completed(year, month, day, sent)?, if year.is_some() { 3 } else { 2 }))
}

/// `2026-12-20`, `20.12.2026`, `20.12.`, `20/12/2026` and `12/20/2026` where only one reading is a date.
fn numbers(word: &str, sent: Option<Date>) -> Option<Date> {
    let word = word.trim_matches(|c: char| !c.is_ascii_digit() && c != '.');
    if let Ok(date) = word.parse::<Date>() {
        return Some(date);
    }
    let dotted = !word.contains('/');
    let parts: Vec<&str> = word.split(['.', '/']).filter(|part| !part.is_empty()).collect();
    let number = |n: usize| parts.get(n).and_then(|part| part.parse::<i8>().ok());
    let (first, second) = (number(0)?, number(1)?);
    let year = match (parts.len(), parts.get(2)) {
        (2, None) if dotted && word.ends_with('.') => None,
        (3, Some(part)) => Some(year(part)?),
        _ => return None,
    };
    let (day, month) = match (dotted, first > 12, second > 12) {
        (true, ..) | (false, true, false) => (first, second),
        (false, false, true) => (second, first),
        _ if first == second => (first, second),
        _ => return None,
    };
    completed(year, month, day, sent)
}

fn day(word: &str) -> Option<i8> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, ending) = word.split_at_checked(digits)?;
    let ending = matches!(ending, "" | "st" | "nd" | "rd" | "th" | "er" | "e");
    number.parse().ok().filter(|day| ending && (1..=31).contains(day))
}

fn year(word: &str) -> Option<i16> {
    match word.len() {
        4 => word.parse().ok().filter(|year| (2000..2100).contains(year)),
        2 => word.parse::<i16>().ok().map(|year| 2000 + year),
        _ => None,
    }
}

/// A date without a year is the first that is not long before the mail.
fn completed(year: Option<i16>, month: i8, day: i8, sent: Option<Date>) -> Option<Date> {
    if let Some(year) = year {
        return Date::new(year, month, day).ok();
    }
    let sent = sent?;
    let earliest = sent.checked_sub(PAST.days()).ok()?;
    (sent.year() - 1..=sent.year() + 1).filter_map(|year| Date::new(year, month, day).ok()).find(|date| *date >= earliest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn days(text: &str) -> Option<(Option<String>, Option<String>)> {
        of(text, Some("2026-12-18T10:00:00Z")).map(|absence| (absence.from, absence.until))
    }

    #[test]
    fn dates_are_read_in_the_forms_people_write() {
        let until = |day: &str| Some((None, Some(day.to_owned())));
        let both = |from: &str, until: &str| Some((Some(from.to_owned()), Some(until.to_owned())));
        for (text, want) in [
            ("I am out of the office until January 4, 2027 and will answer then.", until("2027-01-04")),
            ("Ich bin bis zum 04.01.2027 nicht im Büro.", until("2027-01-04")),
            ("Ich bin vom 20.12. bis 4.1. im Urlaub.", both("2026-12-20", "2027-01-04")),
            ("Ich bin ab dem 4. Januar wieder für Sie da. Ich bin wieder am 4. Januar da.", both("2027-01-04", "2027-01-04")),
            ("Je suis absent du 20 décembre 2026 au 4 janvier 2027.", both("2026-12-20", "2027-01-04")),
            ("Estaré fuera de la oficina hasta el 4 de enero de 2027.", until("2027-01-04")),
            ("Out of office 2026-12-20 - 2027-01-04", both("2026-12-20", "2027-01-04")),
            ("I will be back on 12/28/2026.", until("2026-12-28")),
            ("I am away from December 20th.", Some((Some("2026-12-20".to_owned()), None))),
        ] {
            assert_eq!(days(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_or_has_two_readings_is_left() {
        for text in
            ["I am away until Monday.", "Call 030 12 34 56.", "back on 03/04/2026 or so", "version 1.2", "until 31 February 2026", ""]
        {
            assert_eq!(days(text), None, "{text}");
        }
        assert_eq!(of("until 4 January", None), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_text_has_an_answer(text in "(until |bis |[0-9]{1,4}[./-]?|[A-Za-zé]{1,9} ?|\\PC){0,30}") {
            let _ = days(&text);
        }
    }
}
