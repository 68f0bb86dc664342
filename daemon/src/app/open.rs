//! Opens what every command works on: the database, the keys, our addresses.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::desk::Desk;
use crate::desk::addresses::Book;
use crate::desk::token::KeyRing;
use crate::model::changes::MailboxRow;
use crate::store::{Cmd, Outcome, Store, StoreError, keys};

/// The desk with its database, for a command or a daemon.
#[derive(Clone)]
pub struct Opened {
    /// The configuration as it was read.
    pub config: Arc<Config>,
    /// The database and data folder.
    pub store: Store,
    /// Configuration and addresses, as decisions take them.
    pub desk: Arc<Desk>,
    /// The clock.
    pub clock: Clock,
}

impl Opened {
    /// Opens the database of a configuration; makes it, its keys and (for the built-in local desk) its agent when absent.
    ///
    /// # Errors
    /// When the database or the data folder can't be used.
    pub async fn open(config: Arc<Config>, clock: Clock) -> Result<Self, StoreError> {
        let store = Store::open(&config.database, &config.desk.data).await?;
        let ring = ring(&store)?;
        let rows = sync(&store, &config, clock.now()).await?;
        let desk = Arc::new(Desk { config: config.clone(), book: Book::new(&config, &rows, ring) });
        let opened = Self { config, store, desk, clock };
        if opened.config.local {
            opened.local_agent().await?;
        }
        Ok(opened)
    }

    /// The same desk under a new configuration.
    ///
    /// # Errors
    /// When the database can't be used.
    pub async fn reload(&self, config: Arc<Config>) -> Result<Arc<Desk>, StoreError> {
        let ring = ring(&self.store)?;
        let rows = sync(&self.store, &config, self.clock.now()).await?;
        Ok(Arc::new(Desk { book: Book::new(&config, &rows, ring), config }))
    }

    /// The built-in local desk has somebody to answer.
    async fn local_agent(&self) -> Result<(), StoreError> {
        if !self.store.staff().await?.is_empty() {
            return Ok(());
        }
        let agent = crate::store::NewAgent {
            address: "agent@desk.localhost".into(),
            name: "Jane".into(),
            role: crate::model::ticket::Role::Admin,
            aliases: Vec::new(),
            settings: crate::model::people::Settings::default(),
            now: self.clock.now(),
        };
        match self.store.run(Cmd::AddAgent(Box::new(agent))).await {
            // Two programs that start at once both want to make her.
            Err(StoreError::Refused(_)) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn ring(store: &Store) -> Result<KeyRing, StoreError> {
    let files = keys::load(store.data())?;
    let pairs: Vec<_> = files.iter().map(|k| (k.id, k.bytes)).collect();
    KeyRing::new(&pairs).ok_or_else(|| StoreError::Corrupt("there is no key in the data folder".into()))
}

async fn sync(store: &Store, config: &Config, now: i64) -> Result<Vec<MailboxRow>, StoreError> {
    let addresses = config.mailboxes.iter().map(|m| m.address.clone()).collect();
    match store.run(Cmd::SyncMailboxes { addresses, now }).await? {
        Outcome::Mailboxes(rows) => Ok(rows),
        _ => Err(StoreError::Corrupt("the mailboxes could not be listed".into())),
    }
}
