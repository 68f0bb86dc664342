//! Every route with what it takes to call it.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};

use super::auth::{self, Access};
use super::body::{LARGEST, too_large};
use super::problem::{no_method, no_route};
use super::{
    App, acts, articles, attachments, events, health, inbox, intake, messages, metrics, outbox, search, status, suppressed, tickets,
    webhooks,
};
use crate::store::Scope;

/// The API's description of itself, kept by hand; a test compares it with the table below.
pub(super) const OPENAPI: &str = include_str!("openapi.json");
const INBOX: &str = "/api/v1/inbox";

/// One method of one path.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) access: Access,
    handler: MethodRouter<App>,
}

fn route<H: Handler<T, App>, T: 'static>(method: MethodFilter, path: &'static str, access: Access, handler: H) -> Route {
    Route { path, access, handler: on(method, handler) }
}

/// The table. A path that is in the contract and not built says so.
pub(super) fn table() -> Vec<Route> {
    const GET: MethodFilter = MethodFilter::GET;
    const POST: MethodFilter = MethodFilter::POST;
    const PUT: MethodFilter = MethodFilter::PUT;
    const PATCH: MethodFilter = MethodFilter::PATCH;
    const DELETE: MethodFilter = MethodFilter::DELETE;
    const READ: Access = Access::Token(Scope::Read);
    const WRITE: Access = Access::Token(Scope::Write);
    const ADMIN: Access = Access::Token(Scope::Admin);
    vec![
        route(GET, "/", Access::Public, status::page),
        route(GET, "/metrics", Access::Public, metrics::page),
        route(GET, "/healthz", Access::Anyone, health::alive),
        route(GET, "/readyz", Access::Anyone, health::ready),
        route(GET, "/api/v1/openapi.json", Access::Anyone, openapi),
        route(GET, "/api/v1/tickets", READ, tickets::list),
        route(GET, "/api/v1/tickets/{number}", READ, tickets::one),
        route(PATCH, "/api/v1/tickets/{number}", WRITE, acts::patch),
        route(GET, "/api/v1/tickets/{number}/messages", READ, messages::list),
        route(POST, "/api/v1/tickets/{number}/messages", WRITE, acts::say),
        route(GET, "/api/v1/messages/{id}/raw", READ, messages::raw),
        route(GET, "/api/v1/messages/{id}/understood", READ, messages::understood),
        route(GET, "/api/v1/attachments/{id}", READ, attachments::one),
        route(GET, INBOX, READ, inbox::list),
        route(POST, INBOX, WRITE, intake::take),
        route(POST, "/api/v1/inbox/{id}/release", ADMIN, inbox::release),
        route(POST, "/api/v1/inbox/{id}/drop", ADMIN, inbox::discard),
        route(GET, "/api/v1/outbox", READ, outbox::list),
        route(GET, "/api/v1/suppressed", READ, suppressed::list),
        route(DELETE, "/api/v1/suppressed/{address}", ADMIN, suppressed::lift),
        route(GET, "/api/v1/search", READ, search::list),
        route(GET, "/api/v1/articles", READ, articles::list),
        route(POST, "/api/v1/articles", WRITE, articles::create),
        route(GET, "/api/v1/articles/{slug}", READ, articles::one),
        route(PUT, "/api/v1/articles/{slug}", WRITE, articles::put),
        route(DELETE, "/api/v1/articles/{slug}", WRITE, articles::remove),
        route(GET, "/api/v1/webhooks", ADMIN, webhooks::list),
        route(POST, "/api/v1/webhooks", ADMIN, webhooks::create),
        route(GET, "/api/v1/webhooks/{id}", ADMIN, webhooks::one),
        route(PATCH, "/api/v1/webhooks/{id}", ADMIN, webhooks::patch),
        route(DELETE, "/api/v1/webhooks/{id}", ADMIN, webhooks::remove),
        route(GET, "/api/v1/webhooks/{id}/deliveries", ADMIN, webhooks::deliveries),
        route(POST, "/api/v1/deliveries/{id}/redeliver", ADMIN, webhooks::redeliver),
        route(GET, "/api/v1/events", READ, events::list),
    ]
}

/// All routes, each behind its check.
pub(super) fn router(app: &App) -> Router {
    let all = table().into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, route.handler.route_layer(from_fn_with_state((app.clone(), route.access), auth::check)))
    });
    all.fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(from_fn(around))
        .with_state(app.clone())
}

/// Around every request: no large body, and an answer that no browser keeps, guesses at or frames.
async fn around(request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let mut response = if length.is_some_and(|n| n > LARGEST as u64) && request.uri().path() != INBOX {
        too_large().into_response()
    } else {
        next.run(request).await
    };
    let fields: [(HeaderName, &'static str); 4] =
        [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer"), (CACHE_CONTROL, "no-store"), (X_FRAME_OPTIONS, "DENY")];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn openapi() -> Response {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
