//! Until when something is put off: `3d`, `tomorrow 9:00`, `monday`, `2026-12-01 14:30`.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::quiet;

/// Furthest that anything is put off, in days.
const MOST_DAYS: i64 = 400;
/// When a day begins for whoever names no time.
const MORNING: Time = Time::constant(9, 0, 0, 0);

/// A moment as somebody writes it, before it is known when and where they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// So many minutes from now.
    Minutes(i64),
    /// So many days from now, at the same time of day.
    Days(i64),
    /// So many days from today, at a time of day.
    InDays(i64, Time),
    /// The next such day, at a time of day.
    Next(Weekday, Time),
    /// A day, at a time of day.
    On(Date, Time),
}

/// Reads a moment; `None` for what is none.
pub(super) fn parse(text: &str) -> Option<When> {
    let text = text.trim().to_lowercase();
    if let Some(span) = span(&text) {
        return Some(span);
    }
    let (day, time) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
    let time = match time.trim() {
        "" => MORNING,
        time => time_of_day(time)?,
    };
    Some(match day {
        "today" => When::InDays(0, time),
        "tomorrow" => When::InDays(1, time),
        "monday" => When::Next(Weekday::Monday, time),
        "tuesday" => When::Next(Weekday::Tuesday, time),
        "wednesday" => When::Next(Weekday::Wednesday, time),
        "thursday" => When::Next(Weekday::Thursday, time),
        "friday" => When::Next(Weekday::Friday, time),
        "saturday" => When::Next(Weekday::Saturday, time),
        "sunday" => When::Next(Weekday::Sunday, time),
        day => When::On(date(day)?, time),
    })
}

/// `30m`, `4h`, `3d`, `2w`.
fn span(text: &str) -> Option<When> {
    let unit = text.chars().next_back()?;
    let number: i64 = text.strip_suffix(unit)?.trim_end().parse().ok().filter(|n| (1..=1_000_000).contains(n))?;
    match unit {
        'm' => Some(When::Minutes(number)),
        'h' => Some(When::Minutes(number * 60)),
        'd' => Some(When::Days(number)),
        'w' => Some(When::Days(number * 7)),
        _ => None,
    }
}

/// `9`, `9:00`, `14:30`.
fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':').unwrap_or((text, "00"));
    let fits = !hour.is_empty() && hour.len() <= 2 && minute.len() == 2;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Time::new(number(hour).filter(|_| fits)?, number(minute)?, 0, 0).ok()
}

/// `2026-12-01`.
fn date(text: &str) -> Option<Date> {
    let is_plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    is_plain.then(|| Date::strptime("%Y-%m-%d", text).ok()).flatten()
}

/// The time zone of this IANA name, else UTC.
pub(super) fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(quiet::zone).unwrap_or(TimeZone::UTC)
}

impl When {
    /// The moment in ms, for whoever wrote it at `now` (ms) in this time zone; why it can't be that as a sentence's end.
    pub(super) fn at(self, now: i64, zone: &TimeZone) -> Result<i64, String> {
        let too_far = || format!("is further away than {MOST_DAYS} days");
        let from = Timestamp::from_millisecond(now).map_err(|_| too_far())?.to_zoned(zone.clone());
        let today = from.date();
        let days = |n: i64| Span::new().try_days(n).ok().and_then(|span| today.checked_add(span).ok());
        let on = |date: Date, time: Time| date.to_datetime(time).to_zoned(zone.clone()).ok().map(|z| z.timestamp());
        let at = match self {
            Self::Minutes(n) => Span::new().try_minutes(n).ok().and_then(|span| from.timestamp().checked_add(span).ok()),
            Self::Days(n) => days(n).and_then(|date| on(date, from.time())),
            Self::InDays(n, time) => days(n).and_then(|date| on(date, time)),
            Self::Next(weekday, time) => today.nth_weekday(1, weekday).ok().and_then(|date| on(date, time)),
            Self::On(date, time) => on(date, time),
        };
        let at = at.ok_or_else(too_far)?.as_millisecond();
        match at - now {
            ..=0 => Err("has passed already".into()),
            span if span / 86_400_000 > MOST_DAYS => Err(too_far()),
            _ => Ok(at),
        }
    }
}

/// A moment (ms) for people, in a time zone: `2026-12-01 09:00 Europe/Berlin`.
pub(super) fn shown(at: i64, zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    Timestamp::from_millisecond(at).map_or(String::new(), |at| format!("{} {name}", at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M")))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sunday, 2026-11-22 11:15 UTC.
    fn now() -> i64 {
        "2026-11-22T11:15:00Z".parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn at(text: &str, zone: &str) -> String {
        let zone = super::zone(Some(zone));
        parse(text).unwrap().at(now(), &zone).map_or_else(|why| why, |at| Timestamp::from_millisecond(at).unwrap().to_string())
    }

    #[test]
    fn moments_are_those_of_the_writers_clock() {
        for (text, moment) in [
            ("30m", "2026-11-22T11:45:00Z"),
            ("4h", "2026-11-22T15:15:00Z"),
            ("3d", "2026-11-25T11:15:00Z"),
            ("2 w", "2026-12-06T11:15:00Z"),
            ("tomorrow", "2026-11-23T08:00:00Z"),
            ("Tomorrow 9:00", "2026-11-23T08:00:00Z"),
            ("today 17", "2026-11-22T16:00:00Z"),
            ("sunday 10:30", "2026-11-29T09:30:00Z"),
            ("monday", "2026-11-23T08:00:00Z"),
            ("2026-12-01", "2026-12-01T08:00:00Z"),
            ("2027-07-01 14:30", "2027-07-01T12:30:00Z"),
        ] {
            assert_eq!(at(text, "Europe/Berlin"), moment, "{text}");
        }
        assert_eq!(at("tomorrow", "No/Where"), "2026-11-23T09:00:00Z");
        assert_eq!(shown(now(), &zone(Some("Europe/Berlin"))), "2026-11-22 12:15 Europe/Berlin");
        assert_eq!(shown(now(), &zone(None)), "2026-11-22 11:15 UTC");
    }

    #[test]
    fn what_is_over_or_far_away_is_no_moment_to_wait_for() {
        assert_eq!(at("2026-11-21", "UTC"), "has passed already");
        assert_eq!(at("today 9:00", "UTC"), "has passed already");
        for text in ["401d", "60w", "1000000h", "1000000w", "2028-01-01", "9999-12-31"] {
            assert_eq!(at(text, "UTC"), "is further away than 400 days", "{text}");
        }
        for text in ["", "d", "0d", "-3d", "3y", "soon", "2026-13-01", "26-12-01", "tomorrow 25:00", "tomorrow 9:0", "monday x", "١d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,30}", now in any::<i64>()) {
            if let Some(when) = parse(&text) {
                let _ = when.at(now, &TimeZone::UTC);
            }
        }

        #[test]
        fn what_is_near_a_moment_is_survived(text in "([0-9]{0,8}|tomorrow|[0-9]{4}-[0-9]{2}-[0-9]{2})[ dhwm:]{0,2}[0-9:]{0,6}") {
            if let Some(at) = parse(&text).and_then(|when| when.at(0, &TimeZone::UTC).ok()) {
                prop_assert!(at > 0);
            }
        }
    }
}
