//! Address fields, read strictly: the address that is shown is the one that is compared and the one that goes into
//! RCPT TO. What needs guessing is no address (RFC 5322 §3.4).

use crate::model::Address;
use crate::model::address::is_plain;
use crate::model::text::{self, one_line};
use crate::understand::mime::charset;
use crate::understand::mime::headers::{Headers, without_comments};
use crate::understand::mime::words;

/// Longest display name, in characters.
const NAME: usize = 256;

/// One mailbox of an address field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name and addr-spec; the addr-spec is not checked.
    pub address: Address,
    /// Whether it stands in a group.
    pub group: bool,
    /// Whether it is written with comments, blanks or a route inside (RFC 5322 §4.4), which not all readers take out.
    pub obsolete: bool,
}

/// Whether an address is one that is shown, compared and mailed to as it stands: plain, and not an encoded word, which
/// another reader would decode into something else.
pub fn is_sound(address: &str) -> bool {
    is_plain(address) && !address.contains("=?")
}

/// The mailboxes of one field value, at most `most`.
pub fn entries(value: &[u8], most: usize) -> Vec<Entry> {
    let flat: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let text = charset::decode_raw(&flat, None);
    let mut out = Vec::new();
    let mut group = false;
    for item in items(&text) {
        if out.len() >= most {
            break;
        }
        match item {
            Item::GroupStart => group = true,
            Item::GroupEnd => group = false,
            Item::Mailbox(text) => out.extend(mailbox(text).map(|address| entry(address, group))),
        }
    }
    out
}

/// An address that is not sound as it stands is one without what the obsolete syntax allows in it, if that is sound.
fn entry(address: Address, group: bool) -> Entry {
    if is_sound(&address.address) || address.address.contains("=?") {
        return Entry { address, group, obsolete: false };
    }
    let plain = without_obsolete(&address.address);
    match plain {
        Some(plain) if is_sound(&plain) => Entry { address: Address { name: address.name, address: plain }, group, obsolete: true },
        _ => Entry { address, group, obsolete: false },
    }
}

/// An addr-spec without comments, route and blanks around its dots (RFC 5322 §4.4), and without needless quotes.
fn without_obsolete(spec: &str) -> Option<String> {
    let (spec, sound) = text::without_comments(&spec.replace('(', " ("));
    let spec = spec.trim();
    let spec = match spec.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => spec,
    };
    let (local, domain) = spec.rsplit_once('@').filter(|_| sound)?;
    let local = local.trim();
    let bare = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')).unwrap_or(local);
    let joined = |part: &str| part.split('.').map(str::trim).collect::<Vec<_>>().join(".");
    Some(format!("{}@{}", if bare == local { joined(local) } else { bare.to_owned() }, joined(domain)))
}

/// The readable addresses of all fields of that name, at most `most`, none twice.
pub fn list(headers: &Headers, name: &str, most: usize) -> Vec<Address> {
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::new();
    for value in headers.all(name) {
        for entry in entries(value, most.saturating_sub(out.len())) {
            if is_sound(&entry.address.address) && seen.insert(entry.address.key()) {
                out.push(entry.address);
            }
        }
    }
    out
}

/// The author for display, and why nobody may be identified by it: the only mailbox of the only From field is the
/// author, everything else is a problem.
pub fn author(headers: &Headers, most: usize) -> (Option<Address>, Option<String>) {
    let fields: Vec<&[u8]> = headers.all("from").collect();
    let Some(first) = fields.first() else { return (None, None) };
    let mut found = entries(first, most);
    for more in fields.iter().skip(1).take(10) {
        found.extend(entries(more, most));
    }
    let problem = match found.as_slice() {
        // Where stray lines stand between the fields, readers disagree about which of them are fields.
        _ if headers.junk > 0 => Some("the header is malformed".to_owned()),
        _ if fields.len() > 1 => Some(format!("there are {} From fields", fields.len())),
        [] => Some("the From field holds no address".to_owned()),
        [_, _, ..] => Some(format!("the From field holds {} addresses", found.len())),
        [one] if one.group || has_group(first) => Some("the From field holds a group".to_owned()),
        [one] if one.obsolete || !is_sound(&one.address.address) => Some("the From field holds no plain address".to_owned()),
        [_] => None,
    };
    (found.into_iter().map(|e| e.address).find(|a| is_sound(&a.address)), problem)
}

fn has_group(value: &[u8]) -> bool {
    if !value.contains(&b':') {
        return false;
    }
    let text = charset::decode_raw(value, None);
    items(&text).iter().any(|item| matches!(item, Item::GroupStart))
}

enum Item<'a> {
    GroupStart,
    GroupEnd,
    Mailbox(&'a str),
}

/// Cuts a value at the commas, colons and semicolons that are not inside quotes, comments or angle brackets.
fn items(text: &str) -> Vec<Item<'_>> {
    let mut out = Vec::new();
    if !text.contains([',', ';', ':', '"', '\\', '(', ')']) {
        push(&mut out, Some(text));
        return out;
    }
    let (mut start, mut quoted, mut escaped, mut comment, mut angle, mut group, mut at) = (0, false, false, 0usize, false, false, false);
    // A quote or comment that never ends would swallow the rest; such a value is read without regard to it.
    let (quotes, comments) = (balanced_quotes(text), text.matches('(').count() == text.matches(')').count());
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || comment > 0 => escaped = true,
            '"' if comment == 0 && quotes => quoted = !quoted,
            _ if quoted => {}
            '(' if comments => comment += 1,
            ')' if comments => comment = comment.saturating_sub(1),
            _ if comment > 0 => {}
            '<' => angle = true,
            '>' => angle = false,
            '@' => at = true,
            ',' | ';' if !angle || c == ';' => {
                push(&mut out, text.get(start..i));
                if c == ';' && std::mem::take(&mut group) {
                    out.push(Item::GroupEnd);
                }
                (start, angle, at) = (i + 1, false, false);
            }
            ':' if !angle && !at && !group => {
                out.push(Item::GroupStart);
                group = true;
                start = i + 1;
            }
            _ => {}
        }
    }
    push(&mut out, text.get(start..));
    out
}

fn push<'a>(out: &mut Vec<Item<'a>>, text: Option<&'a str>) {
    if let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) {
        out.push(Item::Mailbox(text));
    }
}

fn balanced_quotes(text: &str) -> bool {
    let (mut count, mut escaped) = (0usize, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => count += 1,
            _ => {}
        }
    }
    count % 2 == 0
}

/// `Ann <ann@x>`, `ann@x (Ann)`, `<ann@x>`, `ann@x`.
fn mailbox(item: &str) -> Option<Address> {
    let (name, address) = match (open_angle(item), item.rfind('>')) {
        (Some(open), Some(close)) if open < close => {
            let behind = without_comments(item.get(close + 1..).unwrap_or_default());
            let spec = item.get(open + 1..close).unwrap_or_default().trim();
            // Text behind the bracket is where two readers find two addresses.
            let spec = if behind.is_empty() { spec.to_owned() } else { format!("{spec}>{behind}") };
            (item.get(..open).unwrap_or_default().trim().to_owned(), spec)
        }
        (Some(open), None) => {
            (item.get(..open).unwrap_or_default().trim().to_owned(), item.get(open + 1..).unwrap_or_default().trim().to_owned())
        }
        _ => bare(item),
    };
    let name = display_name(&name);
    let address = address.trim().strip_prefix("mailto:").unwrap_or(address.trim()).to_owned();
    (!address.is_empty() || name.is_some()).then_some(Address { name, address })
}

/// The last `<` outside quotes.
fn open_angle(item: &str) -> Option<usize> {
    let (mut quoted, mut escaped, mut found) = (false, false, None);
    let quotes = balanced_quotes(item);
    for (i, c) in item.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quotes => quoted = !quoted,
            '<' if !quoted => found = Some(i),
            _ => {}
        }
    }
    found
}

/// An address without brackets; a comment behind or before it is the name (RFC 822 §4.2), one inside it makes it obsolete.
fn bare(item: &str) -> (String, String) {
    let whole = || (String::new(), item.to_owned());
    match item.split_once('(') {
        Some(("", comment)) => match comment.split_once(')') {
            Some((name, spec)) if !name.contains('(') => (name.to_owned(), spec.trim().to_owned()),
            _ => whole(),
        },
        Some((spec, comment)) if !spec.contains('"') => match comment.trim_end().strip_suffix(')') {
            Some(name) if is_one_comment(name) => (name.to_owned(), spec.trim().to_owned()),
            _ => whole(),
        },
        _ => whole(),
    }
}

/// Whether no bracket inside a comment closes it before its end.
fn is_one_comment(inside: &str) -> bool {
    let (mut depth, mut escaped) = (0usize, false);
    for c in inside.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' if depth == 0 => return false,
            ')' => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

/// A display name, unquoted, decoded and cleaned.
fn display_name(raw: &str) -> Option<String> {
    let raw = raw.trim();
    let mut plain = String::with_capacity(raw.len());
    let mut escaped = false;
    for c in raw.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => {}
            _ => {
                escaped = false;
                plain.push(c);
            }
        }
    }
    let name = one_line(&words::decode(plain.as_bytes()), NAME);
    let name = name.trim().trim_matches(|c| c == '"' || c == '\'').trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::understand::mime::headers;

    fn read(value: &str) -> Vec<(String, String)> {
        entries(value.as_bytes(), 1000).into_iter().map(|e| (e.address.name.unwrap_or_default(), e.address.address)).collect()
    }

    fn problem(header: &str) -> (Option<String>, bool) {
        let (h, _) = headers::parse(header.as_bytes(), 1 << 20, 1000);
        let (from, problem) = author(&h, 200);
        (from.map(|f| f.address), problem.is_some())
    }

    #[test]
    fn ordinary_spellings() {
        let pair = |n: &str, a: &str| (n.to_owned(), a.to_owned());
        assert_eq!(read("Ann <ann@x.test>, \"Bob, Jr.\" <bob@x.test>"), [pair("Ann", "ann@x.test"), pair("Bob, Jr.", "bob@x.test")]);
        assert_eq!(read("ann@x.test (Ann)"), [pair("Ann", "ann@x.test")]);
        assert_eq!(read("=?utf-8?q?J=C3=B6rg=2C_A?= <j@x.test>"), [pair("Jörg, A", "j@x.test")]);
        assert_eq!(read("undisclosed-recipients:;"), []);
        assert_eq!(read("a@x.test; b@x.test"), [pair("", "a@x.test"), pair("", "b@x.test")]);
        assert_eq!(read("(Ann) ann@x.test, bob@x.test (Bob (at home))"), [pair("Ann", "ann@x.test"), pair("Bob (at home)", "bob@x.test")]);
    }

    #[test]
    fn obsolete_spellings_are_read_but_identify_nobody() {
        assert_eq!(
            read("Ann <@relay.test,@b.test:ann@x.test>, , bob @ x   . test"),
            [("Ann".into(), "ann@x.test".into()), (String::new(), "bob@x.test".into())]
        );
        assert_eq!(read("The team(all of it) :Ann <ann@(the (nice) host)x.test>, \"bob\"@x.test;").len(), 2);
        assert_eq!(problem("From: Ann <ann(her)@x.test(home)>\r\n\r\n"), (Some("ann@x.test".into()), true));
        assert_eq!(problem("From: ann@x.test (Ann)\r\n\r\n"), (Some("ann@x.test".into()), false));
        assert_eq!(problem("From: <@evil.test:ann@x.test>\r\n\r\n"), (Some("ann@x.test".into()), true));
        assert!(read("<a b@x.test>, <@x.test>, <@y.test:>").iter().all(|(_, address)| !is_sound(address)));
    }

    #[test]
    fn an_author_is_one_plain_address_in_one_field() {
        assert_eq!(problem("From: Ann <ann@x.test>\r\n\r\n"), (Some("ann@x.test".into()), false));
        assert_eq!(problem("From : ann@x.test\r\n\r\n"), (Some("ann@x.test".into()), false));
        assert_eq!(problem("From: a@x.test\r\nFrom: b@x.test\r\n\r\n"), (Some("a@x.test".into()), true));
        assert_eq!(problem("From: a@x.test, b@x.test\r\n\r\n"), (Some("a@x.test".into()), true));
        assert_eq!(problem("From: grp: a@x.test;\r\n\r\n"), (Some("a@x.test".into()), true));
        assert!(problem("From: grp:\";\"<eve@evil.test>;\r\n\r\n").1);
        assert!(problem("From: \"a@evil.test x\"@corp.test\r\n\r\n").1);
        assert!(problem("From: user@corp.test(x)evil.test\r\n\r\n").1);
        assert!(problem("From: =?utf-8?q?a=40evil.test=3e=00?=@corp.test\r\n\r\n").1);
        assert!(
            problem("From: <ann@x.test> <bob@x.test>\r\n\r\n").1
                || problem("From: <ann@x.test> <bob@x.test>\r\n\r\n").0 == Some("bob@x.test".into())
        );
        assert!(problem("From: <ann@x.test>, eve\r\n\r\n").1);
        assert_eq!(problem("Subject: x\r\n\r\n"), (None, false));
    }

    #[test]
    fn half_a_million_addresses_are_bounded() {
        assert_eq!(entries("a@x.test,".repeat(500_000).as_bytes(), 200).len(), 200);
        assert!(entries("(".repeat(1_000_000).as_bytes(), 200).len() <= 1);
    }
}
