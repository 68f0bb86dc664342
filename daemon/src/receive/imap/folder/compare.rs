//! The folder against what is kept, once an hour: whatever is there and was never kept is fetched, and people hear of it.
//!
//! A cursor passes over a mail when a server shows it later than one with a higher UID, as some do that are written to from
//! several sides. This looks at what is on record, and not at the cursor.

use std::time::Duration;

use tokio::time::Instant;

use super::{Addresses, After, BATCH, Fault, FolderCursor, Gate, Look, left};
use crate::store::{Cmd, Comparison};

/// How often.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Ranges of UIDs that are forgotten in one comparison.
const RANGES: usize = 500;

impl<G: Gate + Addresses> Look<'_, G> {
    /// Compares when it is time; also at the first look of a process.
    pub(super) async fn compare(&mut self, exists: u32) -> Result<(), Fault> {
        if self.folder.compared.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        let FolderCursor { began_uid, last_uid, .. } = self.folder.cursor;
        let kept = self.account.store.imap_kept(&self.folder.name, began_uid).await?;
        let mut there = Vec::new();
        if began_uid < last_uid {
            // More may have come since.
            let most = exists.saturating_add(left::LEFT_MOST);
            there = self.session.search(&format!("UID {}:{last_uid}", began_uid.saturating_add(1)), most).await?;
            there.retain(|uid| *uid > began_uid && *uid <= last_uid);
        }
        let known = |uid: &u32| kept.binary_search(uid).is_ok() || self.folder.cursor.left.iter().any(|l| l.uid == *uid);
        let missing: Vec<u32> = there.iter().filter(|uid| !known(uid)).copied().collect();
        let mut missed = Vec::new();
        for batch in missing.chunks(BATCH) {
            let listed = self.list(batch).await?;
            self.take_all(listed, &mut missed).await?;
        }
        if let (Some(first), false) = (missed.first(), missed.is_empty()) {
            tracing::error!(
                mailbox = self.folder.name.mailbox,
                folder = self.folder.name.folder,
                mails = missed.len(),
                first,
                "mails were in the folder and not here, and are fetched now: the server showed them late, or it was missed"
            );
        }
        let (folder, node, now) = (self.folder.name.clone(), self.account.node, self.account.clock.now());
        let found = Comparison { folder, node, missed: missed.len(), gone: gone(&kept, &there), now };
        self.account.store.run(Cmd::ComparedFolder(Box::new(found))).await?;
        if self.after != After::Keep {
            self.folder.late.extend(missed);
        }
        self.folder.compared = Some(Instant::now());
        Ok(())
    }
}

/// Ranges that hold all of `kept` that are not `there`, and none that is. Both ascend.
fn gone(kept: &[u32], there: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut goes_on = false;
    for uid in kept {
        let is_gone = there.binary_search(uid).is_err();
        match ranges.last_mut() {
            Some((_, last)) if is_gone && goes_on => *last = *uid,
            _ if is_gone => ranges.push((*uid, *uid)),
            _ => {}
        }
        goes_on = is_gone;
    }
    ranges.truncate(RANGES);
    ranges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_gone_is_a_few_ranges() {
        assert_eq!(gone(&[1, 2, 5, 9, 12], &[5, 7]), [(1, 2), (9, 12)]);
        assert!(gone(&[], &[1]).is_empty() && gone(&[3], &[3]).is_empty());
    }

    proptest! {
        #[test]
        fn ranges_hold_what_is_gone_and_nothing_that_is_there(kept: std::collections::BTreeSet<u8>, there: std::collections::BTreeSet<u8>) {
            let list = |set: &std::collections::BTreeSet<u8>| set.iter().map(|uid| u32::from(*uid)).collect::<Vec<_>>();
            let ranges = gone(&list(&kept), &list(&there));
            for uid in &kept {
                let held = ranges.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(*uid)));
                prop_assert_eq!(held, !there.contains(uid), "{}", uid);
            }
        }
    }
}
