//! Mails that can't be taken: they stay on the server, are named, and are tried again from time to time.

use std::time::Duration;

use tokio::time::Instant;

use super::{Addresses, After, BATCH, Fault, Gate, LeftBehind, Look};

/// Mails that may be left behind for another reason than their size before nothing more is fetched.
const LEFT: usize = 100;
/// Mails left behind for their size that are remembered. Anybody can send them, so they never stop a folder.
const LARGE: usize = 1_000;
/// More than all of them.
pub(super) const LEFT_MOST: u32 = 10_000;
/// Mails left behind that are named in a state.
const NAMED: usize = 3;
/// How often mails left behind are tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(60 * 60);

impl<G: Gate + Addresses> Look<'_, G> {
    pub(super) fn too_large(&self, uid: u32, size: u64) -> LeftBehind {
        LeftBehind { uid, why: format!("{} are more than {}", octets(size), octets(self.account.message_size)), large: true }
    }

    /// Passes over a mail that can't be taken; it stays on the server, and the state says so.
    pub(super) async fn leave(&mut self, left: LeftBehind) -> Result<(), Fault> {
        let uid = left.uid;
        let mut to = self.folder.behind(&[uid], self.after == After::Keep);
        to.left.push(left);
        let large = to.left.iter().filter(|l| l.large).count();
        // One that is still to be told apart from mails that are kept can't be forgotten.
        let oldest = to.left.iter().position(|l| l.large && l.uid <= to.finished_uid);
        match oldest {
            Some(oldest) if large > LARGE => _ = to.left.remove(oldest),
            _ if large > LARGE || to.left.len() - large > LEFT => return Err(Fault::TooManyLeft(to.left.len())),
            _ => {}
        }
        tracing::warn!(mailbox = self.folder.name.mailbox, folder = self.folder.name.folder, uid, "a mail was left on the server");
        self.move_to(to).await?;
        self.folder.tries.remove(&uid);
        self.folder.again.insert(uid, Instant::now() + AGAIN);
        Ok(())
    }

    /// A limit may have been raised, a server mended, or a person may have seen to it.
    pub(super) async fn try_left_behind_again(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        let again = &self.folder.again;
        let due: Vec<&LeftBehind> = self.folder.cursor.left.iter().filter(|l| again.get(&l.uid).is_none_or(|at| *at <= now)).collect();
        let of = |large: bool| due.iter().filter(|l| l.large == large).map(|l| l.uid).collect::<Vec<u32>>();
        let (large, others) = (of(true), of(false));
        // What breaks a connection does so alone, and not again for a while: the next look goes on with those behind it.
        for uids in others.chunks(1).chain(large.chunks(BATCH)) {
            self.folder.again.extend(uids.iter().map(|uid| (*uid, now + AGAIN)));
            self.try_again(uids).await?;
        }
        let left: Vec<u32> = self.folder.cursor.left.iter().map(|l| l.uid).collect();
        self.folder.again.retain(|uid, _| left.contains(uid));
        self.act_late().await
    }

    async fn try_again(&mut self, uids: &[u32]) -> Result<(), Fault> {
        let (sizes, _) = self.session.sizes(uids).await?;
        let missing: Vec<u32> = uids.iter().filter(|uid| !sizes.iter().any(|(found, _)| found == *uid)).copied().collect();
        let there = if missing.is_empty() { Vec::new() } else { self.session.there(&missing).await? };
        let gone = |uid: &u32| missing.contains(uid) && !there.contains(uid);
        let mut to = self.folder.cursor.clone();
        to.left.retain(|l| !gone(&l.uid));
        if to != self.folder.cursor {
            self.move_to(to).await?;
        }
        for (uid, size) in sizes {
            if size > self.account.message_size {
                continue;
            }
            let mut kept = Vec::new();
            match self.take(&[(uid, size)], &mut kept).await {
                Ok(()) if self.after != After::Keep => self.folder.late.extend(kept),
                Ok(()) => {}
                // It is known to be troublesome.
                Err(fault) if fault.is_about_folder() => {}
                Err(fault) => return Err(fault),
            }
            self.folder.tries.remove(&uid);
        }
        Ok(())
    }
}

/// What is said of mails that were left behind.
pub(super) fn left_behind(left: &[LeftBehind]) -> Vec<String> {
    let mut notes: Vec<String> =
        left.iter().take(NAMED).map(|left| format!("UID {} was left on the server: {}", left.uid, left.why)).collect();
    if left.len() > NAMED {
        notes.push(format!("{} more were left there", left.len() - NAMED));
    }
    notes
}

fn octets(octets: u64) -> String {
    match octets {
        0..1024 => format!("{octets} octets"),
        1024..1_048_576 => format!("{} KiB", octets.div_ceil(1024)),
        _ => format!("{} MiB", octets.div_ceil(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_left_behind_are_named_and_counted() {
        let why = || format!("{} are more than {}", octets(80 << 20), octets(50 << 20));
        let left: Vec<LeftBehind> = (1..=5).map(|uid| LeftBehind { uid, why: why(), large: true }).collect();
        let notes = left_behind(&left);
        assert_eq!(notes.first().map(String::as_str), Some("UID 1 was left on the server: 80 MiB are more than 50 MiB"));
        assert_eq!((notes.len(), notes.last().map(String::as_str)), (4, Some("2 more were left there")));
        assert!(left_behind(&[]).is_empty());
        assert_eq!([octets(5), octets(1500)], ["5 octets", "2 KiB"]);
    }
}
