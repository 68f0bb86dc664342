//! The desk's word while a sender is still on the line: which recipients are ours, what can't be taken.

use std::sync::Arc;

use tokio::sync::watch;

use crate::desk::Desk;
use crate::desk::addresses::Recipient;
use crate::desk::token::{Purpose, Token};
use crate::model::{Envelope, Reply, TicketId};
use crate::receive::Gate;
use crate::receive::imap::{Addresses, Ours};
use crate::store::{Store, free_space};
use crate::understand::{Limits, origin, prescan};
use crate::verify::{self, Subject, Verifier};

const FULL: Reply = Reply::new(452, "4.3.1", "The disk is almost full, please try again later");
const NO_DATABASE: Reply = Reply::new(451, "4.3.0", "The desk can't look that up now, please try again later");
const UNKNOWN: Reply = Reply::new(550, "5.1.1", "No such address here");
const FOREIGN: Reply = Reply::new(550, "5.7.1", "This desk takes mail for its own addresses only");
const TWO_AUTHORS: Reply = Reply::new(550, "5.7.1", "The mail has more than one From field; send it with exactly one");

/// The gate of a desk.
pub(super) struct DeskGate {
    pub(super) store: Store,
    pub(super) desk: watch::Receiver<Arc<Desk>>,
    pub(super) verifier: Arc<Verifier>,
}

impl Gate for DeskGate {
    async fn ready(&self) -> Result<(), Reply> {
        let config = self.desk.borrow().config.clone();
        match free_space(self.store.data()) {
            Ok(free) if free < config.limits.free_space => Err(FULL),
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "the data folder can't be looked at");
                Err(NO_DATABASE)
            }
        }
    }

    async fn rcpt(&self, _envelope: &Envelope, recipient: &str) -> Result<(), Reply> {
        let desk = self.desk.borrow().clone();
        match desk.book.classify(recipient) {
            Recipient::Mailbox(..) | Recipient::Role(_) => Ok(()),
            Recipient::Token(_, token) => self.is_granted(token).await,
            Recipient::BadToken => Err(UNKNOWN),
            Recipient::Foreign if desk.book.is_own_domain(recipient) => Err(UNKNOWN),
            Recipient::Foreign => Err(FOREIGN),
        }
    }

    async fn data(&self, envelope: &mut Envelope, raw: &[u8]) -> Result<(), Reply> {
        let limits = Limits::from(&self.desk.borrow().config.limits);
        let found = tokio::task::block_in_place(|| prescan(raw, &limits));
        let refusal = match found {
            Ok(scan) if scan.from_fields > 1 => TWO_AUTHORS,
            Ok(_) => return self.author(envelope, raw, &limits).await,
            Err(refusal) => refusal.reply(),
        };
        if envelope.outside {
            return Err(refusal);
        }
        // Whoever hands over from inside has answered for it already: it is kept and a person looks at it.
        envelope.malformed = Some(refusal.text.into_owned());
        Ok(())
    }
}

impl Addresses for DeskGate {
    fn ours(&self, address: &str) -> Ours {
        match self.desk.borrow().book.classify(address) {
            Recipient::Mailbox(..) | Recipient::Role(_) => Ours::Mailbox,
            // Revoked and expired ones count as well: what would be refused on the line is held for a person here.
            Recipient::Token(..) => Ours::Signed,
            Recipient::BadToken | Recipient::Foreign => Ours::No,
        }
    }
}

impl DeskGate {
    /// Verifies who wrote an outside client's mail, which alone can be refused for it. While too many are being verified
    /// it is left to the pipeline, which holds what would be refused here.
    async fn author(&self, envelope: &mut Envelope, raw: &[u8], limits: &Limits) -> Result<(), Reply> {
        let desk = self.desk.borrow().clone();
        if !envelope.outside || verify::at_once(&desk.config).is_some() {
            return Ok(());
        }
        let Some(_room) = self.verifier.room() else { return Ok(()) };
        let mail = tokio::task::block_in_place(|| Subject::read(raw, origin(raw, limits)));
        let verdict = self.verifier.verdict(&desk.config, envelope, &mail).await;
        let agents = |recipient: &String| matches!(desk.book.classify(recipient), Recipient::Token(_, token) if token.purpose() != Purpose::Customer && token.purpose() != Purpose::Bounce);
        let refusal = verify::refusal(&verdict, envelope.recipients.iter().any(agents));
        envelope.verdict = Some(verdict);
        refusal.map_or(Ok(()), Err)
    }

    /// A revoked address and one that never was get the same answer. An expired one is taken: the pipeline asks.
    async fn is_granted(&self, token: Token) -> Result<(), Reply> {
        let ticket = match token.purpose() {
            Purpose::Bounce => return Ok(()),
            Purpose::Release | Purpose::Drop | Purpose::Desk => TicketId(0),
            Purpose::Answer | Purpose::Note | Purpose::Customer => token.ticket(),
        };
        match self.store.epochs(token.person(), ticket).await {
            Ok(Some(epochs)) if !epochs.disabled && token.is_of_epoch(epochs.sum) => Ok(()),
            Ok(_) => Err(UNKNOWN),
            Err(error) => {
                tracing::error!(%error, "an address could not be looked up");
                Err(NO_DATABASE)
            }
        }
    }
}
