//! What reads the octets of an IMAP server and of an endpoint that gives tokens, with plain values in and out: for what must
//! hold for any octets.

use std::time::Duration;

pub(crate) use super::oauth::outside::granted;

use super::leash::Leash;
use super::response::{self, Response};
use super::wire::{Sink, Wire};
use super::{Fault, names};
use crate::inbox::Draft;
use crate::net::Stream;

/// All that a server said until it could be understood no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Each response, and what it means.
    pub(crate) responses: Vec<Meaning>,
    /// Why there are no more.
    pub(crate) end: String,
    /// The content of the mail.
    pub(crate) body: Vec<u8>,
}

/// One response and what the session asks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// As it is shown.
    pub(crate) shown: String,
    /// Of a SEARCH.
    pub(crate) uids: Option<Vec<u32>>,
    /// Of a CAPABILITY.
    pub(crate) words: Vec<String>,
    /// Whether a FETCH brought the mail's content on its way in.
    pub(crate) streamed: bool,
}

/// Reads responses. The content of at most one mail, of at most so many octets, is taken.
pub(crate) async fn responses(io: Box<dyn Stream>, most: u64, limit: u64, list: usize) -> Said {
    let (mut wire, mut leash, mut draft) = (Wire::new(io), Leash::slow(limit, Duration::from_secs(60)), Draft::loose());
    let mut sink = Sink { draft: &mut draft, most, filled: false };
    let mut said = Said::default();
    said.end = loop {
        match wire.response("FETCH", &mut leash, Some(&mut sink)).await {
            Ok(response) => said.responses.push(meaning(&response, list)),
            Err(Fault::Lost { .. }) => break "gone".to_owned(),
            Err(fault) => break fault.to_string(),
        }
    };
    draft.memory().clone_into(&mut said.body);
    said
}

fn meaning(response: &Response, most: usize) -> Meaning {
    let Response::Data(data) = response else {
        return Meaning { shown: format!("{response:?}"), uids: None, words: Vec::new(), streamed: false };
    };
    let fetch = data.fetch();
    let streamed = fetch.as_ref().is_some_and(|fetch| fetch.body == Some(response::Body::Streamed));
    Meaning { shown: format!("{response:?} {fetch:?}"), uids: data.uids(most), words: data.words(most), streamed }
}

/// Ascending UIDs as they are written in a command, and what that is read as.
pub(crate) fn written_and_read(uids: &[u32]) -> Option<Vec<u32>> {
    response::expand(&names::set(uids), uids.len())
}
