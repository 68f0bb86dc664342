//! Mails: a command for each, so that each has an end of its own, and many of them on their way at once, so that nobody
//! waits for the way there and back (RFC 9051 §5.5).

use std::fmt::Write as _;

use crate::inbox::Draft;
use crate::receive::imap::error::Fault;
use crate::receive::imap::leash::Leash;
use crate::receive::imap::response::{Body, Response};
use crate::receive::imap::wire::Sink;

use super::{Session, done};

const WHEN: &str = "FETCH of a mail";

/// What became of a FETCH of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::receive::imap) enum Fetched {
    /// It is in the draft.
    Whole,
    /// The server named no mail.
    Nothing,
    /// The server has the mail, but no content of it.
    Empty,
}

impl Session {
    /// Asks for mails, without marking them. They have to be fetched, in this order, before anything else is asked.
    pub(in crate::receive::imap) async fn ask_for(&mut self, uids: &[u32]) -> Result<(), Fault> {
        let mut lines = String::new();
        for uid in uids {
            let tag = self.tag();
            // Writing into a String does not fail.
            let _ = write!(lines, "{tag} UID FETCH {uid} (UID BODY.PEEK[])\r\n");
            self.asked.push_back((*uid, tag));
        }
        self.wire.send(WHEN, lines.as_bytes(), &self.short()).await
    }

    /// The mail that is next to come, of those that were asked for.
    pub(in crate::receive::imap) fn asked(&self) -> Option<u32> {
        self.asked.front().map(|(uid, _)| *uid)
    }

    /// Brings the mail that is next to come into the draft. `most`: octets that it may have.
    pub(in crate::receive::imap) async fn fetch(&mut self, most: u64, draft: &mut Draft) -> Result<Fetched, Fault> {
        let Some((uid, tag)) = self.asked.pop_front() else { return Ok(Fetched::Nothing) };
        let mut sink = Sink { draft, most, filled: false };
        let (mut body, mut stray) = (None, false);
        let read = |response: &Response| {
            let Response::Data(data) = response else { return Ok(()) };
            if data.name == "FETCH" {
                let fetch = data.fetch().ok_or(Fault::Nonsense { when: WHEN, what: "the mail has not the length that the server gave" })?;
                match (fetch.body, fetch.uid == Some(uid)) {
                    (None, _) => {}
                    (Some(_), false) => stray = true,
                    (Some(found), true) if body.is_none() => body = Some(found),
                    (Some(_), true) => stray = true,
                }
            }
            Ok(())
        };
        let ended = self.end(WHEN, &tag, Leash::mail(most, self.patience), Some(&mut sink), read).await?;
        done(WHEN, ended)?;
        if stray || (sink.filled && body != Some(Body::Streamed)) {
            return Err(Fault::Nonsense { when: WHEN, what: "the server sends another mail than was asked for" });
        }
        match body {
            Some(Body::Streamed) => Ok(Fetched::Whole),
            Some(Body::Here(octets)) => {
                draft.push(&octets).await.map_err(Fault::Spool)?;
                Ok(Fetched::Whole)
            }
            Some(Body::Nil) => Ok(Fetched::Empty),
            None => Ok(Fetched::Nothing),
        }
    }
}
