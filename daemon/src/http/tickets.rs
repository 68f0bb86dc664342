//! `GET /api/v1/tickets` and `/tickets/N`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::App;
use super::page::{self, Id, Params, instant};
use super::problem::{Answer, Problem};
use crate::model::ticket::{Priority, Status};
use crate::model::{Address, TicketId};
use crate::store::read::{TicketFilter, TicketItem};

#[derive(Serialize)]
struct Ticket {
    number: TicketId,
    subject: String,
    status: Status,
    priority: Priority,
    mailbox: String,
    requester: Address,
    assignee: Option<Address>,
    team: Option<String>,
    tags: Vec<String>,
    participants: Vec<Address>,
    messages: i64,
    merged_into: Option<TicketId>,
    created_at: String,
    updated_at: String,
}

impl From<TicketItem> for Ticket {
    fn from(t: TicketItem) -> Self {
        Self {
            number: t.number,
            subject: t.subject,
            status: t.status,
            priority: t.priority,
            mailbox: t.mailbox,
            requester: t.requester,
            assignee: t.assignee,
            team: t.team,
            tags: t.tags,
            participants: t.participants,
            messages: t.messages,
            merged_into: t.merged_into,
            created_at: instant(t.created_at),
            updated_at: instant(t.updated_at),
        }
    }
}

/// Tickets, newest change first.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["q", "status", "limit", "cursor"])?;
    let filter = TicketFilter {
        status: params.word("status", Status::ALL, Status::word)?,
        text: params.text("q").map(str::to_owned),
        cursor: params.cursor(2)?.map(str::to_owned),
        limit: params.limit()?,
    };
    Ok(page::list(app.state.store.tickets(&filter).await?, Ticket::from))
}

/// One ticket.
pub(super) async fn one(Shared(app): Shared<App>, Id(number): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    Ok(json(find(&app, number).await?))
}

/// The ticket of this number.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn find(app: &App, number: i64) -> Answer<TicketItem> {
    let found = app.state.store.ticket(TicketId(number)).await?;
    found.ok_or_else(|| Problem::missing(format!("There is no ticket {number}.")))
}

fn json(ticket: TicketItem) -> Response {
    Json(Ticket::from(ticket)).into_response()
}
