//! Arguments and files as commands read them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::failure::Failure;
use crate::model::address::is_plain;

/// Most rows that one list shows.
const MOST: i64 = 10_000;

/// How much of a list.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Paging {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    limit: u32,
    /// Go on where a list ended: the `next` of its JSON
    #[arg(long, value_name = "CURSOR")]
    pub(super) cursor: Option<String>,
}

impl Paging {
    /// Where to go on: so many numbers with `-` between.
    ///
    /// # Errors
    /// 64 for what no list ends with.
    pub(super) fn cursor(&self, numbers: usize) -> Result<Option<&str>, Failure> {
        let Some(text) = self.cursor.as_deref() else { return Ok(None) };
        let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<i64>().is_ok();
        match text.split('-').count() == numbers && text.split('-').all(is_number) {
            true => Ok(Some(text)),
            false => Err(Failure::usage("--cursor is the `next` of such a list")),
        }
    }

    /// At most so many.
    pub(super) fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }
}

/// Takes one of the words of a closed set.
pub(super) fn words<T>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let names = PossibleValuesParser::new(all.iter().map(|value| word(*value)));
    names.try_map(move |name| all.iter().copied().find(|value| word(*value) == name).ok_or("no such word"))
}

/// `90d`, `36h`, `15m` or `30s`, in ms.
pub(super) fn span(text: &str) -> Result<i64, String> {
    let wrong = || "write a number and s, m, h or d, like 90d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).filter(|n| n.bytes().all(|b| b.is_ascii_digit())).and_then(|n| n.parse::<i64>().ok());
    number.and_then(|n| n.checked_mul(ms)).ok_or_else(wrong)
}

/// An address that mail can be sent to, as written but without angle brackets.
///
/// # Errors
/// 65 for anything else.
pub(super) fn address(text: &str) -> Result<String, Failure> {
    let trimmed = text.trim();
    let bare = trimmed.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(trimmed);
    match is_plain(bare) {
        true => Ok(bare.to_owned()),
        false => Err(Failure::data(format!("\"{text}\" is no mail address: write it like ann@example.com"))),
    }
}

/// Opens a file in `cwd`, or stdin for none or `-`.
///
/// # Errors
/// 66 when there is no such file or it can't be read.
pub(super) fn open(file: Option<&Path>, cwd: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    match file.filter(|name| *name != Path::new("-")) {
        None => Ok(Box::new(std::io::stdin())),
        Some(name) => Ok(Box::new(File::open(cwd.join(name)).map_err(|error| unreadable(Some(name), &error))?)),
    }
}

/// What is said when the message can't be read.
pub(super) fn unreadable(file: Option<&Path>, error: &std::io::Error) -> Failure {
    match file.filter(|name| *name != Path::new("-")) {
        Some(name) => Failure::missing(format!("{} cannot be read: {error}", name.display())),
        None => Failure::missing(format!("stdin cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        for (text, ms) in [("90d", 7_776_000_000), ("36h", 129_600_000), ("15m", 900_000), ("30s", 30_000), ("0d", 0)] {
            assert_eq!(span(text), Ok(ms), "{text}");
        }
        for bad in ["", "90", "d", "-1d", "+1d", "1.5h", "1 d", "90 days", "9223372036854775807d", "1ü"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_what_a_list_ended_with() {
        let of = |text: &str| Paging { limit: 1, cursor: Some(text.into()) };
        assert_eq!(of("7").cursor(1), Ok(Some("7")));
        assert_eq!(of("12-7").cursor(2), Ok(Some("12-7")));
        for bad in ["", "x", "7-", "-7", "+7", "7-8", "99999999999999999999"] {
            assert_eq!(of(bad).cursor(1).map_err(|failure| failure.code), Err(64), "{bad}");
        }
    }

    #[test]
    fn addresses_are_plain() {
        assert_eq!(address(" <Ann@example.com> "), Ok("Ann@example.com".to_owned()));
        for bad in ["", "<>", "ann", "Ann <ann@example.com>", "ann@example.com\n", "a b@c"] {
            let plain = address(bad).map_err(|failure| failure.code);
            assert_eq!(plain, if bad.ends_with('\n') { Ok("ann@example.com".to_owned()) } else { Err(65) }, "{bad:?}");
        }
    }
}
