//! What reads the query of a request, with plain values in and out: for what must hold for any octets.

use axum::http::Uri;

use super::page::{Params, number};

/// The parameters of a list: what is looked for, how many, where to go on.
#[derive(Debug)]
pub(crate) struct Asked {
    /// `q`.
    pub(crate) text: Option<String>,
    /// `limit`; none where it is refused.
    pub(crate) limit: Option<usize>,
    /// `cursor` as two numbers; none where it is refused.
    pub(crate) cursor: Option<Option<(i64, i64)>>,
}

/// Reads a query; none where it is refused.
pub(crate) fn asked(query: &str) -> Option<Asked> {
    let uri: Uri = format!("/x?{query}").parse().ok()?;
    let params = Params::of(&uri, &["q", "limit", "cursor"]).ok()?;
    let numbers = |text: &str| text.split_once('-').and_then(|(a, b)| Some((number(a)?, number(b)?)));
    let cursor = params.cursor(2).ok().map(|cursor| cursor.and_then(numbers));
    Some(Asked { text: params.text("q").map(str::to_owned), limit: params.limit().ok(), cursor })
}
