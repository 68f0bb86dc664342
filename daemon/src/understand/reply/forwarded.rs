//! The mail that was forwarded to us inside another: as text below a header block, or attached whole.

use super::quoted_header::Block;
use crate::model::Address;
use crate::model::address::is_plain;
use crate::model::text::one_line;
use crate::model::understood::{Forwarded, Line};
use crate::understand::body;
use crate::understand::fields::addresses;
use crate::understand::fields::dates;
use crate::understand::limits::Limits;
use crate::understand::mime;
use crate::understand::mime::Part;
use crate::understand::mime::headers;
use crate::understand::mime::words;

/// Prefixes by which mail programs mark a forwarded subject.
const PREFIXES: [&str; 14] = ["fwd", "fw", "wg", "tr", "rv", "vb", "vs", "enc", "i", "pd", "vl", "doorst", "轉寄", "转发"];

/// Whether the first prefix of a subject says that the mail was forwarded, not answered.
pub fn is_forward_subject(subject: &str) -> bool {
    let subject = subject.trim_start_matches(|c: char| c.is_whitespace() || c == '[').to_lowercase();
    PREFIXES.iter().any(|p| subject.strip_prefix(p).is_some_and(|rest| rest.starts_with([':', '：'])))
}

/// What a header block and the lines below it say.
pub fn from_text(block: &Block, lines: &[Line], begins: usize) -> Forwarded {
    let mut text: Vec<&str> = lines.iter().skip(begins).map(|l| l.text.as_str()).collect();
    // Marks that all of it has say only that it is not the forwarder's.
    if text.iter().all(|l| l.starts_with('>') || l.trim().is_empty()) {
        text.iter_mut().for_each(|l| *l = l.strip_prefix("> ").or_else(|| l.strip_prefix('>')).unwrap_or(l));
    }
    Forwarded {
        from: block.from.as_deref().and_then(author),
        date: block.date.as_deref().filter(|d| !d.is_empty()).map(|d| dates::quoted(d).unwrap_or_else(|| one_line(d, 100))),
        subject: block.subject.as_deref().map(|s| one_line(s, 998)),
        text: text.join("\n").trim_matches('\n').to_owned(),
    }
}

/// `Ann <ann@x>`, `Ann [mailto:ann@x]`, `Ann <ann@x<mailto:ann@x>>`, `ann@x`.
fn author(written: &str) -> Option<Address> {
    let spaced = written.replace("[mailto:", " <").replace("<mailto:", " <").replace(']', ">");
    let mut candidates = spaced.split(|c: char| c.is_whitespace() || "<>()\"',;".contains(c)).filter(|w| is_plain(w) && w.contains('@'));
    let address = candidates.next_back()?.to_owned();
    let name = spaced.split(['<', '(']).next().unwrap_or_default().trim().trim_matches(['"', '\'', '*', ' ']);
    let name = one_line(name, 256);
    Some(Address { name: (!name.is_empty() && name != address && !is_plain(&name)).then_some(name), address })
}

/// What an attached mail says.
pub fn from_part(part: &Part, limits: &Limits) -> Option<Forwarded> {
    let bytes = part.bytes();
    let tree = mime::tree(&bytes, limits);
    let headers = tree.headers()?;
    if !headers.has("from") && !headers.has("subject") {
        return None;
    }
    let (from, _) = addresses::author(headers, limits.addresses);
    let text = body::read(&tree, limits).text;
    let date = headers.first("date").and_then(|d| dates::header(&headers::unfold(d)));
    let subject = headers.first("subject").map(|s| words::text(s, limits.subject));
    Some(Forwarded { from, date, subject, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_as_programs_write_them() {
        for written in
            ["Ann S <ann@x.test>", "Ann S [mailto:ann@x.test]", "\"Ann S\" <ann@x.test<mailto:ann@x.test>>", "Ann S (ann@x.test)"]
        {
            assert_eq!(author(written), Some(Address { name: Some("Ann S".into()), address: "ann@x.test".into() }), "{written}");
        }
        assert_eq!(author("ann@x.test"), Some(Address::bare("ann@x.test")));
        assert_eq!(author("Ann"), None);
    }

    #[test]
    fn subjects() {
        assert!(is_forward_subject("Fwd: x") && is_forward_subject("WG: x") && is_forward_subject("[Fwd: x]"));
        assert!(!is_forward_subject("Re: Fwd: x") && !is_forward_subject("Forward"));
    }
}
