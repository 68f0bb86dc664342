//! What reads a relay's Authentication-Results, with plain values in and out: for what must hold for any text.

use super::results;

/// Who says it, and each statement: method, result, properties.
pub(crate) type Stated = (Option<String>, Vec<(String, String, Vec<(String, String)>)>);

/// Reads a value.
pub(crate) fn stated(value: &str) -> Option<Stated> {
    let found = results::parse(value)?;
    Some((found.by, found.statements.into_iter().map(|s| (s.method, s.result, s.properties)).collect()))
}

/// Whether a quotation or a comment does not end.
pub(crate) fn is_open(value: &str) -> bool {
    results::without_comments(value).is_none()
}
