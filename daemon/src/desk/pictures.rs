//! The pictures in an agent's own words: which they are, and where the text has them. Each client says that in its own way:
//! Outlook's text has `[cid:ID]`, Gmail's has `[image: NAME]`, that of others nothing.

use std::collections::{HashMap, HashSet};

use crate::model::Understood;
use crate::model::picture::placeholders;
use crate::model::text::is_quoted;
use crate::model::understood::{Attachment, LineKind};

use super::answer::squeeze;

/// Letters and digits before a picture by which its place is found where the whole text before it differs.
const CONTEXT: usize = 24;

/// What a mail says of its pictures.
#[derive(Default)]
struct Places<'u> {
    /// All that stand somewhere.
    all: HashSet<&'u str>,
    /// Those in the agent's own words.
    own: HashSet<&'u str>,
    /// The same in order, each with the length of the words before it in the HTML; `None` where the text alone has it.
    order: Vec<(&'u str, Option<usize>)>,
    /// The own words of the HTML, letters and digits alone.
    words: String,
}

impl<'u> Places<'u> {
    /// `released`: lines of the text that count as the agent's own beside those that are.
    fn of(u: &'u Understood, released: &[&'u str]) -> Self {
        let mut places = Self::default();
        let known = ids(u);
        if known.is_empty() {
            return places;
        }
        for line in &u.facts.pictured {
            let is_own = line.kind == LineKind::Own;
            for piece in brackets(&line.text) {
                match cid(piece) {
                    Some(id) if known.contains(id) => places.add(id, is_own, true),
                    // What names a picture that did not come along is no word.
                    None if is_own => places.words.push_str(&squeeze(piece)),
                    _ => {}
                }
            }
        }
        // The text is what goes to the customer: where it has a picture among own words, that is one of them.
        let own = u.facts.lines.iter().filter(|line| line.kind == LineKind::Own).map(|line| line.text.as_str());
        let whole = u.reply_text.lines().filter(|_| u.facts.lines.is_empty());
        for line in own.chain(whole).chain(released.iter().copied()).filter(|line| !is_quoted(line)) {
            brackets(line).filter_map(cid).filter(|id| known.contains(id)).for_each(|id| places.add(id, true, false));
        }
        places
    }

    fn add(&mut self, id: &'u str, is_own: bool, in_html: bool) {
        self.all.insert(id);
        if is_own && self.own.insert(id) {
            self.order.push((id, in_html.then_some(self.words.len())));
        }
    }

    fn is_cut(&self, attachment: &Attachment) -> bool {
        attachment.content_id.as_deref().is_some_and(|id| self.all.contains(id) && !self.own.contains(id))
    }
}

fn ids(u: &Understood) -> HashSet<&str> {
    u.attachments.iter().filter_map(|a| a.content_id.as_deref()).collect()
}

/// The Content-ID in what Outlook writes for a picture.
fn cid(piece: &str) -> Option<&str> {
    piece.strip_prefix("[cid:")?.strip_suffix(']')
}

/// Attachments that go along: all but pictures that stand only in what is cut off, quote and signature.
pub(super) fn attachments(u: &Understood) -> Vec<Attachment> {
    attachments_with(u, &[])
}

/// The same where these lines of the text count as the agent's own beside those that are.
pub(super) fn attachments_with(u: &Understood, released: &[&str]) -> Vec<Attachment> {
    let places = Places::of(u, released);
    u.attachments.iter().filter(|a| !places.is_cut(a)).cloned().collect()
}

/// One picture that waits for its place.
struct Waiting<'u> {
    id: &'u str,
    name: &'u str,
    mark: String,
    at: Option<usize>,
}

/// The text with a placeholder for each picture whose place is known; none is put among the commands at its top. What clients
/// write for a picture that came along does not stay, wherever it stands. `released` as in [`attachments_with`].
pub(super) fn placed(text: &str, u: &Understood, released: &[&str]) -> String {
    let known = ids(u);
    if known.is_empty() {
        return text.to_owned();
    }
    let places = Places::of(u, released);
    let list: Vec<Attachment> = u.attachments.iter().filter(|a| !places.is_cut(a)).cloned().collect();
    let marks = placeholders(&list);
    let find = |(id, at): &(&'_ str, Option<usize>)| {
        let found = list.iter().zip(&marks).find(|(a, _)| a.content_id.as_deref() == Some(*id));
        let (attachment, mark) = found.and_then(|(a, mark)| Some((a, mark.clone()?)))?;
        Some(Waiting { id: attachment.content_id.as_deref()?, name: attachment.name.as_deref().unwrap_or_default(), mark, at: *at })
    };
    let mut pictures = Pictures { waiting: places.order.iter().filter_map(find).collect(), stood: HashMap::new(), known };
    let lines: Vec<String> = text.lines().map(|line| pictures.renamed(line)).collect();
    put(lines, &pictures.waiting, &places.words, &marks)
}

/// The pictures of a text while its lines are written.
struct Pictures<'u> {
    waiting: Vec<Waiting<'u>>,
    /// The placeholders of those that stand already.
    stood: HashMap<&'u str, String>,
    known: HashSet<&'u str>,
}

impl Pictures<'_> {
    /// A line with our placeholders for those of clients. What names a picture that does not go along is taken out, and out of
    /// quotes whatever names one.
    fn renamed(&mut self, line: &str) -> String {
        if !line.contains('[') {
            return line.to_owned();
        }
        let quoted = is_quoted(line);
        let mut out = String::with_capacity(line.len());
        for piece in brackets(line) {
            let id = cid(piece).filter(|id| self.known.contains(id));
            let mark = match id {
                _ if quoted => None,
                Some(id) => self.stand(|w| w.id == id).or_else(|| self.stood.get(id).cloned()),
                None => {
                    piece.strip_prefix("[image: ").and_then(|rest| rest.strip_suffix(']')).and_then(|name| self.stand(|w| w.name == name))
                }
            };
            match mark {
                Some(mark) => out.push_str(&mark),
                None if id.is_some() => {}
                None => out.push_str(piece),
            }
        }
        if !quoted && out.trim_start().starts_with('>') {
            // Own words must not look like a quote.
            out.insert_str(0, "[image] ");
        }
        out
    }

    /// The placeholder of the first picture that waits and is meant.
    fn stand(&mut self, meant: impl Fn(&Waiting<'_>) -> bool) -> Option<String> {
        let at = self.waiting.iter().position(meant)?;
        let picture = self.waiting.remove(at);
        self.stood.insert(picture.id, picture.mark.clone());
        Some(picture.mark)
    }
}

/// The text with what still waits, each on a line of its own behind the words that the HTML has before it.
fn put(lines: Vec<String>, waiting: &[Waiting<'_>], html: &str, marks: &[Option<String>]) -> String {
    // Blank lines may part commands.
    let top = lines.iter().map(|line| line.trim_start()).take_while(|line| line.is_empty() || line.starts_with('@'));
    let commands = top.enumerate().filter(|(_, line)| !line.is_empty()).last().map_or(0, |(n, _)| n + 1);
    let (mut words, mut ends) = (String::new(), Vec::with_capacity(lines.len()));
    for line in &lines {
        if !is_quoted(line) {
            let bare = brackets(line).filter(|piece| cid(piece).is_none() && !marks.iter().flatten().any(|mark| mark == piece));
            bare.for_each(|piece| words.push_str(&squeeze(piece)));
        }
        ends.push(words.len());
    }
    let mut behind = vec![Vec::new(); lines.len() + 1];
    for picture in waiting {
        let Some(before) = picture.at.and_then(|at| html.get(..at)) else { continue };
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
    brackets(line).filter(|piece| cid(piece).is_none()).collect()
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
