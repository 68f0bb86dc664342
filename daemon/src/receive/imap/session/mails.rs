//! Mails: one command asks for many, so that nobody waits for the way there and back; they are told apart by their UIDs,
//! as a server may end a command long after the last of them (RFC 9051 §5.5).

use std::collections::VecDeque;

use crate::inbox::Draft;
use crate::receive::imap::error::Fault;
use crate::receive::imap::leash::Leash;
use crate::receive::imap::response::{Body, Fetch, Response};
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

/// Mails that were asked for with one command.
pub(super) struct Asked {
    tag: String,
    /// Those that have not been fetched.
    uids: VecDeque<u32>,
    /// One that came before its turn: those before it will not come.
    early: Option<(u32, Draft, Body)>,
}

impl Session {
    /// Asks for mails, without marking them. They have to be fetched, in this order, before anything else is asked.
    pub(in crate::receive::imap) async fn ask_for(&mut self, uids: &[u32]) -> Result<(), Fault> {
        let tag = self.tag();
        let set: Vec<String> = uids.iter().map(u32::to_string).collect();
        let line = format!("{tag} UID FETCH {} (UID BODY.PEEK[])\r\n", set.join(","));
        self.asked = Some(Asked { tag, uids: uids.iter().copied().collect(), early: None });
        self.wire.send(WHEN, line.as_bytes(), &self.short()).await
    }

    /// Whether the server may still send mails that were asked for.
    pub(in crate::receive::imap) fn expects_mails(&self) -> bool {
        self.asked.is_some()
    }

    /// Brings the mail that is next to come into the draft. `most`: octets that it may have.
    pub(in crate::receive::imap) async fn fetch(&mut self, most: u64, draft: &mut Draft) -> Result<Fetched, Fault> {
        // What the server has not sent until it was through is not there.
        let Some(mut asked) = self.asked.take() else { return Ok(Fetched::Nothing) };
        let leash = Leash::mail(most, self.patience);
        let Some(uid) = asked.uids.pop_front() else {
            return self.through(asked, leash, &mut Sink { draft, most, filled: true }).await.map(|()| Fetched::Nothing);
        };
        let mut sink = Sink { draft, most, filled: false };
        let found = match asked.early.take_if(|(early, ..)| *early == uid) {
            Some((_, early, body)) => {
                *sink.draft = early;
                Some(body)
            }
            None if asked.early.is_some() => None,
            None => match self.found(&mut asked, uid, leash.clone(), &mut sink).await? {
                Next::Mail(body) => Some(body),
                Next::Another => None,
                Next::End => return Ok(Fetched::Nothing),
            },
        };
        sink.filled = true;
        if asked.uids.is_empty() {
            self.through(asked, leash, &mut sink).await?;
        } else {
            self.asked = Some(asked);
        }
        match found {
            Some(Body::Streamed) => Ok(Fetched::Whole),
            Some(Body::Here(octets)) => {
                draft.push(&octets).await.map_err(Fault::Spool)?;
                Ok(Fetched::Whole)
            }
            Some(Body::Nil) => Ok(Fetched::Empty),
            None => Ok(Fetched::Nothing),
        }
    }

    /// Reads the next mail, which should be this one.
    async fn found(&mut self, asked: &mut Asked, uid: u32, mut leash: Leash, sink: &mut Sink<'_>) -> Result<Next, Fault> {
        loop {
            let response = match self.next(WHEN, &asked.tag, &mut leash, Some(sink)).await? {
                Ok(response) => response,
                Err(ended) => return done(WHEN, ended).map(|()| Next::End),
            };
            let Some(fetch) = mail(&response)? else { continue };
            let body = fetch.body.filter(|body| sink.filled == (*body == Body::Streamed));
            return match (fetch.uid, body) {
                (Some(found), Some(body)) if found == uid => Ok(Next::Mail(body)),
                (Some(found), Some(body)) if asked.uids.contains(&found) => {
                    asked.early = Some((found, sink.draft.take(), body));
                    Ok(Next::Another)
                }
                _ => Err(STRAY),
            };
        }
    }

    /// Reads to the end of the command, when all of its mails have come.
    async fn through(&mut self, asked: Asked, mut leash: Leash, sink: &mut Sink<'_>) -> Result<(), Fault> {
        loop {
            match self.next(WHEN, &asked.tag, &mut leash, Some(sink)).await? {
                Ok(response) if mail(&response)?.is_some() => return Err(STRAY),
                Ok(_) => {}
                Err(ended) => return done(WHEN, ended),
            }
        }
    }
}

const STRAY: Fault = Fault::Nonsense { when: WHEN, what: "the server sends another mail than was asked for" };

/// What the server sent.
enum Next {
    /// The mail that was next.
    Mail(Body),
    /// One behind it.
    Another,
    /// The end of the command.
    End,
}

/// A response that has content of a mail; one that is refused because it makes no sense.
fn mail(response: &Response) -> Result<Option<Fetch>, Fault> {
    match response {
        Response::Continue => Err(Fault::Nonsense { when: WHEN, what: "the server waits for what was not begun" }),
        Response::Data(data) if data.name == "FETCH" => {
            let fetch = data.fetch().ok_or(Fault::Nonsense { when: WHEN, what: "the mail has not the length that the server gave" })?;
            Ok(Some(fetch).filter(|fetch| fetch.body.is_some()))
        }
        _ => Ok(None),
    }
}
