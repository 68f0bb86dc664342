//! Errors as problem documents (RFC 9457): what, and what to do; never what is inside.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::model::Reply;
use crate::store::{Scope, StoreError};

/// What a handler answers.
pub(super) type Answer<T = Response> = Result<T, Problem>;

/// An error that the client sees.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    reasons: Vec<String>,
    column: Option<usize>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reasons: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl Problem {
    /// A problem with a sentence for whoever has it.
    pub(super) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), reasons: Vec::new(), column: None, header: None }
    }

    fn and(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// The request can't be understood.
    pub(super) fn bad(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A text in the request can't be read from this character on, counted from 1.
    pub(super) fn unreadable(detail: impl Into<Cow<'static, str>>, column: usize) -> Self {
        Self { column: Some(column), ..Self::bad(detail) }
    }

    /// There is no such thing.
    pub(super) fn missing(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// It may work in `after` seconds.
    pub(super) fn later(status: StatusCode, after: u64, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, detail).and(RETRY_AFTER, HeaderValue::from(after))
    }

    /// We can't do it now, for these reasons.
    pub(super) fn unready(reasons: Vec<String>) -> Self {
        let detail = "The desk can't take mail now.";
        Self { reasons, ..Self::later(StatusCode::SERVICE_UNAVAILABLE, 10, detail) }
    }

    /// No valid token (RFC 6750 §3); `given` tells a wrong one from none.
    pub(super) fn unauthorized(given: bool) -> Self {
        let (challenge, detail) = match given {
            true => (r#"Bearer realm="ombud", error="invalid_token""#, "This token is not valid: it is wrong, expired or revoked."),
            false => (r#"Bearer realm="ombud""#, "A token is needed: send `Authorization: Bearer TOKEN`; `ombud token create` makes one."),
        };
        Self::new(StatusCode::UNAUTHORIZED, detail).and(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// The token may not do this (RFC 6750 §3.1).
    pub(super) fn forbidden(needed: Scope) -> Self {
        let challenge = match needed {
            Scope::Read => r#"Bearer realm="ombud", error="insufficient_scope", scope="read""#,
            Scope::Write => r#"Bearer realm="ombud", error="insufficient_scope", scope="write""#,
            Scope::Admin => r#"Bearer realm="ombud", error="insufficient_scope", scope="admin""#,
        };
        let problem = Self::new(StatusCode::FORBIDDEN, format!("This needs a token of scope {needed}."));
        problem.and(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let document = Document {
            kind: "about:blank",
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            reasons: &self.reasons,
            column: self.column,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let headers: HeaderMap = self.header.into_iter().map(|field| *field).collect();
        (self.status, headers, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(text) => Self::missing(text),
            StoreError::Refused(text) => Self::new(StatusCode::CONFLICT, text),
            error => {
                tracing::error!(%error, "a request could not be answered");
                let later = |after, detail| Self::later(StatusCode::SERVICE_UNAVAILABLE, after, detail);
                match error {
                    StoreError::Conflict(_) => later(1, "Others changed the same at once; nothing was done, try again."),
                    StoreError::Full => later(60, "The disk of the database is full."),
                    StoreError::Busy | StoreError::Away(_) => later(5, "The database does not answer now."),
                    StoreError::Closed => later(5, "The desk is shutting down."),
                    _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The desk failed; its log says why."),
                }
            }
        }
    }
}

impl From<Reply> for Problem {
    fn from(reply: Reply) -> Self {
        match reply.is_temporary() {
            true => Self::later(StatusCode::SERVICE_UNAVAILABLE, 60, reply.text),
            false => Self::new(StatusCode::UNPROCESSABLE_ENTITY, reply.text),
        }
    }
}

/// A path that is none of ours.
pub(super) async fn no_route(uri: Uri) -> Problem {
    match uri.path().starts_with("/api/") {
        true => Problem::missing("There is no such path; /api/v1/openapi.json lists them all."),
        false => Problem::missing("There is no such page."),
    }
}

/// A path of ours, and a method that it does not have; `Allow` names those it has.
pub(super) async fn no_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This path does not have this method.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_says_what_to_do() {
        for (error, status, after, word) in [
            (StoreError::Conflict("x"), 503, Some("1"), "nothing was done"),
            (StoreError::Full, 503, Some("60"), "full"),
            (StoreError::Away("secret".into()), 503, Some("5"), "does not answer"),
            (StoreError::Database("secret".into()), 500, None, "log"),
            (StoreError::Io("secret".into()), 500, None, "log"),
            (StoreError::Refused("no".into()), 409, None, "no"),
        ] {
            let problem = Problem::from(error);
            assert!(problem.detail.contains(word) && !problem.detail.contains("secret"), "{problem:?}");
            let response = problem.into_response();
            let found = response.headers().get(RETRY_AFTER).map(|v| v.to_str().unwrap_or_default());
            assert_eq!((response.status().as_u16(), found), (status, after), "{word}");
        }
    }
}
