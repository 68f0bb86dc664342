//! The fate of every mail that was ever accepted.

use serde::Deserialize as _;

use crate::model::changes::Fate;
use crate::model::{Envelope, Finding, InboxId, TicketId, Verdict};

use super::Page;
use crate::store::conn::Sql;
use crate::store::value::Row;
use crate::store::{Store, StoreError};

/// One accepted mail.
#[derive(Clone, Debug)]
pub struct InboxItem {
    /// Row id.
    pub id: InboxId,
    /// Message-ID without angle brackets, once it was understood.
    pub message_id: Option<String>,
    /// In ms.
    pub received_at: i64,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its fate.
    pub fate: Fate,
    /// The ticket it went to.
    pub ticket: Option<TicketId>,
    /// Why.
    pub reason: String,
    /// The same in a sentence.
    pub detail: String,
    /// Address in From.
    pub sender: Option<String>,
    /// Subject.
    pub subject: String,
    /// Tries.
    pub attempts: i64,
    /// SHA-256 of the raw mail.
    pub blob: Vec<u8>,
    /// What the decision was made from, JSON.
    pub decided_from: String,
}

impl InboxItem {
    /// What the checks of its author found; `None` until it was decided.
    pub fn verdict(&self) -> Option<Verdict> {
        let inputs: Option<serde_json::Value> = serde_json::from_str(&self.decided_from).ok();
        let found = inputs.as_ref().and_then(|inputs| inputs.get("verdict")).and_then(|v| Verdict::deserialize(v).ok());
        found.or_else(|| self.envelope.verdict.clone())
    }

    /// What it was decided from, as it was written; `None` where no rule about its author had to decide.
    pub fn decision<D: serde::de::DeserializeOwned>(&self) -> Option<D> {
        let inputs: serde_json::Value = serde_json::from_str(&self.decided_from).ok()?;
        D::deserialize(inputs.get("decision")?).ok()
    }

    /// What content filters said of it.
    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.decided_from, &self.envelope)
    }
}

/// What content filters said of a mail: what its last decision was made from, else what was found on the line.
pub(in crate::store) fn findings(decided_from: &str, envelope: &Envelope) -> Vec<Finding> {
    let inputs: Option<serde_json::Value> = serde_json::from_str(decided_from).ok();
    let found = inputs.as_ref().and_then(|inputs| inputs.get("filters")).and_then(|found| Vec::deserialize(found).ok());
    found.unwrap_or_else(|| envelope.findings.clone())
}

/// Which mails.
#[derive(Clone, Debug, Default)]
pub struct InboxFilter {
    /// Only of this fate.
    pub fate: Option<Fate>,
    /// Only with this Message-ID (without angle brackets).
    pub message_id: Option<String>,
    /// Continue here.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: usize,
}

const SELECT: &str =
    "SELECT id, mid, received_at, envelope, fate, ticket, reason, detail, sender, subject, attempts, blob, decided_from FROM inbox";

impl Store {
    /// Accepted mails, newest first.
    pub async fn inbox(&self, filter: &InboxFilter) -> Result<Page<InboxItem>, StoreError> {
        let before = filter.cursor.as_deref().and_then(|c| c.parse().ok()).unwrap_or(i64::MAX);
        let sql =
            Sql::Made(format!("{SELECT} WHERE id < $1 AND ($2 = '' OR fate = $2) AND ($3 = '' OR mid = $3) ORDER BY id DESC LIMIT $4"));
        let limit = i64::try_from(filter.limit).unwrap_or(200).saturating_add(1);
        let args = vec![
            i64::into(before),
            filter.fate.map_or("", Fate::word).into(),
            filter.message_id.clone().unwrap_or_default().into(),
            limit.into(),
        ];
        let mut read = self.read().await?;
        let items = read.conn().all(sql, args).await?.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, filter.limit, |m| m.id.to_string()))
    }

    /// One accepted mail.
    pub async fn inbox_item(&self, id: InboxId) -> Result<Option<InboxItem>, StoreError> {
        let mut read = self.glance().await?;
        read.conn().opt(Sql::Made(format!("{SELECT} WHERE id = $1")), vec![id.into()]).await?.as_ref().map(item).transpose()
    }
}

fn item(row: &Row) -> Result<InboxItem, StoreError> {
    Ok(InboxItem {
        id: InboxId(row.int(0)?),
        message_id: row.opt_text(1)?,
        received_at: row.int(2)?,
        envelope: row.json(3)?,
        fate: row.word(4, Fate::of)?,
        ticket: row.opt_int(5)?.map(TicketId),
        reason: row.text(6)?,
        detail: row.text(7)?,
        sender: row.opt_text(8)?,
        subject: row.text(9)?,
        attempts: row.int(10)?,
        blob: row.bytes(11)?,
        decided_from: row.text(12)?,
    })
}
