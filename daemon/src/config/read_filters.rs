//! `[[filters]]`: content filters, asked by the milter protocol.

use std::collections::BTreeSet;
use std::time::Duration;

use super::reader::Section;
use super::types::{Filter, FilterAddress, OnError};
use super::values;

/// Most filters: a sender waits for all of them.
const FILTERS: usize = 8;
/// Longest name, in octets.
const NAME: usize = 40;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(120);
const DEFAULT_SIZE: u64 = 25 << 20;
const SIZE: std::ops::RangeInclusive<u64> = 1..=100 << 20;
const ON_ERROR: [(&str, OnError); 2] = [("open", OnError::Open), ("closed", OnError::Closed)];

/// Reads all filters.
pub(super) fn filters(s: &mut Section<'_>) -> Vec<Filter> {
    let filters: Vec<Filter> = s.sections("filters", "[[filters]]", filter).unwrap_or_default().into_iter().flatten().collect();
    if filters.len() > FILTERS {
        s.bad("filters", format!("must be at most {FILTERS}; a sender waits for all of them"));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = filters.iter().find(|filter| !names.insert(filter.name.as_str())) {
        s.bad("filters", format!("\"{}\" is the name of two", twice.name));
    }
    filters
}

fn filter(s: &mut Section<'_>) -> Option<Filter> {
    let name = s.parsed("name", name);
    if name.is_none() {
        s.require("name", "what to call it, like name = \"rspamd\"");
    }
    let address = s.parsed("address", values::filter_address);
    if address.is_none() {
        s.require("address", "where it listens, like address = \"127.0.0.1:11332\"");
    }
    let timeout = s.duration("timeout", TIMEOUT).unwrap_or(DEFAULT_TIMEOUT);
    let on_error = s.word("on_error", &ON_ERROR).unwrap_or(OnError::Open);
    let size = s.size("size", SIZE).unwrap_or(DEFAULT_SIZE);
    let hold_on = s.list("hold_on", values::header_field).unwrap_or_default().into_iter().map(|(field, _)| field).collect();
    let address = match address? {
        FilterAddress::Unix(path) => FilterAddress::Unix(s.resolve(path)),
        tcp @ FilterAddress::Tcp(..) => tcp,
    };
    Some(Filter { name: name?, address, timeout, on_error, size, hold_on })
}

fn name(text: &str) -> Result<String, String> {
    let is_name = (1..=NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if is_name { Ok(text.to_owned()) } else { Err(format!("must be letters, digits, \"-\", \"_\" and \".\", at most {NAME}")) }
}
