//! The passage of a text that shows why it was found. Pure: the caller brings the texts, after asking who may see them.

mod find;
mod passage;
#[cfg(test)]
mod tests;

use std::ops::Range;

use find::Wanted;
use passage::Passage;

use crate::doc::MAX_TEXT;
use crate::query::Query;

/// A passage of a text, without markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    /// Which of the texts it is from.
    pub source: usize,
    /// The passage; runs of white space are one space, control characters are gone.
    pub text: String,
    /// What was searched for: ranges of octets of `text`, rising, between characters, never touching.
    pub marks: Vec<Range<usize>>,
    /// There is more text before the passage.
    pub cut_before: bool,
    /// There is more text behind it.
    pub cut_after: bool,
}

/// Octets of a text that are looked at before it is asked whether that is enough.
const FIRST: usize = 4096;

/// The best passage of at most `length` characters: the one with the most different words and phrases of the query, then
/// with the most of them, then the first. If none has any, the beginning of the first text that has one.
///
/// Where a passage has them all, what comes long after it is not read. Words that were excluded or that belong to fields
/// other than `subject:` are not marked. Linear in the texts, of which no more than [`MAX_TEXT`] octets are read.
pub fn snippet(query: &Query, texts: &[&str], length: usize) -> Snippet {
    let wanted = Wanted::of(query);
    let mut room = MAX_TEXT;
    let mut best: Option<Passage> = None;
    for (source, text) in texts.iter().enumerate() {
        let text = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
        room -= text.len();
        if let Some(passage) = passage(&wanted, source, text, length)
            && best.as_ref().is_none_or(|best| passage.worth > best.worth)
        {
            best = Some(passage);
        }
        if best.as_ref().is_some_and(|best| best.worth.0 == wanted.count()) {
            break;
        }
    }
    let best = best.unwrap_or_else(|| Passage::beginning(texts.iter().position(|text| !text.trim().is_empty()).unwrap_or(0)));
    best.cut(texts.get(best.source).copied().unwrap_or_default(), length)
}

/// The best part of one text.
fn passage(wanted: &Wanted, source: usize, text: &str, length: usize) -> Option<Passage> {
    let mut finder = wanted.finder(text);
    let mut read = FIRST;
    loop {
        let more = finder.read(read);
        let best = Passage::best(source, text, finder.found(), length);
        // What is shown behind the passage was read, too, so that nothing in it stays unmarked.
        let enough = |best: &Passage| best.worth.0 == wanted.count() && best.end() + 4 * length <= read;
        if !more || best.as_ref().is_some_and(enough) {
            return best;
        }
        read = read.saturating_mul(4);
    }
}
