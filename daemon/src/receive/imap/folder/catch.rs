//! Mails on their way from the server: some are asked for ahead of the one that comes in.

use super::Fault;
use crate::inbox::{Draft, Inbox};
use crate::receive::imap::session::{Fetched, Session};

/// Mails that are kept together, and octets after which nothing is added to them.
const MAILS: usize = 128;
const OCTETS: u64 = 4 << 20;
/// Mails that are on their way at once, and octets of them by the sizes that the server gave. One may be larger.
const AHEAD: usize = 256;
const AHEAD_OCTETS: u64 = 8 << 20;

/// Mails that the server has listed, with their sizes.
pub(super) struct Wanted<'a> {
    mails: &'a [(u32, u64)],
    /// How many of them are on their way.
    asked: usize,
}

/// Mails that came in.
pub(super) struct Catch {
    pub(super) mails: Vec<(u32, Draft)>,
    pub(super) end: End,
}

/// Why nothing was added to them.
pub(super) enum End {
    /// They are enough for once.
    Enough,
    /// Nothing is left to fetch.
    Through,
    /// The server did not give this mail.
    NotGiven(u32),
    /// The server has no content of this mail.
    NoContent(u32),
    /// It went wrong at this mail, or at one behind it up to the second.
    Failed(u32, u32, Fault),
}

impl<'a> Wanted<'a> {
    pub(super) fn new(mails: &'a [(u32, u64)]) -> Self {
        Self { mails, asked: 0 }
    }

    /// The first one came in or will never.
    pub(super) fn pass(&mut self) {
        self.mails = self.mails.get(1..).unwrap_or_default();
        self.asked = self.asked.saturating_sub(1);
    }

    /// None is on its way any more.
    pub(super) fn recall(&mut self) {
        self.asked = 0;
    }

    /// The last one that is on its way.
    fn last(&self) -> u32 {
        self.mails.get(self.asked.saturating_sub(1)).map_or(0, |(uid, _)| *uid)
    }

    /// Those that are to be asked for now, which is when none is on its way.
    fn due(&mut self) -> Vec<u32> {
        let mut octets: u64 = 0;
        let fits = |(n, (_, size)): &(usize, &(u32, u64))| {
            octets = octets.saturating_add(*size);
            *n == 0 || *n < AHEAD && octets <= AHEAD_OCTETS
        };
        let due: Vec<u32> = self.mails.iter().enumerate().take_while(fits).map(|(_, (uid, _))| *uid).collect();
        self.asked = due.len();
        due
    }
}

/// Fetches some of the mails; each may have `most` octets.
pub(super) async fn catch(session: &mut Session, inbox: &Inbox, most: u64, wanted: &mut Wanted<'_>) -> Catch {
    let (mut mails, mut octets) = (Vec::new(), 0);
    let end = loop {
        let Some((uid, size)) = wanted.mails.first().copied() else { break End::Through };
        if mails.len() >= MAILS || octets >= OCTETS {
            break End::Enough;
        }
        let mut draft = inbox.draft();
        // The size that the server gave is not what it sends: some count a mail as it is stored and not as it is encoded.
        match fetch(session, most, wanted, &mut draft).await {
            Err(fault) => break End::Failed(uid, wanted.last(), fault),
            Ok(Fetched::Nothing) => break End::NotGiven(uid),
            Ok(Fetched::Whole) if draft.is_empty() && size > 0 => break End::NoContent(uid),
            Ok(Fetched::Empty) => break End::NoContent(uid),
            Ok(Fetched::Whole) => {}
        }
        wanted.pass();
        octets = octets.saturating_add(draft.len());
        mails.push((uid, draft));
    };
    Catch { mails, end }
}

async fn fetch(session: &mut Session, most: u64, wanted: &mut Wanted<'_>, draft: &mut Draft) -> Result<Fetched, Fault> {
    if wanted.asked == 0 {
        session.ask_for(&wanted.due()).await?;
    }
    session.fetch(most, draft).await
}

/// Reads what is on its way and lets it go, so that something else can be asked.
pub(super) async fn let_go(session: &mut Session, inbox: &Inbox, most: u64, wanted: &mut Wanted<'_>) -> Result<(), Fault> {
    while session.expects_mails() {
        match session.fetch(most, &mut inbox.draft()).await {
            Err(fault) if !fault.is_about_folder() => return Err(fault),
            _ => {}
        }
    }
    wanted.recall();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_is_bounded_by_number_and_octets() {
        let small: Vec<(u32, u64)> = (1..=400).map(|uid| (uid, 1_000)).collect();
        let mut wanted = Wanted::new(&small);
        assert_eq!(wanted.due().len(), AHEAD);
        wanted.pass();
        wanted.pass();
        wanted.recall();
        assert_eq!(wanted.due().first(), Some(&3), "what was let go is asked for again");
        let large = [(1, AHEAD_OCTETS * 3), (2, 10), (3, AHEAD_OCTETS), (4, u64::MAX)];
        let mut wanted = Wanted::new(&large);
        for uid in [1, 2, 3, 4] {
            assert_eq!(wanted.due(), [uid], "one may be larger");
            wanted.pass();
        }
        assert!(wanted.due().is_empty());
    }
}
