//! `OMBUD_SECTION__KEY=value`: the environment on top of the file.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::problems::{Origin, Problem};
use super::raw::{Item, Table, Value};

/// Variables that begin with our prefix and are no keys. A build that has failpoints has one more.
#[cfg(not(debug_assertions))]
const NO_KEYS: [&str; 2] = ["OMBUD_CONFIG", "OMBUD_LOG"];
#[cfg(debug_assertions)]
const NO_KEYS: [&str; 3] = ["OMBUD_CONFIG", "OMBUD_LOG", crate::failpoint::VARIABLE];
const PREFIX: &str = "OMBUD_";
/// `mailboxes.0.imap.oauth.client_id` is the longest path to a key.
const LONGEST: usize = 5;

/// What of the environment concerns us. No `Debug`: it may hold secrets.
#[derive(Default)]
pub(super) struct Environment {
    /// `$OMBUD_CONFIG`; an empty one counts as absent.
    pub(super) config: Option<PathBuf>,
    /// Name and text; `None` where it is not UTF-8.
    overrides: Vec<(String, Option<String>)>,
}

impl Environment {
    /// Picks our variables out of all.
    pub(super) fn new<K: AsRef<OsStr>, V: AsRef<OsStr>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let value = value.as_ref();
            let Some(name) = name.as_ref().to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if name == "OMBUD_CONFIG" && !value.is_empty() {
                environment.config = Some(PathBuf::from(value));
            }
            if !NO_KEYS.contains(&name) {
                environment.overrides.push((name.to_owned(), value.to_str().map(str::to_owned)));
            }
        }
        // Lists are filled by index, so 2 must come before 10.
        environment.overrides.sort_by_cached_key(|(name, _)| {
            let order = |part: &str| (part.parse::<u32>().unwrap_or(u32::MAX), part.to_owned());
            name.split("__").map(order).collect::<Vec<_>>()
        });
        environment
    }

    /// Lays the variables over what the file says. A key that does not exist is found later, like one in the file.
    pub(super) fn apply(&self, root: &mut Table, problems: &mut Vec<Problem>) {
        for (name, text) in &self.overrides {
            let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
            let path: Vec<&str> = path.split("__").collect();
            let origin = Origin::Env(name.clone());
            let done = match text {
                None => Err("is not UTF-8"),
                Some(_) if path.len() > LONGEST || path.iter().any(|part| part.is_empty()) => {
                    Err("names no key: it is OMBUD_SECTION__KEY, with two underscores between")
                }
                Some(text) => set(root, &path, Item { value: Value::Text(text.clone()), origin: origin.clone() }),
            };
            if let Err(text) = done {
                problems.push(Problem { origin, place: String::new(), text: text.to_owned(), missing: false });
            }
        }
    }
}

fn set(table: &mut Table, path: &[&str], item: Item) -> Result<(), &'static str> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    let Some(next) = rest.first() else {
        table.insert((*first).to_owned(), item);
        return Ok(());
    };
    let parent = table.entry((*first).to_owned()).or_insert_with(|| {
        let value = if index(next).is_some() { Value::Array(Vec::new()) } else { Value::Table(Table::new()) };
        Item { value, origin: item.origin.clone() }
    });
    match &mut parent.value {
        Value::Table(table) => set(table, rest, item),
        Value::Array(items) => set_element(items, rest, item),
        _ => Err("names a key below one that is no section"),
    }
}

/// `OMBUD_MAILBOXES__0__NAME`: elements of a list are counted from 0; the one after the last is a new one.
fn set_element(items: &mut Vec<Item>, path: &[&str], item: Item) -> Result<(), &'static str> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    let index = index(first).ok_or("needs the element's number after the list's name, from 0: OMBUD_MAILBOXES__0__ADDRESS")?;
    if index == items.len() {
        items.push(Item { value: Value::Table(Table::new()), origin: item.origin.clone() });
    }
    let element = items.get_mut(index).ok_or("leaves a gap: elements of a list are numbered from 0 without one")?;
    match &mut element.value {
        _ if rest.is_empty() => *element = item,
        Value::Table(table) => return set(table, rest, item),
        _ => return Err("names a key below one that is no section"),
    }
    Ok(())
}

fn index(part: &str) -> Option<usize> {
    part.parse().ok()
}
