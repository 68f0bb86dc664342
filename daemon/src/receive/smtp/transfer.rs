//! The content of a mail: from 354 to the reply that makes it ours or not.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::Protocol;
use super::data::DataReader;
use super::line::WireError;
use super::session::{End, SHUTTING_DOWN, Session};
use crate::config::Limits;
use crate::failpoint;
use crate::model::{Envelope, Reply};
use crate::receive::door::Door;
use crate::receive::gate::Gate;

/// What is left to a mail in hand when we shut down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(7);

const GO_AHEAD: Reply = Reply::new(354, "", "Send the message, end it with CR LF . CR LF");
const STRAY: Reply = Reply::new(
    550,
    "5.5.2",
    "Stray CR or LF in the message (or NUL beside a lone dot), closing; end every line with CR LF, or have this relay named in trusted_relays",
);
const LONG_LINE: Reply = Reply::new(550, "5.6.0", "A line of the message is too long; encode it (base64 or quoted-printable)");
const TOO_LARGE: Reply = Reply::new(552, "5.3.4", "Message too large");
const TOO_SLOW: Reply = Reply::new(421, "4.4.2", "Message comes too slowly, closing");
const DISK_FULL: Reply = Reply::new(452, "4.3.1", "Out of space, try again later");
const DISK_ERROR: Reply = Reply::new(451, "4.3.0", "Cannot keep the message now, try again later");

/// What came after 354.
enum Content<M> {
    /// A mail as it should be.
    Whole(M),
    /// Read to its end, and refused.
    Refused(Reply),
    /// Read to its end, refused, and the client is not to be talked to any longer.
    Smuggled,
}

/// A mail that is being read.
struct Incoming<M> {
    reader: DataReader,
    /// Gone as soon as it is clear that the mail will be refused: no octet of it is stored any more.
    draft: Option<M>,
    failed: Option<Reply>,
    begun: Instant,
    /// Octets of content without their dots, emptied after each piece.
    piece: Vec<u8>,
}

impl<G: Gate, D: Door> Session<G, D> {
    /// DATA (RFC 5321 §4.1.1.4) once there is a recipient.
    pub(super) async fn transfer(&mut self, envelope: Envelope) -> Result<(), End> {
        let recipients = if self.protocol == Protocol::Lmtp { envelope.recipients.len() } else { 1 };
        self.write(&GO_AHEAD);
        match self.content().await? {
            Content::Whole(draft) => match self.hand_over(envelope, draft).await {
                Ok(receipt) => self.accepted(&receipt, recipients).await,
                Err(reply) => self.say_each(&reply, recipients).await,
            },
            Content::Refused(reply) => self.say_each(&reply, recipients).await,
            Content::Smuggled => Err(self.part(&STRAY)),
        }
    }

    /// From here on the mail's fate does not depend on the client: it may hang up, the mail is kept all the same.
    async fn hand_over(&mut self, mut envelope: Envelope, draft: D::Draft) -> Result<D::Receipt, Reply> {
        let mail = self.shared.inbox.admit(draft).await?;
        self.shared.gate.data(&mut envelope, D::bytes(&mail)).await?;
        self.shared.inbox.accept(envelope, mail).await
    }

    /// The 250 that takes over responsibility (RFC 5321 §6.1). The receipt is the proof that the mail is on disk, and
    /// this is the only function that says so.
    async fn accepted(&mut self, receipt: &D::Receipt, recipients: usize) -> Result<(), End> {
        failpoint::reached("receive.before_250");
        let id = D::id(receipt);
        self.shared.counters.accepted.fetch_add(1, Relaxed);
        (self.junk, self.misses) = (0, 0);
        info!(%id, peer = ?self.peer.ip, protocol = ?self.protocol, recipients, "mail accepted");
        self.say_each(&Reply::with(250, "2.6.0", format!("Queued as {id}")), recipients).await
    }

    /// Reads to the real end, also when the mail is refused on the way: the client reads no reply before that.
    async fn content(&mut self) -> Result<Content<D::Draft>, End> {
        let mut mail = Incoming {
            reader: DataReader::new(self.config.limits.line),
            draft: Some(self.shared.inbox.draft()),
            failed: None,
            begun: Instant::now(),
            piece: Vec::new(),
        };
        let mut hurry = None;
        loop {
            let progress = mail.reader.feed(self.wire.buffered(), &mut mail.piece);
            self.wire.consume(progress.used);
            self.keep(&mut mail).await;
            failpoint::reached("receive.data");
            if progress.ended {
                self.octets += mail.reader.size();
                return Ok(mail.judged());
            }
            if mail.reader.size() > self.config.limits.message_size.saturating_mul(2) {
                return Err(self.part(&TOO_LARGE));
            }
            let due = due(mail.begun, mail.reader.size(), &self.config.limits);
            self.more(due, &mut hurry).await?;
        }
    }

    /// Stores a piece, or notes why the mail will not be stored.
    async fn keep(&mut self, mail: &mut Incoming<D::Draft>) {
        let noted = mail.reader.noted();
        let strict = self.protocol != Protocol::Lmtp && !self.peer.trusted;
        if noted.stray && strict {
            mail.failed = Some(STRAY);
        } else if mail.reader.size() > self.config.limits.message_size {
            mail.failed.get_or_insert(TOO_LARGE);
        } else if noted.long_line {
            mail.failed.get_or_insert(LONG_LINE);
        }
        if mail.failed.is_some() {
            mail.draft = None;
        } else if let Some(draft) = &mut mail.draft
            && let Err(error) = self.shared.inbox.push(draft, &mail.piece).await
        {
            warn!(%error, "a mail could not be written while it came in");
            mail.failed = Some(if error.kind() == io::ErrorKind::StorageFull { DISK_FULL } else { DISK_ERROR });
            mail.draft = None;
        }
        mail.piece.clear();
    }

    /// Waits for the next piece until `due`, or until our own shutdown ends it.
    async fn more(&mut self, due: Instant, hurry: &mut Option<Instant>) -> Result<(), End> {
        loop {
            let deadline = hurry.map_or(due, |hurry| due.min(hurry));
            let filled = tokio::select! {
                biased;
                filled = self.wire.fill(deadline) => filled,
                () = self.cancel.cancelled(), if hurry.is_none() => {
                    *hurry = Some(Instant::now() + SHUTDOWN_GRACE);
                    continue;
                }
            };
            return match filled {
                Ok(()) => Ok(()),
                Err(WireError::Gone) => Err(End::Lost),
                Err(WireError::Late) if hurry.is_some() => Err(self.part(&SHUTTING_DOWN)),
                Err(WireError::Late) => Err(self.part(&TOO_SLOW)),
            };
        }
    }
}

impl<M> Incoming<M> {
    fn judged(self) -> Content<M> {
        match (self.failed, self.draft) {
            (None, Some(draft)) => Content::Whole(draft),
            (Some(reply), _) if reply == STRAY => Content::Smuggled,
            (Some(reply), _) => Content::Refused(reply),
            (None, None) => Content::Refused(DISK_ERROR),
        }
    }
}

/// When the next piece must be here: the mail as a whole has its time, and after a while a rate to keep.
fn due(begun: Instant, size: u64, limits: &Limits) -> Instant {
    let seconds = size.checked_div(limits.data_rate).map_or(limits.data_timeout, Duration::from_secs);
    begun + limits.data_timeout.min(limits.data_grace.max(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::fakes;

    #[test]
    fn a_mail_must_keep_its_rate_after_a_while() {
        let (begun, limits) = (Instant::now(), Limits { data_timeout: Duration::from_secs(600), data_rate: 500, ..fakes::limits() });
        let seconds = |size| due(begun, size, &limits).duration_since(begun).as_secs();
        assert_eq!([seconds(0), seconds(15_000), seconds(20_000), seconds(10_000_000)], [30, 30, 40, 600]);
        assert_eq!(due(begun, 0, &Limits { data_rate: 0, ..limits.clone() }), begun + limits.data_timeout);
    }
}
