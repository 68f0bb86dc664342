//! `GET /`: the status page. What comes in, what goes out, what waits, what is broken and since when; no customer, no
//! agent, no subject, no text.

mod html;
mod issues;
mod lines;
mod tables;
mod view;
mod wording;

use std::sync::LazyLock;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State as Shared;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64;

use super::{App, health, numbers};
use crate::clock::millis;
use crate::config::{Filter, OnError};
use crate::store::sha256;
use view::{Failing, Machine, View};

/// Nothing is loaded and nothing runs; the one style is the one that stands in the page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64.encode(&sha256(html::STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
});

/// A folder that waits for news looks anew after this, in ms.
const IDLE: i64 = 600_000;

/// The page; also when the database does not answer, for then it is needed most.
pub(super) async fn page(Shared(app): Shared<App>) -> Response {
    let (numbers, health) = tokio::join!(numbers::numbers(&app), health::look(&app));
    let (desk, counters) = (app.desk(), &app.state.counters);
    let polls = desk.config.mailboxes.iter().filter_map(|m| m.imap.as_ref()).map(|imap| millis(imap.poll));
    let machine = Machine {
        desk: desk.config.desk.name.clone(),
        hostname: desk.config.desk.hostname.clone(),
        now: app.now(),
        started_at: app.state.started_at,
        health,
        shared: app.state.store.is_shared(),
        node_silence: millis(desk.config.limits.node_silence),
        look_silence: polls.max().unwrap_or(0).max(IDLE).saturating_mul(3),
        sessions: counters.open.load(Relaxed),
        taken: counters.accepted.load(Relaxed),
        filters: failing(&app, &desk.config.filters),
    };
    let html = html::page(&View::new(numbers.as_ref(), machine));
    ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY.as_str())], html).into_response()
}

/// Content filters that can't be asked.
fn failing(app: &App, filters: &[Filter]) -> Vec<Failing> {
    let failing = |filter: &Filter| {
        let since = app.state.filters.tally(&filter.name).failing_since?;
        let (away, closed) = (app.state.filters.is_away(filter), filter.on_error == OnError::Closed);
        Some(Failing { name: filter.name.clone(), since, away, closed })
    };
    filters.iter().filter_map(failing).collect()
}
