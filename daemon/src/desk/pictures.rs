//! The pictures in an agent's own words: which they are, and where the text has them. Each client says that in its own way:
//! Outlook's text has `[cid:ID]`, Gmail's has `[image: NAME]`, that of others nothing.

use std::collections::HashSet;

use crate::model::Understood;
use crate::model::picture::placeholders;
use crate::model::understood::{Attachment, LineKind};

use super::answer::squeeze;

/// Letters and digits before a picture by which its place is found where the whole text before it differs.
const CONTEXT: usize = 24;

/// What the HTML says of its pictures.
#[derive(Default)]
struct Places<'u> {
    /// All that stand somewhere.
    all: HashSet<&'u str>,
    /// Those in the agent's own words, in order, each with the length of the words before it.
    own: Vec<(&'u str, usize)>,
    /// The own words, letters and digits alone.
    words: String,
}

impl<'u> Places<'u> {
    fn of(u: &'u Understood) -> Self {
        let mut places = Self::default();
        let known = ids(u);
        let mut seen = HashSet::new();
        for line in &u.facts.pictured {
            let is_own = line.kind == LineKind::Own;
            for piece in brackets(&line.text) {
                match piece.strip_prefix("[cid:").and_then(|rest| rest.strip_suffix(']')) {
                    Some(id) if known.contains(id) => {
                        places.all.insert(id);
                        if is_own && seen.insert(id) {
                            places.own.push((id, places.words.len()));
                        }
                    }
                    _ if is_own => places.words.push_str(&squeeze(piece)),
                    _ => {}
                }
            }
        }
        places
    }

    fn is_cut(&self, attachment: &Attachment) -> bool {
        let id = attachment.content_id.as_deref().filter(|id| self.all.contains(id));
        id.is_some_and(|id| !self.own.iter().any(|(own, _)| *own == id))
    }
}

fn ids(u: &Understood) -> HashSet<&str> {
    u.attachments.iter().filter_map(|a| a.content_id.as_deref()).collect()
}

/// Attachments that go along: all but pictures that stand only in what is cut off, quote and signature.
pub(super) fn attachments(u: &Understood) -> Vec<Attachment> {
    let places = Places::of(u);
    u.attachments.iter().filter(|a| !places.is_cut(a)).cloned().collect()
}

/// One picture that waits for its place.
struct Waiting<'u> {
    id: &'u str,
    name: &'u str,
    mark: String,
    at: usize,
}

/// The text with a placeholder for each picture whose place is known; none is put among the commands at its top.
pub(super) fn placed(text: &str, u: &Understood) -> String {
    let places = Places::of(u);
    if places.all.is_empty() {
        return text.to_owned();
    }
    let list = attachments(u);
    let marks = placeholders(&list);
    let find = |(id, at): &(&'_ str, usize)| {
        let found = list.iter().zip(&marks).find(|(a, _)| a.content_id.as_deref() == Some(*id));
        let (attachment, mark) = found.and_then(|(a, mark)| Some((a, mark.clone()?)))?;
        Some(Waiting { id: attachment.content_id.as_deref()?, name: attachment.name.as_deref().unwrap_or_default(), mark, at: *at })
    };
    let mut waiting: Vec<Waiting<'_>> = places.own.iter().filter_map(find).collect();
    let known = ids(u);
    let lines: Vec<String> = text.lines().map(|line| renamed(line, &mut waiting, &known)).collect();
    put(lines, &waiting, &places.words, &marks)
}

/// A line with our placeholders for those of clients. What names a picture that does not go along is taken out.
fn renamed(line: &str, waiting: &mut Vec<Waiting<'_>>, known: &HashSet<&str>) -> String {
    if line.starts_with('>') || !line.contains('[') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    for piece in brackets(line) {
        let inner = |prefix| piece.strip_prefix(prefix).and_then(|rest: &str| rest.strip_suffix(']'));
        let at = match (inner("[cid:"), inner("[image: ")) {
            (Some(id), _) => waiting.iter().position(|w| w.id == id),
            (None, Some(name)) => waiting.iter().position(|w| w.name == name),
            (None, None) => None,
        };
        match at {
            Some(at) => out.push_str(&waiting.remove(at).mark),
            None if inner("[cid:").is_some_and(|id| known.contains(id)) => {}
            None => out.push_str(piece),
        }
    }
    if out.trim_start().starts_with('>') {
        // Own words must not look like a quote.
        out.insert_str(0, "[image] ");
    }
    out
}

/// The text with what still waits, each on a line of its own behind the words that the HTML has before it.
fn put(lines: Vec<String>, waiting: &[Waiting<'_>], html: &str, marks: &[Option<String>]) -> String {
    let commands = lines.iter().take_while(|line| line.trim_start().starts_with('@')).count();
    let (mut words, mut ends) = (String::new(), Vec::with_capacity(lines.len()));
    for line in &lines {
        if !line.starts_with('>') {
            let bare = brackets(line).filter(|piece| !marks.iter().flatten().any(|mark| mark == piece));
            bare.for_each(|piece| words.push_str(&squeeze(piece)));
        }
        ends.push(words.len());
    }
    let mut behind = vec![Vec::new(); lines.len() + 1];
    for picture in waiting {
        let before = html.get(..picture.at).unwrap_or_default();
        let Some(at) = place(&words, before) else { continue };
        let slot = if at == 0 { 0 } else { ends.partition_point(|end| *end < at) + 1 };
        if let Some(slot) = behind.get_mut(slot.max(commands).min(lines.len())) {
            slot.push(picture.mark.as_str());
        }
    }
    let mut out: Vec<&str> = Vec::with_capacity(lines.len() + waiting.len());
    for (n, slot) in behind.iter().enumerate() {
        out.extend(slot);
        out.extend(lines.get(n).map(String::as_str));
    }
    out.join("\n")
}

/// How much of `words` stands before a place that has these words before it; `None` where that is not certain.
fn place(words: &str, before: &str) -> Option<usize> {
    if words.starts_with(before) {
        return Some(before.len());
    }
    let from = before.char_indices().rev().nth(CONTEXT - 1).map(|(at, _)| at)?;
    let context = before.get(from..)?;
    let at = words.find(context)?;
    let again = words.get(at + context.len()..).is_some_and(|rest| rest.contains(context));
    (!again).then_some(at + context.len())
}

/// A line without what Outlook writes for a picture.
pub(super) fn without(line: &str) -> String {
    brackets(line).filter(|piece| !(piece.starts_with("[cid:") && piece.ends_with(']'))).collect()
}

/// A line in pieces, each either a bracket with what is in it or what stands between two.
fn brackets(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let end = match rest.strip_prefix('[') {
            Some(inner) => match inner.find(['[', ']']) {
                Some(end) if inner.get(end..).is_some_and(|tail| tail.starts_with(']')) => end + 2,
                Some(end) => end + 1,
                None => rest.len(),
            },
            None => rest.find('[').unwrap_or(rest.len()),
        };
        let (piece, behind) = rest.split_at_checked(end)?;
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests;
