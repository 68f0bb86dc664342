//! When a mail of an archive was written, from what its header and the archive say.

use super::dates;
use crate::understand::mime::headers;

/// Octets and fields of a header that are looked at.
const HEADER: usize = 64 << 10;
const FIELDS: usize = 1_000;
/// 1990: whatever claims to be older was written by a clock that nobody had set.
const EARLIEST: i64 = 631_152_000_000;
/// An mbox "From " line may be in any local time (RFC 4155 wants UTC).
const LOCAL: i64 = 14 * 3_600_000;

/// When the archive says that it got a mail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept<'a> {
    /// The "From " line above it in an mbox file.
    pub line: Option<&'a [u8]>,
    /// When its file was written, in ms.
    pub file: Option<i64>,
}

/// Milliseconds since 1970: what Date says, but never later than the topmost Received, else the "From " line, else the
/// file, and never later than `now`. Without a Date that can be, one of those stands in for it.
pub fn when(header: &[u8], kept: Kept<'_>, now: i64) -> i64 {
    let (fields, _) = headers::parse(headers::without_mark(header), HEADER, FIELDS);
    let plausible = |at: &i64| *at >= EARLIEST;
    let written = fields.text("date").and_then(|value| instant(&value)).filter(plausible);
    let received = fields.text("received").and_then(|value| instant(value.rsplit(';').next()?)).filter(plausible);
    let line = || kept.line.and_then(line_date).filter(plausible);
    let (latest, grace) = match (received, line(), kept.file.filter(plausible)) {
        (Some(at), ..) => (at, 0),
        (None, Some(at), _) => (at, LOCAL),
        (None, None, Some(at)) => (at, 0),
        (None, None, None) => (now, 0),
    };
    let at = written.map_or(latest, |written| if written > latest.saturating_add(grace) { latest } else { written });
    at.min(now)
}

fn instant(value: &str) -> Option<i64> {
    dates::header(value)?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// The date behind the sender in a "From " line.
fn line_date(line: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(line.get(..line.len().min(1_000))?);
    let (_, date) = text.strip_prefix("From ")?.trim_start().split_once(char::is_whitespace)?;
    instant(date)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const NOON: i64 = 1_795_262_400_000;
    const NOW: i64 = NOON + 86_400_000;
    const HOUR: i64 = 3_600_000;

    fn of(header: &str, line: &str, file: Option<i64>) -> i64 {
        when(header.as_bytes(), Kept { line: (!line.is_empty()).then_some(line.as_bytes()), file }, NOW)
    }

    #[test]
    fn a_mail_is_as_old_as_its_date_says() {
        assert_eq!(of("Date: Sat, 21 Nov 2026 13:00:00 +0100\n\n", "", None), NOON);
        assert_eq!(of("Date: Sat, 21 Nov 2026 12:00:00 GMT\n\n", "From a@b.test Sat Nov 21 07:00:30 2026\n", None), NOON);
        assert_eq!(of("Subject: x\nDate: Sat, 21 Nov 2026 12:00:00 GMT\n", "", Some(NOON + HOUR)), NOON);
    }

    #[test]
    fn it_was_not_written_after_it_came() {
        let received = "Received: from a by b (c; d) with SMTP; Sat, 21 Nov 2026 12:00:00 +0000 (UTC)\n";
        assert_eq!(of(&format!("{received}Date: Sat, 21 Nov 2026 15:00:00 GMT\n\n"), "", None), NOON);
        assert_eq!(of("Date: Tue, 24 Nov 2026 15:00:00 GMT\n\n", "From a@b.test Sat Nov 21 12:00:00 2026", None), NOON);
        assert_eq!(of("Date: Sat, 21 Nov 2026 15:00:00 GMT\n\n", "", Some(NOON)), NOON);
        assert_eq!(of("Date: Sat, 21 Nov 2037 15:00:00 GMT\n\n", "", None), NOW);
    }

    #[test]
    fn without_a_date_the_archive_speaks() {
        assert_eq!(of("Subject: x\n\n", "From MAILER-DAEMON Sat Nov 21 12:00:00 2026\n", Some(NOON + HOUR)), NOON);
        assert_eq!(of("Date: Thu, 01 Jan 1970 00:00:00 GMT\n\n", "", Some(NOON)), NOON);
        assert_eq!(of("Date: yesterday\n\n", "From x", None), NOW);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_time_that_is_not_in_the_future(header: Vec<u8>, line: Vec<u8>, file: Option<i64>) {
            let at = when(&header, Kept { line: Some(&line), file }, NOW);
            proptest::prop_assert!(at <= NOW);
        }
    }

    #[test]
    fn the_numbers_are_what_they_say() {
        let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        assert_eq!((ms("1990-01-01T00:00:00Z"), ms("2026-11-21T12:00:00Z")), (EARLIEST, NOON));
    }
}
