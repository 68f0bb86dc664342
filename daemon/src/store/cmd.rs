//! Every change of the database as a plain value.

use crate::model::changes::{Braking, Changes, MailboxRow};
use crate::model::outgoing::OutboxRow;
use crate::model::{DeliveryId, EndpointId, InboxId, MessageId, OutboxId, PersonId};

use super::accept::{Accepted, Haul};
use super::articles::{RemoveArticle, WriteArticles, Written};
use super::blobs::Prepared;
use super::claim::ClaimedMail;
use super::conn::Conn;
use super::deliveries::{ClaimedDelivery, DeliveryEnd, FanOut, TestDelivery};
use super::imap::{self, Comparison, CursorMove, FolderCursor, FolderName, FolderReport};
use super::import::{self, Imported};
use super::nodes::{NewNode, NodeId, Queue};
use super::outbox::{Away, Settlement};
use super::passwords::NewPassword;
use super::people::{AgentChange, NewAgent};
use super::replay::{self, Replay};
use super::tokens::NewToken;
use super::webhooks::{EndpointChange, NewEndpoint};
use super::{
    StoreError, accept, articles, brake, claim, commit, deliveries, desk_rows, forget, nodes, outbox, passwords, people, refusals,
    sequencer, tokens, webhooks,
};

/// A change. It checks all it depends on before its first write.
#[expect(missing_docs, reason = "the variants say what their fields are")]
#[derive(Debug)]
pub enum Cmd {
    /// Keeps a mail.
    Accept(Box<Accepted>),
    /// Keeps mails that were fetched over IMAP, and how far their folder has been fetched.
    Haul(Box<Haul>),
    /// Takes mails to decide: `now` in ms, at most `limit`.
    ClaimInbox { node: NodeId, now: i64, limit: usize },
    /// Puts a claimed mail back until `due_at`; `charge` counts the try against it.
    DeferInbox { node: NodeId, id: InboxId, due_at: i64, reason: String, charge: bool },
    /// Applies a decision.
    Commit(Box<Changes>),
    /// Keeps mails of an archive with what was decided of them, all or none. Every one was decided from the same facts:
    /// the first one's guard stands for all.
    Import(Vec<Imported>),
    /// Lets a held mail through, for the command line and the API; `door` says which, where no agent does.
    ReleaseInbox { id: InboxId, by: Option<PersonId>, door: &'static str, now: i64 },
    /// Drops a held mail: nothing of it happens, and its bytes are kept.
    DropInbox { id: InboxId, by: Option<PersonId>, door: &'static str, now: i64 },
    /// Lets all answers go that the brake holds of an agent (folded address), and lifts it; or drops them.
    EndBrake { address: String, pass: bool, now: i64 },
    /// Decides a held mail anew, or gives the message of a decided one its words of today; answers with how many changed.
    Replay(Box<Replay>),
    /// Takes mails to send: `now` in ms, at most `limit`, none that is `away`.
    ClaimOutbox { node: NodeId, now: i64, limit: usize, away: Vec<Away> },
    /// Keeps the composed bytes of a claimed mail.
    Composed { node: NodeId, id: OutboxId, blob: Box<Prepared> },
    /// Says what became of a claimed mail.
    Settle(Box<Settlement>),
    /// Puts a waiting or failed mail at the head of its queue.
    RetryOutbox { id: OutboxId, now: i64 },
    /// Lets all mail that was put off be tried now: its way out is another one.
    RetryAllOutbox { now: i64 },
    /// Gives a waiting mail up, with what follows on the desk.
    DropOutbox { id: OutboxId, now: i64, changes: Box<Changes> },
    /// Lets mail go again to an address (folded) that has refused some.
    LiftRefusal { key: String, now: i64 },
    /// Notes the mail that is let through to an address that nothing else is sent to; a conflict when another one was a moment ago.
    TryRefused { person: PersonId, mail: OutboxId, now: i64 },
    /// Forgets what addresses have refused long ago.
    SweepRefusals { now: i64, limit: i64 },
    /// Forgets composed bytes of mails settled before `before` (ms).
    SweepOutbox { before: i64, limit: i64 },
    /// Forgets fingerprints of mails that were filed too long ago for copies of them to come.
    SweepCopies { now: i64, limit: i64 },
    /// Makes this node the one that polls a folder over IMAP.
    ClaimFolder { folder: FolderName, node: NodeId, now: i64 },
    /// Gives a folder up that is fetched no more.
    ReleaseFolder { folder: FolderName, node: NodeId },
    /// Moves a folder's cursor without a mail.
    MoveCursor(Box<CursorMove>),
    /// Says how it goes with a folder.
    FolderState(Box<FolderReport>),
    /// Says what a comparison of a folder with what is kept has found.
    ComparedFolder(Box<Comparison>),
    /// The log-in of a mailbox is refused again and again: admins are told, once until it works.
    LoginRefused { mailbox: String, node: NodeId, now: i64 },
    /// Registers this process and frees what dead ones held.
    StartNode(Box<NewNode>),
    /// A sign of life, and how far this process's index is; others that gave none for `silence` ms are dead, when it is given.
    Beat { node: NodeId, now: i64, silence: Option<i64>, index_seq: i64 },
    /// This process ends in order.
    EndNode { node: NodeId, now: i64 },
    /// Puts back what this process has claimed without knowing it: all that is not in hand.
    FreeStrays { node: NodeId, in_hand: Queue },
    /// Has every process build its search index anew; answers with the epoch from which on they do.
    Reindex,
    /// Numbers events that have no place in the log yet.
    NumberEvents { limit: i64 },
    /// Makes rows for the configured mailboxes and retires the rest.
    SyncMailboxes { addresses: Vec<String>, now: i64 },
    /// A new agent, or a customer who becomes one.
    AddAgent(Box<NewAgent>),
    /// Changes an agent.
    ChangeAgent { address: String, change: AgentChange },
    /// A new app password.
    AddPassword(Box<NewPassword>),
    /// Takes back all app passwords of an agent; answers with how many there were.
    RevokePasswords { agent: String },
    /// A new API token.
    CreateToken(Box<NewToken>),
    /// Revokes an API token.
    RevokeToken { id: i64, now: i64 },
    /// New or changed articles, all or none.
    WriteArticles(Box<WriteArticles>),
    /// Removes an article.
    RemoveArticle(Box<RemoveArticle>),
    /// A new receiver of webhooks.
    AddEndpoint(Box<NewEndpoint>),
    /// Changes a receiver.
    ChangeEndpoint(Box<EndpointChange>),
    /// Removes a receiver.
    RemoveEndpoint { id: EndpointId, now: i64 },
    /// Moves the place in the log and keeps what is to be delivered from there.
    FanOut(Box<FanOut>),
    /// Takes deliveries to make.
    ClaimDeliveries { node: NodeId, now: i64, limit: usize, per_endpoint: usize },
    /// Says what became of a claimed delivery.
    SettleDelivery(Box<DeliveryEnd>),
    /// Keeps what a test of a receiver came to.
    TestedEndpoint(Box<TestDelivery>),
    /// Makes a delivery again, with the same id.
    Redeliver { id: DeliveryId, now: i64 },
    /// Forgets deliveries settled before `before` (ms), all but `keep` of a receiver, and those of removed ones.
    SweepDeliveries { before: i64, keep: i64, limit: i64 },
}

/// What a command answers.
#[expect(missing_docs, reason = "the variants say what their fields are")]
#[derive(Debug)]
pub enum Outcome {
    /// Done.
    Done,
    /// The mail is kept.
    Accepted(InboxId),
    /// All of them are kept.
    Kept(Vec<InboxId>),
    /// Mails to decide.
    Mails(Vec<ClaimedMail>),
    /// Mails to send.
    Outbox(Vec<OutboxRow>),
    /// How far a folder has been fetched; `None`: another node polls it.
    Folder(Option<FolderCursor>),
    /// This process.
    Node(NodeId),
    /// All mailboxes.
    Mailboxes(Vec<MailboxRow>),
    /// Events that got their place in the log, and the last place now.
    Numbered { events: i64, last: i64 },
    /// A decision was applied, and made these messages.
    Made(Vec<MessageId>),
    /// A number: of a row, of an epoch.
    Id(i64),
    /// Mails whose bytes were forgotten, and bodies whose files are not needed any more.
    Swept { rows: usize, files: Vec<Vec<u8>> },
    /// What became of each article.
    Articles(Vec<Written>),
    /// Deliveries to make.
    Deliveries(Vec<ClaimedDelivery>),
}

impl Cmd {
    /// Runs it on a connection inside a transaction.
    pub(super) async fn run(&self, conn: &mut Conn<'_>) -> Result<Outcome, StoreError> {
        match self {
            Self::Accept(mail) => accept::run(conn, mail).await,
            Self::Haul(haul) => accept::haul(conn, haul).await,
            Self::ClaimInbox { node, now, limit } => claim::run(conn, *node, *now, *limit).await,
            Self::DeferInbox { node, id, due_at, reason, charge } => claim::defer(conn, *node, *id, *due_at, reason, *charge).await,
            Self::Commit(changes) => commit::run(conn, changes).await,
            Self::Import(mails) => import::run(conn, mails).await,
            Self::ReleaseInbox { id, by, door, now } => claim::release(conn, *id, true, *by, door, *now).await,
            Self::DropInbox { id, by, door, now } => claim::release(conn, *id, false, *by, door, *now).await,
            Self::EndBrake { address, pass, now } => brake::by_hand(conn, address, *pass, *now).await,
            Self::Replay(replay) => replay::run(conn, replay).await,
            Self::ClaimOutbox { node, now, limit, away } => outbox::claim(conn, *node, *now, *limit, away).await,
            Self::Composed { node, id, blob } => outbox::composed(conn, *node, *id, blob).await,
            Self::Settle(settlement) => outbox::settle(conn, settlement).await,
            Self::RetryOutbox { id, now } => outbox::retry(conn, *id, *now).await,
            Self::RetryAllOutbox { now } => outbox::retry_all(conn, *now).await,
            Self::DropOutbox { id, now, changes } => outbox::drop_row(conn, *id, *now, changes).await,
            Self::LiftRefusal { key, now } => refusals::lift(conn, key, *now).await,
            Self::TryRefused { person, mail, now } => refusals::tried(conn, *person, *mail, *now).await,
            Self::SweepRefusals { now, limit } => refusals::sweep(conn, *now, *limit).await,
            Self::SweepOutbox { before, limit } => outbox::sweep(conn, *before, *limit).await,
            Self::SweepCopies { now, limit } => forget::copies(conn, *now, *limit).await,
            Self::StartNode(node) => nodes::start(conn, node).await,
            Self::Beat { node, now, silence, index_seq } => nodes::beat(conn, *node, *now, *silence, *index_seq).await,
            Self::EndNode { node, now } => nodes::end(conn, *node, *now).await,
            Self::FreeStrays { node, in_hand } => nodes::free(conn, *node, in_hand).await,
            Self::Reindex => nodes::reindex(conn).await,
            Self::NumberEvents { limit } => sequencer::run(conn, *limit).await,
            Self::ClaimFolder { folder, node, now } => imap::claim(conn, folder, *node, *now).await,
            Self::ReleaseFolder { folder, node } => imap::release(conn, folder, *node).await,
            Self::MoveCursor(cursor) => imap::move_cursor(conn, cursor).await.map(|()| Outcome::Done),
            Self::FolderState(report) => imap::report(conn, report).await,
            Self::ComparedFolder(found) => imap::compared(conn, found).await,
            Self::LoginRefused { mailbox, node, now } => imap::refused(conn, mailbox, *node, *now).await,
            Self::SyncMailboxes { addresses, now } => desk_rows::sync_mailboxes(conn, addresses, *now).await,
            Self::AddAgent(agent) => people::add(conn, agent).await,
            Self::ChangeAgent { address, change } => people::change(conn, address, change).await,
            Self::AddPassword(new) => passwords::add(conn, new).await,
            Self::RevokePasswords { agent } => passwords::revoke(conn, agent).await,
            Self::CreateToken(token) => tokens::create(conn, token).await,
            Self::RevokeToken { id, now } => tokens::revoke(conn, *id, *now).await,
            Self::WriteArticles(cmd) => articles::write(conn, cmd).await,
            Self::RemoveArticle(cmd) => articles::remove(conn, cmd).await,
            Self::AddEndpoint(new) => webhooks::add(conn, new).await,
            Self::ChangeEndpoint(change) => webhooks::change(conn, change).await,
            Self::RemoveEndpoint { id, now } => webhooks::remove(conn, *id, *now).await,
            Self::FanOut(fan) => deliveries::fan(conn, fan).await,
            Self::ClaimDeliveries { node, now, limit, per_endpoint } => deliveries::claim(conn, *node, *now, *limit, *per_endpoint).await,
            Self::SettleDelivery(end) => deliveries::settle(conn, end).await,
            Self::TestedEndpoint(test) => deliveries::tested(conn, test).await,
            Self::Redeliver { id, now } => deliveries::redeliver(conn, *id, *now).await,
            Self::SweepDeliveries { before, keep, limit } => deliveries::sweep(conn, *before, *keep, *limit).await,
        }
    }

    /// Roughly how much it writes, for the size of a group.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Accept(mail) => mail.blob.octets(),
            Self::Haul(haul) => haul.mails.iter().map(|(_, mail)| mail.blob.octets()).sum(),
            Self::Import(mails) => mails.iter().map(Imported::octets).sum(),
            Self::Composed { blob, .. } => blob.octets(),
            Self::WriteArticles(cmd) => cmd.articles.iter().map(|a| 1024 + a.body().len()).sum(),
            Self::FanOut(fan) => fan.deliveries.iter().map(|d| 256 + d.body.len()).sum(),
            _ => 1024,
        }
    }

    /// The points around its commit (`failpoint`); those of commands that are told apart by nobody have none.
    pub(super) fn points(&self) -> Option<[&'static str; 2]> {
        match self {
            Self::Accept(_) | Self::Haul(_) => Some(["accept.before_commit", "accept.after_commit"]),
            Self::Commit(_) => Some(["decide.before_commit", "decide.after_commit"]),
            Self::Settle(_) => Some(["send.before_sent", "send.after_sent"]),
            Self::Composed { .. } => Some(["compose.before_commit", "compose.after_commit"]),
            Self::FanOut(_) => Some(["fan.before_commit", "fan.after_commit"]),
            Self::SettleDelivery(_) => Some(["hook.before_sent", "hook.after_sent"]),
            _ => None,
        }
    }

    /// How many mails it keeps that are yet to be decided.
    pub(super) fn accepts(&self) -> usize {
        match self {
            Self::Accept(_) => 1,
            Self::Haul(haul) => haul.mails.len(),
            _ => 0,
        }
    }

    /// Whether it may give the pipeline something to do.
    pub(super) fn fills_inbox(&self) -> bool {
        match self {
            Self::Accept(_) | Self::Haul(_) | Self::ReleaseInbox { .. } | Self::EndBrake { .. } | Self::Replay(_) => true,
            Self::Commit(changes) => !changes.released.is_empty() || matches!(changes.brake, Some(Braking::Lifted(..))),
            _ => false,
        }
    }

    /// Whether it may make the log grow.
    pub(super) fn fills_log(&self) -> bool {
        match self {
            Self::Commit(changes) | Self::DropOutbox { changes, .. } => !changes.events.is_empty() || changes.brake.is_some(),
            Self::Settle(settlement) => !settlement.changes.events.is_empty(),
            Self::ReleaseInbox { .. } | Self::DropInbox { .. } | Self::EndBrake { .. } => true,
            Self::Import(_) | Self::Replay(_) | Self::WriteArticles(_) | Self::RemoveArticle(_) => true,
            _ => false,
        }
    }

    /// Whether it may give the webhooks something to deliver.
    pub(super) fn fills_deliveries(&self) -> bool {
        match self {
            Self::FanOut(fan) => !fan.deliveries.is_empty(),
            Self::Redeliver { .. } | Self::ChangeEndpoint(_) => true,
            _ => false,
        }
    }

    /// Whether it may give the sender something to do.
    pub(super) fn fills_outbox(&self) -> bool {
        match self {
            Self::Commit(changes) => !changes.outbox.is_empty() || !changes.alive.is_empty(),
            Self::Settle(_) | Self::RetryOutbox { .. } | Self::RetryAllOutbox { .. } | Self::LiftRefusal { .. } => true,
            _ => false,
        }
    }
}
