//! What of a line is a link, and what stands for a picture.

/// A stretch of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Words.
    Text(&'t str),
    /// An address that can be followed, as it is written.
    Link(&'t str),
    /// What may stand for a picture: `[image: name.png]`.
    Mark(&'t str),
}

/// How the placeholder of a picture begins.
const MARK: &str = "[image: ";

/// What addresses begin with, and how many octets stand before the colon.
const SCHEMES: [(&str, &str); 3] = [("https", "//"), ("http", "//"), ("mailto", "")];

/// Longest address that is a link, in octets: longer ones are followed by nobody.
const LONGEST: usize = 2000;

/// What ends an address, whatever it is.
fn ends(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c)
}

/// The stretches of a line, in order and without gaps. Linear in it.
pub(super) fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, c) in line.match_indices([':', '[']) {
        let next = if at < from {
            None
        } else if c == ":" {
            link(line, from, at)
        } else {
            mark(line, at)
        };
        if let Some((begin, end, piece)) = next {
            found.extend(line.get(from..begin).filter(|text| !text.is_empty()).map(Piece::Text));
            found.push(piece);
            from = end;
        }
    }
    found.extend(line.get(from..).filter(|text| !text.is_empty()).map(Piece::Text));
    found
}

fn mark(line: &str, at: usize) -> Option<(usize, usize, Piece<'_>)> {
    let rest = line.get(at..)?;
    let inner = rest.strip_prefix(MARK)?;
    // The next bracket ends it, whichever it is: so nothing is looked at twice.
    let end = inner.find(['[', ']']).filter(|end| inner.get(*end..).is_some_and(|rest| rest.starts_with(']')))?;
    let end = MARK.len() + end + 1;
    Some((at, at + end, Piece::Mark(rest.get(..end)?)))
}

/// The address around a colon, if it is one.
fn link(line: &str, from: usize, colon: usize) -> Option<(usize, usize, Piece<'_>)> {
    let (head, tail) = (line.get(from..colon)?, line.get(colon + 1..)?);
    let is = |(scheme, then): &&(&str, &str)| {
        let at = head.len().checked_sub(scheme.len());
        at.and_then(|at| head.get(at..)).is_some_and(|word| word.eq_ignore_ascii_case(scheme)) && tail.starts_with(then)
    };
    let (scheme, then) = SCHEMES.iter().find(is)?;
    let begin = colon - scheme.len();
    // Not the end of a longer word.
    if line.get(..begin)?.chars().next_back().is_some_and(char::is_alphanumeric) {
        return None;
    }
    let body = tail.strip_prefix(then)?;
    // Nothing is looked at far ahead that is no address, or every colon would look at the same again.
    let leads = if then.is_empty() {
        body.find(|c| c == '@' || c == ':' || ends(c)).is_some_and(|at| body.get(at..).is_some_and(|rest| rest.starts_with('@')))
    } else {
        body.starts_with(|c: char| c.is_alphanumeric() || c == '[')
    };
    if !leads {
        return None;
    }
    let target = without_end(tail.get(..tail.find(ends).unwrap_or(tail.len()))?);
    let end = colon + 1 + target.len();
    // One that is too long stays words, all of it.
    let piece = line.get(begin..end)?;
    Some((begin, end, if piece.len() > LONGEST { Piece::Text(piece) } else { Piece::Link(piece) }))
}

/// Without what ends a sentence, and brackets that were opened before it.
fn without_end(target: &str) -> &str {
    let count = |c: char| target.matches(c).count();
    let mut closing = [(')', count(')').saturating_sub(count('('))), (']', count(']').saturating_sub(count('[')))];
    let mut kept = target;
    while let Some(last) = kept.chars().next_back() {
        let spare = closing.iter_mut().find(|(c, left)| *c == last && *left > 0);
        if let Some((_, left)) = spare {
            *left -= 1;
        } else if !".,;:!?'*_~…»”’".contains(last) {
            break;
        }
        kept = kept.get(..kept.len() - last.len_utf8()).unwrap_or_default();
    }
    kept
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    fn links(line: &str) -> Vec<&str> {
        let found = pieces(line).into_iter().filter_map(|piece| match piece {
            Piece::Link(target) => Some(target),
            _ => None,
        });
        found.collect()
    }

    #[test]
    fn what_can_be_followed_is_a_link_without_the_end_of_its_sentence() {
        for (line, want) in [
            ("See https://x.test/a?b=1&c=2.", "https://x.test/a?b=1&c=2"),
            ("(http://x.test/a_(b))", "http://x.test/a_(b)"),
            ("<HTTPS://x.test/>", "HTTPS://x.test/"),
            ("here:https://x.test/[1]]!", "https://x.test/[1]"),
            ("write to mailto:ann@x.test?subject=a, please", "mailto:ann@x.test?subject=a"),
            ("https://bücher.test/ä…", "https://bücher.test/ä"),
            ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ] {
            assert_eq!(links(line), [want], "{line}");
        }
        for line in [
            "xhttp://x.test",
            "http://",
            "http:// x",
            "mailto:",
            "javascript:alert(1)",
            "https:x",
            "data:text/html,x",
            "https://...",
            "mailto:a:b@x.test",
            "http://-x.test",
        ] {
            assert!(links(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn what_is_too_long_for_a_link_stays_words() {
        let long = |n: usize| format!("http://x.test/{}", "a".repeat(n - 14));
        assert_eq!(links(&long(LONGEST)), [long(LONGEST)]);
        let line = format!("see {} now", long(LONGEST + 1));
        let said: String = pieces(&line)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                piece => panic!("{piece:?}"),
            })
            .collect();
        assert_eq!(said, line);
    }

    #[test]
    fn placeholders_are_told_from_other_brackets() {
        let line = "a [image: b.png] [c] [image: [image: d.png] [image: e";
        let want = [
            Piece::Text("a "),
            Piece::Mark("[image: b.png]"),
            Piece::Text(" [c] [image: "),
            Piece::Mark("[image: d.png]"),
            Piece::Text(" [image: e"),
        ];
        assert_eq!(pieces(line), want);
    }
}
