//! What reads the octets of a filter, with plain values in and out: for what must hold for any octets.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::codec::{Frame, Time, Wire};
use super::reply::Reply;
use super::session::Session;
use super::subject::Subject;
use crate::model::{Envelope, Transport};

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Frames until the first fault, and that.
pub(crate) async fn frames<S: AsyncRead + AsyncWrite + Unpin>(io: S) -> (Vec<(u8, Vec<u8>)>, String) {
    let (mut wire, mut frames) = (Wire::new(io, Time::of(PATIENCE)), Vec::new());
    loop {
        match wire.read().await {
            Ok(frame) => frames.push((frame.code, frame.data)),
            Err(fault) => return (frames, fault.to_string()),
        }
    }
}

/// The text that is kept of a reply: nothing, or something.
pub(crate) fn kept(code: u8, data: &[u8]) -> Result<Option<String>, String> {
    match Reply::read(&Frame { code, data: data.to_vec() }) {
        Ok(Reply::Reject(text) | Reply::Tempfail(text) | Reply::Quarantine(text)) => Ok(text),
        Ok(Reply::Header(text)) => Ok(Some(text)),
        Ok(_) => Ok(None),
        Err(fault) => Err(fault.to_string()),
    }
}

/// What a filter was understood to say of a mail: its action, why, and its header fields.
pub(crate) type Judged = Result<(String, Option<String>, Vec<String>), String>;

/// A whole conversation.
pub(crate) async fn judged<S: AsyncRead + AsyncWrite + Unpin>(io: S, raw: &[u8]) -> Judged {
    let recipients = vec!["support@desk.test".to_owned(), "sales@desk.test".to_owned()];
    let envelope = Envelope::without_client(Transport::Smtp, "ann@customer.test".to_owned(), recipients);
    let mut session = Session::begin(io, Time::of(PATIENCE)).await.map_err(|fault| fault.to_string())?;
    let said = session.judge(&Subject { envelope: &envelope, hostname: "desk.test", raw }).await.map_err(|fault| fault.to_string())?;
    Ok((format!("{:?}", said.action), said.why, said.tags))
}
