//! `/api/v1/webhooks`: who is told of events over HTTPS, and how each delivery goes. For admins alone.

use axum::extract::State as Shared;
use axum::http::header::LOCATION;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::App;
use super::auth::Caller;
use super::body::Body;
use super::page::{self, Id, Params};
use super::problem::{Answer, Problem};
use super::webhook_views::{DeliveryView, EndpointView};
use crate::feed::hooks::{self, Refusal};
use crate::model::{DeliveryId, EndpointId};
use crate::store::read::Page;
use crate::store::{Cmd, Endpoint, Outcome};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewJson {
    url: String,
    events: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeJson {
    url: Option<String>,
    events: Option<Vec<String>>,
    enabled: Option<bool>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Secret(_) => Self::later(StatusCode::SERVICE_UNAVAILABLE, 10, format!("No webhook was made: {refusal}.")),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("This can't be a webhook: {refusal}.").replace("?.", "?")),
        }
    }
}

/// All receivers; their number is limited, so there is one page.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    Params::of(&uri, &["limit", "cursor"])?.limit()?;
    let page = Page { items: app.state.store.endpoints().await?, next: None };
    Ok(page::list(&page, EndpointView::from))
}

/// One receiver.
pub(super) async fn one(Shared(app): Shared<App>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    Ok(Json(EndpointView::from(&find(&app, EndpointId(id)).await?)).into_response())
}

/// A new receiver; its secret stands in this answer and nowhere else.
pub(super) async fn create(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, uri: Uri, body: Body) -> Answer {
    Params::of(&uri, &[])?;
    let json: NewJson = body.json()?;
    let new = hooks::endpoint(&app.desk().config.webhooks, &json.url, &json.events, app.now())?;
    let Outcome::Id(id) = app.state.store.run(Cmd::AddEndpoint(Box::new(new.clone()))).await? else {
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The webhook has no number."));
    };
    tracing::info!(webhook = id, token = caller.token, "a webhook was made over HTTP");
    let location = [(LOCATION, format!("/api/v1/webhooks/{id}"))];
    Ok((StatusCode::CREATED, location, Json(EndpointView::made(id, &new))).into_response())
}

/// Changes a receiver; fields that are not there stay as they are.
pub(super) async fn patch(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, Id(id): Id, uri: Uri, body: Body) -> Answer {
    Params::of(&uri, &[])?;
    let json: ChangeJson = body.json()?;
    let id = EndpointId(id);
    let change = hooks::change(&app.desk().config.webhooks, id, json.url.as_deref(), json.events.as_deref(), json.enabled, app.now())?;
    app.state.store.run(Cmd::ChangeEndpoint(Box::new(change))).await?;
    tracing::info!(webhook = %id, token = caller.token, "a webhook was changed over HTTP");
    Ok(Json(EndpointView::from(&find(&app, id).await?)).into_response())
}

/// Removes a receiver with what waits for it.
pub(super) async fn remove(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    app.state.store.run(Cmd::RemoveEndpoint { id: EndpointId(id), now: app.now() }).await?;
    tracing::info!(webhook = id, token = caller.token, "a webhook was removed over HTTP");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Deliveries of a receiver, newest first, each with its newest tries.
pub(super) async fn deliveries(Shared(app): Shared<App>, Id(id): Id, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["limit", "cursor"])?;
    let (cursor, limit) = (params.cursor(1)?, params.limit()?);
    find(&app, EndpointId(id)).await?;
    let page = app.state.store.deliveries(EndpointId(id), cursor, limit).await?;
    Ok(page::list(&page, DeliveryView::of))
}

/// Makes a delivery again, whatever became of it, with the same `webhook-id`.
pub(super) async fn redeliver(Shared(app): Shared<App>, Id(id): Id, uri: Uri) -> Answer<Response> {
    Params::of(&uri, &[])?;
    let id = DeliveryId(id);
    app.state.store.run(Cmd::Redeliver { id, now: app.now() }).await?;
    let found = app.state.store.delivery(id).await?.ok_or_else(|| Problem::missing("The delivery is gone."))?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::of(&found))).into_response())
}

async fn find(app: &App, id: EndpointId) -> Answer<Endpoint> {
    app.state.store.endpoint(id).await?.ok_or_else(|| Problem::missing("There is no such webhook."))
}
