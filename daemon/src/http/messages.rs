//! The messages of a ticket, and the mail behind one: its bytes, and how it is understood.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::page::{self, Id, Params};
use super::problem::{Answer, Problem};
use super::tickets;
use super::views::MessageView;
use crate::model::{MessageId, TicketId};
use crate::store::read::{MessageItem, Ref};
use crate::understand::{Limits, understand};

/// Messages of a ticket, oldest first.
pub(super) async fn list(Shared(app): Shared<App>, Id(number): Id, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["limit", "cursor"])?;
    let (cursor, limit) = (params.cursor(2)?, params.limit()?);
    tickets::find(&app, number).await?;
    Ok(page::list(&app.state.store.messages(TicketId(number), cursor, limit).await?, MessageView::from))
}

/// The original bytes.
pub(super) async fn raw(Shared(app): Shared<App>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    let message = find(&app, id).await?;
    let bytes = with_raw(&app, &message, |raw, _| raw).await?;
    Ok(download("message/rfc822", &format!("message-{id}.eml"), bytes))
}

/// How it is understood now, which may be better than when it came in.
pub(super) async fn understood(Shared(app): Shared<App>, Id(id): Id, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    let message = find(&app, id).await?;
    Ok(Json(with_raw(&app, &message, |raw, limits| understand(&raw, &limits)).await?).into_response())
}

/// The message of this id.
///
/// # Errors
/// 404 when there is none.
pub(super) async fn find(app: &App, id: i64) -> Answer<MessageItem> {
    let found = app.state.store.message(Ref::Message(MessageId(id))).await?;
    found.ok_or_else(|| Problem::missing(format!("There is no message {id}.")))
}

/// Reads the mail behind a message back and works on it where blocking is allowed, a few at a time.
///
/// # Errors
/// 404 when there is no mail behind it (any more).
pub(super) async fn with_raw<T: Send + 'static>(
    app: &App,
    message: &MessageItem,
    work: impl FnOnce(Vec<u8>, Limits) -> T + Send + 'static,
) -> Answer<T> {
    let Some(blob) = &message.blob else { return Err(Problem::missing("No mail stands behind this message.")) };
    let _turn = app.state.guards.read_back.acquire().await;
    let raw = app.state.store.blob(blob).await?;
    let limits = app.state.limits.clone();
    let done = tokio::task::spawn_blocking(move || work(raw, limits)).await;
    done.map_err(|error| {
        tracing::error!(%error, message = %message.id, "a mail could not be read again");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The desk failed; its log says why.")
    })
}

/// Bytes that strangers wrote: to be saved, never to be shown or run by a browser.
pub(super) fn download(content_type: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = HeaderValue::from_str(&disposition(name)).unwrap_or(HeaderValue::from_static("attachment"));
    let fields = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CONTENT_DISPOSITION, disposition),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    (fields, bytes).into_response()
}

/// `attachment` with the name in ASCII for old clients and whole for others (RFC 6266 §4, RFC 8187 §3.2).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " ._-+()".contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let octet = |b: u8| match b.is_ascii_alphanumeric() || b"._-+".contains(&b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    let whole: String = name.bytes().map(octet).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_leave_its_quotes() {
        assert_eq!(disposition("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
        let nasty = disposition("ü\"; filename=x.html\r\nSet-Cookie: a=b\\");
        assert!(nasty.bytes().all(|b| (0x20..0x7f).contains(&b)), "{nasty}");
        assert_eq!(nasty.matches('"').count(), 2, "{nasty}");
        assert!(nasty.ends_with("filename*=UTF-8''%C3%BC%22%3B%20filename%3Dx.html%0D%0ASet-Cookie%3A%20a%3Db%5C"), "{nasty}");
    }
}
