//! Aligned columns for people. Every cell is cleaned: mail data must not steer a terminal.

use crate::model::Address;
use crate::model::address::is_plain;
use crate::model::text::one_line;

/// Widest cell of a list but the last of a row, in characters. An address stays whole: it is there to be copied.
const CELL: usize = 44;
/// Widest last cell of a list.
const LAST: usize = 160;
/// Widest cell of facts, which are shown to be read.
const FACT: usize = 4_000;
/// What an empty cell shows, so that columns stay columns for `awk`.
const NOTHING: &str = "-";

/// Rows of cells: a list with a head, or facts without one.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    is_list: bool,
}

impl Table {
    /// A table whose first row says what the columns are.
    pub(super) fn headed<const N: usize>(head: [&str; N]) -> Self {
        let mut table = Self { is_list: true, ..Self::default() };
        table.row(head);
        table
    }

    /// Adds a row.
    pub(super) fn row<const N: usize, T: AsRef<str>>(&mut self, cells: [T; N]) {
        let cell = |(at, text): (usize, &T)| {
            let text = text.as_ref();
            let widest = match at + 1 == N {
                _ if !self.is_list || is_plain(text) => FACT,
                true => LAST,
                false => CELL,
            };
            let text = one_line(text, widest);
            if text.is_empty() { NOTHING.to_owned() } else { text }
        };
        let row = cells.iter().enumerate().map(cell).collect();
        self.rows.push(row);
    }

    /// The lines.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|at| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// A time in ms for people: `2026-11-21 10:00`, UTC.
pub(super) fn time(ms: i64) -> String {
    at(ms, "%Y-%m-%d %H:%M")
}

/// A time in ms by a strftime pattern, UTC.
pub(super) fn at(ms: i64, pattern: &str) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.strftime(pattern).to_string())
}

/// A person as people write them: `Ann Example <ann@example.com>`.
pub(super) fn person(address: &Address) -> String {
    match &address.name {
        Some(name) if !name.is_empty() => format!("{name} <{}>", address.address),
        _ => address.address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::headed(["#", "STATUS", "SUBJECT"]);
        table.row(["1", "open", "Hello"]);
        table.row(["1000", "on_hold", ""]);
        assert_eq!(table.text(), "#     STATUS   SUBJECT\n1     open     Hello\n1000  on_hold  -\n");
    }

    #[test]
    fn characters_are_counted_and_not_octets() {
        let mut table = Table::default();
        table.row(["Jörg", "a"]);
        table.row(["Anna", "b"]);
        assert_eq!(table.text(), "Jörg  a\nAnna  b\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = Table::default();
        table.row(["\u{1b}]0;owned\u{7}\u{9b}31mhi", "two\r\nlines\u{202e}"]);
        assert_eq!(table.text(), "]0;owned 31mhi  two lines\n");
        assert!(table.text().trim_end().chars().all(|c| !c.is_control()));
    }

    #[test]
    fn lists_are_cut_and_facts_and_addresses_are_not() {
        let (long, address) = ("x".repeat(300), format!("{}@customer.example", "a".repeat(60)));
        let mut list = Table::headed(["TO", "WHY", "REPLY"]);
        list.row([address.as_str(), &long, &long]);
        let text = list.text();
        assert!(text.contains(&address) && !text.contains(&"x".repeat(LAST + 1)), "{text}");
        let mut facts = Table::default();
        facts.row(["Last reply", long.as_str()]);
        assert_eq!(facts.text(), format!("Last reply  {long}\n"));
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_795_255_200_000), "2026-11-21 10:00");
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
    }
}
