//! The checked commit: what a decision read is read again before the first write; then everything is written.

use crate::model::address::fold;
use crate::model::changes::{Changes, Guard, PersonRef, TicketRef};

use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::insert::{self, Made};
use super::value::Value;
use super::{StoreError, brake, facts, news, refusals, take_back};

/// Applies a decision, whole or not at all.
pub(super) async fn run(conn: &mut Conn<'_>, changes: &Changes) -> Result<Outcome, StoreError> {
    check(conn, changes).await?;
    write(conn, changes, Made::default()).await
}

/// Writes what was checked; `made` knows the mail that was kept just now, if one was.
pub(super) async fn write(conn: &mut Conn<'_>, changes: &Changes, mut made: Made) -> Result<Outcome, StoreError> {
    insert::persons(conn, changes, &mut made).await?;
    insert::tickets(conn, changes, &mut made).await?;
    insert::updates(conn, changes).await?;
    insert::requesters(conn, changes, &made).await?;
    take_back::write(conn, changes).await?;
    news::write(conn, changes).await?;
    insert::messages(conn, changes, &mut made).await?;
    insert::refs(conn, changes, &made).await?;
    insert::participants(conn, changes, &made).await?;
    insert::events(conn, changes, &made).await?;
    insert::outbox(conn, changes, &made).await?;
    refusals::write(conn, changes).await?;
    insert::told(conn, changes, &made).await?;
    insert::timers(conn, changes, &made).await?;
    insert::people(conn, changes).await?;
    insert::said(conn, changes, &made).await?;
    insert::inbox(conn, changes, &made).await?;
    Ok(Outcome::Made(made.messages))
}

pub(super) async fn check(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    let guard = &changes.guard;
    conn.lock_keys(keys(guard).chain(refusals::keys(changes))).await?;
    conn.lock_mails(guard.inbox.iter().map(|(id, _)| *id).chain(guard.held.iter().copied())).await?;
    let (id, node) = guard.inbox.map_or((0, 0), |(id, node)| (id.0, node));
    let newcomers = changes.persons.iter().map(|person| fold(&person.address));
    // No person's key is empty: the list never is.
    let args: Vec<Value> = [id.into(), node.into(), "".into()].into_iter().chain(newcomers.map(Value::from)).collect();
    let sql = Sql::list(
        "SELECT (SELECT COUNT(*) FROM inbox WHERE id = $1 AND claimed_by = $2 AND state = 'claimed'), people_version,
         (SELECT COUNT(*) FROM person WHERE key IN",
        3,
        args.len() - 2,
        ") FROM meta WHERE id = 1",
    );
    let row = conn.one(sql, args).await?;
    if guard.inbox.is_some() && row.int(0)? == 0 {
        return Err(StoreError::Fenced);
    }
    // Whoever was unknown when the thread was looked up may be its requester by now.
    if row.int(2)? > 0 {
        return Err(StoreError::Conflict("a newcomer"));
    }
    let people_version = row.int(1)?;
    if guard.people_version.is_some_and(|version| version != people_version) {
        return Err(StoreError::Conflict("people"));
    }
    let prints: Vec<_> = guard.fingerprints.iter().map(|(print, _)| print.clone()).collect();
    if facts::filed(conn, &prints).await? != guard.fingerprints {
        return Err(StoreError::Conflict("a copy of the mail"));
    }
    let hashes: Vec<_> = guard.refs.iter().map(|(hash, _)| hash.clone()).collect();
    if facts::ref_hits(conn, &hashes).await? != guard.refs {
        return Err(StoreError::Conflict("the thread"));
    }
    if !guard.tickets.is_empty() {
        let sql = Sql::list("SELECT id, version FROM ticket WHERE id IN", 1, guard.tickets.len(), "ORDER BY id");
        let rows = conn.lock(sql, guard.tickets.iter().map(|(id, _)| Value::from(*id)).collect()).await?;
        let found = rows.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect::<Result<Vec<_>, StoreError>>()?;
        if !found.iter().copied().eq(guard.tickets.iter().map(|(id, version)| (id.0, *version))) {
            return Err(StoreError::Conflict("the ticket"));
        }
    }
    let keys: Vec<_> = guard.below.iter().map(|(key, _)| key.clone()).collect();
    if facts::count(conn, &keys).await?.iter().zip(&guard.below).any(|(count, (_, cap))| count >= cap) {
        return Err(StoreError::Conflict("a cap"));
    }
    let held = facts::held_mails(conn, &guard.held).await?;
    if held.len() != guard.held.len() || held.iter().any(|(_, facts)| !facts.held) {
        return Err(StoreError::Conflict("a held mail"));
    }
    refusals::check(conn, changes).await?;
    take_back::check(conn, changes).await?;
    brake::check(conn, changes).await?;
    for (kind, ticket, key) in &changes.timers_done {
        let sql = "SELECT due_at FROM timer WHERE kind = $1 AND ticket = $2 AND key = $3";
        if conn.lock(sql, vec![kind.into(), (*ticket).into(), key.into()]).await?.is_empty() {
            return Err(StoreError::Fenced);
        }
    }
    news::check(conn, changes).await
}

/// What no two decisions may be made from at the same time.
fn keys(guard: &Guard) -> impl Iterator<Item = Vec<u8>> {
    let prints = guard.fingerprints.iter().map(|(print, _)| print.clone());
    let refs = guard.refs.iter().map(|(hash, _)| hash.clone().into_bytes());
    let brakes = guard.brakes.iter().map(|(agent, _)| brake::key(*agent));
    prints.chain(refs).chain(brakes).chain(guard.below.iter().map(|(key, _)| format!("{:?}", key.subject()).into_bytes()))
}

impl Made {
    /// The number of a ticket that exists or was just made.
    pub(super) fn ticket(&self, ticket: TicketRef) -> Result<Value, StoreError> {
        match ticket {
            TicketRef::Id(id) => Ok(id.into()),
            TicketRef::New(n) => self.tickets.get(n).map(|id| (*id).into()).ok_or_else(dangling),
        }
    }

    /// The id of a person who exists or was just made.
    pub(super) fn person(&self, person: PersonRef) -> Result<Value, StoreError> {
        match person {
            PersonRef::Id(id) => Ok(id.into()),
            PersonRef::New(n) => self.persons.get(n).map(|id| (*id).into()).ok_or_else(dangling),
        }
    }
}

/// A decision named the n-th of something and made fewer: a bug, and nothing is written.
pub(super) fn dangling() -> StoreError {
    StoreError::Corrupt("a decision refers to something that it does not make".into())
}
