//! Wall clock time as a parameter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    ahead: i64,
}

impl Clock {
    /// The system's clock, moved ahead by some ms (`serve --clock`, for tests of what takes days).
    pub fn ahead(ms: i64) -> Self {
        Self { ahead: ms }
    }

    /// Milliseconds since 1970, UTC.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn now(&self) -> i64 {
        since_1970(SystemTime::now()).saturating_add(self.ahead)
    }
}

/// RFC 3339, UTC, to the millisecond, of a time in ms.
pub fn rfc3339(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A time of the system, as that of a file, in milliseconds since 1970.
pub fn since_1970(at: SystemTime) -> i64 {
    i64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// A span of the configuration in ms; one longer than any clock can be added to a time all the same.
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_and_sort_as_text() {
        assert_eq!(rfc3339(1_795_255_200_000), "2026-11-21T10:00:00.000Z");
        assert_eq!(rfc3339(1_795_255_200_007), "2026-11-21T10:00:00.007Z");
    }
}
