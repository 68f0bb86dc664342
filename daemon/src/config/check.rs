//! What no key says alone: checks across sections, and what a new configuration can change while the desk runs.

use std::collections::BTreeMap;

use super::problems::{Origin, Problem};
use super::read_imap::same_folder;
use super::reader::{Account, Notes};
use super::types::{Config, Listen, Require};

/// Checks the sections against each other.
pub(super) fn across(config: &Config, notes: &mut Notes) {
    addresses_stand_once(notes);
    listeners_stand_once(notes);
    warn_of_folders_fetched_twice(notes);
    if config.authentication.require == Require::None {
        warn_of_open_listeners(notes);
    }
}

fn addresses_stand_once(notes: &mut Notes) {
    let mut seen: BTreeMap<&str, &Origin> = BTreeMap::new();
    for (address, origin, place) in &notes.addresses {
        let Some(first) = seen.get(address.as_str()) else {
            seen.insert(address, origin);
            continue;
        };
        let text = format!("\"{address}\" is already an address of a mailbox ({})", where_of(first));
        notes.problems.push(Problem { origin: origin.clone(), place: place.clone(), text, missing: false });
    }
}

fn listeners_stand_once(notes: &mut Notes) {
    for (index, (listen, origin, place)) in notes.listeners.iter().enumerate() {
        // Port 0 is another one each time.
        let free = matches!(listen, Listen::Tcp(address) | Listen::TcpOrFree(address) if address.port() == 0);
        let Some((_, first, _)) = notes.listeners.iter().take(index).find(|(other, _, _)| other == listen && !free) else { continue };
        let text = format!("this address is already listened on ({})", where_of(first));
        notes.problems.push(Problem { origin: origin.clone(), place: place.clone(), text, missing: false });
    }
}

fn warn_of_folders_fetched_twice(notes: &mut Notes) {
    for (index, (account, origin, place)) in notes.accounts.iter().enumerate() {
        for folder in &account.folders {
            let fetches = |other: &Account| other.name == account.name && other.folders.iter().any(|f| same_folder(f, folder));
            let Some((_, first, _)) = notes.accounts.iter().take(index).find(|(other, ..)| fetches(other)) else { continue };
            let text = format!(
                "\"{folder}\" of this account is fetched for another mailbox already ({}); a mail in it is kept for both and \
                 belongs to whichever is first",
                where_of(first)
            );
            notes.warnings.push(Problem { origin: origin.clone(), place: place.clone(), text, missing: false });
        }
    }
}

fn warn_of_open_listeners(notes: &mut Notes) {
    for (listen, origin, place) in &notes.listeners {
        let (Listen::Tcp(address) | Listen::TcpOrFree(address)) = listen else { continue };
        if !address.ip().to_canonical().is_loopback() {
            let text = format!(
                "{address} can be reached from other machines, and [authentication] require = \"none\" believes every sender; \
                 only a gateway that verifies senders may reach it"
            );
            notes.warnings.push(Problem { origin: origin.clone(), place: place.clone(), text, missing: false });
        }
    }
}

fn where_of(origin: &Origin) -> String {
    match origin {
        Origin::Line(number) => format!("line {number}"),
        Origin::Env(name) => name.clone(),
        Origin::File | Origin::BuiltIn => "the built-in local desk".to_owned(),
    }
}

impl Config {
    /// The keys that differ in `new` and cannot change while the desk runs; the old values stay until a restart.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let listen = |config: &Config| {
            let smtp = config.smtp.as_ref().map(|s| s.listen.clone());
            let lmtp = config.lmtp.as_ref().map(|s| s.listen.clone());
            (smtp, lmtp, config.http.as_ref().map(|s| s.listen.clone()))
        };
        let (old_smtp, old_lmtp, old_http) = listen(self);
        let (new_smtp, new_lmtp, new_http) = listen(new);
        let submission = |config: &Config| config.submission.as_ref().map(|s| s.listen.clone());
        let keys = [
            ("desk.data", self.desk.data != new.desk.data),
            ("desk.hostname", self.desk.hostname != new.desk.hostname),
            ("database.url", self.database != new.database),
            ("smtp.listen", old_smtp != new_smtp),
            ("submission.listen", submission(self) != submission(new)),
            ("lmtp.listen", old_lmtp != new_lmtp),
            ("http.listen", old_http != new_http),
        ];
        keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }
}
