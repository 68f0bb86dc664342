//! `PATCH /api/v1/tickets/N` and `POST /api/v1/tickets/N/messages`: acts that the desk decides like those of a mail.

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Deserializer};

use super::App;
use super::auth::Caller;
use super::page::{Id, Params};
use super::problem::{Answer, Problem};
use super::tickets;
use super::views::{MessageView, TicketView};
use crate::desk::act::{self, Patch, Refused};
use crate::model::TicketId;
use crate::model::text::one_line;
use crate::model::ticket::{Priority, Status};

/// Tags of a ticket, and characters of a tag or team.
const TAGS: usize = 50;
const WORD: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchJson {
    status: Option<Status>,
    priority: Option<Priority>,
    #[serde(default, deserialize_with = "given")]
    assignee: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    team: Option<Option<String>>,
    tags: Option<Vec<String>>,
}

/// Tells `null` from a key that is not there.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SayJson {
    text: String,
    public: bool,
}

/// Changes a ticket.
pub(super) async fn patch(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, Id(number): Id, uri: Uri, body: Bytes) -> Answer {
    Params::of(&uri, &[])?;
    let json: PatchJson = read(&body)?;
    let patch = Patch {
        status: json.status,
        priority: json.priority,
        assignee: json.assignee,
        team: json.team.map(|team| team.map(|t| one_line(&t, WORD)).filter(|t| !t.is_empty())),
        tags: json.tags.map(tags).transpose()?,
    };
    let (desk, now) = (app.desk(), app.now());
    app.state.store.try_settle(|facts| act::patch(&desk, TicketId(number), &patch, caller.agent, facts, now)).await?.map_err(refused)?;
    let ticket = tickets::find(&app, number).await?;
    Ok(Json(TicketView::from(&ticket)).into_response())
}

/// An answer or a note of the agent who speaks through the token.
pub(super) async fn say(
    Shared(app): Shared<App>,
    Extension(caller): Extension<Caller>,
    Id(number): Id,
    uri: Uri,
    body: Bytes,
) -> Answer<Response> {
    Params::of(&uri, &[])?;
    let agent = caller.agent.ok_or_else(|| {
        let detail = "This token is nobody's: `ombud token create --agent EMAIL` makes one that an agent speaks through.";
        Problem::new(StatusCode::FORBIDDEN, detail)
    })?;
    let json: SayJson = read(&body)?;
    let (desk, now) = (app.desk(), app.now());
    app.state
        .store
        .try_settle(|facts| act::say(&desk, TicketId(number), agent, &json.text, json.public, facts, now))
        .await?
        .map_err(refused)?;
    let last = app.state.store.last_message(TicketId(number), agent).await?;
    let message = last.ok_or_else(|| Problem::missing("The message is gone."))?;
    Ok((StatusCode::CREATED, Json(MessageView::from(&message))).into_response())
}

fn read<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Answer<T> {
    serde_json::from_slice(body).map_err(|error| Problem::bad(format!("The body can't be used: {error}.")))
}

fn tags(tags: Vec<String>) -> Answer<Vec<String>> {
    let tags: Vec<_> = tags.iter().map(|t| one_line(t, WORD).to_lowercase()).filter(|t| !t.is_empty()).collect();
    if tags.len() > TAGS {
        return Err(Problem::bad(format!("A ticket has at most {TAGS} tags.")));
    }
    Ok(tags)
}

fn refused(why: Refused) -> Problem {
    match why {
        Refused::NoTicket => Problem::missing("There is no such ticket."),
        Refused::NoAgent(who) => Problem::bad(format!("{} is no active agent.", one_line(&who, 254))),
        Refused::Text(why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The text can't be sent: {why}.")),
    }
}
