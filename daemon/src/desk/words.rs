//! The words of commands: the English ones, what they mean, and what people call them in other languages.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;

/// Longest word that is compared with the commands, in characters: comparing is quadratic.
pub(super) const LONGEST: usize = 40;

/// A command as people are told of it.
pub struct Entry {
    /// Its English word.
    pub word: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn entry(word: &'static str, form: &'static str, meaning: &'static str) -> Entry {
    Entry { word, form, meaning }
}

/// Commands at the top of an answer.
pub const ON_TICKET: &[Entry] = &[
    entry("note", "@note [TEXT]", "the whole mail stays inside, nothing of it goes to the customer"),
    entry("assign", "@assign me|nobody|EMAIL", "who works the ticket"),
    entry("team", "@team NAME", "whose agents hear of it"),
    entry("status", "@status open|pending|on_hold|solved|closed", "where it stands"),
    entry("solve", "@solve", "it is solved; the customer's next mail opens it again"),
    entry("close", "@close", "it is closed; the customer's next mail is a new ticket"),
    entry("reopen", "@reopen", "it is open again"),
    entry("spam", "@spam", "it is junk: nothing is mailed, and further mail of that address is held"),
    entry("priority", "@priority low|normal|high|urgent", "how much it hurries"),
    entry("tag", "@tag a, -b", "adds and takes away tags"),
    entry("snooze", "@snooze 3d|tomorrow 9:00|2026-12-01", "on hold until then; you hear of it when it is time"),
    entry("cc", "@cc add|remove EMAIL", "who gets the answers, too, from the next one on"),
    entry("requester", "@requester EMAIL", "whose ticket it is; the one before gets no more answers"),
    entry("search", "@search QUERY", "tickets and articles, by mail to you"),
    entry("history", "@history", "all that was said on the ticket, by mail to you"),
    entry("undo", "@undo", "takes back your last answer while it waits to leave"),
    entry("help", "@help", "this list, by mail to you"),
    entry("follow", "@follow", "you hear of what is new on the ticket"),
    entry("unfollow", "@unfollow", "you do not any more"),
];

/// Further commands, to an agent's desk address.
pub const AT_DESK: &[Entry] = &[
    entry("ticket", "@ticket 12, 14 [\"WORD\"]", "the commands below it are for these tickets, if WORD stands in their subjects"),
    entry("new", "@new EMAIL", "the text below it goes to this address as a new ticket, with the subject of your mail"),
];

/// Commands that come later: known, so that nobody's typing of one leaves as text.
pub(super) const NOT_YET: [&str; 4] = ["merge", "split", "macro", "kb"];

/// What people call commands elsewhere: a line is a word and the English word, `#` begins a remark.
const ELSEWHERE: [&str; 6] = [
    include_str!("../../../config/templates/commands/de.txt"),
    include_str!("../../../config/templates/commands/fr.txt"),
    include_str!("../../../config/templates/commands/es.txt"),
    include_str!("../../../config/templates/commands/it.txt"),
    include_str!("../../../config/templates/commands/nl.txt"),
    include_str!("../../../config/templates/commands/pt.txt"),
];

/// Every word, lower case and composed (NFC), with the English word of its command.
static WORDS: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let english = || ON_TICKET.iter().chain(AT_DESK).map(|e| e.word).chain(NOT_YET);
    let mut words: BTreeMap<String, &'static str> = BTreeMap::new();
    for line in ELSEWHERE.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')) {
        let known = line.split_once(' ').and_then(|(word, of)| Some((word, english().find(|w| *w == of)?)));
        words.extend(known.map(|(word, of)| (fold(word), of)));
    }
    // Last, so that no other language takes an English word away.
    words.extend(english().map(|word| (word.to_owned(), word)));
    words
});

fn fold(word: &str) -> String {
    word.nfc().collect::<String>().to_lowercase()
}

/// The English word of a command in any language; `None` for a word that is none.
pub(super) fn command(word: &str) -> Option<&'static str> {
    if word.len() > 4 * LONGEST {
        return None;
    }
    WORDS.get(&fold(word)).copied()
}

/// The word that is nearest to this one (lower case), with the number of edits between them.
pub(super) fn nearest(word: &str) -> (usize, &'static str) {
    let word: String = word.chars().take(LONGEST).collect();
    let near = WORDS.keys().map(|known| (strsim::damerau_levenshtein(known, &word), known.as_str())).min();
    near.unwrap_or((usize::MAX, ""))
}

/// Words of other languages for a command, sorted.
pub fn elsewhere(command: &str) -> Vec<&'static str> {
    WORDS.iter().filter(|(word, of)| **of == command && *word != command).map(|(word, _)| word.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_each_language_is_one_command() {
        let mut all: BTreeMap<String, &str> = BTreeMap::new();
        let english: Vec<&str> = ON_TICKET.iter().chain(AT_DESK).map(|e| e.word).chain(NOT_YET).collect();
        for line in ELSEWHERE.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')) {
            let (word, of) = line.split_once(' ').unwrap_or(("", line));
            assert!(english.contains(&of), "{line}: there is no command {of}");
            assert!(!english.contains(&word), "{line}: an English word");
            assert!(word.chars().all(char::is_alphanumeric) && fold(word) == word, "{line}");
            assert_eq!(*all.entry(word.to_owned()).or_insert(of), of, "{line}: two meanings");
        }
        assert!(all.len() > 90, "{}", all.len());
        for word in english {
            assert_eq!(command(word), Some(word));
        }
    }

    #[test]
    fn a_word_is_known_in_any_case_and_composed_or_not() {
        for (word, of) in [("NOTE", "note"), ("Notiz", "note"), ("LÖSEN", "solve"), ("lo\u{308}sen", "solve"), ("cerrar", "close")] {
            assert_eq!(command(word), Some(of), "{word}");
        }
        for word in ["", "ntoe", "\u{ff4e}ote", "not\u{200b}e"] {
            assert_eq!(command(word), None, "{word}");
        }
        assert_eq!(nearest("slove"), (1, "solve"));
        assert!(elsewhere("note").contains(&"notiz"));
    }
}
