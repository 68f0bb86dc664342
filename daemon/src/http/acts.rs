//! `PATCH /api/v1/tickets/N` and `POST /api/v1/tickets/N/messages`: acts that the desk decides like those of a mail.

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Deserializer};

use super::App;
use super::auth::Caller;
use super::body::Body;
use super::page::{Id, Params};
use super::problem::{Answer, Problem};
use super::tickets;
use super::views::{MessageView, TicketView};
use crate::desk::act::{self, Patch, Refused, Said};
use crate::model::TicketId;
use crate::model::text::one_line;
use crate::model::ticket::{Priority, Status};
use crate::store::StoreError;
use crate::store::read::Ref;

/// Tags of a ticket, and characters of a tag or team.
const TAGS: usize = 50;
const WORD: usize = 40;
/// Longest `Idempotency-Key`, in octets.
const KEY: usize = 64;

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
pub(super) async fn patch(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, Id(number): Id, uri: Uri, body: Body) -> Answer {
    Params::of(&uri, &[])?;
    let json: PatchJson = body.json()?;
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
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    Params::of(&uri, &[])?;
    let agent = caller.agent.ok_or_else(|| {
        let detail = "This token is nobody's: `ombud token create --agent EMAIL` makes one that an agent speaks through.";
        Problem::new(StatusCode::FORBIDDEN, detail)
    })?;
    let json: SayJson = body.json()?;
    let key = key(&headers, &caller)?;
    let said = Said { agent, text: &json.text, public: json.public, key: key.as_deref() };
    let (desk, now) = (app.desk(), app.now());
    let done = app.state.store.try_settle(|facts| act::say(&desk, TicketId(number), &said, facts, now)).await;
    let (id, before) = match done.map_err(|error| unclear(error, key.is_some()))? {
        Ok(made) => (made.first().copied(), false),
        Err(Refused::Done(id)) => (Some(id), true),
        Err(why) => return Err(refused(why)),
    };
    let id = id.ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The message has no number."))?;
    let message = match app.state.store.message(Ref::Message(id)).await {
        Ok(Some(message)) => message,
        Ok(None) => return Err(Problem::missing("The message is gone.")),
        // A repeat can wait; what was said just now is said, and no error may read as if it were not.
        Err(error) if before => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, message = %id, "a message was made and can't be shown");
            return Ok((StatusCode::CREATED, Json(serde_json::json!({ "id": id }))).into_response());
        }
    };
    if before && (message.ticket.0, message.public, &message.text) != (number, said.public, &said.written()) {
        let detail = "This `Idempotency-Key` was sent before with another message: a new message needs a new key.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok((StatusCode::CREATED, Json(MessageView::from(&message))).into_response())
}

/// What names a call that may be repeated, among those of its token.
fn key(headers: &HeaderMap, caller: &Caller) -> Answer<Option<Vec<u8>>> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(first) = given.next() else { return Ok(None) };
    let sound = given.next().is_none() && (1..=KEY).contains(&first.len()) && first.as_bytes().iter().all(|b| (0x20..0x7f).contains(b));
    if !sound {
        return Err(Problem::bad(format!("`Idempotency-Key` is 1 to {KEY} printable characters of ASCII, once.")));
    }
    Ok(Some([format!("api {} ", caller.token).as_bytes(), first.as_bytes()].concat()))
}

/// Without a key a client that tries again by itself may say the same twice.
fn unclear(error: StoreError, keyed: bool) -> Problem {
    match error {
        StoreError::Away(_) | StoreError::Closed if !keyed => {
            tracing::error!(%error, "nobody knows whether a message was made");
            let detail =
                "It may or may not have been done: read the ticket before you send it again. An `Idempotency-Key` makes a repeat safe.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
        error => error.into(),
    }
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
        Refused::Done(id) => Problem::new(StatusCode::CONFLICT, format!("It was done before: message {id}.")),
        Refused::NoTicket => Problem::missing("There is no such ticket."),
        Refused::NoAgent(who) => Problem::bad(format!("{} is no active agent.", one_line(&who, 254))),
        Refused::Text(why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The text can't be sent: {why}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_know_is_not_told_to_send_again() {
        for error in [StoreError::Away("gone".into()), StoreError::Closed] {
            let (bare, keyed) = (unclear(error.clone(), false).into_response(), unclear(error, true).into_response());
            assert_eq!((bare.status().as_u16(), bare.headers().contains_key("retry-after")), (503, false));
            assert_eq!((keyed.status().as_u16(), keyed.headers().contains_key("retry-after")), (503, true));
        }
    }
}
