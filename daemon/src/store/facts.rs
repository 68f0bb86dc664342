//! Reads what a decision asks for: a fixed set of multi-row queries in one snapshot.

use crate::model::facts::{CountKey, Facts, Filed, HeldFacts, Keys, RefHit, TicketFacts, Words};
use crate::model::ticket::{MessageKind, Participant, Priority, Standing, Status, Ticket};
use crate::model::{InboxId, MailboxId, OutboxId, PersonId, TicketId};

use super::conn::{Conn, Sql};
use super::value::{Row, Value};
use super::{Store, StoreError, brake, news, outbox, people, recent, take_back};

impl Store {
    /// Adds the answers to `keys` to `facts`.
    pub async fn facts(&self, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
        let keys = facts.missing(keys);
        let load = async |conn: &mut Conn<'_>| {
            if facts.people_version == 0 || keys.staff {
                let version = people_version(conn).await?;
                if facts.people_version == 0 {
                    facts.people_version = version;
                }
                if keys.staff {
                    facts.staff = Some(self.inner.staff.at(version, conn).await?);
                }
            }
            load(conn, facts, &keys).await
        };
        self.glance().await?.snapshot(load).await
    }
}

async fn load(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    addresses(conn, facts, keys).await?;
    persons(conn, facts, keys).await?;
    let refs: Vec<_> = keys.refs.iter().cloned().collect();
    facts.refs.extend(ref_hits(conn, &refs).await?);
    let prints: Vec<_> = keys.fingerprints.iter().cloned().collect();
    facts.fingerprints.extend(filed(conn, &prints).await?);
    tickets(conn, facts, keys).await?;
    held(conn, facts, keys).await?;
    sent(conn, facts, keys).await?;
    counts(conn, facts, keys).await?;
    take_back::load(conn, facts, keys).await?;
    brake::load(conn, facts, keys).await?;
    news::load(conn, facts, keys).await?;
    recent::load(conn, facts, keys).await?;
    for (ticket, turn) in &keys.last_words {
        let sql = "SELECT b.reply_text, b.text FROM message m JOIN message_body b ON b.message = m.id
            WHERE m.ticket = $1 AND m.turn <= $2 AND m.kind = 'customer' AND m.public = 1 AND m.automatic IS NULL ORDER BY m.turn DESC, m.id DESC LIMIT 1";
        let row = conn.opt(sql, vec![(*ticket).into(), (*turn).into()]).await?;
        let words = row.map(|r| Ok::<_, StoreError>(Words { own: r.text(0)?, whole: r.text(1)? })).transpose()?;
        facts.last_words.insert((*ticket, *turn), words.unwrap_or_default());
    }
    for ticket in &keys.notes {
        let sql = "SELECT b.reply_text FROM message m JOIN message_body b ON b.message = m.id
            WHERE m.ticket = $1 AND m.kind = 'note' AND m.flags NOT LIKE '%taken_back%' ORDER BY m.id DESC LIMIT 20";
        let rows = conn.all(sql, vec![(*ticket).into()]).await?;
        let notes = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        facts.notes.insert(*ticket, notes.join("\n"));
    }
    Ok(())
}

/// Changes when staff changes, or what the address of one of them has refused.
pub(super) async fn people_version(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    conn.one("SELECT people_version FROM meta WHERE id = 1", vec![]).await?.int(0)
}

/// The columns of a person, in the order of [`people::person`].
const PERSON: &str = "SELECT p.id, p.address, p.name, p.role, p.epoch, p.disabled, p.answered, p.spam_until, p.settings, \
    (SELECT string_agg(a.key, ' ') FROM alias a WHERE a.person = p.id), r.version, r.hard, r.soft, r.soft_since, r.refused_at, r.reply, \
    r.until, r.tried, r.tried_at, r.told, r.complained_at";

async fn addresses(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    if keys.addresses.is_empty() {
        return Ok(());
    }
    let sql = Sql::lists(
        &[
            ", x.key FROM (SELECT key, id, 0 AS alias FROM person WHERE key IN",
            "UNION ALL SELECT key, person, 1 FROM alias WHERE key IN",
            ") x JOIN person p ON p.id = x.id LEFT JOIN refusal r ON r.person = p.id ORDER BY x.alias",
        ],
        1,
        keys.addresses.len(),
    )
    .behind(PERSON);
    let rows = conn.all(sql, keys.addresses.iter().map(Value::from).collect()).await?;
    facts.addresses.extend(keys.addresses.iter().map(|a| (a.clone(), None)));
    // An alias stands above a customer of the same address: it comes last.
    for row in &rows {
        let person = people::person(row)?;
        facts.addresses.insert(row.text(people::COLUMNS)?, Some(person.id));
        facts.persons.insert(person.id, Some(person));
    }
    Ok(())
}

async fn persons(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    let ids: Vec<_> = keys.persons.iter().filter(|id| !facts.persons.contains_key(*id)).copied().collect();
    for person in load_persons(conn, &ids).await? {
        facts.persons.insert(person.id, Some(person));
    }
    for id in ids {
        facts.persons.entry(id).or_insert(None);
    }
    Ok(())
}

/// People by id.
pub(super) async fn load_persons(conn: &mut Conn<'_>, ids: &[PersonId]) -> Result<Vec<crate::model::people::Person>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = Sql::list("FROM person p LEFT JOIN refusal r ON r.person = p.id WHERE p.id IN", 1, ids.len(), "").behind(PERSON);
    conn.all(sql, ids.iter().map(|id| Value::from(*id)).collect()).await?.iter().map(people::person).collect()
}

/// Everyone who is no customer, disabled ones too.
pub(super) async fn load_staff(conn: &mut Conn<'_>) -> Result<Vec<crate::model::people::Person>, StoreError> {
    let sql = Sql::from("FROM person p LEFT JOIN refusal r ON r.person = p.id WHERE p.role <> 'customer' ORDER BY p.id").behind(PERSON);
    conn.all(sql, vec![]).await?.iter().map(people::person).collect()
}

/// Where Message-IDs were seen, by hash; an unknown one has no hits. Sorted.
pub(super) async fn ref_hits(conn: &mut Conn<'_>, hashes: &[String]) -> Result<Vec<(String, Vec<RefHit>)>, StoreError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let sql = Sql::list("SELECT hash, ticket, own FROM message_ref WHERE hash IN", 1, hashes.len(), "ORDER BY ticket, own");
    let rows = conn.all(sql, hashes.iter().map(Value::from).collect()).await?;
    let mut hits: std::collections::BTreeMap<_, Vec<_>> = hashes.iter().map(|h| (h.clone(), Vec::new())).collect();
    for row in &rows {
        hits.entry(row.text(0)?).or_default().push(RefHit { ticket: TicketId(row.int(1)?), own: row.flag(2)? });
    }
    Ok(hits.into_iter().collect())
}

/// The scopes in which fingerprints were filed. Sorted.
pub(super) async fn filed(conn: &mut Conn<'_>, prints: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, Filed)>, StoreError> {
    if prints.is_empty() {
        return Ok(Vec::new());
    }
    let sql = Sql::list("SELECT fingerprint, scope, inbox FROM dedup WHERE fingerprint IN", 1, prints.len(), "ORDER BY scope");
    let rows = conn.all(sql, prints.iter().map(|p| Value::from(p.as_slice())).collect()).await?;
    let mut found: std::collections::BTreeMap<_, Vec<_>> = prints.iter().map(|p| (p.clone(), Vec::new())).collect();
    for row in &rows {
        found.entry(row.bytes(0)?).or_default().push((row.int(1)?, InboxId(row.int(2)?)));
    }
    Ok(found.into_iter().collect())
}

async fn tickets(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    let ids: Vec<_> = keys.tickets.iter().copied().collect();
    for ticket in load_tickets(conn, &ids).await? {
        let id = ticket.id;
        let (participants, answers, told) = (Vec::new(), Vec::new(), Vec::new());
        facts.tickets.insert(id, Some(TicketFacts { ticket, participants, answers, customer_turn: 0, continued_by: None, told }));
    }
    for id in &ids {
        facts.tickets.entry(*id).or_insert(None);
    }
    if ids.is_empty() {
        return Ok(());
    }
    let args = || ids.iter().map(|id| Value::from(*id)).collect::<Vec<_>>();
    let sql = Sql::list("SELECT ticket, person, standing, epoch FROM participant WHERE ticket IN", 1, ids.len(), "ORDER BY ticket, person");
    for row in conn.all(sql, args()).await? {
        let participant = Participant { person: PersonId(row.int(1)?), standing: row.word(2, Standing::of)?, epoch: row.int(3)? };
        of(facts, row.int(0)?, |t| t.participants.push(participant));
    }
    let sql = Sql::list(
        "SELECT ticket, kind, author, MAX(turn) FROM message WHERE kind IN ('agent', 'customer') AND public = 1 AND automatic IS NULL AND ticket IN",
        1,
        ids.len(),
        "GROUP BY ticket, kind, author",
    );
    for row in conn.all(sql, args()).await? {
        let (kind, author, turn) = (row.word(1, MessageKind::of)?, row.opt_int(2)?.map(PersonId), row.int(3)?);
        of(facts, row.int(0)?, |t| match (kind, author) {
            (MessageKind::Agent, Some(author)) => t.answers.push((author, turn)),
            (MessageKind::Customer, _) => t.customer_turn = t.customer_turn.max(turn),
            _ => {}
        });
    }
    let sql = Sql::list("SELECT continues, MAX(id) FROM ticket WHERE continues IN", 1, ids.len(), "GROUP BY continues");
    for row in conn.all(sql, args()).await? {
        let next = TicketId(row.int(1)?);
        of(facts, row.int(0)?, |t| t.continued_by = Some(next));
    }
    let parts = [
        "SELECT ticket, recipient FROM outbox WHERE kind = 'notify' AND ticket IN",
        "UNION SELECT ticket, person FROM told WHERE ticket IN",
        "",
    ];
    let sql = Sql::lists(&parts, 1, ids.len());
    for row in conn.all(sql, args()).await? {
        let told = PersonId(row.int(1)?);
        of(facts, row.int(0)?, |t| t.told.push(told));
    }
    Ok(())
}

fn of(facts: &mut Facts, ticket: i64, set: impl FnOnce(&mut TicketFacts)) {
    if let Some(Some(found)) = facts.tickets.get_mut(&TicketId(ticket)) {
        set(found);
    }
}

/// The columns of a ticket, in the order of [`ticket`].
const TICKETS: &str = "SELECT id, version, turn, status, priority, subject, mailbox, requester, assignee, assigned_turn, team, tags, merged_into, \
    continues, messages, solved_at, created_at, updated_at, assigned_by FROM ticket WHERE id IN";

/// Tickets by number.
pub(super) async fn load_tickets(conn: &mut Conn<'_>, ids: &[TicketId]) -> Result<Vec<Ticket>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    conn.all(Sql::list(TICKETS, 1, ids.len(), ""), ids.iter().map(|id| Value::from(*id)).collect()).await?.iter().map(ticket).collect()
}

fn ticket(row: &Row) -> Result<Ticket, StoreError> {
    Ok(Ticket {
        id: TicketId(row.int(0)?),
        version: row.int(1)?,
        turn: row.int(2)?,
        status: row.word(3, Status::of)?,
        priority: row.word(4, Priority::of)?,
        subject: row.text(5)?,
        mailbox: MailboxId(row.int(6)?),
        requester: PersonId(row.int(7)?),
        assignee: row.opt_int(8)?.map(PersonId),
        assigned_turn: row.int(9)?,
        team: row.opt_text(10)?,
        tags: row.json(11)?,
        merged_into: row.opt_int(12)?.map(TicketId),
        continues: row.opt_int(13)?.map(TicketId),
        messages: row.int(14)?,
        solved_at: row.opt_int(15)?,
        created_at: row.int(16)?,
        updated_at: row.int(17)?,
        assigned_by: row.opt_int(18)?.map(PersonId),
    })
}

async fn held(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    let ids: Vec<_> = keys.inbox.iter().copied().collect();
    facts.inbox.extend(held_mails(conn, &ids).await?.into_iter().map(|(id, held)| (id, Some(held))));
    for id in ids {
        facts.inbox.entry(id).or_insert(None);
    }
    Ok(())
}

/// Whether mails are held.
pub(super) async fn held_mails(conn: &mut Conn<'_>, ids: &[InboxId]) -> Result<Vec<(InboxId, HeldFacts)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = Sql::list("SELECT id, state, reason FROM inbox WHERE id IN", 1, ids.len(), "");
    let rows = conn.all(sql, ids.iter().map(|id| Value::from(*id)).collect()).await?;
    rows.iter().map(|r| Ok((InboxId(r.int(0)?), HeldFacts { held: r.text(1)? == "held", reason: r.text(2)? }))).collect()
}

async fn sent(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    let ids: Vec<OutboxId> = keys.outbox.iter().copied().collect();
    for row in outbox::rows(conn, &ids).await? {
        facts.outbox.insert(row.id, Some(row));
    }
    for id in ids {
        facts.outbox.entry(id).or_insert(None);
    }
    Ok(())
}

async fn counts(conn: &mut Conn<'_>, facts: &mut Facts, keys: &Keys) -> Result<(), StoreError> {
    let asked: Vec<_> = keys.counts.iter().cloned().collect();
    let found = count(conn, &asked).await?;
    facts.counts.extend(asked.into_iter().zip(found));
    Ok(())
}

/// Counts of one statement: SQLite takes 500 at most, and a team may have more agents.
const COUNTS: usize = 250;

/// Answers to counts, in their order.
pub(super) async fn count(conn: &mut Conn<'_>, keys: &[CountKey]) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for some in keys.chunks(COUNTS) {
        found.extend(count_some(conn, some).await?);
    }
    Ok(found)
}

/// The same for a few, in one statement.
async fn count_some(conn: &mut Conn<'_>, keys: &[CountKey]) -> Result<Vec<i64>, StoreError> {
    let mut args: Vec<Value> = Vec::new();
    let mut parts = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        let (from, of, since): (&'static str, Value, i64) = match key {
            CountKey::AcksToAddress(address, since) => ("outbox WHERE kind = 'ack' AND address_key =", address.into(), *since),
            CountKey::AcksToDomain(domain, since) => ("outbox WHERE kind = 'ack' AND domain =", domain.into(), *since),
            CountKey::TicketsOf(person, since) => ("ticket WHERE requester =", (*person).into(), *since),
            CountKey::AnswersOf(person, since) => {
                ("message WHERE kind = 'agent' AND inbox IS NOT NULL AND author =", (*person).into(), *since)
            }
            CountKey::BrakedOf(person) => (
                "(SELECT braked, received_at AS created_at FROM inbox WHERE braked IS NOT NULL AND state IN ('waiting', 'claimed', 'held')
                AND state = 'held' AND reason = 'rate') AS held WHERE braked =",
                (*person).into(),
                -1,
            ),
            // No more than is asked for is read.
            CountKey::NewsOf(person, since, most) => {
                args.extend([(*person).into(), (*since).into(), (*most).into()]);
                let at = args.len();
                parts.push(format!(
                    "SELECT {i} AS i, COUNT(*) FROM (SELECT 1 FROM outbox WHERE kind IN ('notify', 'taken', 'woken') AND recipient = ${}
                    AND created_at > ${} LIMIT ${at}) AS news",
                    at - 2,
                    at - 1
                ));
                continue;
            }
            CountKey::HoldsOf(person, since) => ("outbox WHERE kind = 'held' AND recipient =", (*person).into(), *since),
        };
        args.extend([of, since.into()]);
        let at = args.len();
        parts.push(format!("SELECT {i} AS i, COUNT(*) FROM {from} ${} AND created_at > ${at}", at - 1));
    }
    let sql = Sql::Made(format!("{} ORDER BY i", parts.join(" UNION ALL ")));
    conn.all(sql, args).await?.iter().map(|row| row.int(1)).collect()
}
