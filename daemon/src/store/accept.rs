//! Keeping a mail: two inserts and nothing looked up, so that no sender can spoil a neighbour's group.

use crate::model::{Envelope, InboxId};

use super::StoreError;
use super::blobs::{self, Prepared};
use super::cmd::Outcome;
use super::conn::Conn;
use super::value::json;

/// A mail to keep.
#[derive(Debug)]
pub struct Accepted {
    /// When it came in, in ms.
    pub received_at: i64,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its bytes.
    pub blob: Prepared,
}

pub(super) async fn run(conn: &mut Conn<'_>, mail: &Accepted) -> Result<Outcome, StoreError> {
    blobs::insert(conn, &mail.blob).await?;
    let sql = "INSERT INTO inbox(received_at, transport, envelope, blob, state, due_at, attempts, fate, reason, detail, subject, told, decided_from)
        VALUES ($1, $2, $3, $4, 'waiting', 0, 0, 'waiting', '', '', '', 0, '{}') RETURNING id";
    let args = vec![mail.received_at.into(), mail.envelope.transport.word().into(), json(&mail.envelope)?, mail.blob.sha.clone().into()];
    let row = conn.one(sql, args).await?;
    Ok(Outcome::Accepted(InboxId(row.int(0)?)))
}
