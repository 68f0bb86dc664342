//! Waiting for mail: IDLE (RFC 2177) where the server has it, else time.

use std::time::Duration;

use super::error::Fault;
use super::leash::{CONTROL, Leash};
use super::response::Response;
use super::session::{Ended, Session, done};

/// One IDLE. RFC 2177 allows 29 minutes, but many a firewall forgets a silent connection before that.
const IDLE: Duration = Duration::from_secs(9 * 60);
/// The server says that it listens, or that it has stopped.
const REPLY: Duration = Duration::from_secs(60);

/// Whether IDLE can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idled {
    /// There may be mail, or it is time to look.
    Look,
    /// The server named IDLE and refuses it.
    Refused,
}

/// Waits until the server tells of mail, at most for `most`.
pub(super) async fn idle(session: &mut Session, most: Duration) -> Result<Idled, Fault> {
    const WHEN: &str = "IDLE";
    let (tag, mut leash) = session.begin(WHEN, b"IDLE", Leash::timed(CONTROL, REPLY, REPLY)).await?;
    loop {
        match session.next(WHEN, &tag, &mut leash, None).await? {
            Ok(Response::Continue) => break,
            Ok(_) => {}
            Err(Ended::No { .. }) => return Ok(Idled::Refused),
            Err(Ended::Ok { .. }) => return Err(Fault::Nonsense { when: WHEN, what: "the server does not wait" }),
        }
    }
    let span = most.min(IDLE);
    let mut leash = Leash::timed(CONTROL, span, span);
    while !session.news {
        match session.next(WHEN, &tag, &mut leash, None).await {
            Ok(Ok(_)) => {}
            Ok(Err(ended)) => {
                done(WHEN, ended)?;
                return Ok(Idled::Look);
            }
            // Nothing has happened for so long.
            Err(Fault::Silent { .. } | Fault::Slow { .. }) => break,
            Err(fault) => return Err(fault),
        }
    }
    let leash = Leash::timed(CONTROL, REPLY, REPLY);
    session.say(WHEN, "DONE", &leash).await?;
    done(WHEN, session.end(WHEN, &tag, leash, None, |_| Ok(())).await?)?;
    Ok(Idled::Look)
}
