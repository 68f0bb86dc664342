//! `GET /api/v1/attachments/MESSAGE-N`: taken out of the raw mail each time, so nothing is kept twice.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Shared};
use axum::http::Uri;

use super::App;
use super::download::download;
use super::messages::{find, with_raw};
use super::page::{Params, number};
use super::problem::{Answer, Problem};
use super::serve::Line;
use crate::understand::parts;

/// One attachment. Whatever it says it is, it leaves as octets to be saved.
pub(super) async fn one(
    Shared(app): Shared<App>,
    Extension(line): Extension<Line>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer {
    Params::of(&uri, &[])?;
    let missing = || Problem::missing("There is no such attachment.");
    let (message, n) = id.ok().and_then(|Path(id)| split(&id)).ok_or_else(missing)?;
    let message = find(&app, message).await?;
    let wanted = message.attachments.get(n).cloned().ok_or_else(missing)?;
    let sha256 = wanted.sha256;
    // By its hash: the mail may be taken apart differently today than when it came in.
    let take = move |raw: Vec<u8>, limits| parts(&raw, &limits).into_iter().find(|part| part.meta.sha256 == sha256);
    let (part, turn) = with_raw(&app, &message, take).await?;
    let part = part.ok_or_else(missing)?;
    let name = wanted.name.unwrap_or_else(|| format!("attachment-{}-{n}", message.id));
    Ok(download("application/octet-stream", &name, part.bytes, turn, line))
}

fn split(id: &str) -> Option<(i64, usize)> {
    let (message, n) = id.split_once('-')?;
    Some((number(message)?, usize::try_from(number(n)?).ok()?))
}
