//! Choosing a passage and cutting it out.

use std::collections::HashMap;
use std::ops::Range;

use super::Snippet;
use super::find::Found;

/// A part of a text that shows what was found.
pub(super) struct Passage {
    pub(super) source: usize,
    /// Different words and phrases, then all of them.
    pub(super) worth: (usize, usize),
    span: Range<usize>,
    /// Everything that was found in the text, joined where it touches.
    marks: Vec<Range<usize>>,
}

impl Passage {
    /// A text's beginning, with nothing found.
    pub(super) fn beginning(source: usize) -> Self {
        Self { source, worth: (0, 0), span: 0..0, marks: Vec::new() }
    }

    /// The best part of a text; nothing if nothing was found.
    pub(super) fn best(source: usize, text: &str, found: Vec<Found>, length: usize) -> Option<Self> {
        let places = characters(text, &found);
        let mut inside: HashMap<usize, usize> = HashMap::new();
        let mut end = 0;
        let mut best: Option<((usize, usize), Range<usize>)> = None;
        for (start, &(first, _)) in places.iter().enumerate() {
            while places.get(end).is_some_and(|(_, last)| end <= start || last - first <= length) {
                *inside.entry(found[end].phrase).or_default() += 1;
                end += 1;
            }
            let worth = (inside.len(), end - start);
            if best.as_ref().is_none_or(|(best, _)| worth > *best) {
                best = Some((worth, start..end));
            }
            if let Some(count) = inside.get_mut(&found[start].phrase) {
                *count -= 1;
                if *count == 0 {
                    inside.remove(&found[start].phrase);
                }
            }
        }
        let (worth, chosen) = best?;
        let chosen = found.get(chosen)?;
        let span = chosen.first()?.from..chosen.iter().map(|found| found.to).max()?;
        Some(Self { source, worth, span, marks: joined(&found) })
    }

    /// Where the last of what it shows ends.
    pub(super) fn end(&self) -> usize {
        self.span.end
    }

    /// The passage with what stands around it, at most `length` characters.
    pub(super) fn cut(&self, text: &str, length: usize) -> Snippet {
        let begin = if self.span.is_empty() { text.len() - text.trim_start().len() } else { self.span.start };
        let spare = length.saturating_sub(text.get(self.span.clone()).map_or(0, |span| span.chars().count()));
        let start = back(text, begin, spare / 3);
        let end = forth(text, start, length);

        let mut out = Snippet { source: self.source, cut_before: start > 0, cut_after: end < text.trim_end().len(), ..Snippet::default() };
        let mut marks = self.marks.iter().filter(|mark| mark.start < end && mark.end > start).peekable();
        let (mut opened, mut space) = (None, false);
        for (at, c) in text.get(start..end).unwrap_or_default().char_indices().map(|(at, c)| (start + at, c)) {
            if marks.next_if(|mark| mark.end <= at).is_some() {
                out.close(&mut opened);
            }
            if c.is_whitespace() {
                space = !out.text.is_empty();
                continue;
            }
            if c.is_control() {
                continue;
            }
            if std::mem::take(&mut space) {
                out.text.push(' ');
            }
            if opened.is_none() && marks.peek().is_some_and(|mark| mark.start <= at) {
                opened = Some(out.text.len());
            }
            out.text.push(c);
        }
        out.close(&mut opened);
        out
    }
}

impl Snippet {
    /// Ends a mark, if one was begun.
    fn close(&mut self, opened: &mut Option<usize>) {
        let Some(from) = opened.take() else { return };
        // What stood between two marks may not be shown.
        match self.marks.last_mut() {
            Some(last) if last.end == from => last.end = self.text.len(),
            _ => self.marks.push(from..self.text.len()),
        }
    }
}

/// Octet ranges as character ranges; what was found is in order, so this is one walk over the text.
fn characters(text: &str, found: &[Found]) -> Vec<(usize, usize)> {
    let count = |range: Range<usize>| text.get(range).map_or(0, |part| part.chars().count());
    let (mut at, mut chars) = (0, 0);
    let place = |found: &Found| {
        chars += count(at..found.from);
        at = found.from;
        (chars, chars + count(found.from..found.to))
    };
    found.iter().map(place).collect()
}

fn joined(found: &[Found]) -> Vec<Range<usize>> {
    let mut marks: Vec<Range<usize>> = Vec::new();
    for found in found {
        match marks.last_mut() {
            Some(last) if found.from <= last.end => last.end = last.end.max(found.to),
            _ => marks.push(found.from..found.to),
        }
    }
    marks
}

/// So many characters back, then on to the next beginning of a word.
fn back(text: &str, from: usize, chars: usize) -> usize {
    let before = text.get(..from).unwrap_or_default();
    let at = before.char_indices().rev().take(chars).last().map_or(from, |(at, _)| at);
    let inside_word = before.get(..at).and_then(|s| s.chars().next_back()).is_some_and(|c| !c.is_whitespace());
    match before.get(at..).and_then(|part| part.find(char::is_whitespace)) {
        Some(space) if inside_word => from - before.get(at + space..).map_or(0, |part| part.trim_start().len()),
        _ => at,
    }
}

/// So many characters on, then back to the last end of a word.
fn forth(text: &str, from: usize, chars: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let Some((end, next)) = rest.char_indices().nth(chars) else { return text.len() };
    let part = rest.get(..end).unwrap_or_default();
    match part.rfind(char::is_whitespace) {
        // A word that takes most of the passage is cut rather than left out.
        Some(space) if !next.is_whitespace() && space > end / 2 => from + part.get(..space).map_or(0, |part| part.trim_end().len()),
        _ => from + part.trim_end().len(),
    }
}
