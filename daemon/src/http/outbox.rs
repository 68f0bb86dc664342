//! `GET /api/v1/outbox`: mail that waits, left or failed.

use axum::extract::State as Shared;
use axum::http::Uri;

use super::App;
use super::page::{self, Params};
use super::problem::Answer;
use super::views::OutboxView;
use crate::model::outgoing::OutboxState;

/// The states that people know; being sent is a part of waiting.
const STATES: [OutboxState; 4] = [OutboxState::Waiting, OutboxState::Sent, OutboxState::Failed, OutboxState::Unknown];

/// Outgoing mails, newest first.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["state", "limit", "cursor"])?;
    let state = params.word("state", &STATES, OutboxState::word)?;
    let (cursor, limit) = (params.cursor(1)?, params.limit()?);
    let found = match state {
        Some(OutboxState::Waiting) => app.state.store.outbox_open(cursor, limit).await?,
        state => app.state.store.outbox(state, cursor, limit).await?,
    };
    Ok(page::list(&found, OutboxView::from))
}
