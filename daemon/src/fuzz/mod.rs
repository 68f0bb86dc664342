//! What must hold for any bytes from outside. cargo-fuzz looks for bytes for which it does not (`tests/fuzz`); the tests
//! here go through the seeds, and through what comes of them by small damage.

mod archives;
mod mail;
mod people;
mod pieces;
mod servers;
mod smtp;
#[cfg(test)]
mod tests;

use ombud_indexer::Query;

use crate::desk::token::KeyRing;

/// Panics when its promise is broken for these bytes.
type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 27] = [
    ("mail", mail::whole),
    ("headers", mail::headers),
    ("text", mail::text),
    ("html_mail", mail::html),
    ("html", mail::sanitized),
    ("bounce", mail::bounce),
    ("calendar", mail::calendar),
    ("tnef", mail::tnef),
    ("query", query),
    ("token", token),
    ("smtp_command", smtp::command),
    ("smtp_line", smtp::line),
    ("smtp_content", smtp::content),
    ("smtp", smtp::sessions),
    ("lmtp", smtp::lmtp),
    ("proxy", smtp::proxy),
    ("imap", servers::imap),
    ("oauth", servers::oauth),
    ("milter", servers::milter),
    ("relay", servers::relay),
    ("policy", servers::policy),
    ("dkim", servers::dkim),
    ("results", servers::results),
    ("address", people::address),
    ("commands", people::commands),
    ("request", people::request),
    ("mbox", archives::mbox),
];

/// Gives the bytes to the target of this name.
pub fn run(name: &str, data: &[u8]) {
    for (_, target) in TARGETS.iter().filter(|(one, _)| *one == name) {
        target(data);
    }
}

/// A query, or an error that points into it; written down again it is the same query.
fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Query::parse(&text) {
        Ok(query) => assert_eq!(Query::parse(&query.to_string()).as_ref(), Ok(&query)),
        Err(error) => assert!((1..=text.chars().count().max(1)).contains(&error.column)),
    }
}

/// Nobody who lacks the key makes a token.
fn token(data: &[u8]) {
    let ring = KeyRing::new(&[(1, [7; 32])]);
    assert!(ring.is_some_and(|ring| ring.verify(&String::from_utf8_lossy(data)).is_none()));
}
