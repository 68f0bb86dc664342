//! Keeping a mail: two inserts and nothing looked up, so that no sender can spoil a neighbour's group. For a mail that was
//! fetched, the folder's cursor moves in the same commit.

use crate::model::{Envelope, InboxId};

use super::StoreError;
use super::blobs::{self, Prepared};
use super::cmd::Outcome;
use super::conn::Conn;
use super::imap::{self, CursorMove};
use super::value::json;

/// A mail to keep.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// When it came in, in ms.
    pub received_at: i64,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its bytes.
    pub blob: Prepared,
    /// For a mail that was fetched over IMAP: what its folder's cursor becomes. Kept together or not at all.
    pub cursor: Option<CursorMove>,
}

pub(super) async fn run(conn: &mut Conn<'_>, mail: &Accepted) -> Result<Outcome, StoreError> {
    if let Some(cursor) = &mail.cursor {
        // The one write that can refuse comes first: nothing is written before it or, if it refuses, by it.
        imap::move_cursor(conn, cursor).await?;
    }
    blobs::insert(conn, &mail.blob).await?;
    let sql = "INSERT INTO inbox(received_at, transport, envelope, blob, state, due_at, attempts, fate, reason, detail, subject, told, decided_from)
        VALUES ($1, $2, $3, $4, 'waiting', 0, 0, 'waiting', '', '', '', 0, '{}') RETURNING id";
    let args = vec![mail.received_at.into(), mail.envelope.transport.word().into(), json(&mail.envelope)?, mail.blob.sha.clone().into()];
    let id = InboxId(conn.one(sql, args).await?.int(0)?);
    if let Some(cursor) = &mail.cursor {
        imap::keep(conn, cursor, id).await?;
    }
    Ok(Outcome::Accepted(id))
}
