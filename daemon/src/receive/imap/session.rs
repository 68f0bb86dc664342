//! Commands of an IMAP session, one at a time (RFC 9051 §6; RFC 3501 where a server knows no other).

use std::time::Duration;

use crate::model::text::one_line;
use crate::net::Stream;

use super::error::Fault;
use super::leash::{CONTROL, Leash};
use super::names;
use super::response::{Data, Response, Status};
use super::wire::{Sink, Wire};

mod mails;

use mails::Asked;
pub(super) use mails::Fetched;

/// UIDs that are taken from one listing.
const UIDS: usize = 1_000_000;
/// Octets of one UID in a listing, with the space before it.
const UID: u64 = 11;
/// Octets of one line of a listing of sizes.
const SIZE_LINE: u64 = 256;
/// Words of a CAPABILITY answer.
const CAPABILITIES: usize = 300;
/// Characters of a server's words that are shown.
const SHOWN: usize = 200;

/// A folder as SELECT or EXAMINE describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) uidvalidity: Option<u32>,
    pub(super) uidnext: Option<u32>,
    pub(super) exists: u32,
    /// Nothing can be changed in it, although that was asked for.
    pub(super) read_only: bool,
}

/// How a command ended.
pub(super) enum Ended {
    Ok {
        code: String,
    },
    /// NO or BAD.
    No {
        code: String,
        text: String,
    },
}

/// A connection that takes commands.
pub(super) struct Session {
    wire: Wire,
    /// Random letters, so that nobody can answer a command before it is sent.
    prefix: String,
    count: u32,
    /// Mails that are on their way.
    asked: Option<Asked>,
    capabilities: Vec<String>,
    /// Whether it is encrypted.
    pub(super) tls: bool,
    patience: Duration,
    /// Mails of the folder that is open, as far as the server told. Some repeat the number without any change.
    exists: u32,
    /// Mails came since this was last set to false.
    pub(super) news: bool,
}

impl Session {
    /// Begins on a connection and reads the greeting.
    pub(super) async fn greeted(stream: Box<dyn Stream>, tls: bool, patience: Duration) -> Result<Self, Fault> {
        const WHEN: &str = "greeting";
        let mut session = Self::continued(stream, tls, patience)?;
        let mut leash = session.short();
        match session.wire.response(WHEN, &mut leash, None).await? {
            Response::Status { tag: None, status: Status::Ok, .. } => Ok(session),
            Response::Status { tag: None, status: Status::Preauth, .. } => Err(Fault::Preauth),
            Response::Status { tag: None, text, .. } => Err(Fault::Bye { when: WHEN, text: shown(&text) }),
            _ => Err(Fault::Nonsense { when: WHEN, what: "this is no IMAP server" }),
        }
    }

    /// The same where the greeting was before TLS.
    pub(super) fn continued(stream: Box<dyn Stream>, tls: bool, patience: Duration) -> Result<Self, Fault> {
        let mut random = [0; 5];
        getrandom::fill(&mut random).map_err(|e| Fault::Spool(e.into()))?;
        let prefix = data_encoding::HEXLOWER.encode(&random);
        let capabilities = Vec::new();
        Ok(Self { wire: Wire::new(stream), prefix, count: 0, asked: None, capabilities, tls, patience, exists: 0, news: false })
    }

    /// The bare stream, to start TLS on.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, Fault> {
        self.wire.into_stream()
    }

    /// Asks what the server can do.
    pub(super) async fn ask_capabilities(&mut self) -> Result<(), Fault> {
        const WHEN: &str = "CAPABILITY";
        let mut found = Vec::new();
        let read = |data: &Data| {
            if data.name == WHEN {
                found = data.words(CAPABILITIES);
            }
            Ok(())
        };
        self.ok(WHEN, WHEN, self.short(), read).await?;
        self.capabilities = found;
        Ok(())
    }

    /// Whether the server said that it can do this. What IMAP4rev2 brings with it need not be named (RFC 9051 appendix E).
    pub(super) fn can(&self, capability: &str) -> bool {
        let names = |name: &str| self.capabilities.iter().any(|c| c == name);
        names(capability) || matches!(capability, "IDLE" | "MOVE" | "UIDPLUS" | "SASL-IR") && names("IMAP4REV2") && !names("IMAP4REV1")
    }

    /// For an answer that comes at once.
    pub(super) fn short(&self) -> Leash {
        Leash::short(self.patience)
    }

    fn slow(&self, limit: u64) -> Leash {
        Leash::slow(limit, self.patience)
    }

    /// Opens a folder; read-only where nothing is to be changed in it.
    pub(super) async fn select(&mut self, folder: &str, read_only: bool) -> Result<Selected, Fault> {
        let when = if read_only { "EXAMINE" } else { "SELECT" };
        let line = format!("{when} {}", names::quoted(&names::folder(folder)));
        let mut found = Selected::default();
        let news = self.news;
        let (mut uidvalidity, mut uidnext) = (None, None);
        let read = |response: &Response| {
            match response {
                Response::Data(data) if data.name == "EXISTS" => found.exists = data.number.unwrap_or(0),
                Response::Status { tag: None, status: Status::Ok, code, .. } => {
                    uidvalidity = number(code, "UIDVALIDITY").or(uidvalidity);
                    uidnext = number(code, "UIDNEXT").or(uidnext);
                }
                _ => {}
            }
            Ok(())
        };
        let ended = self.run(when, line.as_bytes(), self.slow(CONTROL), None, read).await?;
        found.read_only = matches!(&ended, Ended::Ok { code } if code.eq_ignore_ascii_case("READ-ONLY"));
        done(when, ended).map_err(|fault| named(fault, folder))?;
        // All mails that are there now will be looked for; of the folder before, news stay news.
        (self.exists, self.news) = (found.exists, news);
        Ok(Selected { uidvalidity: uidvalidity.filter(|v| *v > 0), uidnext, ..found })
    }

    /// UIDs that meet the criteria, ascending. `exists` is how many mails the folder has.
    pub(super) async fn search(&mut self, criteria: &str, exists: u32) -> Result<Vec<u32>, Fault> {
        const WHEN: &str = "SEARCH";
        let most = (exists as usize).min(UIDS);
        let mut found = Vec::new();
        let read = |data: &Data| {
            if matches!(data.name.as_str(), "SEARCH" | "ESEARCH") {
                let uids = data.uids(UIDS.saturating_sub(found.len()));
                found.extend(uids.ok_or(Fault::Nonsense { when: WHEN, what: "the list of mails can't be read" })?);
            }
            Ok(())
        };
        let leash = self.slow(CONTROL + UID * most as u64);
        self.ok(WHEN, &format!("UID SEARCH {criteria}"), leash, read).await?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Those of these mails that are there.
    pub(super) async fn there(&mut self, uids: &[u32]) -> Result<Vec<u32>, Fault> {
        let most = u32::try_from(uids.len()).unwrap_or(u32::MAX);
        let mut found = self.search(&format!("UID {}", names::set(uids)), most).await?;
        found.retain(|uid| uids.contains(uid));
        Ok(found)
    }

    /// UIDs and sizes of mails, ascending by UID, as far as the server gives them, and how that ended. A NO may mean that some
    /// of them are gone (RFC 2180 §4.1.2).
    pub(super) async fn sizes(&mut self, uids: &[u32]) -> Result<(Vec<(u32, u64)>, Ended), Fault> {
        const WHEN: &str = "FETCH of sizes";
        let mut found = Vec::new();
        let read = |response: &Response| {
            if let Response::Data(data) = response
                && data.name == "FETCH"
            {
                let fetch = data.fetch().ok_or(Fault::Nonsense { when: WHEN, what: "the list of sizes can't be read" })?;
                found.extend(fetch.uid.zip(fetch.size).filter(|(uid, _)| uids.contains(uid)));
            }
            Ok(())
        };
        let leash = self.slow(CONTROL + SIZE_LINE * uids.len() as u64);
        let line = format!("UID FETCH {} (UID RFC822.SIZE)", names::set(uids));
        let ended = self.run(WHEN, line.as_bytes(), leash, None, read).await?;
        found.sort_unstable();
        found.dedup_by_key(|(uid, _)| *uid);
        Ok((found, ended))
    }

    /// UIDs and moments of mails, ascending by UID, as far as the server gives them; a moment is in seconds since 1970.
    pub(super) async fn moments(&mut self, uids: &[u32]) -> Result<Vec<(u32, Option<i64>)>, Fault> {
        let mut found = Vec::new();
        let read = |data: &Data| {
            if let Some(fetch) = data.fetch().filter(|_| data.name == "FETCH") {
                found.extend(fetch.uid.filter(|uid| uids.contains(uid)).map(|uid| (uid, fetch.at)));
            }
            Ok(())
        };
        let leash = self.slow(CONTROL + SIZE_LINE * uids.len() as u64);
        self.ok("FETCH of dates", &format!("UID FETCH {} (UID INTERNALDATE)", names::set(uids)), leash, read).await?;
        found.sort_unstable();
        Ok(found)
    }

    /// UID and day of the newest mail, and its moment where the server gives it: `21-Nov-2026 1795255200`.
    pub(super) async fn newest(&mut self) -> Result<Option<(u32, String)>, Fault> {
        const WHEN: &str = "FETCH of the newest mail";
        let mut found = None;
        let read = |data: &Data| {
            if let Some(fetch) = data.fetch().filter(|_| data.name == "FETCH") {
                let moment = fetch.at.map_or_else(String::new, |at| format!(" {at}"));
                let day = fetch.day.map_or_else(String::new, |day| format!("{day}{moment}"));
                found = fetch.uid.map(|uid| (uid, day)).max(found.take());
            }
            Ok(())
        };
        self.ok(WHEN, "UID FETCH * (UID INTERNALDATE)", self.slow(CONTROL), read).await?;
        Ok(found)
    }

    /// A command of which only the end counts.
    pub(super) async fn simple(&mut self, when: &'static str, line: &str) -> Result<(), Fault> {
        self.ok(when, line, self.slow(CONTROL), |_| Ok(())).await
    }

    /// Runs a command that must be answered by OK.
    async fn ok(
        &mut self,
        when: &'static str,
        line: &str,
        leash: Leash,
        mut read: impl FnMut(&Data) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let each = |response: &Response| match response {
            Response::Data(data) => read(data),
            _ => Ok(()),
        };
        done(when, self.run(when, line.as_bytes(), leash, None, each).await?)
    }

    /// Runs a command to its end.
    pub(super) async fn run(
        &mut self,
        when: &'static str,
        line: &[u8],
        leash: Leash,
        sink: Option<&mut Sink<'_>>,
        read: impl FnMut(&Response) -> Result<(), Fault>,
    ) -> Result<Ended, Fault> {
        let (tag, leash) = self.begin(when, line, leash).await?;
        self.end(when, &tag, leash, sink, read).await
    }

    /// Sends a command.
    pub(super) async fn begin(&mut self, when: &'static str, line: &[u8], leash: Leash) -> Result<(String, Leash), Fault> {
        let tag = self.tag();
        self.wire.send(when, &[tag.as_bytes(), b" ", line, b"\r\n"].concat(), &leash).await?;
        Ok((tag, leash))
    }

    fn tag(&mut self) -> String {
        self.count += 1;
        format!("{}{}", self.prefix, self.count)
    }

    /// Sends a line that continues a command.
    pub(super) async fn say(&mut self, when: &'static str, line: &str, leash: &Leash) -> Result<(), Fault> {
        self.wire.send(when, format!("{line}\r\n").as_bytes(), leash).await
    }

    /// The next response to a command that was begun, or its end.
    pub(super) async fn next(
        &mut self,
        when: &'static str,
        tag: &str,
        leash: &mut Leash,
        sink: Option<&mut Sink<'_>>,
    ) -> Result<Result<Response, Ended>, Fault> {
        match self.wire.response(when, leash, sink).await? {
            Response::Status { tag: Some(found), status, code, text } if found == tag => Ok(Err(match status {
                Status::Ok => Ended::Ok { code },
                _ => Ended::No { code, text: shown(&text) },
            })),
            Response::Status { tag: Some(_), .. } => Err(Fault::Nonsense { when, what: "the server answers what was not asked" }),
            // A server that says goodbye answers nothing any more.
            Response::Status { tag: None, status: Status::Bye, text, .. } if when != LOGOUT => Err(Fault::Bye { when, text: shown(&text) }),
            other => {
                if let Response::Data(data) = &other {
                    self.hear(data);
                }
                Ok(Ok(other))
            }
        }
    }

    fn hear(&mut self, data: &Data) {
        match (data.name.as_str(), data.number) {
            ("EXISTS", Some(exists)) => {
                self.news |= exists > self.exists;
                self.exists = exists;
            }
            ("EXPUNGE", _) => self.exists = self.exists.saturating_sub(1),
            _ => {}
        }
    }

    /// Reads to the end of a command that was begun.
    pub(super) async fn end(
        &mut self,
        when: &'static str,
        tag: &str,
        mut leash: Leash,
        mut sink: Option<&mut Sink<'_>>,
        mut read: impl FnMut(&Response) -> Result<(), Fault>,
    ) -> Result<Ended, Fault> {
        loop {
            match self.next(when, tag, &mut leash, sink.as_deref_mut()).await? {
                Ok(Response::Continue) => return Err(Fault::Nonsense { when, what: "the server waits for what was not begun" }),
                Ok(response) => read(&response)?,
                Err(ended) => return Ok(ended),
            }
        }
    }

    /// Says goodbye and does not wait for long.
    pub(super) async fn log_out(mut self) {
        let leash = Leash::timed(CONTROL, FAREWELL, FAREWELL);
        // Nobody is left to hear of a failure here.
        let _ = self.run(LOGOUT, LOGOUT.as_bytes(), leash, None, |_| Ok(())).await;
    }
}

const LOGOUT: &str = "LOGOUT";
const FAREWELL: Duration = Duration::from_secs(3);

/// OK, or the server's words.
pub(super) fn done(when: &'static str, ended: Ended) -> Result<(), Fault> {
    match ended {
        Ended::Ok { .. } => Ok(()),
        Ended::No { text, .. } => Err(Fault::Refused { when, text }),
    }
}

fn named(fault: Fault, folder: &str) -> Fault {
    match fault {
        Fault::Refused { when, text } => Fault::Refused { when, text: format!("folder {folder}: {text}") },
        other => other,
    }
}

/// A server's words, for a state, a log or a terminal.
pub(super) fn shown(text: &str) -> String {
    one_line(text, SHOWN)
}

/// The number behind a word in a response code.
fn number(code: &str, word: &str) -> Option<u32> {
    let (name, rest) = code.split_once(' ')?;
    name.eq_ignore_ascii_case(word).then(|| rest.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::receive::imap::response;
    use crate::receive::imap::response::Piece;

    #[test]
    fn a_number_that_is_repeated_is_no_news() {
        let (near, _far) = tokio::io::duplex(64);
        let mut session = Session::continued(Box::new(near), false, Duration::from_secs(60)).unwrap();
        session.exists = 3;
        let mut hears = |line: &str| {
            session.news = false;
            let Some(Response::Data(data)) = response::parse(vec![Piece::Text(line.into())]) else { unreachable!() };
            session.hear(&data);
            session.news
        };
        assert!(!hears("* 3 EXISTS"));
        assert!(hears("* 4 EXISTS"));
        assert!(!hears("* 4 EXISTS") && !hears("* 2 EXPUNGE"));
        assert!(hears("* 4 EXISTS"), "one went and another came");
    }
}
