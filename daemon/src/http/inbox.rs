//! The fate of every mail that was ever accepted, and what becomes of a held one.

use axum::extract::State as Shared;
use axum::http::Uri;
use axum::response::IntoResponse as _;
use axum::{Extension, Json};

use super::App;
use super::auth::Caller;
use super::page::{self, Id, Params};
use super::problem::{Answer, Problem};
use super::views::InboxView;
use crate::model::InboxId;
use crate::model::changes::Fate;
use crate::store::Cmd;
use crate::store::read::InboxFilter;

/// Accepted mails, newest first.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["state", "message_id", "limit", "cursor"])?;
    let filter = InboxFilter {
        fate: params.word("state", Fate::ALL, Fate::word)?,
        message_id: params.text("message_id").map(|id| id.trim_start_matches('<').trim_end_matches('>').to_owned()),
        cursor: params.cursor(1)?.map(str::to_owned),
        limit: params.limit()?,
    };
    Ok(page::list(&app.state.store.inbox(&filter).await?, InboxView::from))
}

/// Lets a held mail through; it is decided again, as if its author were proven.
pub(super) async fn release(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    let id = InboxId(id);
    app.state.store.run(Cmd::ReleaseInbox { id, by: caller.agent, door: "api", now: app.now() }).await?;
    tracing::info!(%id, token = caller.token, "a held mail was let through over HTTP");
    shown(&app, id).await
}

/// Drops a held mail: nothing of it happens.
pub(super) async fn discard(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    let id = InboxId(id);
    app.state.store.run(Cmd::DropInbox { id, by: caller.agent, door: "api", now: app.now() }).await?;
    tracing::info!(%id, token = caller.token, "a held mail was dropped over HTTP");
    shown(&app, id).await
}

async fn shown(app: &App, id: InboxId) -> Answer {
    let item = app.state.store.inbox_item(id).await?.ok_or_else(|| Problem::missing("The mail is gone."))?;
    Ok(Json(InboxView::from(&item)).into_response())
}
