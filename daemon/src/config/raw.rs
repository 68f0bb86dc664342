//! The configuration as written: a tree in which each value knows where it stands.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::problems::{Origin, Problem};

/// Our keys are at most four deep; this only keeps hostile nesting off the stack.
const DEPTH: usize = 16;

/// Keys and values of one section.
pub(super) type Table = BTreeMap<String, Item>;

/// One value and where it was written. No `Debug`: it may be a secret.
pub(super) struct Item {
    /// The value.
    pub(super) value: Value,
    /// Where its key (of a list element: itself) stands.
    pub(super) origin: Origin,
}

/// A value.
pub(super) enum Value {
    /// A string.
    String(String),
    /// An integer.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    Array(Vec<Item>),
    /// A section or an inline table.
    Table(Table),
    /// The text of an environment variable: what it is depends on what is wanted.
    Text(String),
    /// What no key of ours can be; holds what to call it.
    Other(&'static str),
}

impl Value {
    /// What an error calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) | Self::Text(_) => "text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Array(_) => "a list",
            Self::Table(_) => "a section",
            Self::Other(kind) => kind,
        }
    }

    /// Reads the text of an environment variable as TOML, for a key that wants a list or a table.
    pub(super) fn structured(self, origin: &Origin) -> Self {
        let Self::Text(text) = self else { return self };
        match DeValue::parse(&text) {
            Ok(value) => convert(value.get_ref(), &|_| origin.clone(), 0),
            Err(_) => Self::Text(text),
        }
    }
}

/// A syntax error and the lines that it makes doubtful.
#[derive(Clone, Debug)]
pub(super) struct Slip {
    /// The error.
    pub(super) problem: Problem,
    /// The last doubtful line.
    last: Origin,
}

impl Slip {
    /// Whether what stands there may not be what was meant.
    pub(super) fn casts_doubt_on(&self, origin: &Origin) -> bool {
        (&self.problem.origin..=&self.last).contains(&origin)
    }
}

/// Reads a TOML document. What is wrong with its syntax comes beside all that could still be read.
pub(super) fn parse(text: &str) -> (Table, Vec<Slip>) {
    let lines = Lines::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut slips: Vec<Slip> = Vec::new();
    for error in errors {
        let origin = error.span().map_or(Origin::File, |span| lines.origin(span.start));
        // One slip often makes several errors; the first of a line is the one that helps.
        if slips.iter().all(|known| known.problem.origin != origin) {
            let message = format!("not valid TOML: {}", error.message());
            let last = last_doubtful(text, &origin);
            slips.push(Slip { problem: Problem { origin, place: String::new(), text: message, missing: false }, last });
        }
    }
    (table(document.get_ref(), &|position| lines.origin(position), 0), slips)
}

/// The last line that a slip makes doubtful. A broken `[header]` takes the next one with it, so below it all is.
fn last_doubtful(text: &str, origin: &Origin) -> Origin {
    let Origin::Line(number) = origin else { return origin.clone() };
    let line = text.lines().nth(number.saturating_sub(1));
    let header = line.is_some_and(|line| line.trim_start().starts_with('['));
    if header { Origin::Line(usize::MAX) } else { origin.clone() }
}

fn table(table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin, depth: usize) -> Table {
    let entries = table.iter().map(|(key, value)| {
        let item = Item { value: convert(value.get_ref(), origin, depth + 1), origin: origin(key.span().start) };
        (key.get_ref().to_string(), item)
    });
    entries.collect()
}

fn convert(value: &DeValue<'_>, origin: &dyn Fn(usize) -> Origin, depth: usize) -> Value {
    match value {
        DeValue::Array(_) | DeValue::Table(_) if depth >= DEPTH => Value::Other("too deeply nested"),
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(digits) => {
            i64::from_str_radix(digits.as_str(), digits.radix()).map_or(Value::Other("too large a number"), Value::Integer)
        }
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Float(_) => Value::Other("a decimal number"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| Item {
                value: convert(item.get_ref(), origin, depth + 1),
                origin: origin(item.span().start),
            };
            Value::Array(items.iter().map(item).collect())
        }
        DeValue::Table(entries) => Value::Table(table(entries, origin, depth)),
    }
}

/// Octet positions to line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    fn origin(&self, position: usize) -> Origin {
        Origin::Line(1 + self.0.partition_point(|newline| *newline < position))
    }
}
