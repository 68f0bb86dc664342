//! Dates of headers and of quoted header blocks (RFC 5322 §3.3, with its obsolete forms and what else is written).

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::understand::mime::headers::without_comments;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Beginnings of the names of months in other languages, where no other month begins like this.
const FOREIGN: [(&str, i8); 27] = [
    ("ene", 1),
    ("gen", 1),
    ("fév", 2),
    ("fev", 2),
    ("mär", 3),
    ("mrz", 3),
    ("mrt", 3),
    ("maa", 3),
    ("avr", 4),
    ("abr", 4),
    ("mai", 5),
    ("mag", 5),
    ("maj", 5),
    ("mei", 5),
    ("juin", 6),
    ("giu", 6),
    ("juil", 7),
    ("lug", 7),
    ("aoû", 8),
    ("ago", 8),
    ("set", 9),
    ("okt", 10),
    ("out", 10),
    ("ott", 10),
    ("dez", 12),
    ("déc", 12),
    ("dic", 12),
];

/// A Date field as RFC 3339 in UTC; `None` when it names no instant, or the one that an unset clock names. A missing zone
/// is UTC (RFC 5322 §4.3).
pub fn header(value: &str) -> Option<String> {
    let value = without_comments(value);
    // The obsolete form has blanks and comments around the colons of the time (RFC 5322 §4.3).
    let joined = value.split(':').map(str::trim).collect::<Vec<_>>().join(":");
    parse(&joined, true).or_else(|| value.parse::<Timestamp>().ok().map(show)).or_else(|| iso(&value))
}

/// ISO 8601 with a blank before the time or without a zone, as databases write it.
fn iso(value: &str) -> Option<String> {
    let day = value.get(..10).filter(|d| d.bytes().all(|b| b.is_ascii_digit() || b == b'-'))?;
    let rest = value.get(10..)?.trim_start_matches([' ', 'T']);
    let length = rest.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')).count();
    let (clock, zone) = rest.split_at_checked(length)?;
    let zone = zone.trim();
    let zone = if matches!(zone, "" | "GMT" | "UTC" | "UT") { "Z" } else { zone };
    format!("{day}T{clock}{zone}").parse::<Timestamp>().ok().map(show)
}

/// A date that a person's mail program wrote into a quoted header block; only with a zone does it name an instant.
pub fn quoted(value: &str) -> Option<String> {
    parse(value, false)
}

fn show(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[derive(Default)]
struct Seen {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    clock: Option<(i8, i8, i8)>,
    offset: Option<i32>,
    pm: Option<bool>,
}

fn parse(value: &str, zone_optional: bool) -> Option<String> {
    let mut seen = Seen::default();
    // The day of the week goes: in some languages it begins like a month.
    let is_weekday = |head: &str| !head.is_empty() && !head.contains(|c: char| c.is_ascii_digit() || c.is_whitespace());
    let rest = value.trim_start().split_once(',').filter(|(head, _)| is_weekday(head)).map_or(value, |(_, rest)| rest);
    for word in rest.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"')).filter(|w| !w.is_empty()).take(16) {
        seen.take(word);
    }
    let (mut hour, minute, second) = seen.clock.or(zone_optional.then_some((0, 0, 0)))?;
    match seen.pm {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let offset = match seen.offset {
        Some(seconds) => Offset::from_seconds(seconds).ok()?,
        None if zone_optional => Offset::UTC,
        None => return None,
    };
    let (year, month, day) = (seen.year?, seen.month?, seen.day?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1900..=9998).contains(&year) {
        return None;
    }
    let day = jiff::civil::Date::new(year, month, day).ok()?;
    let time = jiff::civil::Time::new(hour, minute, second.min(59), 0).ok()?;
    let at = offset.to_timestamp(day.to_datetime(time)).ok()?;
    (at.as_second().abs() >= 86_400).then(|| show(at))
}

/// The month that a word begins like, in any of several languages.
pub fn month(word: &str) -> Option<i8> {
    let lower = word.to_lowercase();
    let english = MONTHS.iter().position(|m| lower.starts_with(m)).and_then(|n| i8::try_from(n + 1).ok());
    english.or_else(|| FOREIGN.iter().find(|(name, _)| lower.starts_with(name)).map(|(_, month)| *month))
}

impl Seen {
    fn take(&mut self, word: &str) {
        let lower = word.to_lowercase();
        if let Some(clock) = clock(word) {
            self.clock.get_or_insert(clock);
        } else if let Some(offset) = offset(word) {
            self.offset.get_or_insert(offset);
        } else if let Ok(number) = word.trim_end_matches(['.', 't', 'h', 's', 'n', 'd', 'r']).parse::<i16>() {
            self.number(number, word.len());
        } else if let Some(month) = month(&lower) {
            self.month.get_or_insert(month);
        } else if let [day, month, year] = lower.split('-').collect::<Vec<_>>().as_slice() {
            // 21-Nov-2026, as some mailers before 1990 wrote it.
            for part in [day, month, year] {
                if !part.contains('-') {
                    self.take(part);
                }
            }
        } else if matches!(lower.as_str(), "am" | "pm") {
            self.pm = Some(lower == "pm");
        }
    }

    fn number(&mut self, number: i16, digits: usize) {
        match self.day {
            None if (1..=31).contains(&number) && digits <= 4 => self.day = i8::try_from(number).ok(),
            _ if digits == 4 || self.year.is_none() => {
                // Two digits before 50 are of this century, three digits count from 1900 (RFC 5322 §4.3).
                let year = match (digits, number) {
                    (1 | 2, n) if n < 50 => 2000 + n,
                    (2 | 3, n) => 1900 + n,
                    (_, n) => n,
                };
                self.year.get_or_insert(year);
            }
            _ => {}
        }
    }
}

fn clock(word: &str) -> Option<(i8, i8, i8)> {
    let mut parts = word.split([':', '.']);
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let second = parts.next().map_or(Some(0), |s| s.parse().ok())?;
    ((0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second)).then_some((hour, minute, second))
}

fn offset(word: &str) -> Option<i32> {
    let hours = match word {
        "GMT" | "UT" | "UTC" | "Z" => Some(0),
        "EDT" => Some(-4),
        "EST" | "CDT" => Some(-5),
        "CST" | "MDT" => Some(-6),
        "MST" | "PDT" => Some(-7),
        "PST" => Some(-8),
        "BST" | "CET" | "MET" | "WEST" => Some(1),
        "CEST" | "MEST" | "EET" => Some(2),
        "EEST" | "MSK" => Some(3),
        "JST" | "KST" => Some(9),
        _ => None,
    };
    if let Some(hours) = hours {
        return Some(hours * 3600);
    }
    let word = word.trim_start_matches("GMT").trim_start_matches("UTC");
    let (sign, digits) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let digits = if digits.len() == 2 { format!("{digits}00") } else { digits };
    let number: i32 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    (number / 100 <= 14 && number % 100 < 60).then(|| sign * (number / 100 * 3600 + number % 100 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_the_forms_people_send() {
        for (raw, want) in [
            ("Sat, 21 Nov 2026 10:00:00 +0000", "2026-11-21T10:00:00Z"),
            ("21 Nov 2026 10:00 +0130 (IST)", "2026-11-21T08:30:00Z"),
            ("Sat, 21 Nov 26 02:00:00 PST", "2026-11-21T10:00:00Z"),
            ("Sat Nov 21 10:00:00 2026", "2026-11-21T10:00:00Z"),
            ("Sat, 21 Nov 2026 10:00:60 GMT", "2026-11-21T10:00:59Z"),
            ("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00Z"),
            ("21-Nov-2026 10:00:00 +0000", "2026-11-21T10:00:00Z"),
            ("Sat, 21 Nov 2026 10(h) :  00  :  07 +0000", "2026-11-21T10:00:07Z"),
            ("Thu, 4 Jul 1968 23:30 -0130", "1968-07-05T01:00:00Z"),
            ("2026-11-21 10:00:00", "2026-11-21T10:00:00Z"),
            ("2026-11-21 12:00:00 +0200", "2026-11-21T10:00:00Z"),
            ("sam., 21 févr. 2026 10:00:00 +0000", "2026-02-21T10:00:00Z"),
            ("mar., 17 nov. 2026 10:00:00 +0000", "2026-11-17T10:00:00Z"),
            ("Do, 21 Mai 2026 12:00:00 +02", "2026-05-21T10:00:00Z"),
            ("Sat, 21 Nov 2026 10:00:00 \"GMT\"", "2026-11-21T10:00:00Z"),
        ] {
            assert_eq!(header(raw).as_deref(), Some(want), "{raw}");
        }
        for bad in [
            "",
            "yesterday",
            "Sat, 32 Nov 2026 10:00:00 +0000",
            "Sat, 31 Feb 2026 10:00:00 +0000",
            "Nov 2026",
            "Sat, 21 Nov 0000 10:00:00 +0000",
            "Thu, 1 Jan 1970 00:00:00 +0000",
            "Wed, 31 Dec 1969 16:00:00 -0800",
        ] {
            assert_eq!(header(bad), None, "{bad}");
        }
        assert_eq!(quoted("Sat, Nov 21, 2026 at 10:00 AM"), None);
        assert_eq!(quoted("Sat, 21 Nov 2026 10:00:00 +0100").as_deref(), Some("2026-11-21T09:00:00Z"));
    }
}
