//! `POST /api/v1/inbox?to=ADDR&from=ADDR`: a mail is handed in. 201 only with the inbox's receipt.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::App;
use super::auth::Caller;
use super::health;
use super::page::Params;
use super::problem::{Answer, Problem};
use crate::config::Limits;
use crate::desk::Desk;
use crate::desk::addresses::Recipient;
use crate::inbox::{Draft, Receipt};
use crate::model::address::is_plain;
use crate::model::{Envelope, Transport};
use crate::understand::{Limits as Bounds, prescan};

/// The next piece of a body must come within this.
const STALL: Duration = Duration::from_secs(60);

/// Takes a mail in.
pub(super) async fn take(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, request: Request) -> Answer {
    let desk = app.desk();
    let mut envelope = envelope(&desk, request.uri())?;
    let limits = &desk.config.limits;
    is_mail(request.headers())?;
    fits(declared(request.headers()), limits)?;
    let reasons = health::reasons(&app).await;
    if !reasons.is_empty() {
        return Err(Problem::unready(reasons));
    }
    let draft = gather(app.state.inbox.draft(), request.into_body(), limits).await?;
    let mail = app.state.inbox.admit(draft).await?;
    // Whoever hands it in here has answered for it already: what would be refused on the line is held for a person.
    let bounds = Bounds::from(&desk.config.limits);
    let scanned = tokio::task::spawn_blocking(move || (prescan(mail.bytes(), &bounds).err(), mail)).await;
    let (refusal, mail) = scanned.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The mail could not be looked at."))?;
    envelope.malformed = refusal.map(|refusal| refusal.reply().text.into_owned());
    let receipt = app.state.inbox.accept(envelope, mail).await?;
    tracing::info!(id = %receipt.id(), token = caller.token, "mail accepted over HTTP");
    Ok(created(&receipt))
}

/// The only place that says 201: the receipt is the proof that the mail is on disk.
fn created(receipt: &Receipt) -> Response {
    (StatusCode::CREATED, Json(serde_json::json!({ "id": receipt.id() }))).into_response()
}

fn envelope(desk: &Desk, uri: &Uri) -> Answer<Envelope> {
    let params = Params::of(uri, &["to", "from"])?;
    let to = address(&params, "to")?.ok_or_else(|| Problem::bad("`to` is missing: the address that the mail is for."))?;
    let recipients = match desk.book.classify(&to) {
        Recipient::Mailbox(..) | Recipient::Role(_) | Recipient::Token(..) => vec![to],
        Recipient::BadToken | Recipient::Foreign => return Err(Problem::missing("`to` is no address of this desk.")),
    };
    // Without it nobody knows where an automatic answer may go, and none is sent.
    let mail_from = address(&params, "from")?.unwrap_or_default();
    Ok(Envelope::without_client(Transport::Http, mail_from, recipients))
}

fn address(params: &Params, name: &str) -> Answer<Option<String>> {
    // A plus that was not escaped reads as a space, which no address holds.
    let address = params.text(name).map(|text| text.replace(' ', "+"));
    match address.as_deref().is_none_or(is_plain) {
        true => Ok(address),
        false => Err(Problem::bad(format!("`{name}` is not a mail address."))),
    }
}

fn is_mail(headers: &HeaderMap) -> Answer<()> {
    let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim();
    match media.eq_ignore_ascii_case("message/rfc822") {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "A mail is needed, with `Content-Type: message/rfc822`.")),
    }
}

fn declared(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn fits(octets: u64, limits: &Limits) -> Answer<()> {
    match octets <= limits.message_size {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("A mail may have at most {} octets.", limits.message_size))),
    }
}

/// Reads the body into the draft, at most `message_size` octets, and only while it keeps coming.
async fn gather(mut draft: Draft, mut body: Body, limits: &Limits) -> Answer<Draft> {
    let end = Instant::now() + limits.data_timeout;
    while let Some(piece) = next(&mut body, end).await? {
        fits(draft.len() + piece.len() as u64, limits)?;
        draft.push(&piece).await.map_err(|error| {
            tracing::error!(%error, "a mail could not be spooled");
            Problem::later(StatusCode::SERVICE_UNAVAILABLE, 60, "The mail could not be stored, please try again later.")
        })?;
    }
    match draft.is_empty() {
        false => Ok(draft),
        true => Err(Problem::bad("The body is empty; it is the mail.")),
    }
}

async fn next(body: &mut Body, end: Instant) -> Answer<Option<Bytes>> {
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "The mail comes too slowly.");
    let due = end.min(Instant::now() + STALL);
    loop {
        let frame = timeout_at(due, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx))).await.map_err(late)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Problem::bad("The body broke off.")),
            // Trailers are nothing to us.
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}
