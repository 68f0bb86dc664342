//! `ombud agent set`: how somebody wants to work.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::failure::Failure;
use crate::cli::input::{open, unreadable, words};
use crate::desk::quiet;
use crate::model::people::{Notify, Settings};
use crate::model::text::{clean, one_line};

/// Longest name of a team, in characters.
const TEAM: usize = 64;
/// Longest signature, in octets.
const SIGNATURE: u64 = 4_096;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Set {
    /// One of their addresses
    pub(super) email: String,
    /// Their team instead of those they had; may be given several times; "" for none
    #[arg(long, value_name = "NAME")]
    team: Vec<String>,
    /// Which notifications they get
    #[arg(long, value_parser = words(Notify::ALL, Notify::word))]
    notify: Option<Notify>,
    /// Which of their mails are receipted: all, or those that are more than a plain answer
    #[arg(long)]
    receipts: Option<Receipts>,
    /// Whether SPF alone proves that a mail is theirs
    #[arg(long, value_name = "yes|no")]
    allow_spf: Option<YesNo>,
    /// Their time zone, like Europe/Berlin; "" for none
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Hours in which they are not mailed, like 18:00-08:00; "" for none
    #[arg(long, value_name = "HOURS")]
    quiet: Option<String>,
    /// A file with what stands below each of their answers, above the mailbox's signature; "-" for stdin, an empty one for none
    #[arg(long, value_name = "FILE")]
    signature_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Receipts {
    All,
    Default,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

impl Set {
    /// The settings with what is asked for, and what one should know of them.
    ///
    /// # Errors
    /// 64 when nothing is asked for, 65 for a value that can't be used.
    pub(super) fn applied(self, mut settings: Settings, cwd: &Path) -> Result<(Settings, Vec<&'static str>), Failure> {
        let asked = !self.team.is_empty() || self.notify.is_some() || self.receipts.is_some() || self.allow_spf.is_some();
        if !asked && self.timezone.is_none() && self.quiet.is_none() && self.signature_file.is_none() {
            return Err(Failure::usage(
                "nothing to set: give --team, --notify, --receipts, --allow-spf, --timezone, --quiet or --signature-file",
            ));
        }
        let mut notes = Vec::new();
        let about_time = self.timezone.is_some() || self.quiet.is_some();
        if !self.team.is_empty() {
            settings.teams = teams(&self.team)?;
        }
        settings.notify = self.notify.unwrap_or(settings.notify);
        settings.receipts_all = self.receipts.map_or(settings.receipts_all, |receipts| receipts == Receipts::All);
        settings.allow_spf = self.allow_spf.map_or(settings.allow_spf, |allowed| allowed == YesNo::Yes);
        if let Some(zone) = self.timezone {
            settings.timezone = given(zone).map(timezone).transpose()?;
        }
        if let Some(hours) = self.quiet {
            settings.quiet = given(hours).map(quiet_hours).transpose()?;
        }
        if let Some(file) = self.signature_file {
            settings.signature = signature(&file, cwd)?;
        }
        if about_time && settings.quiet.is_some() && settings.timezone.is_none() {
            notes.push("the quiet hours are in UTC as long as no --timezone is set");
        }
        Ok((settings, notes))
    }
}

/// Teams as they are kept: each once, "" for none.
///
/// # Errors
/// 65 for a name that is longer than a name.
pub(super) fn teams(names: &[String]) -> Result<Vec<String>, Failure> {
    let mut teams: Vec<String> = Vec::new();
    for name in names {
        if name.chars().count() > TEAM {
            return Err(Failure::data(format!("a team's name has at most {TEAM} characters")));
        }
        let name = one_line(name, TEAM);
        if !name.is_empty() && !teams.contains(&name) {
            teams.push(name);
        }
    }
    Ok(teams)
}

fn given(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn timezone(name: String) -> Result<String, Failure> {
    match quiet::zone(&name) {
        Some(_) => Ok(name),
        None => Err(Failure::data(format!("\"{name}\" is no time zone: write it like Europe/Berlin"))),
    }
}

/// A text of a few lines, without what no mail can carry and without a delimiter of its own.
fn signature(file: &Path, cwd: &Path) -> Result<Option<String>, Failure> {
    let mut octets = Vec::new();
    let read = open(Some(file), cwd)?.take(SIGNATURE + 1).read_to_end(&mut octets);
    read.map_err(|error| unreadable(Some(file), &error))?;
    if octets.len() as u64 > SIGNATURE {
        return Err(Failure::data(format!("a signature has at most {SIGNATURE} octets")));
    }
    let text = String::from_utf8(octets).map_err(|_| Failure::data("a signature is UTF-8"))?;
    let text = clean(&text.replace("\r\n", "\n"), true);
    let text = text.strip_prefix("-- \n").unwrap_or(&text);
    Ok(Some(text.trim_end().to_owned()).filter(|text| !text.trim().is_empty()))
}

/// `18:00-08:00`.
fn quiet_hours(hours: String) -> Result<String, Failure> {
    if quiet::hours(&hours).is_some() {
        Ok(hours)
    } else {
        Err(Failure::data(format!("\"{hours}\" are no quiet hours: write them like 18:00-08:00")))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn set() -> Set {
        Set {
            email: "ann@x.test".into(),
            team: vec![],
            notify: None,
            receipts: None,
            allow_spf: None,
            timezone: None,
            quiet: None,
            signature_file: None,
        }
    }

    #[test]
    fn what_is_not_asked_for_stays() {
        let old = Settings { teams: vec!["sales".into()], receipts_all: true, quiet: Some("18:00-08:00".into()), ..Settings::default() };
        let (new, notes) = Set { notify: Some(Notify::Mine), ..set() }.applied(old.clone(), Path::new(".")).unwrap();
        assert_eq!(new, Settings { notify: Notify::Mine, ..old.clone() });
        assert!(notes.is_empty());
        let empty = || Some(String::new());
        let (new, notes) = Set { team: vec![String::new()], receipts: Some(Receipts::Default), quiet: empty(), ..set() }
            .applied(old, Path::new("."))
            .unwrap();
        assert_eq!(new, Settings::default());
        assert!(notes.is_empty());
        assert_eq!(set().applied(Settings::default(), Path::new(".")).map_err(|f| f.code), Err(64));
    }

    #[test]
    fn a_signature_is_a_short_text() {
        let folder = tempfile::tempdir().unwrap();
        let of = |octets: &[u8]| {
            std::fs::write(folder.path().join("s"), octets).unwrap();
            let set = Set { signature_file: Some("s".into()), ..set() };
            set.applied(Settings::default(), folder.path()).map(|(settings, _)| settings.signature).map_err(|failure| failure.code)
        };
        assert_eq!(of("-- \r\nJane Doe\r\nAcme \u{1b}[1mGmbH\u{202e}\n\n".as_bytes()), Ok(Some("Jane Doe\nAcme [1mGmbH".into())));
        assert_eq!((of(b""), of(b" \n")), (Ok(None), Ok(None)));
        assert_eq!((of(b"\xff"), of(&[b'x'; 4_097])), (Err(65), Err(65)));
        assert_eq!(
            Set { signature_file: Some("none".into()), ..set() }.applied(Settings::default(), folder.path()).map_err(|f| f.code),
            Err(66)
        );
    }

    #[test]
    fn quiet_hours_are_two_times() {
        assert_eq!(quiet_hours("18:00-08:00".into()), Ok("18:00-08:00".into()));
        for bad in ["18-8", "18:00", "24:00-08:00", "18:60-08:00", "8:00-18:00", "18:00-18:00", "+1:00-08:00", "18:00-08:00-09:00"] {
            assert!(quiet_hours(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn teams_stand_once() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(teams(&names(&["sales", " sales ", "", "field\nservice"])), Ok(names(&["sales", "field service"])));
        assert!(teams(&names(&[&"a".repeat(65)])).is_err());
    }
}
