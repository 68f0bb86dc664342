//! What lists share: query parameters, pages, instants.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, RequestPartsExt as _};
use serde::Serialize;

use super::App;
use super::problem::{Answer, Problem};
use crate::model::text::one_line;
use crate::store::read::Page;

/// Items of a page that does not say how many.
const LIMIT: usize = 50;
/// Most items of a page.
const LIMIT_MAX: usize = 200;
/// Longest value of a parameter, in octets.
const VALUE_MAX: usize = 512;

/// Query parameters, each known and at most once. An empty one counts as absent.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// 400 that names a parameter that is unknown, double or too long.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Answer<Self> {
        Self::of_any_length(uri, known)?.short(&[])
    }

    /// The same, however long the values are.
    ///
    /// # Errors
    /// 400 that names a parameter that is unknown or double.
    pub(super) fn of_any_length(uri: &Uri, known: &[&str]) -> Answer<Self> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Problem::bad("The query can't be read."))?;
        for (i, (name, _)) in pairs.iter().enumerate() {
            let shown = one_line(name, 40);
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", known.join(", ")) };
                return Err(Problem::bad(format!("This path knows no parameter `{shown}`; {known}.")));
            }
            if pairs.iter().take(i).any(|(n, _)| n == name) {
                return Err(Problem::bad(format!("The parameter `{shown}` stands there twice.")));
            }
        }
        Ok(Self(pairs))
    }

    /// These, if no value is too long; what says so itself is left out.
    ///
    /// # Errors
    /// 400 that names a parameter that is too long.
    pub(super) fn short(self, but: &[&str]) -> Answer<Self> {
        let is_long = |(name, value): &&(String, String)| value.len() > VALUE_MAX && !but.contains(&name.as_str());
        match self.0.iter().find(is_long) {
            Some((name, _)) => Err(Problem::bad(format!("The parameter `{name}` is longer than {VALUE_MAX} octets."))),
            None => Ok(self),
        }
    }

    /// The value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// A parameter that is one of some words.
    ///
    /// # Errors
    /// 400 that lists them.
    pub(super) fn word<T: Copy>(&self, name: &str, all: &[T], word: impl Fn(T) -> &'static str) -> Answer<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = all.iter().copied().find(|v| word(*v) == text);
        let words = || all.iter().map(|v| word(*v)).collect::<Vec<_>>().join(", ");
        found.map(Some).ok_or_else(|| Problem::bad(format!("`{name}` is one of {}.", words())))
    }

    /// How many items.
    ///
    /// # Errors
    /// 400 for what is no number from 1 to 200.
    pub(super) fn limit(&self) -> Answer<usize> {
        let Some(text) = self.text("limit") else { return Ok(LIMIT) };
        let limit = text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n));
        limit.ok_or_else(|| Problem::bad(format!("`limit` is a number from 1 to {LIMIT_MAX}.")))
    }

    /// Where to go on: a `next` of this list, which is so many numbers with `-` between.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(super) fn cursor(&self, numbers: usize) -> Answer<Option<&str>> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let sound = text.split('-').count() == numbers && text.split('-').all(|n| number(n).is_some());
        sound.then_some(Some(text)).ok_or_else(|| Problem::bad("`cursor` is not a `next` of this list."))
    }
}

/// A number as we write it: digits only.
pub(super) fn number(text: &str) -> Option<i64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The number in a path.
pub(super) struct Id(pub(super) i64);

impl FromRequestParts<App> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Answer<Self> {
        let text = parts.extract::<Path<String>>().await.ok();
        text.and_then(|Path(text)| number(&text)).map(Self).ok_or_else(|| Problem::missing("There is nothing with this number."))
    }
}

#[derive(Serialize)]
struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// A page as the API writes it.
pub(super) fn list<'a, T, J: Serialize>(page: &'a Page<T>, json: impl Fn(&'a T) -> J) -> Response {
    Json(List { items: page.items.iter().map(json).collect(), next: page.next.clone() }).into_response()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn params(query: &str) -> Answer<Params> {
        let known = ["q", "limit", "cursor"];
        Params::of(&format!("/x?{query}").parse().unwrap(), &known)
    }

    #[test]
    fn bounds() {
        assert_eq!(params("").unwrap().limit().unwrap(), 50);
        assert_eq!(params("limit=").unwrap().limit().unwrap(), 50);
        assert_eq!(params("limit=200").unwrap().limit().unwrap(), 200);
        for bad in ["0", "201", "-1", "x", "1e2", "99999999999999999999"] {
            assert!(params(&format!("limit={bad}")).unwrap().limit().is_err(), "{bad}");
        }
        assert_eq!(params("cursor=12-7").unwrap().cursor(2).unwrap(), Some("12-7"));
        for bad in ["12", "12-", "-", "a-b", "1-2-3", "12-+7", "99999999999999999999-1"] {
            assert!(params(&format!("cursor={bad}")).unwrap().cursor(2).is_err(), "{bad}");
        }
        assert!(params("Q=1").is_err() && params("q=1&q=2").is_err() && params(&format!("q={}", "x".repeat(513))).is_err());
        assert_eq!(params("q=a%20b+c%C3%A9").unwrap().text("q"), Some("a b cé"));
    }
}
