//! Days of the calendar.

use std::fmt;

/// A day as ISO 8601 writes it, from 1970-01-01 to 9999-12-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    year: u16,
    month: u8,
    day: u8,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Day {
    /// Reads `YYYY-MM-DD`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
            return None;
        }
        let number = |range: std::ops::Range<usize>| text.get(range).filter(|s: &&str| s.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
        let (year, month, day): (u16, u16, u16) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if year < 1970 || day == 0 || day > length {
            return None;
        }
        Some(Self { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
    }

    /// When it begins, ms since 1970 UTC.
    pub(crate) fn begins_at(self) -> i64 {
        // Years begin in March here, so that the leap day is the last one (Hinnant, "days_from_civil").
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        (year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468) * DAY_MS
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn days_of_the_calendar() {
        for (text, days) in
            [("1970-01-01", 0), ("1970-03-01", 59), ("2000-02-29", 11_016), ("2026-01-01", 20_454), ("9999-12-31", 2_932_896)]
        {
            let day = Day::parse(text).unwrap();
            assert_eq!((day.begins_at(), day.to_string()), (days * DAY_MS, text.to_owned()));
        }
    }

    #[test]
    fn no_days() {
        for text in [
            "2026-02-29",
            "1900-01-01",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "2026-1-1",
            "26-01-01",
            "2026/01/01",
            "+026-01-01",
            "2026-01-0é",
            "",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }
}
