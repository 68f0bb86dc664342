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
use crate::clock::millis;
use crate::store;

/// How long the database and the disk may take to answer.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Whether mail can be accepted.
pub(super) struct Health {
    /// Since when the database does not answer, in ms; `None` when it does.
    pub(super) away_since: Option<i64>,
    /// Octets left on the disk of the data folder; `None` when nobody can say.
    pub(super) free: Option<u64>,
    /// What else keeps mail from being accepted, a sentence each.
    pub(super) reasons: Vec<String>,
}

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
    let Health { away_since, mut reasons, .. } = look(app).await;
    if let Some(since) = away_since {
        let since = jiff::Timestamp::from_millisecond(since).unwrap_or_default();
        reasons.insert(0, format!("the database does not answer since {}", since.strftime("%Y-%m-%dT%H:%M:%SZ")));
    }
    reasons
}

/// Asks the database and the disk, within 1.5 s.
pub(super) async fn look(app: &App) -> Health {
    let mut reasons = Vec::new();
    if app.cancel.is_cancelled() {
        reasons.push("the desk is shutting down".to_owned());
    }
    let (database, free) = tokio::join!(timeout(PATIENCE, app.state.store.ping()), free_space(app));
    if let Ok(Err(error)) = &database {
        tracing::error!(%error, "the database does not answer");
    }
    let away_since = match database {
        Ok(Ok(())) => None,
        _ => Some(app.now() - millis(app.state.store.silence())),
    };
    let needed = app.desk().config.limits.free_space;
    match free {
        Some(free) if free >= needed => {}
        Some(free) => reasons.push(format!("the disk has {} MiB left and needs {} MiB", free >> 20, needed.div_ceil(1 << 20))),
        None => reasons.push("the data folder does not answer".to_owned()),
    }
    Health { away_since, free, reasons }
}

/// What is left on the disk of the data folder, in octets; `None` when nobody can say.
async fn free_space(app: &App) -> Option<u64> {
    let data: PathBuf = app.desk().config.desk.data.clone();
    let asked = tokio::task::spawn_blocking(move || store::free_space(&data));
    timeout(PATIENCE, asked).await.ok()?.ok()?.ok()
}
