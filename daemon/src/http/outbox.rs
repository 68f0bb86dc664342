//! `GET /api/v1/outbox`: mail that waits, left or failed.

use axum::extract::State as Shared;
use axum::http::Uri;
use serde::Serialize;

use super::App;
use super::page::{self, Params, instant};
use super::problem::Answer;
use crate::model::outgoing::{OutboxRow, OutboxState};
use crate::model::{OutboxId, TicketId};

/// The states that people know; being sent is a part of waiting.
const STATES: [OutboxState; 4] = [OutboxState::Waiting, OutboxState::Sent, OutboxState::Failed, OutboxState::Unknown];

#[derive(Serialize)]
struct Outgoing {
    id: OutboxId,
    to: String,
    ticket: Option<TicketId>,
    state: OutboxState,
    attempts: i64,
    next_attempt_at: Option<String>,
    last_reply: Option<String>,
}

impl From<OutboxRow> for Outgoing {
    fn from(row: OutboxRow) -> Self {
        let waits = matches!(row.state, OutboxState::Waiting | OutboxState::Claimed);
        Self {
            id: row.id,
            to: row.address,
            ticket: row.ticket,
            state: if waits { OutboxState::Waiting } else { row.state },
            attempts: row.attempts,
            next_attempt_at: waits.then(|| instant(row.due_at)),
            last_reply: row.last_reply,
        }
    }
}

/// Outgoing mails, newest first.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["state", "limit", "cursor"])?;
    let state = params.word("state", &STATES, OutboxState::word)?;
    let (cursor, limit) = (params.cursor(1)?, params.limit()?);
    let found = match state {
        Some(OutboxState::Waiting) => app.state.store.outbox_open(cursor, limit).await?,
        state => app.state.store.outbox(state, cursor, limit).await?,
    };
    Ok(page::list(found, Outgoing::from))
}
