//! `GET /api/v1/events?after=SEQ`: the log, in order, as a list to catch up with or as a stream that follows it.
//!
//! A place in the log means nothing in another log. Every answer says in `Ombud-Log` which one it is; whoever sends that
//! back as `?log=` hears 410 once a copy was brought back, and begins anew.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Shared;
use axum::http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::page::{self, Params, number};
use super::problem::{Answer, Problem};
use super::serve::Line;
use super::stream::{self, Follower};
use super::views::EventView;
use crate::store::read::{LogHead, Page};

/// Which log an answer speaks of.
const LOG: HeaderName = HeaderName::from_static("ombud-log");
/// The last event that a client of a stream has seen (HTML, server-sent events).
const LAST_EVENT_ID: &str = "last-event-id";

/// Events behind a place in the log: a page, or all that come for whoever accepts `text/event-stream`.
pub(super) async fn list(Shared(app): Shared<App>, Extension(line): Extension<Line>, uri: Uri, headers: HeaderMap) -> Answer {
    let params = Params::of(&uri, &["after", "log", "limit", "cursor"])?;
    let (cursor, limit) = (params.cursor(1)?, params.limit()?);
    let after = place(cursor.or(params.text("after")), "`after` is the `seq` of an event, or 0.")?.unwrap_or(0);
    let follows = accepts_stream(&headers);
    let seen = headers.get(LAST_EVENT_ID).filter(|_| follows).map(|value| value.to_str().unwrap_or("x"));
    let after = place(seen, "`Last-Event-ID` is the `seq` of an event.")?.unwrap_or(after);
    let head = app.state.store.log_head().await?;
    let answer = match gone(&head, params.text("log"), after) {
        Some(problem) => problem.into_response(),
        None if follows => follow(&app, line, &headers, after)?,
        None => catch_up(&app, after, limit).await?,
    };
    Ok((labels(&head), answer).into_response())
}

fn place(text: Option<&str>, wrong: &'static str) -> Answer<Option<i64>> {
    text.map(|text| number(text).ok_or_else(|| Problem::bad(wrong))).transpose()
}

/// Whether the client asks for a stream (RFC 9110 §12.5.1).
fn accepts_stream(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = values.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
    ranges.any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// What is said to a client whose place is of another log, or behind the end of this one.
fn gone(head: &LogHead, log: Option<&str>, after: i64) -> Option<Problem> {
    let why = match log {
        Some(log) if log != head.log => "This is another log than yours",
        _ if after > head.last => "The log ends before this place",
        _ => return None,
    };
    let what = "a copy of the desk was brought back. Begin anew: read all state again, then the log";
    Some(Problem::new(StatusCode::GONE, format!("{why}: {what} with `after={}&log={}`.", head.last, head.log)))
}

fn labels(head: &LogHead) -> [(HeaderName, HeaderValue); 1] {
    [(LOG, HeaderValue::from_str(&head.log).unwrap_or(HeaderValue::from_static("")))]
}

async fn catch_up(app: &App, after: i64, limit: usize) -> Answer {
    let more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let events = app.state.store.events_after(after, more).await?;
    Ok(page::list(&Page::cut(events, limit, |event| event.seq.to_string()), EventView::from))
}

fn follow(app: &App, line: Line, headers: &HeaderMap, after: i64) -> Answer<Response> {
    let slot = Arc::clone(&app.state.guards.streams).try_acquire_owned();
    let slot = slot.map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, "All streams are taken; lists work."))?;
    Ok(stream::answer(Follower { app: app.clone(), headers: headers.clone(), line, _slot: slot, after }))
}
