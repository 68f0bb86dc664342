//! `/api/v1/suppressed`: addresses that nothing is sent to, for they refuse mail.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Shared};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;

use super::App;
use super::auth::Caller;
use super::page::{self, Params};
use super::problem::{Answer, Problem};
use super::views::SuppressedView;
use crate::model::address::{fold, is_plain};
use crate::store::Cmd;

/// The addresses, those of people known last first.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["limit", "cursor"])?;
    let found = app.state.store.suppressed(app.now(), params.cursor(1)?, params.limit()?).await?;
    Ok(page::list(&found, SuppressedView::from))
}

/// Lets mail go there again.
pub(super) async fn lift(
    Shared(app): Shared<App>,
    Extension(caller): Extension<Caller>,
    address: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer {
    Params::of(&uri, &[])?;
    let key = address.ok().map(|Path(address)| fold(&address)).filter(|key| is_plain(key));
    let key = key.ok_or_else(|| Problem::missing("This is no address that mail is sent to."))?;
    app.state.store.run(Cmd::LiftRefusal { key, now: app.now() }).await?;
    tracing::info!(token = caller.token, "an address that had refused mail was let through over HTTP");
    Ok(StatusCode::NO_CONTENT.into_response())
}
