//! What a listing of new mails says of each, so that none is passed over in silence.

use super::{Addresses, Fault, Gate, Look, NO_SIZE, TRIES};
use crate::receive::imap::session::Ended;

/// A mail that a SEARCH has named.
pub(super) enum Listed {
    /// It has so many octets.
    Size(u64),
    /// The server names it again and does not give its size.
    Withheld,
    /// It is there no more.
    Gone,
    /// It was tried often enough; why it could not be had.
    GivenUp(String),
}

impl<G: Gate + Addresses> Look<'_, G> {
    /// Asks for the sizes of these mails. One for which a server breaks down would stand before all the others, so after a
    /// listing that has failed they are asked for one at a time, and the one that fails alone is counted.
    pub(super) async fn list(&mut self, batch: &[u32]) -> Result<Vec<(u32, Listed)>, Fault> {
        let given_up = |uid: &u32| self.folder.tries.get(uid).filter(|(tries, _)| *tries >= TRIES).map(|(_, why)| why.clone());
        let asked: Vec<u32> = batch.iter().filter(|uid| given_up(uid).is_none()).copied().collect();
        let (sizes, withheld) = if asked.is_empty() { Default::default() } else { self.sizes(&asked).await? };
        let listed = |uid: &u32| match sizes.binary_search_by_key(uid, |(uid, _)| *uid).ok().and_then(|at| sizes.get(at)) {
            _ if !asked.contains(uid) => Listed::GivenUp(self.folder.tries.get(uid).map(|(_, why)| why.clone()).unwrap_or_default()),
            Some((_, size)) => Listed::Size(*size),
            None if withheld.contains(uid) => Listed::Withheld,
            None => Listed::Gone,
        };
        Ok(batch.iter().map(|uid| (*uid, listed(uid))).collect())
    }

    /// Sizes, ascending by UID, and the mails that are there and whose size was not given.
    async fn sizes(&mut self, asked: &[u32]) -> Result<(Vec<(u32, u64)>, Vec<u32>), Fault> {
        let (sizes, ended) = match self.session.sizes(asked).await {
            Ok(found) => found,
            Err(fault) => {
                match asked {
                    _ if fault.is_ours() => {}
                    [uid] => self.folder.count(*uid, fault.to_string()),
                    _ => self.folder.alone = asked.last().copied().unwrap_or_default(),
                }
                return Err(fault);
            }
        };
        let missing: Vec<u32> = asked.iter().filter(|uid| !sizes.iter().any(|(found, _)| found == *uid)).copied().collect();
        let withheld = if missing.is_empty() { missing } else { self.session.there(&missing).await? };
        match ended {
            // Which of them it is about is found out by asking for each.
            Ended::No { .. } if asked.len() > 1 && !withheld.is_empty() => self.folder.alone = asked.last().copied().unwrap_or_default(),
            Ended::No { text, .. } => withheld.iter().for_each(|uid| self.folder.count(*uid, text.clone())),
            Ended::Ok { .. } => withheld.iter().for_each(|uid| self.folder.count(*uid, NO_SIZE.to_owned())),
        }
        Ok((sizes, withheld))
    }
}
