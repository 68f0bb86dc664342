//! The mailboxes that are fetched over IMAP: a task each, ended and begun anew when their section of the configuration changes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Imap};
use crate::inbox::Inbox;
use crate::receive::imap::{self, Account, Tokens};
use crate::store::{NodeId, Store};

use super::gate::DeskGate;

/// What all accounts share.
pub(super) struct Fetch {
    pub(super) store: Store,
    pub(super) inbox: Inbox,
    pub(super) gate: Arc<DeskGate>,
    pub(super) node: NodeId,
    pub(super) clock: Clock,
}

/// What of a configuration makes an account what it is.
#[derive(Clone, PartialEq)]
struct Plan {
    imap: Imap,
    message_size: u64,
}

struct Fetching {
    plan: Plan,
    again: Arc<Notify>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Fetch {
    /// Keeps one task running for each mailbox that is fetched.
    pub(super) async fn run(self, mut config: watch::Receiver<Arc<Config>>, cancel: CancellationToken) {
        let mut running: HashMap<String, Fetching> = HashMap::new();
        loop {
            let plans = plans(&config.borrow_and_update().clone());
            self.end_changed(&mut running, &plans).await;
            // One that comes while a try is under way is remembered.
            running.values().for_each(|fetching| fetching.again.notify_one());
            for (mailbox, plan) in plans {
                running.entry(mailbox.clone()).or_insert_with(|| self.begin(mailbox, plan, &cancel));
            }
            tokio::select! {
                () = cancel.cancelled() => break,
                changed = config.changed() => if changed.is_err() { break },
            }
        }
        for (_, fetching) in running {
            fetching.cancel.cancel();
            // It has panicked or is gone; either way it fetches no more.
            let _ = fetching.task.await;
        }
    }

    async fn end_changed(&self, running: &mut HashMap<String, Fetching>, plans: &HashMap<String, Plan>) {
        let changed: Vec<String> = running.iter().filter(|(m, f)| plans.get(*m) != Some(&f.plan)).map(|(m, _)| m.clone()).collect();
        for mailbox in changed {
            let Some(fetching) = running.remove(&mailbox) else { continue };
            fetching.cancel.cancel();
            let _ = fetching.task.await;
            // Folders that are fetched on are claimed again at once.
            if let Err(error) = imap::release(&self.account(mailbox, fetching.plan, fetching.again)).await {
                tracing::warn!(%error, "a folder that is fetched no more could not be given up");
            }
        }
    }

    fn begin(&self, mailbox: String, plan: Plan, cancel: &CancellationToken) -> Fetching {
        let cancel = cancel.child_token();
        let again = Arc::new(Notify::new());
        let task = tokio::spawn(imap::run(self.account(mailbox, plan.clone(), again.clone()), cancel.clone()));
        Fetching { plan, again, cancel, task }
    }

    fn account(&self, mailbox: String, plan: Plan, again: Arc<Notify>) -> Account<DeskGate> {
        Account {
            mailbox,
            again,
            tokens: Tokens::of(&plan.imap, self.store.data()),
            imap: plan.imap,
            message_size: plan.message_size,
            store: self.store.clone(),
            inbox: self.inbox.clone(),
            gate: self.gate.clone(),
            node: self.node,
            clock: self.clock,
        }
    }
}

fn plans(config: &Config) -> HashMap<String, Plan> {
    let message_size = config.limits.message_size;
    let mailboxes = config.mailboxes.iter().filter_map(|m| Some((m.address.clone(), m.imap.clone()?)));
    mailboxes.map(|(address, imap)| (address, Plan { imap, message_size })).collect()
}
