//! Mails that came in are kept, several in one commit, and while that happens the next ones come in.

use super::catch::{Catch, End, Wanted, catch, let_go};
use super::{Account, Addresses, After, Fault, Folder, FolderCursor, Gate, Look, NO_CONTENT, addressed};
use crate::failpoint;
use crate::inbox::{Caught, Draft};

/// Octets of mails that are in memory to be kept together. One may be larger.
const TOGETHER: u64 = 4 << 20;

/// What keeps mails while the connection is in other hands.
struct Keeper<'a, G> {
    account: &'a Account<G>,
    folder: &'a mut Folder,
    /// Whether the connection is encrypted.
    tls: bool,
    /// Whether nothing is to be done with them on the server.
    stays: bool,
    kept: &'a mut Vec<u32>,
}

impl<G: Gate + Addresses> Look<'_, G> {
    /// Fetches and keeps mails that the server has listed, in this order; `kept` names those that are kept, whatever the
    /// end. One that is gone meanwhile is passed over.
    pub(super) async fn take(&mut self, listed: &[(u32, u64)], kept: &mut Vec<u32>) -> Result<(), Fault> {
        let before = kept.len();
        let taken = self.take_in_order(listed, kept).await;
        self.looked.kept += kept.len() - before;
        taken
    }

    async fn take_in_order(&mut self, listed: &[(u32, u64)], kept: &mut Vec<u32>) -> Result<(), Fault> {
        let (account, most) = (self.account, self.account.message_size);
        let mut wanted = Wanted::new(listed);
        let mut caught = catch(self.session, &account.inbox, most, &mut wanted).await;
        loop {
            let Catch { mails, end } = caught;
            let (tls, stays) = (self.session.tls, self.after == After::Keep);
            let mut keeper = Keeper { account, folder: &mut *self.folder, tls, stays, kept: &mut *kept };
            let (stored, next) = match end {
                End::Enough => tokio::join!(keeper.keep(mails), catch(self.session, &account.inbox, most, &mut wanted)),
                end => (keeper.keep(mails).await, Catch { mails: Vec::new(), end }),
            };
            if let Err(fault) = stored {
                // What was kept before is still to be acted upon.
                let_go(self.session, &account.inbox, most, &mut wanted).await?;
                return Err(fault);
            }
            caught = match next {
                Catch { mails, end: End::Through } if mails.is_empty() => return Ok(()),
                Catch { mails, end: End::NotGiven(uid) } if mails.is_empty() => {
                    let_go(self.session, &account.inbox, most, &mut wanted).await?;
                    self.is_gone(uid).await?;
                    wanted.pass();
                    catch(self.session, &account.inbox, most, &mut wanted).await
                }
                Catch { mails, end: End::NoContent(uid) } if mails.is_empty() => {
                    self.folder.count(uid, NO_CONTENT.to_owned());
                    let_go(self.session, &account.inbox, most, &mut wanted).await?;
                    return Err(Fault::Withheld { uid, what: NO_CONTENT });
                }
                Catch { mails, end: End::Failed(uid, last, fault) } if mails.is_empty() => {
                    self.blame(uid, last, &fault);
                    if fault.is_about_folder() {
                        let_go(self.session, &account.inbox, most, &mut wanted).await?;
                    }
                    return Err(fault);
                }
                next => next,
            };
        }
    }

    /// Between the listing and now somebody may have taken a mail away.
    async fn is_gone(&mut self, uid: u32) -> Result<(), Fault> {
        const WHAT: &str = "the server lists it and does not give it";
        if self.session.there(&[uid]).await?.is_empty() {
            return Ok(());
        }
        self.folder.count(uid, WHAT.to_owned());
        Err(Fault::Withheld { uid, what: WHAT })
    }

    /// Counts a try of the mail at which it went wrong. Where others were on their way behind it, nobody knows which of
    /// them has ended the connection: they are asked for one at a time then.
    fn blame(&mut self, uid: u32, last: u32, fault: &Fault) {
        match fault {
            _ if fault.is_ours() => {}
            _ if uid == last => self.folder.count(uid, fault.to_string()),
            _ => self.folder.alone = last,
        }
    }
}

impl<G: Gate + Addresses> Keeper<'_, G> {
    /// Keeps mails in their order. What comes before one that can't be kept is kept.
    async fn keep(&mut self, mails: Vec<(u32, Draft)>) -> Result<(), Fault> {
        if mails.is_empty() {
            return Ok(());
        }
        self.account.gate.ready().await.map_err(Fault::NotKept)?;
        let (mut together, mut octets) = (Vec::with_capacity(mails.len()), 0);
        for (uid, draft) in mails {
            if octets + draft.len() > TOGETHER {
                self.commit(std::mem::take(&mut together)).await?;
                octets = 0;
            }
            octets += draft.len();
            match self.judged(uid, draft).await {
                Ok(caught) => together.push(caught),
                Err(fault) => {
                    self.commit(together).await?;
                    return Err(fault);
                }
            }
        }
        self.commit(together).await
    }

    /// Brings a mail into memory and asks the desk about it.
    async fn judged(&self, uid: u32, draft: Draft) -> Result<Caught, Fault> {
        let Account { inbox, gate, mailbox, .. } = self.account;
        let _in_hand = self.folder.crashes.take(&self.folder.name.folder, uid);
        let mail = inbox.admit(draft).await.map_err(Fault::NotKept)?;
        let mut envelope = addressed::envelope(mail.bytes(), mailbox, self.tls, &**gate);
        gate.data(&mut envelope, mail.bytes()).await.map_err(Fault::NotKept)?;
        Ok(Caught { uid, envelope, mail })
    }

    async fn commit(&mut self, together: Vec<Caught>) -> Result<(), Fault> {
        let uids: Vec<u32> = together.iter().map(|caught| caught.uid).collect();
        if uids.is_empty() {
            return Ok(());
        }
        let to = self.folder.behind(&uids, self.stays);
        let step = self.folder.step(self.account.node, to.clone());
        failpoint::reached("imap.after_fetch");
        let receipts = self.account.inbox.accept_haul(together, step).await?;
        failpoint::reached("imap.after_commit");
        self.folder.cursor = to;
        let name = &self.folder.name;
        for (uid, receipt) in uids.iter().zip(receipts) {
            self.folder.tries.remove(uid);
            tracing::info!(id = %receipt.id(), mailbox = name.mailbox, folder = name.folder, uid, "mail fetched");
        }
        self.kept.extend(uids);
        Ok(())
    }
}

impl Folder {
    /// The cursor behind these mails. `stays`: nothing is to be done with them on the server.
    pub(super) fn behind(&self, uids: &[u32], stays: bool) -> FolderCursor {
        let cursor = &self.cursor;
        let last_uid = uids.iter().copied().fold(cursor.last_uid, u32::max);
        let finished_uid = if stays { last_uid } else { cursor.finished_uid };
        let left = cursor.left.iter().filter(|l| !uids.contains(&l.uid)).cloned().collect();
        FolderCursor { last_uid, finished_uid, left, ..cursor.clone() }
    }
}
