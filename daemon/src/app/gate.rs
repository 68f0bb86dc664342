//! The desk's word while a sender is still on the line: which recipients are ours, what can't be taken.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::desk::Desk;
use crate::desk::addresses::Recipient;
use crate::desk::token::{Purpose, Token};
use crate::filter::{self, Filters};
use crate::large::SMALL;
use crate::model::address::{fold, is_plain};
use crate::model::people::Person;
use crate::model::{Envelope, PersonId, Reply, TicketId};
use crate::receive::Gate;
use crate::receive::imap::{Addresses, Ours};
use crate::store::{AppPassword, Store, StoreError, free_space};
use crate::understand::{Limits, Scan, prescan, scanned_origin};
use crate::verify::{self, Subject, Verifier};

/// Passwords that are checked at once.
const CHECKS: usize = 2;

const FULL: Reply = Reply::new(452, "4.3.1", "The disk is almost full, please try again later");
const NO_DATABASE: Reply = Reply::new(451, "4.3.0", "The desk can't look that up now, please try again later");
const UNKNOWN: Reply = Reply::new(550, "5.1.1", "No such address here");
const FOREIGN: Reply = Reply::new(550, "5.7.1", "This desk takes mail for its own addresses only");
const WRONG: Reply = Reply::new(535, "5.7.8", "That is no name and app password of an agent");
const GONE: Reply = Reply::new(550, "5.7.1", "You do not work here any more");
const NOT_OUTSIDE: Reply =
    Reply::new(550, "5.7.1", "Agents send to addresses of this desk only: answer the mail it sent you, and it writes to the customer");
const NOT_YOURS: Reply = Reply::new(550, "5.7.1", "This address was given to another agent; answer the mail that came to you");
const NOT_THE_AUTHOR: Reply = Reply::new(550, "5.7.1", "From must be one of your own addresses, and that alone");
const TWO_AUTHORS: Reply = Reply::new(550, "5.7.1", "The mail has more than one From field; send it with exactly one");

/// The gate of a desk.
pub(super) struct DeskGate {
    store: Store,
    desk: watch::Receiver<Arc<Desk>>,
    verifier: Arc<Verifier>,
    filters: Arc<Filters>,
    /// Checking a password takes 19 MiB and a moment of the processor: few at a time.
    checks: Semaphore,
}

impl DeskGate {
    pub(super) fn new(store: Store, desk: watch::Receiver<Arc<Desk>>, verifier: Arc<Verifier>, filters: Arc<Filters>) -> Self {
        Self { store, desk, verifier, filters, checks: Semaphore::new(CHECKS) }
    }
}

impl Gate for DeskGate {
    async fn login(&self, user: &str, password: &str) -> Result<String, Reply> {
        // What is no password of ours is wrong whoever logs in, so how fast that is told says nothing about anybody.
        let password = AppPassword::read(password).ok_or(WRONG)?;
        let kept = self.store.app_password(&password).await.map_err(unknown)?;
        let Ok(_turn) = self.checks.acquire().await else { return Err(NO_DATABASE) };
        let hash = kept.as_ref().map(|(hash, _)| hash.clone());
        let right = tokio::task::spawn_blocking(move || password.is(hash.as_deref())).await.unwrap_or(false);
        let agent = match kept.filter(|_| right) {
            Some((_, id)) => self.store.persons(&[id]).await.map_err(unknown)?.pop(),
            None => None,
        };
        agent.filter(|agent| agent.is_active_agent() && agent.has_address(&fold(user))).map(|agent| agent.address).ok_or(WRONG)
    }

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

    async fn rcpt(&self, envelope: &Envelope, recipient: &str) -> Result<(), Reply> {
        let desk = self.desk.borrow().clone();
        let found = desk.book.classify(recipient);
        if let Some(user) = &envelope.auth_user {
            self.may_send(user, &found).await?;
        }
        match found {
            Recipient::Mailbox(..) | Recipient::Role(_) => Ok(()),
            Recipient::Token(_, token) => self.is_granted(token).await,
            Recipient::BadToken => Err(self.nobody().await),
            Recipient::Foreign if desk.book.is_own_domain(recipient) => Err(self.nobody().await),
            Recipient::Foreign => Err(FOREIGN),
        }
    }

    async fn data(&self, envelope: &mut Envelope, raw: &[u8]) -> Result<(), Reply> {
        let limits = Limits::from(&self.desk.borrow().config.limits);
        let found = reading(raw, || prescan(raw, &limits));
        let refusal = match found {
            Ok(scan) if scan.from_fields > 1 => TWO_AUTHORS,
            Ok(scan) if envelope.auth_user.is_some() => return self.is_author(envelope, raw, &limits, &scan).await,
            Ok(scan) => {
                self.verified(envelope, raw, &limits, &scan).await?;
                return self.filtered(envelope, raw).await;
            }
            Err(refusal) => refusal.reply(),
        };
        if envelope.outside || envelope.auth_user.is_some() {
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
    async fn verified(&self, envelope: &mut Envelope, raw: &[u8], limits: &Limits, scan: &Scan) -> Result<(), Reply> {
        let desk = self.desk.borrow().clone();
        if !envelope.outside || verify::at_once(&desk.config).is_some() {
            return Ok(());
        }
        let Some(_room) = self.verifier.room() else { return Ok(()) };
        let mail = reading(raw, || Subject::read(raw, scanned_origin(raw, limits, scan)));
        let verdict = self.verifier.verdict(&desk.config, envelope, &mail).await;
        let agents = |recipient: &String| matches!(desk.book.classify(recipient), Recipient::Token(_, token) if is_of_agent(&token));
        let refusal = verify::refusal(&verdict, envelope.recipients.iter().any(agents));
        envelope.verdict = Some(verdict);
        refusal.map_or(Ok(()), Err)
    }

    /// Asks the content filters about an outside client's mail, which alone can be refused for what they say. While too
    /// many wait for them it is left to the pipeline, which holds what would be refused here.
    async fn filtered(&self, envelope: &mut Envelope, raw: &[u8]) -> Result<(), Reply> {
        let config = self.desk.borrow().config.clone();
        if !envelope.outside || !Filters::is_asked(&config, &[]) {
            return Ok(());
        }
        let Some(_room) = self.filters.room() else { return Ok(()) };
        envelope.findings = self.filters.findings(&config, envelope, raw, &[]).await;
        filter::refusal(&config, &envelope.findings).map_or(Ok(()), Err)
    }

    /// The agent who has logged in, as they are now.
    async fn agent(&self, user: &str) -> Result<Person, Reply> {
        let staff = self.store.staff().await.map_err(unknown)?;
        staff.agent_at(&fold(user)).cloned().ok_or(GONE)
    }

    /// What an agent sends through us goes to the desk, and never to the address of another agent.
    async fn may_send(&self, user: &str, to: &Recipient) -> Result<(), Reply> {
        let agent = self.agent(user).await?;
        match to {
            Recipient::Foreign => Err(NOT_OUTSIDE),
            Recipient::Token(_, token) if is_of_agent(token) && token.person() != agent.id => Err(NOT_YOURS),
            _ => Ok(()),
        }
    }

    /// Whoever has logged in writes under an address of theirs and no other (RFC 6409 §6.1).
    async fn is_author(&self, envelope: &Envelope, raw: &[u8], limits: &Limits, scan: &Scan) -> Result<(), Reply> {
        let Some(user) = &envelope.auth_user else { return Ok(()) };
        let agent = self.agent(user).await?;
        let from = reading(raw, || scanned_origin(raw, limits, scan).from);
        if from.is_some_and(|from| is_plain(&from.address) && agent.has_address(&from.key())) { Ok(()) } else { Err(NOT_THE_AUTHOR) }
    }

    /// What an address gets that is nobody's: after the same look-up that a revoked one takes.
    async fn nobody(&self) -> Reply {
        match self.store.epochs(PersonId(0), TicketId(0)).await {
            Ok(_) => UNKNOWN,
            Err(error) => unknown(error),
        }
    }

    /// A revoked address and one that never was get the same answer. An expired one is taken: the pipeline asks.
    async fn is_granted(&self, token: Token) -> Result<(), Reply> {
        let ticket = match token.purpose() {
            Purpose::Bounce | Purpose::Probe => return Ok(()),
            Purpose::Release | Purpose::Drop | Purpose::Lot | Purpose::LotDrop | Purpose::Desk => TicketId(0),
            Purpose::Answer | Purpose::Note | Purpose::Customer => token.ticket(),
        };
        match self.store.epochs(token.person(), ticket).await {
            Ok(Some(epochs)) if !epochs.disabled && token.is_of_epoch(epochs.sum) => Ok(()),
            Ok(_) => Err(UNKNOWN),
            Err(error) => Err(unknown(error)),
        }
    }
}

/// Reads a mail; of a large one the runtime is told, so that others go on meanwhile.
fn reading<T>(raw: &[u8], read: impl FnOnce() -> T) -> T {
    if raw.len() <= SMALL { read() } else { tokio::task::block_in_place(read) }
}

fn is_of_agent(token: &Token) -> bool {
    !matches!(token.purpose(), Purpose::Customer | Purpose::Bounce | Purpose::Probe)
}

fn unknown(error: StoreError) -> Reply {
    tracing::error!(%error, "who that is could not be looked up");
    NO_DATABASE
}
