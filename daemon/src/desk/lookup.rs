//! Whether lines stand in a text, as letters and digits alone: quoting re-wraps lines and changes white space. Texts may be
//! large, and so may what is looked up in them.

use std::collections::HashMap;

use super::answer::squeeze;

/// Octets that one lookup reads for lines that stand neither where the last one ended nor as a line of their own. What a mail
/// quotes stands in its order, so this is for what was cut out or mixed in.
const SEARCHED: usize = 64 << 20;

/// A text in which lines are looked up.
pub(super) struct Lookup {
    text: String,
    /// Each line of it and where it begins.
    lines: HashMap<String, usize>,
    /// Where the last line that was found ends.
    at: usize,
    left: usize,
    spent: bool,
}

impl Lookup {
    pub(super) fn new(text: &str) -> Self {
        let (mut all, mut lines) = (String::new(), HashMap::new());
        for line in text.lines() {
            let line = squeeze(line);
            let at = all.len();
            all.push_str(&line);
            lines.entry(line).or_insert(at);
        }
        Self { text: all, lines, at: 0, left: SEARCHED, spent: false }
    }

    /// Whether this line, squeezed, is in the text. Once too much was searched for in vain, only lines of the text are, and what
    /// follows the last one.
    pub(super) fn has(&mut self, line: &str) -> bool {
        let next = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(line)).then_some(self.at);
        let found = next.or_else(|| self.lines.get(line).copied()).or_else(|| self.searched(line));
        if let Some(at) = found {
            self.at = at + line.len();
        }
        found.is_some()
    }

    fn searched(&mut self, line: &str) -> Option<usize> {
        if line.len() > self.text.len() {
            return None;
        }
        let Some(left) = self.left.checked_sub(self.text.len()) else {
            self.spent = true;
            return None;
        };
        self.left = left;
        self.text.find(line)
    }

    /// Whether a line was not searched for, because too much was before: nobody knows whether it stands there.
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_they_are_wrapped() {
        let mut words = Lookup::new("Hi,\ndoes it run on\nLinux? And\non a Mac?");
        for line in ["doesitrunonlinux", "andonamac", "hi", "runon", "onamac"] {
            assert!(words.has(line), "{line}");
        }
        assert!(!words.has("windows") && !Lookup::new("").has("x") && Lookup::new("").has(""));
    }

    #[test]
    fn a_mebibyte_of_quotes_is_looked_up_at_once() {
        let line = |n: usize| format!("{n} is the number of this line, and it is followed by many others of its kind, so many\n");
        let text: String = (0..12_000).map(line).collect();
        let mut words = Lookup::new(&text);
        for wrapped in squeeze(&text).as_bytes().chunks(50) {
            assert!(words.has(&String::from_utf8_lossy(wrapped)));
        }
        assert_eq!(words.left, SEARCHED, "re-wrapped as a whole");
        for n in (0..12_000).rev() {
            assert!(words.has(&squeeze(&line(n))));
        }
        assert_eq!(words.left, SEARCHED, "lines in any order");
        for n in 0..100_000 {
            assert!(!words.has(&format!("nowhere{n}")));
        }
        assert!(
            words.is_spent() && words.left < text.len() && words.has(&squeeze(&line(7))),
            "what was looked for in vain has cost so much, and no more"
        );
    }
}
