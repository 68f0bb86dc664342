//! Numbers and times at a glance, and words for words of the database.

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A time, and how it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// It lasts since then.
    Since(i64),
    /// It happened then.
    Ago(i64),
    /// The first of several happened then.
    First(i64),
    /// It never happened.
    Never,
}

impl When {
    /// The time, in ms.
    pub(super) fn at(self) -> Option<i64> {
        match self {
            Self::Since(at) | Self::Ago(at) | Self::First(at) => Some(at),
            Self::Never => None,
        }
    }

    /// In words.
    pub(super) fn words(self, now: i64) -> String {
        match self {
            Self::Since(at) if utc(at, "%F") == utc(now, "%F") => format!("since {}, {} ago", utc(at, "%H:%M UTC"), span(now - at)),
            Self::Since(at) => format!("since {}, {} ago", utc(at, "%-d %b, %H:%M UTC"), span(now - at)),
            Self::Ago(at) => format!("{} ago", span(now - at)),
            Self::First(at) => format!("first {} ago", span(now - at)),
            Self::Never => "never".to_owned(),
        }
    }
}

impl When {
    /// In few words.
    pub(super) fn brief(self, now: i64) -> String {
        match self {
            Self::Since(at) => format!("for {}", span(now - at)),
            other => other.words(now),
        }
    }
}

/// A time (ms) in a format of strftime.
pub(super) fn utc(at: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap_or_default().strftime(format).to_string()
}

/// A length of time at a glance.
pub(super) fn span(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < MINUTE => format!("{} s", ms / 1_000),
        ms if ms < HOUR => format!("{} min", ms / MINUTE),
        ms if ms < 2 * DAY => format!("{} h", ms / HOUR),
        ms => format!("{} days", ms / DAY),
    }
}

/// A number in groups of three digits.
pub(super) fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0 { format!("-{out}") } else { out }
}

/// Octets at a glance.
pub(super) fn size(octets: u64) -> String {
    match octets >> 20 {
        mib if mib < 10 * 1024 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib / 1024),
    }
}

/// The reply code (RFC 5321 §4.2) and enhanced code (RFC 3463 §2) that a reply begins with, behind the command that it was an answer
/// to: its words may name people.
pub(super) fn codes(reply: &str) -> Option<String> {
    let reply = reply.strip_prefix("MAIL: ").unwrap_or(reply);
    let mut words = reply.split([' ', '-', '\r', '\n']);
    let code = words.next().filter(|w| w.len() == 3 && w.bytes().all(|b| b.is_ascii_digit()))?;
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let enhanced = words.next().filter(|w| w.split('.').count() == 3 && w.split('.').all(digits));
    Some(enhanced.map_or(code.to_owned(), |e| format!("{code} {e}")))
}

/// Why a mail is held, for people.
pub(super) fn reason(word: &str) -> String {
    match word {
        "confirm" => "to be confirmed".to_owned(),
        "command_error" => "a command that is wrong".to_owned(),
        "near_miss" => "almost a command".to_owned(),
        "collision" => "somebody else was faster".to_owned(),
        "leak" => "would show inside facts".to_owned(),
        "author" => "author in doubt".to_owned(),
        "malformed" => "malformed".to_owned(),
        "poison" => "could not be handled".to_owned(),
        "spam" => "spam".to_owned(),
        "mailbox" => "mailbox is gone".to_owned(),
        "filter" => "content filter".to_owned(),
        "rate" => "too many at once".to_owned(),
        "own" => "from our own address".to_owned(),
        other => other.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_reply_only_its_codes_are_shown() {
        assert_eq!(codes("451 4.7.1 ann@x.test is greylisted").as_deref(), Some("451 4.7.1"));
        assert_eq!(codes("550-5.1.1 <ann@x.test>\r\n550 5.1.1 no").as_deref(), Some("550 5.1.1"));
        assert_eq!(codes("450 ann@x.test: later").as_deref(), Some("450"));
        for none in ["", "ann@x.test", "4511 x", "connection refused", "４５１ x"] {
            assert_eq!(codes(none), None, "{none}");
        }
        assert_eq!(codes("451 ann.b.c").as_deref(), Some("451"));
    }

    #[test]
    fn spans_and_numbers() {
        let spans: Vec<_> = [-5, 999, 59_999, MINUTE, HOUR - 1, HOUR, 2 * DAY - 1, 2 * DAY].map(span).into();
        assert_eq!(spans, ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 days"]);
        assert_eq!([0, 999, 1_000, -1_234_567].map(grouped), ["0", "999", "1,000", "-1,234,567"]);
        assert_eq!([5 << 30, 20 << 30].map(size), ["5120 MiB", "20 GiB"]);
    }

    #[test]
    fn times_say_the_day_when_it_is_another() {
        let now = 1_795_303_000_000; // 21 Nov 2026, 23:16:40
        assert_eq!(When::Since(now - 4 * MINUTE).words(now), "since 23:12 UTC, 4 min ago");
        assert_eq!(When::Since(now - DAY).words(now), "since 20 Nov, 23:16 UTC, 24 h ago");
        assert_eq!(When::Since(now - 4 * MINUTE).brief(now), "for 4 min");
        assert_eq!(When::First(now - HOUR).words(now), "first 1 h ago");
        assert_eq!((When::Never.words(now).as_str(), When::Never.at()), ("never", None));
    }
}
