//! Which lines are marked as a quote: by `>`, by bars, or although a mark was lost where a link was wrapped.

use memchr::memmem;

use super::is_blank;
use crate::understand::html::text::TextLine;

/// Longest piece of a link that stands on a line of its own.
const PIECE: usize = 200;

/// For each line, whether it is marked.
pub fn marked(lines: &[TextLine]) -> Vec<bool> {
    let texts: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    let mut out: Vec<bool> = texts.iter().map(|line| is_marked(line)).collect();
    links(&texts, &mut out);
    bars(&texts, &mut out);
    out
}

/// `> `, or with the initials that some programs put before it.
fn is_marked(line: &str) -> bool {
    let line = line.trim_start();
    let initials = line.bytes().take(3).take_while(u8::is_ascii_uppercase).count();
    line.get(initials..).is_some_and(|l| l.starts_with('>'))
}

/// What a wrapped link leaves on the next line belongs to the line above, whether that is quoted or not.
fn links(texts: &[&str], out: &mut [bool]) {
    for (i, pair) in texts.windows(2).enumerate() {
        let [above, line] = pair else { continue };
        let quoted = out.get(i).copied().unwrap_or(false);
        if out.get(i + 1) == Some(&quoted) {
            continue;
        }
        let Some(close) = open_link(above) else { continue };
        let piece = !line.trim().is_empty() && line.len() <= PIECE && !line.trim().contains(char::is_whitespace);
        let closes = line.trim_start().starts_with(close) && close == '>' && !quoted;
        if let Some(slot) = out.get_mut(i + 1).filter(|slot| quoted && !**slot && piece || **slot && closes) {
            *slot = quoted;
        }
    }
}

/// The sign that would end a link which is open where the line ends.
fn open_link(line: &str) -> Option<char> {
    let at = memmem::rfind(line.as_bytes(), b"://")?;
    let (head, tail) = line.split_at_checked(at)?;
    let before = head.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    let close = match before.chars().next_back()? {
        '<' => '>',
        '(' => ')',
        '[' => ']',
        _ => return None,
    };
    (!tail.contains(close) && !tail.contains(char::is_whitespace)).then_some(close)
}

/// Lines that begin with a bar below a line that introduces them; rows of a table end with one, too.
fn bars(texts: &[&str], out: &mut [bool]) {
    let barred = |line: &&str| line.starts_with('|');
    let mut said = "";
    let mut i = 0;
    while let Some(line) = texts.get(i) {
        if !barred(line) {
            if !is_blank(line) {
                said = line.trim_end();
            }
            i += 1;
            continue;
        }
        let run = texts.iter().skip(i).take_while(|l| barred(l)).count();
        let row = |line: &&str| line.trim_end().len() > 1 && line.trim_end().ends_with('|');
        let table = texts.iter().skip(i).take(run).any(row);
        if run >= 2 && !table && said.ends_with([':', '>']) {
            out.iter_mut().skip(i).take(run).for_each(|slot| *slot = true);
        }
        i += run;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        let lines: Vec<TextLine> = text.lines().map(|l| TextLine { text: l.to_owned(), ..TextLine::default() }).collect();
        marked(&lines).into_iter().map(|m| if m { '>' } else { '.' }).collect()
    }

    #[test]
    fn marks_and_initials() {
        assert_eq!(shape("> a\nAB> b\nc > d\n  > e"), ">>.>");
    }

    #[test]
    fn a_wrapped_link_belongs_to_its_line() {
        assert_eq!(shape("> see (https://x.test/ticket\n_view=1)\n> b\nown"), ">>>.");
        assert_eq!(shape("own <https://x.test/a\n> and more"), "..");
        assert_eq!(shape("> see https://x.test/\nyes"), ">.");
        assert_eq!(shape("> see (https://x.test/a)\nyes"), ">.");
    }

    #[test]
    fn bars_are_marks_where_something_introduces_them() {
        assert_eq!(shape("On Monday Ann wrote:\n\n| a\n|\n| b\nown"), "..>>>.");
        assert_eq!(shape("Prices:\n| a | b |\n| 1 | 2 |"), "...");
        assert_eq!(shape("text\n| a\n| b"), "...");
    }
}
