//! Paths: the `<…>` of MAIL and RCPT (RFC 5321 §4.1.2), strictly. What two servers could read as two different
//! addresses is refused here.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest path without its brackets (RFC 5321 §4.5.3.1.3).
const MAX_PATH: usize = 254;
/// Longest local part (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Longest domain: RFC 1035 §2.3.4, without the length octets.
const MAX_DOMAIN: usize = 253;

/// Why a path is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    /// Not the grammar.
    Syntax,
    /// `@relay:…`: source routes are obsolete (RFC 5321 §C).
    Route,
    /// Longer than a limit.
    Long,
    /// Beyond ASCII without SMTPUTF8 (RFC 6531 §3.5).
    NotAscii,
}

/// Takes `<…>` off the front of `text`: what is between the brackets, and what follows them.
pub(super) fn split(text: &str) -> Result<(&str, &str), PathError> {
    let rest = text.strip_prefix('<').ok_or(PathError::Syntax)?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Ok((&rest[..at], &rest[at + 1..])),
            _ => {}
        }
    }
    Err(PathError::Syntax)
}

/// Whether this is a Mailbox: a dot-string or quoted string, `@`, and a domain or address literal.
pub(super) fn check(mailbox: &str, utf8: bool) -> Result<(), PathError> {
    if mailbox.starts_with('@') {
        return Err(PathError::Route);
    }
    if !utf8 && !mailbox.is_ascii() {
        return Err(PathError::NotAscii);
    }
    // An `@` may stand in a quoted string, never in a domain.
    let (local, domain) = mailbox.rsplit_once('@').ok_or(PathError::Syntax)?;
    if mailbox.len() > MAX_PATH || local.len() > MAX_LOCAL || domain.len() > MAX_DOMAIN {
        return Err(PathError::Long);
    }
    let good = (is_dot_string(local) || is_quoted_string(local)) && (is_domain(domain) || is_literal(domain));
    good.then_some(()).ok_or(PathError::Syntax)
}

fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_text_beyond_ascii(c)
}

fn is_text_beyond_ascii(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

fn is_quoted_string(local: &str) -> bool {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for c in inner.chars() {
        let printable = c == ' ' || c.is_ascii_graphic() || is_text_beyond_ascii(c);
        match c {
            _ if !printable => return false,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let letter = |c: char| c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric());
        // Underscores are no letters of a host name, but mail comes from such hosts every day.
        let good = label.chars().all(|c| letter(c) || c == '-' || c == '_');
        good && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    })
}

/// RFC 5321 §4.1.3, without the general form that nobody ever defined.
fn is_literal(domain: &str) -> bool {
    let Some(inner) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    match inner.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("ipv6:") => v6.parse::<Ipv6Addr>().is_ok(),
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    }
}
