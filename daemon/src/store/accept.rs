//! Keeping a mail: two inserts and nothing looked up, so that no sender can spoil a neighbour's group. For mails that were
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
}

/// Mails that were fetched from a folder over IMAP, and what its cursor becomes. Kept together or not at all.
#[derive(Clone, Debug)]
pub struct Haul {
    /// Each with its UID.
    pub mails: Vec<(u32, Accepted)>,
    /// Behind all of them.
    pub cursor: CursorMove,
}

pub(super) async fn run(conn: &mut Conn<'_>, mail: &Accepted) -> Result<Outcome, StoreError> {
    keep(conn, mail).await.map(Outcome::Accepted)
}

/// The one write that can refuse comes first: nothing is written before it or, if it refuses, by it.
pub(super) async fn haul(conn: &mut Conn<'_>, haul: &Haul) -> Result<Outcome, StoreError> {
    imap::move_cursor(conn, &haul.cursor).await?;
    let mut kept = Vec::with_capacity(haul.mails.len());
    for (uid, mail) in &haul.mails {
        let id = keep(conn, mail).await?;
        imap::keep(conn, &haul.cursor.folder, *uid, id).await?;
        kept.push(id);
    }
    Ok(Outcome::Kept(kept))
}

/// Writes a mail and its row; nobody has decided it yet.
pub(super) async fn keep(conn: &mut Conn<'_>, mail: &Accepted) -> Result<InboxId, StoreError> {
    blobs::insert(conn, &mail.blob).await?;
    let sql = "INSERT INTO inbox(received_at, transport, envelope, blob, state, due_at, attempts, fate, reason, detail, subject, told, decided_from)
        VALUES ($1, $2, $3, $4, 'waiting', 0, 0, 'waiting', '', '', '', 0, '{}') RETURNING id";
    let args = vec![mail.received_at.into(), mail.envelope.transport.word().into(), json(&mail.envelope)?, mail.blob.sha.clone().into()];
    Ok(InboxId(conn.one(sql, args).await?.int(0)?))
}
