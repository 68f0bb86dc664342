//! The messages of a ticket, and the mail behind one: its bytes, and how it is understood.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::App;
use super::download::download;
use super::page::{self, Id, Params};
use super::problem::{Answer, Problem};
use super::serve::Line;
use super::tickets;
use super::views::MessageView;
use crate::model::{MessageId, TicketId};
use crate::store::StoreError;
use crate::store::read::{MessageItem, Ref};
use crate::understand::{Limits, understand};

/// How long a request waits for its turn to read a mail back.
const PATIENCE: Duration = Duration::from_secs(20);

/// Messages of a ticket, oldest first.
pub(super) async fn list(Shared(app): Shared<App>, Id(number): Id, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["limit", "cursor"])?;
    let (cursor, limit) = (params.cursor(2)?, params.limit()?);
    tickets::find(&app, number).await?;
    Ok(page::list(&app.state.store.messages(TicketId(number), cursor, limit).await?, MessageView::from))
}

/// The original bytes.
pub(super) async fn raw(Shared(app): Shared<App>, Extension(line): Extension<Line>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    let message = find(&app, id).await?;
    let (bytes, turn) = with_raw(&app, &message, |raw, _| raw).await?;
    Ok(download("message/rfc822", &format!("message-{id}.eml"), bytes, turn, line))
}

/// How it is understood now, which may be better than when it came in.
pub(super) async fn understood(Shared(app): Shared<App>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    let message = find(&app, id).await?;
    let (understood, _turn) = with_raw(&app, &message, |raw, limits| understand(&raw, &limits)).await?;
    Ok(Json(understood).into_response())
}

/// The message of this id.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn find(app: &App, id: i64) -> Answer<MessageItem> {
    let found = app.state.store.message(Ref::Message(MessageId(id))).await?;
    found.ok_or_else(|| Problem::missing(format!("There is no message {id}.")))
}

/// Reads the mail behind a message back and works on it where blocking is allowed, a few at a time. What comes of it may
/// be as large as the mail: whoever keeps it keeps the turn.
///
/// # Errors
/// 404 when there is no mail behind it (any more), 503 when none of the few ends.
pub(super) async fn with_raw<T: Send + 'static>(
    app: &App,
    message: &MessageItem,
    work: impl FnOnce(Vec<u8>, Limits) -> T + Send + 'static,
) -> Answer<(T, OwnedSemaphorePermit)> {
    let Some(blob) = message.blob.clone() else { return Err(Problem::missing("No mail stands behind this message.")) };
    let busy = || Problem::later(StatusCode::SERVICE_UNAVAILABLE, 5, "Too many mails are read back now.");
    let turn = timeout(PATIENCE, Arc::clone(&app.state.guards.read_back).acquire_owned()).await.map_err(|_| busy())?;
    let turn = turn.map_err(|_| busy())?;
    let (store, limits) = (app.state.store.clone(), app.state.limits.clone());
    // A client that goes away ends no work, so the turn goes with it.
    let worked = tokio::spawn(async move {
        let raw = store.blob(&blob).await?;
        Ok::<_, StoreError>(spawn_blocking(move || (work(raw, limits), turn)).await)
    });
    let done = match worked.await {
        Ok(read) => read?,
        Err(error) => Err(error),
    };
    done.map_err(|error| {
        tracing::error!(%error, message = %message.id, "a mail could not be read again");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The desk failed; its log says why.")
    })
}
