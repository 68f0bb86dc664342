//! Agents: added, changed, disabled, revoked. Every change raises `people_version`, which guards decisions and
//! what is kept of them in memory.

use crate::model::PersonId;
use crate::model::address::fold;
use crate::model::people::{Person, Settings};
use crate::model::ticket::Role;

use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::value::{Row, Value, json};
use super::{StoreError, refusals};

/// An agent to add. Addresses and aliases that an admin adds count as verified.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Address as written.
    pub address: String,
    /// Name that customers see.
    pub name: String,
    /// `agent`, `admin` or `viewer`.
    pub role: Role,
    /// Further addresses.
    pub aliases: Vec<String>,
    /// How they want to work.
    pub settings: Settings,
    /// In ms.
    pub now: i64,
}

/// A change of one agent.
#[derive(Clone, Debug)]
pub enum AgentChange {
    /// Works here no more; every address of theirs is revoked.
    Disable,
    /// Works here again.
    Enable,
    /// Every address handed out so far stops working.
    RevokeAddresses,
    /// New settings.
    Set(Box<Settings>),
}

/// How many columns a person has.
pub(super) const COLUMNS: usize = 21;

/// Reads a person: id, address, name, role, epoch, disabled, answered, spam_until, settings, aliases, and the ten of
/// [`refusals::refusal`].
pub(super) fn person(row: &Row) -> Result<Person, StoreError> {
    Ok(Person {
        id: PersonId(row.int(0)?),
        address: row.text(1)?,
        name: row.opt_text(2)?,
        role: row.word(3, Role::of)?,
        epoch: row.int(4)?,
        disabled: row.flag(5)?,
        answered: row.flag(6)?,
        spam_until: row.opt_int(7)?,
        settings: row.json(8)?,
        aliases: row.opt_text(9)?.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        refusal: refusals::refusal(row, 10)?.map(Box::new),
    })
}

pub(super) async fn add(conn: &mut Conn<'_>, agent: &NewAgent) -> Result<Outcome, StoreError> {
    let key = fold(&agent.address);
    let taken = conn.opt("SELECT role FROM person WHERE key = $1", vec![(&key).into()]).await?;
    if let Some(row) = taken
        && row.word(0, Role::of)? != Role::Customer
    {
        return Err(StoreError::Refused(format!("{} works here already", agent.address)));
    }
    for address in std::iter::once(&key).chain(&agent.aliases) {
        let sql = "SELECT address FROM person WHERE id IN (SELECT person FROM alias WHERE key = $1)
            UNION ALL SELECT address FROM person WHERE key = $1 AND role <> 'customer'";
        if let Some(row) = conn.opt(sql, vec![fold(address).into()]).await? {
            return Err(StoreError::Refused(format!("{address} is an address of {} already", row.text(0)?)));
        }
    }
    let sql = "INSERT INTO person(key, address, name, role, epoch, disabled, answered, settings, created_at)
        VALUES ($1, $2, $3, $4, 0, 0, 1, $5, $6)
        ON CONFLICT(key) DO UPDATE SET name = excluded.name, role = excluded.role, settings = excluded.settings, disabled = 0, epoch = person.epoch + 1
        RETURNING id";
    let args =
        vec![key.into(), (&agent.address).into(), (&agent.name).into(), agent.role.word().into(), json(&agent.settings)?, agent.now.into()];
    let id = conn.one(sql, args).await?.int(0)?;
    for alias in &agent.aliases {
        conn.exec("INSERT INTO alias(key, person) VALUES ($1, $2)", vec![fold(alias).into(), id.into()]).await?;
    }
    raise(conn).await?;
    Ok(Outcome::Id(id))
}

pub(super) async fn change(conn: &mut Conn<'_>, address: &str, change: &AgentChange) -> Result<Outcome, StoreError> {
    let sql = "SELECT id FROM person WHERE role <> 'customer' AND (key = $1 OR id IN (SELECT person FROM alias WHERE key = $1))";
    let row = conn.opt(sql, vec![fold(address).into()]).await?;
    let id = row.ok_or_else(|| StoreError::NotFound(format!("nobody with the address {address} works here")))?.int(0)?;
    let (sql, mut args): (&'static str, Vec<Value>) = match change {
        AgentChange::Disable => ("UPDATE person SET disabled = 1, epoch = epoch + 1 WHERE id = $1", vec![]),
        AgentChange::Enable => ("UPDATE person SET disabled = 0 WHERE id = $1", vec![]),
        AgentChange::RevokeAddresses => ("UPDATE person SET epoch = epoch + 1 WHERE id = $1", vec![]),
        AgentChange::Set(settings) => ("UPDATE person SET settings = $2 WHERE id = $1", vec![json(settings)?]),
    };
    args.insert(0, id.into());
    conn.exec(sql, args).await?;
    if matches!(change, AgentChange::Disable | AgentChange::RevokeAddresses) {
        // The address of the question about what is held is dead, too: it is asked anew.
        conn.exec("UPDATE brake SET told_at = 0 WHERE agent = $1", vec![id.into()]).await?;
    }
    raise(conn).await?;
    Ok(Outcome::Id(id))
}

async fn raise(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.exec("UPDATE meta SET people_version = people_version + 1 WHERE id = 1", vec![]).await.map(|_| ())
}

/// What is known of the addresses of these has changed: whoever works here is read anew if they are among them.
pub(super) async fn changed(conn: &mut Conn<'_>, persons: &[PersonId]) -> Result<(), StoreError> {
    if persons.is_empty() {
        return Ok(());
    }
    let sql = Sql::list("SELECT 1 FROM person WHERE role <> 'customer' AND id IN", 1, persons.len(), "LIMIT 1");
    match conn.opt(sql, persons.iter().copied().map(Value::from).collect()).await? {
        Some(_) => raise(conn).await,
        None => Ok(()),
    }
}
