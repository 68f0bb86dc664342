//! The fate of every mail that was ever accepted, and letting a held one through.

use axum::extract::State as Shared;
use axum::http::Uri;
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use serde::Serialize;

use super::App;
use super::auth::Caller;
use super::page::{self, Id, Params, instant};
use super::problem::{Answer, Problem};
use crate::model::changes::Fate;
use crate::model::{InboxId, TicketId};
use crate::store::Cmd;
use crate::store::read::{InboxFilter, InboxItem};

#[derive(Serialize)]
struct Accepted {
    id: InboxId,
    message_id: Option<String>,
    received_at: String,
    transport: &'static str,
    fate: FateJson,
}

#[derive(Serialize)]
struct FateJson {
    kind: Fate,
    ticket: Option<TicketId>,
    reason: String,
    detail: String,
}

impl From<InboxItem> for Accepted {
    fn from(m: InboxItem) -> Self {
        Self {
            id: m.id,
            message_id: m.message_id,
            received_at: instant(m.received_at),
            transport: m.envelope.transport.word(),
            fate: FateJson { kind: m.fate, ticket: m.ticket, reason: m.reason, detail: m.detail },
        }
    }
}

/// Accepted mails, newest first.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["state", "message_id", "limit", "cursor"])?;
    let filter = InboxFilter {
        fate: params.word("state", Fate::ALL, Fate::word)?,
        message_id: params.text("message_id").map(|id| id.trim_start_matches('<').trim_end_matches('>').to_owned()),
        cursor: params.cursor(1)?.map(str::to_owned),
        limit: params.limit()?,
    };
    Ok(page::list(app.state.store.inbox(&filter).await?, Accepted::from))
}

/// Lets a held mail through; it is decided again, as if its author were proven.
pub(super) async fn release(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    let id = InboxId(id);
    app.state.store.run(Cmd::ReleaseInbox { id, by: caller.agent, now: app.now() }).await?;
    tracing::info!(%id, token = caller.token, "a held mail was let through over HTTP");
    let item = app.state.store.inbox_item(id).await?.ok_or_else(|| Problem::missing("The mail is gone."))?;
    Ok(Json(Accepted::from(item)).into_response())
}
