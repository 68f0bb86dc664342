//! What waits, fails and works now, for the status page and `/metrics`: numbers that an index gives, however much mail
//! there is. What needs a walk through a large table stands in `totals`.

use crate::model::outgoing::MailKind;
use crate::model::ticket::words;
use crate::store::conn::Conn;
use crate::store::value::Row;
use crate::store::{Store, StoreError};

use super::ImapFolder;

/// Failures are news for so long, in ms.
pub const DAY: i64 = 86_400_000;
/// A process that has ended is named for so long, in ms.
const NAMED: i64 = 3_600_000;

/// How many, and since when (ms).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oldest {
    /// How many.
    pub count: i64,
    /// The oldest of them.
    pub since: Option<i64>,
}

impl Oldest {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, since: [self.since, other.since].into_iter().flatten().min() }
    }
}

words!(
    /// How far a mail on its way out has come.
    Stage {
        /// Waits for its first try.
        Waiting = "waiting",
        /// Is being sent.
        Sending = "sending",
        /// Waits because the next server can't be used.
        Relay = "relay",
        /// Was refused for now.
        Refused = "refused",
        /// Could not be delivered.
        Failed = "failed",
        /// Nobody knows whether it left.
        Unknown = "unknown",
    }
);

/// Mails of one kind at one stage.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// What they are.
    pub kind: MailKind,
    /// How far they are.
    pub stage: Stage,
    /// Those of the last 24 hours where it is over with them, else all.
    pub of: Oldest,
    /// All of them.
    pub total: i64,
}

/// A process on this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeItem {
    /// Host name and process id.
    pub name: String,
    /// In ms.
    pub started_at: i64,
    /// Last sign of life, in ms of this machine's clock.
    pub beat_at: i64,
    /// It has ended, or was taken for dead.
    pub dead: bool,
}

/// The event log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log {
    /// The last place; 0 when nothing has happened.
    pub last: i64,
    /// Events that have no place yet.
    pub unnumbered: Oldest,
}

/// The desk in numbers.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Mails accepted in all, by the highest number given, and when the newest came.
    pub accepted: Oldest,
    /// Mails not yet understood.
    pub understanding: Oldest,
    /// Mails that wait for a person, by reason.
    pub held: Vec<(String, Oldest)>,
    /// Mails that are to leave, or could not.
    pub outgoing: Vec<Outgoing>,
    /// Mails that left, by the highest number given.
    pub sent: i64,
    /// What the destination said last when it failed, of the mail that is due first.
    pub last_reply: Option<String>,
    /// Addresses that nothing is sent to, for they refuse mail.
    pub suppressed: Oldest,
    /// Those of them whose owners work here.
    pub undeliverable: Oldest,
    /// Folders that are fetched.
    pub folders: Vec<ImapFolder>,
    /// Living processes, and those that ended in the last hour.
    pub nodes: Vec<NodeItem>,
    /// The event log.
    pub log: Log,
}

impl Counts {
    /// All mails at one stage.
    pub fn at(&self, stage: Stage) -> Oldest {
        self.outgoing.iter().filter(|o| o.stage == stage).fold(Oldest::default(), |sum, o| sum.and(o.of))
    }

    /// All mails that wait for a person.
    pub fn held(&self) -> Oldest {
        self.held.iter().fold(Oldest::default(), |sum, (_, of)| sum.and(*of))
    }
}

impl Store {
    /// What waits, fails and works at `now` (ms).
    pub async fn counts(&self, now: i64) -> Result<Counts, StoreError> {
        let folders = self.imap_folders().await?;
        let mut read = self.read().await?;
        let mut conn = read.conn();
        let newest = conn.opt("SELECT id, received_at FROM inbox ORDER BY id DESC LIMIT 1", vec![]).await?;
        let mut accepted = newest.map_or(Ok(Oldest::default()), |row| oldest(&row, 0))?;
        accepted.count -= left_out(&mut conn, "inbox", 0, accepted.count).await?;
        let sql = "SELECT COUNT(*), MIN(received_at) FROM inbox WHERE state IN ('waiting', 'claimed')";
        let understanding = oldest(&conn.one(sql, vec![]).await?, 0)?;
        let sql = "SELECT reason, COUNT(*), MIN(received_at) FROM inbox WHERE state = 'held' GROUP BY reason ORDER BY reason";
        let held = conn.all(sql, vec![]).await?;
        let held = held.iter().map(|r| Ok((r.text(0)?, oldest(r, 1)?))).collect::<Result<_, StoreError>>()?;
        let outgoing = outgoing(&mut conn, now).await?;
        let highest = conn.opt("SELECT id FROM outbox ORDER BY id DESC LIMIT 1", vec![]).await?.map_or(Ok(0), |row| row.int(0))?;
        let highest = highest - left_out(&mut conn, "outbox", 0, highest).await?;
        let sent = (highest - outgoing.iter().map(|o| o.total).sum::<i64>()).max(0);
        let sql =
            "SELECT last_reply FROM outbox WHERE state IN ('waiting', 'claimed') AND last_reply IS NOT NULL ORDER BY due_at, id LIMIT 1";
        let last_reply = conn.opt(sql, vec![]).await?.map(|r| r.text(0)).transpose()?;
        let (suppressed, undeliverable) = refusing(&mut conn, now).await?;
        let (nodes, log) = (nodes(&mut conn, now).await?, log(&mut conn).await?);
        Ok(Counts { accepted, understanding, held, outgoing, sent, last_reply, suppressed, undeliverable, folders, nodes, log })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let asked = async {
            let mut read = self.read().await?;
            read.conn().one("SELECT 1", vec![]).await.map(|_| ())
        };
        let answer = asked.await;
        self.inner.pulse.note(&answer);
        answer
    }
}

async fn outgoing(conn: &mut Conn<'_>, now: i64) -> Result<Vec<Outgoing>, StoreError> {
    // What waits on purpose, for the end of quiet hours, waits since that end. A postponed mail was not charged with the try; the one that is under way is charged from its beginning.
    let sql = "SELECT kind, CASE WHEN last_reply IS NOT NULL AND attempts = CASE WHEN state = 'claimed' THEN 1 ELSE 0 END THEN 'relay'
        WHEN state = 'claimed' THEN 'sending' WHEN last_reply IS NULL THEN 'waiting' ELSE 'refused' END,
        COUNT(*), MIN(CASE WHEN last_reply IS NULL AND due_at > created_at THEN due_at ELSE created_at END), COUNT(*)
        FROM outbox WHERE state IN ('waiting', 'claimed') GROUP BY 1, 2";
    let mut rows = conn.all(sql, vec![]).await?;
    let sql =
        "SELECT kind, state, COUNT(CASE WHEN settled_at > $1 THEN 1 END), MIN(CASE WHEN settled_at > $1 THEN settled_at END), COUNT(*)
        FROM outbox WHERE state IN ('failed', 'unknown') GROUP BY kind, state";
    rows.extend(conn.all(sql, vec![(now - DAY).into()]).await?);
    let outgoing =
        |r: &Row| Ok(Outgoing { kind: r.word(0, MailKind::of)?, stage: r.word(1, Stage::of)?, of: oldest(r, 2)?, total: r.int(4)? });
    rows.iter().map(outgoing).collect()
}

async fn refusing(conn: &mut Conn<'_>, now: i64) -> Result<(Oldest, Oldest), StoreError> {
    let all = conn.one("SELECT COUNT(*), MIN(refused_at) FROM refusal WHERE until > $1", vec![now.into()]).await?;
    let sql = "SELECT COUNT(*), MIN(r.refused_at) FROM refusal r JOIN person p ON p.id = r.person
        WHERE r.until > $1 AND p.role IN ('agent', 'admin') AND p.disabled = 0";
    let agents = conn.one(sql, vec![now.into()]).await?;
    Ok((oldest(&all, 0)?, oldest(&agents, 0)?))
}

impl Store {
    /// When the event at a place of the log happened, in ms.
    pub async fn event_time(&self, seq: i64) -> Result<Option<i64>, StoreError> {
        let mut read = self.read().await?;
        read.conn().opt("SELECT at FROM event WHERE seq = $1", vec![seq.into()]).await?.map(|r| r.int(0)).transpose()
    }
}

/// How a counter begins that says how many ids of a table a restore has left out; behind it stands the last of them.
pub(in crate::store) fn left_out_of(table: &str) -> String {
    format!("left_out.{table}.")
}

/// Ids between two of a table that restores have left out.
pub(super) async fn left_out(conn: &mut Conn<'_>, table: &str, from: i64, to: i64) -> Result<i64, StoreError> {
    let head = left_out_of(table);
    let mut sum = 0;
    for row in conn.all("SELECT k, v FROM counter WHERE k LIKE 'left_out.%'", vec![]).await? {
        let last = row.text(0)?.strip_prefix(&head).and_then(|id| id.parse().ok());
        if last.is_some_and(|last: i64| from <= last && last < to) {
            sum += row.int(1)?;
        }
    }
    Ok(sum)
}

async fn nodes(conn: &mut Conn<'_>, now: i64) -> Result<Vec<NodeItem>, StoreError> {
    // Signs of life are written in the database's time.
    let time = conn.time(now).await?;
    let sql = "SELECT name, started_at, beat_at, dead FROM node WHERE dead = 0 OR beat_at > $1 ORDER BY dead, id";
    let rows = conn.all(sql, vec![(time - NAMED).into()]).await?;
    let here = |at: i64| now - (time - at);
    rows.iter()
        .map(|r| Ok(NodeItem { name: r.text(0)?, started_at: here(r.int(1)?), beat_at: here(r.int(2)?), dead: r.flag(3)? }))
        .collect()
}

async fn log(conn: &mut Conn<'_>) -> Result<Log, StoreError> {
    let last = conn.one("SELECT COALESCE(MAX(seq), 0) FROM event", vec![]).await?.int(0)?;
    let unnumbered = oldest(&conn.one("SELECT COUNT(*), MIN(at) FROM event WHERE seq IS NULL", vec![]).await?, 0)?;
    Ok(Log { last, unnumbered })
}

/// Count and time from column `i` on.
fn oldest(row: &Row, i: usize) -> Result<Oldest, StoreError> {
    Ok(Oldest { count: row.int(i)?, since: row.opt_int(i + 1)? })
}
