//! Keeping mails of an archive, many in one commit: each with its row in the inbox and its fate at once, so that no
//! pipeline ever sees it waiting.

use crate::model::changes::Changes;

use super::accept::{self, Accepted};
use super::cmd::Outcome;
use super::conn::Conn;
use super::insert::Made;
use super::{StoreError, commit};

/// A mail of an archive.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The mail.
    pub mail: Accepted,
    /// What was decided of it, whatever number it has there.
    pub changes: Changes,
}

impl Imported {
    /// Roughly how much it writes.
    pub(super) fn octets(&self) -> usize {
        let texts = |c: &Changes| c.messages.iter().map(|m| m.text.len() + m.html.as_ref().map_or(0, String::len)).sum::<usize>();
        self.mail.blob.octets() + texts(&self.changes)
    }
}

/// Checks once, then writes them one after the other.
pub(super) async fn run(conn: &mut Conn<'_>, mails: &[Imported]) -> Result<Outcome, StoreError> {
    let Some(first) = mails.first() else { return Ok(Outcome::Done) };
    commit::check(conn, &first.changes).await?;
    for one in mails {
        let mail = accept::keep(conn, &one.mail).await?;
        commit::write(conn, &one.changes, Made { mail: Some(mail), ..Made::default() }).await?;
    }
    Ok(Outcome::Done)
}
