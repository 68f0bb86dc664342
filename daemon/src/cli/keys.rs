//! `ombud keys`: the keys that sign what leaves, and what the DNS must say of them.

use std::collections::BTreeSet;

use clap::Subcommand;
use serde::Serialize;

use super::failure::{Failure, UNAVAILABLE};
use super::out::{Answer, Done};
use super::table::{self, Table};
use super::{Place, json};
use crate::clock::Clock;
use crate::config::Config;
use crate::send::dkim::{self, Key, Published};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// All DKIM keys, and whether their records are in the DNS
    List,
    /// The DNS records to publish for DKIM; makes the keys where there are none
    Show {
        /// Only this domain [default: those of all mailboxes]
        domain: Option<String>,
    },
    /// Make new keys; the old ones sign until the new records are in the DNS
    Rotate {
        /// The domain whose DKIM keys are made anew (without it: the keys of signed addresses, which is not built yet)
        #[arg(long, value_name = "DOMAIN")]
        dkim: Option<String>,
    },
}

/// A key for programs.
#[derive(Debug, Serialize)]
struct Item {
    domain: String,
    selector: String,
    algorithm: &'static str,
    /// Whether the DNS has its record; null when it can't be asked.
    published: Option<bool>,
    name: String,
    value: String,
}

pub(super) async fn run(command: Command, place: &Place, json: bool) -> Done {
    if let Command::Rotate { dkim: None } = command {
        return Err(Failure::unbuilt("keys rotate"));
    }
    let config = place.load()?;
    match command {
        Command::List => list(&config, json).await,
        Command::Show { domain } => show(&config, domain.as_deref(), json).await,
        Command::Rotate { dkim } => {
            let domain = known(&config, dkim.as_deref().unwrap_or_default())?;
            make(&config, &domain).await?;
            show(&config, Some(&domain), json).await
        }
    }
}

fn known(config: &Config, domain: &str) -> Result<String, Failure> {
    let wanted = dkim::domain_of(&format!("postmaster@{domain}"));
    let domains = dkim::domains(config);
    if domains.contains(&wanted) {
        return Ok(wanted);
    }
    let all: Vec<String> = domains.into_iter().collect();
    Err(Failure::data(format!("{domain} is the domain of no mailbox: there are {}", all.join(", "))))
}

async fn make(config: &Config, domain: &str) -> Result<(), Failure> {
    let (data, domain) = (config.desk.data.clone(), domain.to_owned());
    let day = table::at(Clock::default().now(), "%Y%m%d");
    let made = tokio::task::spawn_blocking(move || dkim::make(&data, &domain, &day));
    made.await.map_err(|error| Failure::bug(error.to_string()))?.map_err(|error| Failure::new(UNAVAILABLE, error.to_string()))
}

fn load(config: &Config, domain: Option<&str>) -> Result<Vec<Key>, Failure> {
    dkim::load(&config.desk.data, domain).map_err(|error| Failure::new(UNAVAILABLE, error.to_string()))
}

async fn items(config: &Config, keys: &[Key]) -> Vec<Item> {
    let states = dkim::published(config.authentication.resolver, keys).await;
    let item = |(key, state): (&Key, Published)| Item {
        domain: key.domain.clone(),
        selector: key.selector.clone(),
        algorithm: key.algorithm(),
        published: match state {
            Published::Yes => Some(true),
            Published::No => Some(false),
            Published::Unknown => None,
        },
        name: key.name(),
        value: key.record(),
    };
    keys.iter().zip(states).map(item).collect()
}

fn state(published: Option<bool>) -> &'static str {
    match published {
        Some(true) => "in the DNS",
        Some(false) => "not in the DNS",
        None => "the DNS does not answer",
    }
}

async fn list(config: &Config, json: bool) -> Done {
    let items = items(config, &load(config, None)?).await;
    let answer = Answer::of(json, &items, || {
        let mut table = Table::headed(["DOMAIN", "SELECTOR", "ALGORITHM", "RECORD"]);
        for item in &items {
            table.row([item.domain.as_str(), &item.selector, item.algorithm, state(item.published)]);
        }
        table.text()
    })?;
    Ok(if items.is_empty() { answer.noting("there are no DKIM keys yet: `ombud keys show` makes them") } else { answer })
}

async fn show(config: &Config, domain: Option<&str>, json: bool) -> Done {
    let domains = match domain {
        Some(domain) => BTreeSet::from([known(config, domain)?]),
        None => dkim::domains(config),
    };
    let mut keys = Vec::new();
    for domain in &domains {
        if load(config, Some(domain))?.is_empty() {
            make(config, domain).await?;
        }
        keys.extend(load(config, Some(domain))?);
    }
    let items = items(config, &keys).await;
    if json {
        return Ok(Answer { text: json::document(&items)?, ..Answer::default() });
    }
    let lines = items
        .iter()
        .map(|item| format!("; {}: {}\n{}. 3600 IN TXT {}\n", item.algorithm, state(item.published), item.name, quoted(&item.value)));
    Ok(Answer { text: lines.collect(), ..Answer::default() })
}

/// A text of a zone file, in strings of at most 255 octets (RFC 1035 §3.3).
fn quoted(value: &str) -> String {
    let parts: Vec<String> = value.as_bytes().chunks(200).map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_record_is_several_strings() {
        assert_eq!(quoted("ab"), "\"ab\"");
        assert_eq!(quoted(&"x".repeat(250)), format!("\"{}\" \"{}\"", "x".repeat(200), "x".repeat(50)));
    }
}
