//! The writes of a commit, one function per table family.

use crate::model::address::{fold, split};
use crate::model::changes::{Changes, Fate, MessageRef, NewTimer};
use crate::model::outgoing::MailKind;
use crate::model::{InboxId, MessageId, PersonId, TicketId};

use super::commit::dangling;
use super::conn::{Conn, Sql};
use super::timers::{self, Key};
use super::value::{Value, json};
use super::{StoreError, brake};

/// Ids that this commit has made so far.
#[derive(Default)]
pub(super) struct Made {
    /// The row of the mail that was kept in this commit: its decision knew no number of it.
    pub(super) mail: Option<InboxId>,
    /// Of `Changes::persons`.
    pub(super) persons: Vec<PersonId>,
    /// Of `Changes::tickets`.
    pub(super) tickets: Vec<TicketId>,
    /// Of `Changes::messages`.
    pub(super) messages: Vec<MessageId>,
}

impl Made {
    fn inbox(&self, id: InboxId) -> InboxId {
        self.mail.unwrap_or(id)
    }

    fn message(&self, message: MessageRef) -> Result<MessageId, StoreError> {
        match message {
            MessageRef::Id(id) => Ok(id),
            MessageRef::New(n) => self.messages.get(n).copied().ok_or_else(dangling),
        }
    }
}

pub(super) async fn persons(conn: &mut Conn<'_>, changes: &Changes, made: &mut Made) -> Result<(), StoreError> {
    for person in &changes.persons {
        // A second mail of the same newcomer may have been decided at the same time. A known person without a name
        // gets the one they sign with now.
        let sql = "INSERT INTO person(key, address, name, role, epoch, disabled, answered, settings, created_at)
            VALUES ($1, $2, $3, 'customer', 0, 0, 0, '{}', $4)
            ON CONFLICT(key) DO UPDATE SET name = COALESCE(person.name, excluded.name) RETURNING id";
        let args = vec![fold(&person.address).into(), (&person.address).into(), person.name.as_ref().into(), changes.at.into()];
        made.persons.push(PersonId(conn.one(sql, args).await?.int(0)?));
    }
    Ok(())
}

pub(super) async fn tickets(conn: &mut Conn<'_>, changes: &Changes, made: &mut Made) -> Result<(), StoreError> {
    for ticket in &changes.tickets {
        let row = &ticket.row;
        let sql = "INSERT INTO ticket(version, turn, status, priority, subject, mailbox, requester, assignee, assigned_turn, team, tags,
            continues, messages, solved_at, created_at, updated_at)
            VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id";
        let args = vec![
            row.turn.into(),
            row.status.word().into(),
            row.priority.word().into(),
            (&row.subject).into(),
            row.mailbox.into(),
            made.person(ticket.requester)?,
            row.assignee.into(),
            row.assigned_turn.into(),
            row.team.as_ref().into(),
            json(&row.tags)?,
            row.continues.into(),
            row.messages.into(),
            row.solved_at.into(),
            row.created_at.into(),
            row.updated_at.into(),
        ];
        made.tickets.push(TicketId(conn.one(sql, args).await?.int(0)?));
    }
    Ok(())
}

pub(super) async fn updates(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for row in &changes.updates {
        let sql =
            "UPDATE ticket SET version = version + 1, turn = $1, status = $2, priority = $3, subject = $4, requester = $5, assignee = $6,
            assigned_turn = $7, team = $8, tags = $9, merged_into = $10, messages = $11, solved_at = $12, updated_at = $13,
            assigned_by = $15 WHERE id = $14";
        let args = vec![
            row.turn.into(),
            row.status.word().into(),
            row.priority.word().into(),
            (&row.subject).into(),
            row.requester.into(),
            row.assignee.into(),
            row.assigned_turn.into(),
            row.team.as_ref().into(),
            json(&row.tags)?,
            row.merged_into.into(),
            row.messages.into(),
            row.solved_at.into(),
            row.updated_at.into(),
            row.id.into(),
            row.assigned_by.into(),
        ];
        conn.exec(sql, args).await?;
    }
    Ok(())
}

/// Gives tickets to other people.
pub(super) async fn requesters(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    for (ticket, person) in &changes.requesters {
        conn.exec("UPDATE ticket SET requester = $1 WHERE id = $2", vec![made.person(*person)?, (*ticket).into()]).await?;
    }
    Ok(())
}

pub(super) async fn messages(conn: &mut Conn<'_>, changes: &Changes, made: &mut Made) -> Result<(), StoreError> {
    for message in &changes.messages {
        let sql =
            "INSERT INTO message(ticket, turn, kind, public, author, blob, inbox, mid, subject, automatic, flags, verdict, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id";
        let args = vec![
            made.ticket(message.ticket)?,
            message.turn.into(),
            message.kind.word().into(),
            message.public.into(),
            message.author.map(|a| made.person(a)).transpose()?.into(),
            message.blob.clone().into(),
            message.inbox.map(|id| made.inbox(id)).into(),
            message.message_id.as_ref().into(),
            (&message.subject).into(),
            message.automatic.as_ref().into(),
            json(&message.flags)?,
            message.verdict.as_ref().map(json).transpose()?.into(),
            message.created_at.into(),
        ];
        let id = MessageId(conn.one(sql, args).await?.int(0)?);
        made.messages.push(id);
        let sql = "INSERT INTO message_body(message, text, reply_text, html, attachments) VALUES ($1, $2, $3, $4, $5)";
        let args = vec![
            id.into(),
            (&message.text).into(),
            (&message.reply_text).into(),
            message.html.as_ref().into(),
            (&message.attachments).into(),
        ];
        conn.exec(sql, args).await?;
    }
    Ok(())
}

pub(super) async fn refs(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    if changes.refs.is_empty() {
        return Ok(());
    }
    let mut args = Vec::with_capacity(changes.refs.len() * 3);
    for r in &changes.refs {
        args.extend([(&r.hash).into(), made.ticket(r.ticket)?, r.own.into()]);
    }
    let sql = Sql::values(
        "INSERT INTO message_ref(hash, ticket, own) VALUES",
        3,
        changes.refs.len(),
        "ON CONFLICT(hash, ticket, own) DO NOTHING",
    );
    conn.exec(sql, args).await?;
    Ok(())
}

pub(super) async fn participants(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    for (ticket, person) in &changes.leaving {
        // The row stays for its epoch: whoever comes back gets new addresses, and the old ones stay dead.
        let sql = "UPDATE participant SET standing = 'left', epoch = epoch + 1 WHERE ticket = $1 AND person = $2";
        conn.exec(sql, vec![(*ticket).into(), (*person).into()]).await?;
    }
    for (ticket, person) in &changes.revoked {
        let sql = "UPDATE participant SET epoch = epoch + 1 WHERE ticket = $1 AND person = $2";
        conn.exec(sql, vec![(*ticket).into(), (*person).into()]).await?;
    }
    if changes.participants.is_empty() {
        return Ok(());
    }
    let mut args = Vec::with_capacity(changes.participants.len() * 3);
    for p in &changes.participants {
        args.extend([made.ticket(p.ticket)?, made.person(p.person)?, p.standing.word().into()]);
    }
    let groups: Vec<String> =
        (0..changes.participants.len()).map(|i| format!("(${}, ${}, ${}, 0)", i * 3 + 1, i * 3 + 2, i * 3 + 3)).collect();
    let sql = Sql::Made(format!(
        "INSERT INTO participant(ticket, person, standing, epoch) VALUES {} ON CONFLICT(ticket, person) DO UPDATE SET standing = excluded.standing
         WHERE participant.standing = 'left' OR excluded.standing = 'requester'",
        groups.join(", ")
    ));
    conn.exec(sql, args).await?;
    Ok(())
}

/// Writes the events of this commit. On SQLite it numbers them: the writer is alone, so the log is dense and in commit
/// order. Elsewhere the sequencer does, once they are committed.
pub(super) async fn events(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    if changes.events.is_empty() {
        return Ok(());
    }
    let first = match conn.is_alone() {
        true => Some(numbers(conn, changes.events.len()).await?),
        false => None,
    };
    let mut args = Vec::with_capacity(changes.events.len() * 6);
    for (i, event) in (0_i64..).zip(&changes.events) {
        let mut data = event.data.clone();
        if let Some(message) = event.message {
            data.insert("message".into(), made.message(message)?.0.into());
        }
        let ticket = event.ticket.map(|t| made.ticket(t)).transpose()?;
        args.extend([
            first.map(|first| first + i).into(),
            event.kind.into(),
            changes.at.into(),
            (&event.actor).into(),
            ticket.unwrap_or(Value::Null),
            json(&data)?,
        ]);
    }
    conn.exec(Sql::values("INSERT INTO event(seq, type, at, actor, ticket, data) VALUES", 6, changes.events.len(), ""), args).await?;
    Ok(())
}

/// Takes the next `n` numbers of the log; answers with the first.
async fn numbers(conn: &mut Conn<'_>, n: usize) -> Result<i64, StoreError> {
    let n = i64::try_from(n).unwrap_or(0);
    let last = conn.one("UPDATE counter SET v = v + $1 WHERE k = 'event' RETURNING v", vec![n.into()]).await?.int(0)?;
    Ok(last - n + 1)
}

pub(super) async fn outbox(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    for (id, reply) in &changes.bounced {
        conn.exec(
            "UPDATE outbox SET state = 'failed', last_reply = $1, settled_at = COALESCE(settled_at, $3) WHERE id = $2",
            vec![reply.into(), (*id).into(), changes.at.into()],
        )
        .await?;
    }
    for id in &changes.late {
        conn.exec("UPDATE outbox SET told_late = 1 WHERE id = $1", vec![(*id).into()]).await?;
    }
    if changes.outbox.is_empty() {
        return Ok(());
    }
    const COLUMNS: usize = 14;
    let mut args = Vec::with_capacity(changes.outbox.len() * COLUMNS);
    for row in &changes.outbox {
        let ticket = row.ticket.map(|t| made.ticket(t)).transpose()?.unwrap_or(Value::Null);
        let recipient = made.person(row.recipient)?;
        // What waits for the end of quiet hours keeps nothing back that is to leave now.
        let later = if row.kind != MailKind::Answer && row.due_at > row.created_at { "/later" } else { "" };
        let lane = format!("{}/{}{later}", int(&ticket), int(&recipient));
        let key = fold(&row.address);
        let domain = split(&key).map_or("", |(_, domain)| domain).to_owned();
        args.extend([
            ticket,
            recipient,
            (&row.address).into(),
            key.into(),
            domain.into(),
            lane.into(),
            row.kind.word().into(),
            row.message.map(|m| made.message(m)).transpose()?.into(),
            json(&row.params)?,
            "waiting".into(),
            row.due_at.into(),
            0.into(),
            row.created_at.into(),
            Value::Null,
        ]);
    }
    let sql = Sql::values(
        "INSERT INTO outbox(ticket, recipient, address, address_key, domain, lane, kind, message, params, state, due_at, attempts, created_at, settled_at) VALUES",
        COLUMNS,
        changes.outbox.len(),
        "",
    );
    conn.exec(sql, args).await?;
    Ok(())
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(v) => *v,
        _ => 0,
    }
}

/// Notes which held mails a person is told of.
pub(super) async fn told(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    if !changes.told.is_empty() {
        let sql = Sql::list("UPDATE inbox SET told = 1 WHERE id IN", 1, changes.told.len(), "");
        conn.exec(sql, changes.told.iter().map(|id| Value::from(made.inbox(*id))).collect()).await?;
    }
    Ok(())
}

pub(super) async fn timers(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    for (kind, ticket, key) in &changes.timers_done {
        conn.exec("DELETE FROM timer WHERE kind = $1 AND ticket = $2 AND key = $3", vec![kind.into(), (*ticket).into(), key.into()])
            .await?;
    }
    for (kind, ticket) in &changes.timers_gone {
        conn.exec("DELETE FROM timer WHERE kind = $1 AND ticket = $2", vec![(*kind).into(), (*ticket).into()]).await?;
    }
    let (new, after_digest): (Vec<_>, Vec<_>) = changes.timers.iter().partition(|timer| !timer.if_untold);
    let new = new.into_iter().map(|timer| row(timer, made)).collect::<Result<Vec<_>, _>>()?;
    timers::add(conn, new).await?;
    for timer in after_digest {
        // A digest that was due may have been the last word about what was held meanwhile.
        let sql = "INSERT INTO timer(kind, ticket, key, due_at) SELECT $1, $2, $3, $4
            WHERE EXISTS (SELECT 1 FROM inbox WHERE state = 'held' AND told = 0) ON CONFLICT(kind, ticket, key) DO NOTHING";
        let (key, due_at) = row(timer, made)?;
        conn.exec(sql, key.args().chain(std::iter::once(due_at.into())).collect()).await?;
    }
    Ok(())
}

/// A timer under the number of its ticket, and when it is due.
fn row(timer: &NewTimer, made: &Made) -> Result<(Key, i64), StoreError> {
    let ticket = timer.ticket.map(|ticket| made.ticket(ticket)).transpose()?;
    Ok((Key { kind: timer.kind.to_owned(), ticket: ticket.as_ref().map_or(0, int), key: timer.key.clone() }, timer.due_at))
}

pub(super) async fn people(conn: &mut Conn<'_>, changes: &Changes) -> Result<(), StoreError> {
    for person in &changes.answered {
        conn.exec("UPDATE person SET answered = 1 WHERE id = $1", vec![(*person).into()]).await?;
    }
    for (person, until) in &changes.spam_until {
        conn.exec("UPDATE person SET spam_until = $1 WHERE id = $2", vec![(*until).into(), (*person).into()]).await?;
    }
    Ok(())
}

const FILE: &str = "INSERT INTO dedup(fingerprint, scope, inbox, at) VALUES ($1, $2, $3, $4) ON CONFLICT(fingerprint, scope) DO NOTHING";

/// Notes which message a call of the API made. The row's `inbox` is that message: its key is no mail's fingerprint.
pub(super) async fn said(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    if let Some((key, message)) = &changes.said {
        conn.exec(FILE, vec![key.clone().into(), 0.into(), made.message(*message)?.into(), changes.at.into()]).await?;
    }
    Ok(())
}

/// Settles the mail that was decided, and those that a person has let through or dropped.
pub(super) async fn inbox(conn: &mut Conn<'_>, changes: &Changes, made: &Made) -> Result<(), StoreError> {
    for release in &changes.released {
        let sql = match release.pass {
            true => {
                "UPDATE inbox SET state = 'waiting', fate = $1, passed = TRIM(passed || ' ' || reason), attempts = 0, due_at = 0, released_by = $2
                 WHERE id = $3 AND state = 'held'"
            }
            false => "UPDATE inbox SET state = 'done', fate = $1, reason = 'dropped', released_by = $2 WHERE id = $3 AND state = 'held'",
        };
        let fate = if release.pass { Fate::Waiting } else { Fate::Automatic };
        let by = release.by.map_or(0, |p| p.0);
        conn.exec(sql, vec![fate.word().into(), by.into(), release.inbox.into()]).await?;
    }
    brake::write(conn, changes, made).await?;
    let Some(fate) = &changes.inbox else { return Ok(()) };
    for (print, scope) in &fate.fingerprints {
        conn.exec(FILE, vec![print.clone().into(), (*scope).into(), made.inbox(fate.id).into(), changes.at.into()]).await?;
    }
    let sql = "UPDATE inbox SET state = $1, fate = $2, ticket = $3, reason = $4, detail = $5, mid = $6, sender = $7, subject = $8,
        decided_from = $9, claimed_by = NULL, told = $10, braked = $12, attempts = CASE WHEN $1 = 'waiting' THEN 0 ELSE attempts END
        WHERE id = $11";
    let state = match fate.fate {
        Fate::Held => "held",
        // It is decided once those are before which it must not come.
        Fate::Waiting => "waiting",
        _ => "done",
    };
    let args = vec![
        state.into(),
        fate.fate.word().into(),
        fate.ticket.map(|t| made.ticket(t)).transpose()?.unwrap_or(Value::Null),
        (&fate.reason).into(),
        (&fate.detail).into(),
        fate.label.message_id.as_ref().into(),
        fate.label.sender.as_ref().into(),
        (&fate.label.subject).into(),
        (&fate.decided_from).into(),
        changes.told.contains(&fate.id).into(),
        made.inbox(fate.id).into(),
        changes.braked.into(),
    ];
    conn.exec(sql, args).await?;
    Ok(())
}
