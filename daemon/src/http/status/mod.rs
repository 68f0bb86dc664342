//! `GET /`: the status page. What comes in, what goes out, what waits, what is broken and since when; no customer, no
//! agent, no subject, no text.

mod html;
mod view;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use super::{App, health, numbers};
use view::{Machine, View};

/// Nothing is loaded and nothing runs; the style stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page; 503 with what is known when the database does not answer.
pub(super) async fn page(Shared(app): Shared<App>) -> Response {
    let (counts, reasons, free) = tokio::join!(numbers::counts(&app), health::reasons(&app), health::free_space(&app));
    let desk = app.desk();
    let counts = counts.ok();
    let machine = Machine {
        desk: desk.config.desk.name.clone(),
        hostname: desk.config.desk.hostname.clone(),
        now: app.now(),
        started_at: app.state.started_at,
        free,
        reasons,
    };
    let status = if counts.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let view = View::new(counts.as_deref(), machine);
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)], html::page(&view)).into_response()
}
