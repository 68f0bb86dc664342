//! What is wrong with a configuration, one line each.

use std::fmt;

/// Where a value was written. The order is the order of a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The built-in local desk.
    BuiltIn,
    /// The file as a whole: something that is not there has no line.
    File,
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable.
    Env(String),
}

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where it was written.
    pub(super) origin: Origin,
    /// `[section] key`; empty for the file as a whole.
    pub(super) place: String,
    /// What is wrong and what to do. Never holds a secret.
    pub(super) text: String,
    /// Whether it says that something is not there, which is no news when a syntax error may have hidden it.
    pub(super) missing: bool,
}

impl Problem {
    /// The problem as one line: `ombud.toml:12: [outbound] rellay: unknown key; …`.
    pub(super) fn line(&self, file: &str) -> String {
        let mut line = match &self.origin {
            Origin::BuiltIn => "built-in local desk".to_owned(),
            Origin::File => file.to_owned(),
            Origin::Line(number) => format!("{file}:{number}"),
            Origin::Env(name) => name.clone(),
        };
        line.push_str(": ");
        if !self.place.is_empty() {
            line.push_str(&self.place);
            line.push_str(": ");
        }
        line.push_str(&self.text);
        // Keys and values are the writer's: a line break in one must not make two lines of it.
        line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }
}

/// Everything that is wrong with a configuration, in the order of the file, then of the environment.
///
/// `Display` prints one line for each, without a line break after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    lines: Vec<String>,
}

impl Problems {
    /// Sorts what was found in `file` (its name as the user wrote it).
    pub(super) fn new(file: &str, mut found: Vec<Problem>) -> Self {
        found.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self { lines: found.iter().map(|problem| problem.line(file)).collect() }
    }

    /// One problem of a file as a whole.
    pub(super) fn of_file(file: &str, text: String) -> Self {
        Self::new(file, vec![Problem { origin: Origin::File, place: String::new(), text, missing: false }])
    }

    /// One line for each problem.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Problems {}
