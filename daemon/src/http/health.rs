//! `/healthz` and `/readyz`: alive, and able to accept mail.

use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::time::timeout;

use super::App;
use super::problem::{Answer, Problem};
use crate::store;

/// How long the database and the disk may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers; says nothing else.
pub(super) async fn alive() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// The desk can accept mail.
pub(super) async fn ready(Shared(app): Shared<App>) -> Answer {
    match reasons(&app).await {
        none if none.is_empty() => Ok(Json(json!({ "status": "ready" })).into_response()),
        reasons => Err(Problem::unready(reasons)),
    }
}

/// Why no mail can be accepted, a sentence each; none when it can.
pub(super) async fn reasons(app: &App) -> Vec<String> {
    let mut reasons = Vec::new();
    if app.cancel.is_cancelled() {
        reasons.push("the desk is shutting down".to_owned());
    }
    let (database, free) = tokio::join!(timeout(PATIENCE, app.state.store.ping()), free_space(app));
    match database {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not answer");
            reasons.push("the database does not answer".to_owned());
        }
        Err(_) => reasons.push("the database does not answer within 2 s".to_owned()),
    }
    let needed = app.desk().config.limits.free_space;
    match free {
        Some(free) if free >= needed => {}
        Some(free) => reasons.push(format!("the disk has {} MiB left and needs {} MiB", free >> 20, needed.div_ceil(1 << 20))),
        None => reasons.push("the data folder does not answer".to_owned()),
    }
    reasons
}

/// What is left on the disk of the data folder, in octets; `None` when nobody can say.
pub(super) async fn free_space(app: &App) -> Option<u64> {
    let data: PathBuf = app.desk().config.desk.data.clone();
    let asked = tokio::task::spawn_blocking(move || store::free_space(&data));
    timeout(PATIENCE, asked).await.ok()?.ok()?.ok()
}
