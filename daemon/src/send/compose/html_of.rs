//! The HTML twin of a text: the same words, and nothing that is fetched from anywhere. Linear in the text.

use std::collections::HashMap;

use crate::model::text::{clean, escape_html};

use super::links::{Piece, pieces};

/// Longest text that gets a twin, in octets: beyond it the twin costs everybody and helps nobody.
pub(super) const MOST: usize = 256 << 10;

/// Longest twin, in octets.
const LONGEST: usize = 4 * MOST;

/// Deepest nesting of quotes that is told apart.
const DEPTH: usize = 20;

const HEAD: &str = "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"></head>\n<body>\n";
const TAIL: &str = "</body>\n</html>\n";
const QUOTE: &str = "<blockquote type=\"cite\" style=\"margin:0 0 0 0.8ex;border-left:1px solid #cccccc;padding-left:1ex\">\n";

/// A text in HTML: paragraphs, line breaks, quotes and links as the text has them. `pictures` stand where the text has their
/// placeholders, each once, given as placeholder and Content-ID; in a quote they stay words.
/// `None` where it gets far longer than any text that a person writes.
pub(super) fn html_of(text: &str, pictures: &[(String, String)]) -> Option<String> {
    let pictures = pictures.iter().map(|(mark, id)| (mark.as_str(), id.as_str())).collect();
    let mut page = Page { out: String::with_capacity(2 * text.len() + HEAD.len()), depth: 0, open: false, pictures };
    page.out.push_str(HEAD);
    for line in clean(text, true).lines() {
        page.line(line);
        if page.out.len() > LONGEST {
            return None;
        }
    }
    page.quote(0);
    page.out.push_str(TAIL);
    (page.out.len() <= LONGEST).then_some(page.out)
}

struct Page<'p> {
    out: String,
    /// Open quotes.
    depth: usize,
    /// Whether a paragraph is open.
    open: bool,
    /// Placeholders of pictures that do not stand yet, with their Content-IDs.
    pictures: HashMap<&'p str, &'p str>,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        let (depth, words) = unquoted(line);
        if depth != self.depth {
            self.quote(depth);
        }
        if words.trim().is_empty() {
            return self.end();
        }
        // Each paragraph is written in the direction of its own first letters.
        self.out.push_str(if self.open { "<br>\n" } else { "<p dir=\"auto\">" });
        self.open = true;
        self.words(words);
    }

    fn words(&mut self, words: &str) {
        for (n, piece) in pieces(words).into_iter().enumerate() {
            match piece {
                Piece::Text(text) => self.text(text, n == 0),
                Piece::Link(target) => {
                    let target = escape_html(target);
                    self.out.push_str(&format!("<a href=\"{target}\" rel=\"noopener noreferrer nofollow\">{target}</a>"));
                }
                Piece::Mark(mark) => match self.picture(mark) {
                    Some(id) => {
                        let (mark, id) = (escape_html(mark), escape_html(id));
                        self.out.push_str(&format!("<img src=\"cid:{id}\" alt=\"{mark}\" style=\"max-width:100%\">"));
                    }
                    None => self.text(mark, false),
                },
            }
        }
    }

    /// The picture that stands here.
    fn picture(&mut self, mark: &str) -> Option<&str> {
        if self.depth > 0 { None } else { self.pictures.remove(mark) }
    }

    /// Blanks in a row, and at the beginning of a line, keep their places.
    fn text(&mut self, text: &str, begins: bool) {
        let mut row = begins;
        for part in text.split_inclusive(' ') {
            let (word, blank) = part.strip_suffix(' ').map_or((part, false), |word| (word, true));
            self.out.push_str(&escape_html(word).replace('\t', "&nbsp;&nbsp;&nbsp; "));
            if blank {
                self.out.push_str(if row && word.is_empty() { "&nbsp;" } else { " " });
                row = true;
            }
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            self.out.push_str("</p>\n");
        }
    }

    fn quote(&mut self, depth: usize) {
        self.end();
        for _ in depth..self.depth {
            self.out.push_str("</blockquote>\n");
        }
        for _ in self.depth..depth {
            self.out.push_str(QUOTE);
        }
        self.depth = depth;
    }
}

/// How deep a line is quoted, and what it says.
fn unquoted(line: &str) -> (usize, &str) {
    let (mut depth, mut rest) = (0, line);
    while let Some(inner) = rest.strip_prefix('>').filter(|_| depth < DEPTH) {
        depth += 1;
        // `> > ` is two levels, `>  > ` one.
        rest = inner.strip_prefix(' ').unwrap_or(inner);
    }
    (depth, rest)
}

#[cfg(test)]
mod tests;
