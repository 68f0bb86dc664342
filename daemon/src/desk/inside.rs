//! What stays inside: signed addresses, agents' own addresses, lines of notifications and of notes. Asked before an answer
//! is taken, and once more when it leaves.

use std::collections::BTreeSet;

use crate::model::PersonId;
use crate::model::address::{fold, is_plain};
use crate::model::people::Person;
use crate::model::staff::Staff;
use crate::model::text::is_quoted;

use super::addresses::Book;
use super::answer::{ANSWER_LABEL, NOTE_LABEL, has_marker, squeeze};
use super::lookup::Lookup;
use super::token::{Purpose, Token};

/// Why a text with a signed address never leaves, whoever says that it may.
pub const NEVER: &str = "a signed address of this desk is left in it; that never leaves: answer again without it";

/// Letters and digits that a line must have to be known as one of a note: shorter ones are anybody's.
const NOTE_LINE: usize = 40;

/// Whom a text goes to, if it is known: their own address is no secret to them.
pub type Reader = Option<PersonId>;

/// What must not be found in what leaves.
#[derive(Clone, Copy)]
pub struct Inside<'a> {
    /// Our addresses.
    pub book: &'a Book,
    /// Who works here.
    pub staff: &'a Staff,
}

impl Inside<'_> {
    /// Whether a signed address is in it that is not its reader's own, or something that looks like one. Nobody can say that
    /// this may leave.
    pub fn has_address(&self, text: &str, reader: Reader) -> bool {
        self.book.has_trace(text, |token| is_theirs(token, reader))
    }

    /// What else of ours is in it: an author may have meant that, and can say so. Lines with `>` are the reader's own words;
    /// an address that is in `published` is no secret.
    pub fn found(&self, text: &str, published: &str) -> Option<String> {
        let own = || text.lines().filter(|line| !is_quoted(line));
        let addresses: BTreeSet<_> = own().flat_map(addresses).collect();
        let agent = self.agent(&addresses, published);
        if let Some(agent) = agent {
            return Some(format!("an address of {} is in it, which customers do not get to see", agent.shown_name()));
        }
        text.lines().any(is_ours).then(|| "a line of the notification is left in it".to_owned())
    }

    /// The agent whose address is one of these. One that is a mailbox of the desk at the same time is no secret.
    fn agent(&self, addresses: &BTreeSet<String>, published: &str) -> Option<&Person> {
        if addresses.is_empty() {
            return None;
        }
        let published = fold(published);
        let is_secret = |address: &&String| !self.book.is_own(address) && !published.contains(*address);
        addresses.iter().filter(is_secret).find_map(|address| self.staff.at(address))
    }
}

/// What of notes is in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfNotes<'t> {
    /// Nothing.
    Nothing,
    /// This line.
    Line(&'t str),
    /// There is too much of both to say so.
    TooLarge,
}

/// The line of a note that is in a text and not in the customer's words.
pub(super) fn note_line<'t>(text: &'t str, notes: &str, theirs: &str) -> OfNotes<'t> {
    let (mut notes, mut theirs) = (Lookup::new(notes), Lookup::new(theirs));
    for line in text.lines() {
        let squeezed = squeeze(line);
        if squeezed.chars().count() < NOTE_LINE {
            continue;
        }
        if notes.has(&squeezed) && !theirs.has(&squeezed) {
            return OfNotes::Line(line);
        }
        if notes.is_spent() {
            return OfNotes::TooLarge;
        }
    }
    OfNotes::Nothing
}

fn is_theirs(token: &Token, reader: Reader) -> bool {
    token.purpose() == Purpose::Customer && Some(token.person()) == reader
}

/// A line that only notifications have.
fn is_ours(line: &str) -> bool {
    let line = line.trim_start_matches(['>', ' ', '*', '|']);
    let answer = line.strip_prefix(ANSWER_LABEL).is_some_and(|rest| is_plain(rest.trim()));
    answer || line.starts_with(NOTE_LABEL) || line.starts_with("Note (stays inside)") || has_marker(line)
}

/// Everything in a line that reads as an address, folded.
fn addresses(line: &str) -> Vec<String> {
    if !line.contains('@') && !line.contains("%40") {
        return Vec::new();
    }
    let line = line.replace("%40", "@").to_lowercase();
    let part = |c: char| c.is_alphanumeric() || "._-+".contains(c);
    line.match_indices('@')
        .map(|(at, _)| {
            let (before, after) = (line.get(..at).unwrap_or(""), line.get(at + 1..).unwrap_or(""));
            let local = before.rsplit(|c| !part(c)).next().unwrap_or("");
            let domain = after.split(|c| !part(c)).next().unwrap_or("");
            fold(&format!("{local}@{}", domain.trim_end_matches(['.', '-'])))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::addresses::tests::book;
    use crate::understand::MARKER;

    fn jane() -> Person {
        let aliases = vec!["jd@home.test".into(), "support@desk.localhost".into()];
        Person { name: Some("Jane Doe".into()), aliases, ..Person::agent(PersonId(1), "Jane@Agents.test") }
    }

    #[test]
    fn traces_of_the_notification_are_seen() {
        let (book, staff) = (book(), Staff::default());
        let inside = Inside { book: &book, staff: &staff };
        for text in [format!("ok\n{MARKER}\n"), format!("> {NOTE_LABEL} x"), "*Note (stays inside)* : y".into(), "Answer: x@y.test".into()]
        {
            assert!(inside.found(&text, "").is_some(), "{text}");
        }
        assert_eq!(inside.found("Note: the answer: 42\nAnswer: yes\nAnswer: ask for a@b.test", ""), None);
    }

    #[test]
    fn an_agents_own_address_is_seen_in_an_answer_and_not_in_the_customers_words() {
        let (book, staff) = (book(), Staff::new(vec![jane()]));
        let inside = Inside { book: &book, staff: &staff };
        for text in ["ask jane@agents.test.", "<JANE@AGENTS.TEST>", "mailto:jd%40home.test?x", "Jane Doe\njd@home.test", " > jd@home.test"]
        {
            assert!(inside.found(text, "").is_some_and(|found| found.contains("Jane Doe")), "{text}");
        }
        for text in ["xjane@agents.test", "jane@agents.test.example", "> I wrote to jane@agents.test", "support@desk.localhost", "@jane"] {
            assert_eq!(inside.found(text, ""), None, "{text}");
        }
        assert_eq!(inside.found("jane@agents.test", "Call us, or write to Jane@agents.test"), None);
    }

    #[test]
    fn a_long_line_of_a_note_is_known_again() {
        let line = "He has not paid since March and gets no discount any more, says Bob.";
        let text = format!("Hello,\n{line}\nBye");
        assert_eq!(note_line(&text, &format!("Beware:\n{line}"), "It burns."), OfNotes::Line(line));
        assert_eq!(note_line(&text, "Beware", ""), OfNotes::Nothing);
        assert_eq!(note_line(&text, line, line), OfNotes::Nothing);
        assert_eq!(note_line("Best regards", "Best regards", ""), OfNotes::Nothing);
    }

    #[test]
    fn a_text_that_cannot_be_looked_through_is_not_let_through() {
        let line = |kind: &str, n: usize| format!("{n} is the number of this {kind}, one of the many thousands of its kind\n");
        let notes: String = (0..20_000).map(|n| line("note", n)).collect();
        let text: String = (0..200).map(|n| line("answer", n)).collect();
        assert_eq!(note_line(&text, &notes, ""), OfNotes::TooLarge);
        let last: String = text.lines().take(20).map(|line| format!("{line}\n")).collect();
        assert_eq!(note_line(&last, &notes, ""), OfNotes::Nothing);
    }
}
