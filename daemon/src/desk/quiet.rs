//! Quiet hours: when an agent is not mailed, on the clock that hangs where they are.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::model::people::Settings;

use super::when;

/// `18:00-08:00` as two times of the day; `None` when it is not that.
pub fn hours(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    Some((clock(from)?, clock(to)?)).filter(|(from, to)| from != to)
}

/// `08:00`.
fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten();
    Time::new(digits(hour)?, digits(minute)?, 0, 0).ok()
}

/// A zone of the IANA database, of this machine or of the program.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// When the quiet hours end that somebody has at `now`; both in ms. `None`: they have none now. Without a time zone the
/// hours are UTC.
pub(super) fn until(settings: &Settings, now: i64) -> Option<i64> {
    let (from, to) = hours(settings.quiet.as_deref()?)?;
    let here = Timestamp::from_millisecond(now).ok()?.to_zoned(when::zone(settings.timezone.as_deref()));
    let time = here.time();
    let quiet = if from < to { from <= time && time < to } else { from <= time || time < to };
    if !quiet {
        return None;
    }
    let day = if time < to { here.date() } else { here.date().checked_add(1.day()).ok()? };
    let end = day.to_datetime(to).to_zoned(here.time_zone().clone()).ok()?.timestamp().as_millisecond();
    // A clock that is put back may show the end twice.
    Some(end).filter(|end| *end > now)
}

/// When the quiet hours began that end at `end`; both in ms. `None`: by these settings none end then.
pub(super) fn began(settings: &Settings, end: i64) -> Option<i64> {
    until(settings, end - 1).filter(|until| *until == end)?;
    let (from, to) = hours(settings.quiet.as_deref()?)?;
    let there = Timestamp::from_millisecond(end).ok()?.to_zoned(when::zone(settings.timezone.as_deref()));
    let day = if from < to { there.date() } else { there.date().checked_sub(1.day()).ok()? };
    Some(day.to_datetime(from).to_zoned(there.time_zone().clone()).ok()?.timestamp().as_millisecond()).filter(|began| *began < end)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(quiet: &str, zone: &str) -> Settings {
        let timezone = Some(zone.to_owned()).filter(|zone| !zone.is_empty());
        Settings { quiet: Some(quiet.into()), timezone, ..Settings::default() }
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn ends(quiet: &str, zone: &str, now: &str) -> Option<String> {
        until(&settings(quiet, zone), at(now)).map(|end| Timestamp::from_millisecond(end).unwrap().to_string())
    }

    #[test]
    fn a_night_ends_in_the_morning_where_the_agent_is() {
        let night = |zone, now| ends("18:00-08:00", zone, now);
        assert_eq!(night("Europe/Berlin", "2026-11-20T17:00:00Z").as_deref(), Some("2026-11-21T07:00:00Z"));
        assert_eq!(night("Europe/Berlin", "2026-11-21T06:59:59Z").as_deref(), Some("2026-11-21T07:00:00Z"));
        assert_eq!(night("Europe/Berlin", "2026-11-21T07:00:00Z"), None);
        assert_eq!(night("Europe/Berlin", "2026-11-20T16:59:59Z"), None);
        assert_eq!(night("America/New_York", "2026-11-21T12:00:00Z").as_deref(), Some("2026-11-21T13:00:00Z"));
        assert_eq!(night("", "2026-11-20T17:59:00Z"), None);
        assert_eq!(night("", "2026-11-20T18:00:00Z").as_deref(), Some("2026-11-21T08:00:00Z"));
        assert_eq!(ends("12:00-13:00", "", "2026-11-20T12:30:00Z").as_deref(), Some("2026-11-20T13:00:00Z"));
    }

    #[test]
    fn the_night_in_which_the_clock_changes_ends_at_the_same_hour() {
        assert_eq!(ends("22:00-06:00", "Europe/Berlin", "2026-03-28T22:00:00Z").as_deref(), Some("2026-03-29T04:00:00Z"));
        assert_eq!(ends("22:00-06:00", "Europe/Berlin", "2026-10-24T22:00:00Z").as_deref(), Some("2026-10-25T05:00:00Z"));
        // 02:30 is not on that clock: it ends when the clock has jumped.
        assert_eq!(ends("22:00-02:30", "Europe/Berlin", "2026-03-28T22:00:00Z").as_deref(), Some("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn hours_are_two_times_that_differ() {
        for bad in ["", "-", "8-9", "24:00-08:00", "08:60-09:00", "08:00-08:00", "+1:00-02:00", "08:00 - 09:00"] {
            assert_eq!(hours(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_ends_within_a_day_or_so_and_then_it_is_over(now in 1_700_000_000_000_i64..2_000_000_000_000, from in 0..24, to in 0..24) {
            let settings = settings(&format!("{from:02}:00-{to:02}:00"), "Europe/Berlin");
            if let Some(end) = until(&settings, now) {
                prop_assert!(end > now && end - now <= 25 * 3_600_000);
                prop_assert_eq!(until(&settings, end), None);
                let began = began(&settings, end);
                prop_assert!(began.is_some_and(|began| began <= now && until(&settings, began) == Some(end)), "{began:?}");
            }
        }
    }
}
