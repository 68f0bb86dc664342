//! `GET /api/v1/tickets` and `/tickets/N`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::page::{self, Id, Params};
use super::problem::{Answer, Problem};
use super::views::TicketView;
use crate::model::TicketId;
use crate::model::ticket::Status;
use crate::store::read::{TicketFilter, TicketItem};

/// Tickets, newest change first.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["q", "status", "limit", "cursor"])?;
    let filter = TicketFilter {
        status: params.word("status", Status::ALL, Status::word)?,
        text: params.text("q").map(str::to_owned),
        cursor: params.cursor(2)?.map(str::to_owned),
        limit: params.limit()?,
    };
    Ok(page::list(&app.state.store.tickets(&filter).await?, TicketView::from))
}

/// One ticket.
pub(super) async fn one(Shared(app): Shared<App>, Id(number): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    Ok(json(&find(&app, number).await?))
}

/// The ticket of this number.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn find(app: &App, number: i64) -> Answer<TicketItem> {
    let found = app.state.store.ticket(TicketId(number)).await?;
    found.ok_or_else(|| Problem::missing(format!("There is no ticket {number}.")))
}

fn json(ticket: &TicketItem) -> Response {
    Json(TicketView::from(ticket)).into_response()
}
