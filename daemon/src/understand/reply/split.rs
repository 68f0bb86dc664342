//! Every line of a body is the writer's own, a quote, a signature or a forwarded mail; this decides which.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use self::marks::marked;
use super::attribution;
use super::quoted_header::{self, Block};
use super::separator::{Separator, is_answer_above, separator};
use super::signature;
use crate::model::understood::{Line, LineKind};
use crate::understand::html::text::{Hint, TextLine};

mod marks;

/// The line above which people answer our mails. From it on everything is quoted, wherever it stands.
pub const MARKER: &str = "=== Ombud: please answer above this line ===";

/// What is known beside the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The subject begins with a forward prefix.
    pub forwarded: bool,
}

/// A text taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// All lines.
    pub lines: Vec<Line>,
    /// What was written this time. Where that would be nothing, the words that something introduces as a quote and nothing
    /// marks as one: whoever deletes too much sends an answer without words.
    pub reply: String,
    /// What was quoted or forwarded.
    pub quoted: String,
    /// The signature with its delimiter.
    pub signature: String,
    /// Header block of the forwarded mail, and the line where its text begins.
    pub forward: Option<(Block, usize)>,
}

impl Split {
    /// The same with a line of ours below the writer's own words.
    pub fn with(mut self, line: &str) -> Self {
        let own = |one: &Line| matches!(one.kind, LineKind::Own | LineKind::Inline) && !is_blank(&one.text);
        let at = self.lines.iter().rposition(own).map_or(0, |last| last + 1);
        let blank = Line { kind: LineKind::Own, text: String::new() };
        let said = Line { kind: LineKind::Own, text: line.to_owned() };
        self.lines.splice(at..at, if at == 0 { vec![said] } else { vec![blank, said] });
        self.reply = if self.reply.is_empty() { line.to_owned() } else { format!("{}\n\n{line}", self.reply) };
        if let Some((_, begins)) = &mut self.forward
            && *begins >= at
        {
            *begins += if at == 0 { 1 } else { 2 };
        }
        self
    }
}

/// Takes a text apart.
pub fn split(lines: Vec<TextLine>, context: Context) -> Split {
    let quoted = marked(&lines);
    let attributions = attribution::find(&lines, &quoted);
    match parted(&lines, &attributions) {
        Some(lines) => {
            let quoted = marked(&lines);
            let attributions = attribution::find(&lines, &quoted);
            sorted(lines, &quoted, &attributions, context)
        }
        None => sorted(lines, &quoted, &attributions, context),
    }
}

/// The same for lines of which is known what is marked and where attributions stand.
fn sorted(lines: Vec<TextLine>, quoted: &[bool], attributions: &[(usize, usize)], context: Context) -> Split {
    let mut kinds = vec![LineKind::Own; lines.len()];
    let text = Text { lines: lines.iter().map(|l| l.text.as_str()).collect(), quoted, attributions };
    let tail = tail(&text, &lines, context);
    let end = tail.as_ref().map_or(lines.len(), |t| t.at);
    if let Some(tail) = &tail {
        fill(&mut kinds, tail.at, lines.len(), tail.kind);
    }
    let head = lines.get(..end).unwrap_or_default();
    let blocks = quotes(&text, end);
    for block in &blocks {
        fill(&mut kinds, block.start, block.end, LineKind::Quote);
    }
    signatures(head, &mut kinds);
    inline(head, &blocks, &mut kinds);
    trim_rules(head, &mut kinds);
    if own_span(head, &kinds).is_none() {
        lone_signature(head, &mut kinds, tail.is_none());
    }
    let introduced = match &tail {
        Some(tail) => unmarked(&text, tail),
        None => nothing_else(&text, &blocks),
    };
    let lines: Vec<Line> = lines.into_iter().zip(kinds).map(|(line, kind)| Line { kind, text: line.text }).collect();
    Split {
        reply: Some(pick(&lines, &[LineKind::Own, LineKind::Inline])).filter(|r| !r.is_empty()).or(introduced).unwrap_or_default(),
        quoted: pick(&lines, &[LineKind::Quote, LineKind::Forward]),
        signature: sign(&lines),
        forward: tail.and_then(|t| t.forward),
        lines,
    }
}

/// What is known about the lines of a text.
struct Text<'a> {
    lines: Vec<&'a str>,
    quoted: &'a [bool],
    attributions: &'a [(usize, usize)],
}

impl Text<'_> {
    fn is_quoted(&self, i: usize) -> bool {
        self.quoted.get(i).copied().unwrap_or(false)
    }

    fn next_is_quoted(&self, from: usize) -> bool {
        let next = self.lines.iter().enumerate().skip(from).find(|(_, l)| !is_blank(l));
        next.is_some_and(|(i, _)| self.is_quoted(i))
    }

    /// An attribution right above belongs to what it introduces.
    fn above(&self, at: usize) -> usize {
        let before = self.attributions.partition_point(|(_, behind)| *behind <= at);
        let near = before.checked_sub(1).and_then(|n| self.attributions.get(n));
        near.filter(|(_, behind)| self.lines.get(*behind..at).is_some_and(|between| between.iter().all(|l| is_blank(l))))
            .map_or(at, |(start, _)| *start)
    }
}

/// The lines with own words and an attribution on one line taken apart, so that nobody's words go with the quote; `None`
/// where there are none such.
fn parted(lines: &[TextLine], attributions: &[(usize, usize)]) -> Option<Vec<TextLine>> {
    let within = |(start, _): &(usize, usize)| {
        let line = lines.get(*start)?;
        Some((*start, line.text.split_at_checked(attribution::begins_within(&line.text)?)?))
    };
    let found: Vec<_> = attributions.iter().filter_map(within).collect();
    if found.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(lines.len() + found.len());
    let mut from = 0;
    for (at, (own, rest)) in &found {
        let line = lines.get(*at)?;
        out.extend_from_slice(lines.get(from..*at)?);
        out.push(TextLine { text: (*own).to_owned(), ..line.clone() });
        out.push(TextLine { text: rest.trim_start().to_owned(), ..line.clone() });
        from = at + 1;
    }
    out.extend_from_slice(lines.get(from..)?);
    Some(out)
}

fn fill(kinds: &mut [LineKind], from: usize, to: usize, kind: LineKind) {
    for slot in kinds.iter_mut().take(to).skip(from) {
        *slot = kind;
    }
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Where everything that follows is somebody else's.
struct Tail {
    at: usize,
    kind: LineKind,
    forward: Option<(Block, usize)>,
    /// The line behind what introduces it; `None` where nothing but a quote can follow.
    begins: Option<usize>,
}

fn tail(text: &Text<'_>, lines: &[TextLine], context: Context) -> Option<Tail> {
    let texts = &text.lines;
    for (i, line) in lines.iter().enumerate() {
        let words = line.text.as_str();
        if is_marker(texts, i) && !text.is_quoted(i) {
            return Some(Tail { at: text.above(i), kind: LineKind::Quote, forward: None, begins: None });
        }
        if text.is_quoted(i) {
            if let Some(tail) = quoted_forward(text, i) {
                return Some(tail);
            }
            continue;
        }
        if line.hint == Hint::Cut {
            let found = first_block(texts, i + 1);
            let tail = announced(texts, text.above(i), found, context.forwarded);
            return Some(Tail { begins: None, ..tail });
        }
        if let Some(kind) = separator(words) {
            let found = first_block(texts, i + 1);
            let forward = kind == Separator::Forward || context.forwarded && found.as_ref().is_some_and(|b| b.subject.is_some());
            let begins = found.as_ref().map_or(i + 1, |b| b.end);
            return Some(Tail { begins: Some(begins), ..announced(texts, i, found, forward) });
        }
        if let Some(block) = quoted_header::block(texts, i, false) {
            // A header block below nothing is a mail that was passed on without a word.
            let alone = texts.iter().take(i).all(|l| is_blank(l)) && block.subject.is_some();
            let begins = Some(block.end);
            return Some(Tail { begins, ..announced(texts, rule_above(texts, i), Some(block), context.forwarded || alone) });
        }
        if let Ok(found) = text.attributions.binary_search_by_key(&i, |(start, _)| *start)
            && let Some((_, behind)) = text.attributions.get(found)
            && !text.next_is_quoted(*behind)
        {
            return Some(Tail { at: i, kind: LineKind::Quote, forward: None, begins: Some(*behind) });
        }
    }
    None
}

/// A forwarded mail that is marked as a quote from the line that announces it to the end, as Apple Mail does.
fn quoted_forward(text: &Text<'_>, i: usize) -> Option<Tail> {
    let announces = |line: &str| separator(line.trim_start_matches(['>', ' '])) == Some(Separator::Forward);
    let before = (0..i).rev().find(|n| text.lines.get(*n).is_some_and(|l| !is_blank(l)));
    if before.is_some_and(|n| text.is_quoted(n)) || !announces(text.lines.get(i)?) || text.above(i) < i {
        return None;
    }
    let whole = text.lines.iter().enumerate().skip(i).all(|(n, l)| text.is_quoted(n) || is_blank(l));
    let block = first_block(&text.lines, i + 1).filter(|_| whole)?;
    let behind = block.end;
    Some(Tail { at: i, kind: LineKind::Forward, forward: Some((block, behind)), begins: None })
}

/// The words below an introduction that nothing marks as a quote; none where our own notification is among them.
fn unmarked(text: &Text<'_>, tail: &Tail) -> Option<String> {
    let begins = tail.begins?;
    if (begins..text.lines.len()).any(|i| is_marker(&text.lines, i)) {
        return None;
    }
    let lines = text.lines.iter().enumerate().skip(begins).filter(|(i, _)| !text.is_quoted(*i)).map(|(_, l)| l.trim_end());
    Some(lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned())
}

/// The words of a mail that is one quote of nobody, as people make who move their text to the right.
fn nothing_else(text: &Text<'_>, blocks: &[Stretch]) -> Option<String> {
    let [block] = blocks else { return None };
    let alone = block.start == block.marks && text.lines.iter().enumerate().all(|(i, l)| text.is_quoted(i) || is_blank(l));
    let lines = text.lines.iter().map(|line| line.trim_start_matches(['>', ' ']).trim_end());
    (alone && !block.ours).then(|| lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned())
}

/// What a line has that may be our marker; each line is asked.
static SIGNS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| ["Ombud", "above this line"].map(Finder::new));

/// Our marker, also where a line end was put into it.
fn is_marker(texts: &[&str], i: usize) -> bool {
    let clean = |line: &str| line.trim_matches(|c: char| "> *_".contains(c)).split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(line) = texts.get(i) else { return false };
    if SIGNS.iter().all(|sign| sign.find(line.as_bytes()).is_none()) {
        return false;
    }
    let one = clean(line);
    let two = format!("{one} {}", texts.get(i + 1).map(|l| clean(l)).unwrap_or_default());
    let core = MARKER.trim_matches(['=', ' ']);
    one.contains(core) || one.starts_with("===") && two.contains(core) || is_answer_above(&one) && one.chars().count() <= 80
}

fn first_block(texts: &[&str], from: usize) -> Option<Block> {
    let empty = |line: &str| line.trim_matches(['>', ' ']).is_empty();
    let at = texts.iter().enumerate().skip(from).take(6).find(|(_, l)| !empty(l) && separator(l).is_none()).map(|(i, _)| i)?;
    quoted_header::block(texts, at, true)
}

fn announced(texts: &[&str], at: usize, found: Option<Block>, forward: bool) -> Tail {
    let at = rule_above(texts, at);
    match (forward, found) {
        (true, Some(block)) => {
            let behind = block.end;
            Tail { at, kind: LineKind::Forward, forward: Some((block, behind)), begins: None }
        }
        (true, None) => Tail { at, kind: LineKind::Forward, forward: Some((Block::default(), at + 1)), begins: None },
        (false, _) => Tail { at, kind: LineKind::Quote, forward: None, begins: None },
    }
}

/// A drawn rule right above a header block belongs to it.
fn rule_above(texts: &[&str], at: usize) -> usize {
    let mut i = at;
    while let Some(line) = i.checked_sub(1).and_then(|n| texts.get(n)) {
        if is_blank(line) && at - i < 2 {
            i -= 1;
            continue;
        }
        let bare = line.trim();
        let rule = bare.len() >= 3 && bare.chars().all(|c| "-_=*".contains(c));
        return if rule { i - 1 } else { at };
    }
    at
}

/// A stretch of quoted lines with its attribution.
struct Stretch {
    start: usize,
    /// First line that begins with a quote mark.
    marks: usize,
    end: usize,
    /// Holds our own marker, so it is our notification.
    ours: bool,
}

fn quotes(text: &Text<'_>, end_of_head: usize) -> Vec<Stretch> {
    let texts = text.lines.get(..end_of_head).unwrap_or_default();
    let mut out: Vec<Stretch> = Vec::new();
    let mut i = 0;
    while i < texts.len() {
        if !text.is_quoted(i) {
            i += 1;
            continue;
        }
        let marks = i;
        let mut end = i;
        while texts.get(i).is_some_and(|l| text.is_quoted(i) || is_blank(l)) {
            if text.is_quoted(i) {
                end = i + 1;
            }
            i += 1;
        }
        let start = text.above(marks);
        let ours = (marks..end).any(|n| is_marker(texts, n));
        out.push(Stretch { start, marks, end, ours });
    }
    out
}

/// First and last line of the writer's own words.
fn own_span(lines: &[TextLine], kinds: &[LineKind]) -> Option<(usize, usize)> {
    let own = |(kind, line): (&LineKind, &TextLine)| *kind == LineKind::Own && !is_blank(&line.text);
    let first = kinds.iter().zip(lines).position(own)?;
    Some((first, kinds.iter().zip(lines).rposition(own)?))
}

/// Marks signatures in the stretches of own lines, from the last to the first: below what is only a signature there are
/// no more own words.
fn signatures(lines: &[TextLine], kinds: &mut [LineKind]) {
    let mut last = true;
    let mut end = lines.len();
    while end > 0 {
        let own = kinds.get(..end).unwrap_or_default().iter().rev().take_while(|k| **k == LineKind::Own).count();
        let from = end - own;
        let stretch = lines.get(from..end).unwrap_or_default();
        let texts: Vec<&str> = stretch.iter().map(|l| l.text.as_str()).collect();
        let at = signature::begins(&texts, last).unwrap_or(own);
        fill(kinds, from + at, end, LineKind::Signature);
        for (n, _) in stretch.iter().enumerate().filter(|(_, line)| line.hint == Hint::Signature) {
            fill(kinds, from + n, from + n + 1, LineKind::Signature);
        }
        last &= texts.iter().take(at).all(|l| is_blank(l));
        end = from.saturating_sub(usize::from(own == 0)).min(end - 1);
    }
}

/// Quotes between own lines are an interleaved answer, unless they are our own notification. A quote above all of them is
/// one, too, when it has no attribution; with one, it is what the whole mail answers. A few closing words below the only
/// quote do not make it interleaved.
fn inline(lines: &[TextLine], blocks: &[Stretch], kinds: &mut [LineKind]) {
    let Some((first, last)) = own_span(lines, kinds) else { return };
    let only = blocks.len() == 1;
    for (n, block) in blocks.iter().enumerate().filter(|(_, b)| !b.ours) {
        // A quote with no attribution, right above the one that has it, is part of what was written.
        let cited = blocks.get(n + 1).is_some_and(|next| next.start < next.marks && block.start == block.marks && first < block.start);
        if last < block.end && !cited {
            continue;
        }
        let attributed = block.start < block.marks;
        let below: Vec<&str> = lines.iter().skip(block.end).take(20).map(|l| l.text.trim()).filter(|l| !l.is_empty()).collect();
        let farewell = only
            && attributed
            && below.len() <= 2
            && below.first().is_some_and(|l| signature::is_closing(l.split(',').next().unwrap_or_default()));
        if first < block.start && !farewell || first > block.start && !attributed {
            fill(kinds, block.marks, block.end, LineKind::Inline);
        }
    }
}

/// Longest signature, in lines that are not empty, of a mail that has nothing else.
const LONE: usize = 8;

/// A mail that is nothing but a signature: a long one, with nothing below it, is a text that began with dashes, and what
/// looks like the line of a telephone but names none was written by hand.
fn lone_signature(lines: &[TextLine], kinds: &mut [LineKind], whole: bool) {
    let is_signed = |(kind, line): &(&LineKind, &TextLine)| **kind == LineKind::Signature && !is_blank(&line.text);
    let signed: Vec<&str> = kinds.iter().zip(lines).filter(is_signed).map(|(_, line)| line.text.as_str()).collect();
    let first = signed.first().copied().unwrap_or_default();
    if whole && signed.len() > LONE || signature::is_tagline(first) && !signature::names_program(first) {
        for kind in kinds.iter_mut().filter(|kind| **kind == LineKind::Signature) {
            *kind = LineKind::Own;
        }
    }
}

/// Rules and empty lines at the end of the own words are nobody's words.
fn trim_rules(lines: &[TextLine], kinds: &mut [LineKind]) {
    for (line, kind) in lines.iter().zip(kinds).rev() {
        let bare = line.text.trim();
        if *kind != LineKind::Own || bare.is_empty() {
            continue;
        }
        // The last is a mark that a mail program leaves where it tracks opening.
        let drawn = bare.chars().count() >= 3 && bare.chars().all(|c| "-_=*~#+".contains(c)) || bare == "\u{1427}";
        if !drawn {
            return;
        }
        *kind = LineKind::Signature;
    }
}

fn pick(lines: &[Line], kinds: &[LineKind]) -> String {
    let mut out: Vec<&str> = Vec::new();
    for line in lines.iter().filter(|l| kinds.contains(&l.kind)) {
        // What was cut out leaves one empty line, not two.
        if !(is_blank(&line.text) && out.last().is_some_and(|l| is_blank(l)) && kinds.contains(&LineKind::Own)) {
            out.push(line.text.trim_end());
        }
    }
    out.join("\n").trim_matches('\n').to_owned()
}

/// The signature as it stands, delimiter included; empty when it is nothing but rules.
fn sign(lines: &[Line]) -> String {
    let all: Vec<&str> = lines.iter().filter(|l| l.kind == LineKind::Signature).map(|l| l.text.trim_end()).collect();
    let said = all.iter().any(|l| l.chars().any(char::is_alphanumeric));
    if said { all.join("\n").trim_matches('\n').to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests;
