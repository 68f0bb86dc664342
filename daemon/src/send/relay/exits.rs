//! Where the mail of each mailbox leaves.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Exit, RelayError, Timeouts};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::types::Relay;

/// The exit of all mail, and those of mailboxes that have one of their own.
pub struct Exits {
    main: Arc<Exit>,
    /// By the mailbox's address.
    own: HashMap<String, Arc<Exit>>,
}

impl From<Exit> for Exits {
    fn from(main: Exit) -> Self {
        Self { main: Arc::new(main), own: HashMap::new() }
    }
}

impl Exits {
    /// Prepares `[outbound]` and the relays of mailboxes; touches no network. Mailboxes with the same relay share one exit.
    ///
    /// # Errors
    /// One cannot be used at all.
    pub fn of(config: &Config, clock: Clock) -> Result<Self, RelayError> {
        Self::with(config, Exit::of(config)?, |exit| exit.with_clock(clock))
    }

    /// The same with other timeouts, for one look: it leaves nothing in the data folder, which may be another user's.
    ///
    /// # Errors
    /// One cannot be used at all.
    pub fn hurried(config: &Config, timeouts: Timeouts) -> Result<Self, RelayError> {
        Self::with(config, Exit::main(config, None)?, |exit| exit.with_timeouts(timeouts))
    }

    fn with(config: &Config, main: Exit, finished: impl Fn(Exit) -> Exit) -> Result<Self, RelayError> {
        let main = Arc::new(finished(main));
        let mut made: Vec<(&Relay, Arc<Exit>)> = vec![(&config.outbound.relay, main.clone())];
        let mut own = HashMap::new();
        for mailbox in &config.mailboxes {
            let Some(relay) = &mailbox.relay else { continue };
            let exit = match made.iter().find(|(other, _)| *other == relay) {
                Some((_, exit)) => exit.clone(),
                None => {
                    let exit = Exit::new(relay, &config.desk.hostname)?;
                    let exit = Arc::new(finished(Exit { name: unique(name(relay), &made), ..exit }));
                    made.push((relay, exit.clone()));
                    exit
                }
            };
            if !Arc::ptr_eq(&exit, &main) {
                own.insert(mailbox.address.clone(), exit);
            }
        }
        Ok(Self { main, own })
    }

    /// The exit of a mailbox, by its address.
    pub fn of_mailbox(&self, address: &str) -> &Arc<Exit> {
        self.own.get(address).unwrap_or(&self.main)
    }

    /// The exit of mailboxes that have none of their own.
    pub fn main(&self) -> &Arc<Exit> {
        &self.main
    }

    /// Whether a mail's mailbox matters.
    pub fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Whether mails have different destinations.
    pub fn are_many(&self) -> bool {
        self.main.is_straight() || self.has_own()
    }

    /// Each exit once, with the addresses of the mailboxes that have it for their own.
    pub fn each(&self) -> Vec<(Vec<&str>, &Arc<Exit>)> {
        let mut all: Vec<(Vec<&str>, &Arc<Exit>)> = vec![(Vec::new(), &self.main)];
        for (address, exit) in &self.own {
            match all.iter_mut().find(|(_, other)| Arc::ptr_eq(other, exit)) {
                Some((addresses, _)) => addresses.push(address),
                None => all.push((vec![address], exit)),
            }
        }
        all.iter_mut().for_each(|(addresses, _)| addresses.sort_unstable());
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

/// Two relays may differ in what no name should show, like a password: each still has a fate of its own.
fn unique(name: String, made: &[(&Relay, Arc<Exit>)]) -> String {
    let is_taken = |name: &str| made.iter().any(|(_, exit)| exit.name == name);
    let others = (2..).map(|n| format!("{name} #{n}"));
    std::iter::once(name.clone()).chain(others).find(|name| !is_taken(name)).unwrap_or(name)
}

/// What no domain is called.
fn name(relay: &Relay) -> String {
    match relay {
        Relay::Smtp(relay) => {
            let scheme = if relay.implicit_tls { "smtps" } else { "smtp" };
            let user = relay.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
            format!("{scheme}://{user}{}:{}", relay.host, relay.port)
        }
        Relay::Maildir(folder) => format!("maildir:{}", folder.display()),
        Relay::Mx(_) => String::new(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::config::types::SmtpRelay;

    fn relay(password: &str) -> Relay {
        let (host, user, password) = ("127.0.0.1".into(), Some("desk".into()), Some(Secret::new(password)));
        Relay::Smtp(SmtpRelay { host, port: 25, implicit_tls: false, user, password, ca: None })
    }

    #[test]
    fn relays_that_differ_in_a_password_alone_have_fates_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::local(folder.path()).unwrap();
        let first = config.mailboxes.remove(0);
        for (address, password) in [("a@desk.test", "one"), ("b@desk.test", "two"), ("c@desk.test", "one")] {
            config.mailboxes.push(crate::config::Mailbox { address: address.into(), relay: Some(relay(password)), ..first.clone() });
        }
        let exits = Exits::hurried(&config, Timeouts::default()).unwrap();
        let name = |address| exits.of_mailbox(address).name();
        assert_eq!((name("a@desk.test"), name("b@desk.test")), ("smtp://desk@127.0.0.1:25", "smtp://desk@127.0.0.1:25 #2"));
        assert!(Arc::ptr_eq(exits.of_mailbox("a@desk.test"), exits.of_mailbox("c@desk.test")));
    }
}
