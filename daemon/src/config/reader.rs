//! The typed reader: takes keys out of a section, notes what is wrong with them and goes on.
//!
//! Each getter gives `None` for a key that is absent and for one that is wrong. The caller puts any value in its place:
//! once a problem is noted, no configuration comes out.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::problems::{Origin, Problem};
use super::raw::{Item, Table, Value};
use super::secret::Secret;
use super::types::Listen;
use super::values;

/// No secret is longer, in octets; a key that names a device or a log must not be read to its end.
const SECRET_SIZE: u64 = 64 << 10;

/// What is gathered while the sections are read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Relative paths start here.
    pub(super) base: PathBuf,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// What is not wrong and must be said.
    pub(super) warnings: Vec<Problem>,
    /// Each mailbox's addresses and aliases, with the key that names them.
    pub(super) addresses: Vec<(String, Origin, String)>,
    /// Each address to listen on, with the key that names it.
    pub(super) listeners: Vec<(Listen, Origin, String)>,
    /// Each account that mail is fetched from, with the key that names its server.
    pub(super) accounts: Vec<(Account, Origin, String)>,
}

/// Where mail is fetched from.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Host, port and user.
    pub(super) name: (String, u16, String),
    /// What is fetched of it.
    pub(super) folders: Vec<String>,
}

impl Notes {
    /// Nothing noted yet.
    pub(super) fn new(base: &Path) -> Self {
        Self { base: base.to_owned(), ..Self::default() }
    }

    /// Reads one section; the keys that `read` did not ask for are unknown.
    pub(super) fn section<T>(&mut self, label: &str, item: (Table, Origin), read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let (table, origin) = item;
        let mut section = Section { label: label.to_owned(), origin, table, asked: BTreeMap::new(), notes: self };
        let value = read(&mut section);
        section.finish();
        value
    }
}

/// One section while it is read.
pub(super) struct Section<'n> {
    /// As errors show it: `[outbound]`, `[[mailboxes]]`; empty at the top of the file.
    label: String,
    origin: Origin,
    table: Table,
    /// The keys that exist, and where those that were given stand.
    asked: BTreeMap<&'static str, Option<Origin>>,
    notes: &'n mut Notes,
}

impl Section<'_> {
    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether the key was there when it was read.
    pub(super) fn asked(&self, key: &str) -> bool {
        self.asked.get(key).is_some_and(Option::is_some)
    }

    /// Where the key stands, once it was read; the section where it is absent.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.asked.get(key).cloned().flatten().unwrap_or_else(|| self.origin.clone())
    }

    /// `[section] key`.
    pub(super) fn place(&self, key: &str) -> String {
        if self.label.is_empty() { format!("[{key}]") } else { format!("{} {key}", self.label) }
    }

    /// Notes what is wrong with a key.
    pub(super) fn bad(&mut self, key: &str, text: impl Into<String>) {
        let problem = Problem { origin: self.origin(key), place: self.place(key), text: text.into(), missing: false };
        self.notes.problems.push(problem);
    }

    /// Notes that a key must be there.
    pub(super) fn missing(&mut self, key: &str, hint: &str) {
        let text = format!("missing; {hint}");
        self.notes.problems.push(Problem { origin: self.origin.clone(), place: self.place(key), text, missing: true });
    }

    /// Notes what must be said about a key at start.
    pub(super) fn warn(&mut self, key: &str, text: impl Into<String>) {
        let warning = Problem { origin: self.origin(key), place: self.place(key), text: text.into(), missing: false };
        self.notes.warnings.push(warning);
    }

    /// The mailboxes' addresses seen so far: they are checked against each other when all are read.
    pub(super) fn note_address(&mut self, address: String, key: &str) {
        let (origin, place) = (self.origin(key), self.place(key));
        self.notes.addresses.push((address, origin, place));
    }

    /// The accounts seen so far: they are compared when all mailboxes are read.
    pub(super) fn note_account(&mut self, account: Account, key: &str) {
        let (origin, place) = (self.origin(key), self.place(key));
        self.notes.accounts.push((account, origin, place));
    }

    /// Relative paths start at the folder of the configuration file.
    pub(super) fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.notes.base.join(path.strip_prefix("./").unwrap_or(path))
    }

    fn take(&mut self, key: &'static str) -> Option<Item> {
        let item = self.table.remove(key);
        self.asked.insert(key, item.as_ref().map(|item| item.origin.clone()));
        item
    }

    fn wrong_kind<T>(&mut self, key: &str, wanted: &str, value: &Value) -> Option<T> {
        self.bad(key, format!("must be {wanted}, not {}", value.kind()));
        None
    }

    /// Text as written.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)?.value {
            Value::String(text) | Value::Text(text) => Some(text),
            value => self.wrong_kind(key, "text in quotes", &value),
        }
    }

    /// Text that `parse` understands.
    pub(super) fn parsed<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        parse(&text).map_err(|error| self.bad(key, error)).ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            let allowed = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            found.ok_or_else(|| format!("\"{text}\" is not one of {}", allowed()))
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)?.value {
            Value::Boolean(value) => Some(value),
            Value::Text(text) if text == "true" => Some(true),
            Value::Text(text) if text == "false" => Some(false),
            value => self.wrong_kind(key, "true or false", &value),
        }
    }

    /// A whole number in a range.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match self.take(key)?.value {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::Text(text) if text.parse::<i128>().is_ok() => text.parse().ok(),
            value => return self.wrong_kind(key, "a whole number", &value),
        };
        let inside = number.filter(|number| range.contains(number));
        if inside.is_none() {
            self.bad(key, format!("must be from {} to {}", range.start(), range.end()));
        }
        inside
    }

    /// Octets in a range, as a number or like `"50 MiB"`.
    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let size = match self.take(key)?.value {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::String(text) | Value::Text(text) => match values::size(&text) {
                Ok(size) => Some(size),
                Err(error) => {
                    self.bad(key, error);
                    return None;
                }
            },
            value => return self.wrong_kind(key, "a size, like \"50 MiB\"", &value),
        };
        let inside = size.filter(|size| range.contains(size));
        if inside.is_none() {
            self.bad(key, format!("must be from {} to {}", values::show_size(*range.start()), values::show_size(*range.end())));
        }
        inside
    }

    /// A duration in a range.
    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (first, last) = (values::show_duration(*range.start()), values::show_duration(*range.end()));
        self.parsed(key, |text| {
            let value = values::duration(text)?;
            if range.contains(&value) { Ok(value) } else { Err(format!("must be from {first} to {last}")) }
        })
    }

    /// A list of texts that `parse` understands, each with its place; wrong elements are left out.
    pub(super) fn list<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<(T, Origin)>> {
        let item = self.take(key)?;
        let items = match item.value.structured(&item.origin) {
            Value::Array(items) => items,
            value => return self.wrong_kind(key, "a list of texts, like [\"…\"]", &value),
        };
        let empty = items.is_empty();
        let mut list = Vec::new();
        for Item { value, origin } in items {
            let parsed = match &value {
                Value::String(text) => parse(text),
                other => Err(format!("must be a list of texts; there is {} in it", other.kind())),
            };
            match parsed {
                Ok(value) => list.push((value, origin)),
                Err(text) => {
                    let place = self.place(key);
                    self.notes.problems.push(Problem { origin, place, text, missing: false });
                }
            }
        }
        // A list of nothing but mistakes is wrong, not empty.
        (empty || !list.is_empty()).then_some(list)
    }

    /// Addresses to listen on: at least one.
    pub(super) fn listen(&mut self, hint: &str) -> Vec<Listen> {
        let Some(list) = self.list("listen", values::listen) else {
            self.require("listen", hint);
            return Vec::new();
        };
        if list.is_empty() {
            self.bad("listen", "must name at least one address; to listen on none leave the whole section out");
        }
        let place = self.place("listen");
        let mut listeners = Vec::new();
        for (listen, origin) in list {
            let listen = match (listen, &origin) {
                (Listen::Tcp(address), Origin::BuiltIn) => Listen::TcpOrFree(address),
                (Listen::Unix(path), _) => Listen::Unix(self.resolve(path)),
                (listen, _) => listen,
            };
            self.notes.listeners.push((listen.clone(), origin, place.clone()));
            listeners.push(listen);
        }
        listeners
    }

    /// Notes a key as missing, unless it was given and is wrong.
    pub(super) fn require(&mut self, key: &'static str, hint: &str) {
        if self.asked.get(key).is_none_or(Option::is_none) {
            self.missing(key, hint);
        }
    }

    /// A secret, written as `key` or in the file that `file_key` names, not both.
    pub(super) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<Secret> {
        let from_env = |item: Option<&Item>| item.is_some_and(|item| matches!(item.origin, Origin::Env(_)));
        match (from_env(self.table.get(key)), from_env(self.table.get(file_key))) {
            // The environment overrides, in whichever of the two forms the file has it.
            (true, false) => drop(self.table.remove(file_key)),
            (false, true) => drop(self.table.remove(key)),
            _ => {}
        }
        let both = self.has(key) && self.has(file_key);
        let plain = self.text(key);
        let file = self.text(file_key);
        if both {
            self.bad(file_key, format!("stands beside {key}; keep one of the two"));
            return None;
        }
        let secret = match (plain, file) {
            (Some(text), _) => text,
            (None, Some(file)) => self.secret_file(file_key, &file)?,
            (None, None) => return None,
        };
        if secret.is_empty() {
            self.bad(if self.asked.get(key).is_some_and(Option::is_some) { key } else { file_key }, "is empty");
            return None;
        }
        Some(Secret::new(secret))
    }

    fn secret_file(&mut self, key: &'static str, file: &str) -> Option<String> {
        let path = self.resolve(file);
        let mut text = String::new();
        let read = std::fs::File::open(&path).and_then(|file| {
            let mode = file.metadata()?.permissions().mode();
            file.take(SECRET_SIZE).read_to_string(&mut text)?;
            Ok(mode)
        });
        match read {
            Ok(mode) if mode & 0o007 != 0 => {
                self.warn(key, format!("{} can be read by everybody on this machine; chmod o= {0}", path.display()));
            }
            Ok(_) => {}
            Err(error) => {
                self.bad(key, format!("{} cannot be read: {error}", path.display()));
                return None;
            }
        }
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }

    /// The path of a file that must be there.
    pub(super) fn file(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.parsed(key, values::one_line)?;
        let path = self.resolve(path);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => return Some(path),
            Ok(_) => self.bad(key, format!("{} is not a file", path.display())),
            Err(error) => self.bad(key, format!("{} cannot be read: {error}", path.display())),
        }
        None
    }

    /// A section in this one.
    pub(super) fn section<T>(&mut self, key: &'static str, label: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let item = self.take(key)?;
        match item.value.structured(&item.origin) {
            Value::Table(table) => Some(self.notes.section(label, (table, item.origin), read)),
            value => self.wrong_kind(key, &format!("a section, {label}"), &value),
        }
    }

    /// A section that is read as an empty one where it is absent, so that its defaults apply and its musts are missed.
    pub(super) fn section_or_empty<T>(&mut self, key: &'static str, label: &str, read: impl Fn(&mut Section<'_>) -> T) -> T {
        match self.section(key, label, &read) {
            Some(value) => value,
            None => self.notes.section(label, (Table::new(), Origin::File), read),
        }
    }

    /// A list of sections in this one.
    pub(super) fn sections<T>(&mut self, key: &'static str, label: &str, read: impl Fn(&mut Section<'_>) -> T) -> Option<Vec<T>> {
        let item = self.take(key)?;
        let items = match item.value.structured(&item.origin) {
            Value::Array(items) => items,
            value => return self.wrong_kind(key, &format!("a list of sections, {label}"), &value),
        };
        let mut list = Vec::new();
        for item in items {
            match item.value.structured(&item.origin) {
                Value::Table(table) => list.push(self.notes.section(label, (table, item.origin), &read)),
                value => {
                    let (place, text) = (self.place(key), format!("must be a list of sections; there is {} in it", value.kind()));
                    self.notes.problems.push(Problem { origin: item.origin, place, text, missing: false });
                }
            }
        }
        Some(list)
    }

    fn finish(self) {
        for (key, item) in &self.table {
            let problem = Problem { origin: item.origin.clone(), place: self.place(key), text: self.unknown(key), missing: false };
            self.notes.problems.push(problem);
        }
    }

    fn unknown(&self, key: &str) -> String {
        let what = if self.label.is_empty() { "section" } else { "key" };
        let show = |key: &str| if self.label.is_empty() { format!("[{key}]") } else { format!("\"{key}\"") };
        // The cost grows with the length, and no key of ours is half as long.
        let start: String = key.chars().take(64).collect();
        let nearness = |known: &str| strsim::normalized_damerau_levenshtein(&start, known);
        let nearest = self.asked.keys().max_by(|a, b| nearness(a).total_cmp(&nearness(b)));
        match nearest {
            None => format!("unknown {what}"),
            Some(nearest) if nearness(nearest) >= 0.5 => format!("unknown {what}; did you mean {}?", show(nearest)),
            Some(nearest) => {
                let known: Vec<String> = self.asked.keys().map(|key| show(key)).collect();
                format!("unknown {what}; the nearest is {} of {}", show(nearest), known.join(", "))
            }
        }
    }
}
