//! MTA-STS (RFC 8461): a domain says over HTTPS which servers take its mail, and that they have TLS with a valid certificate. What
//! it has said counts until its time is over, also when it can't be asked any more.

mod kept;
mod policy;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::hickory_resolver::proto::rr::{Name, RData};
use mail_auth::mta_sts::MtaSts;
use mail_auth::{Error, MessageAuthenticator};
use ombud_webhooks::{Client, Guard, Limits, Resolve, Resolving};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::route::{self, NoRoute};
use crate::net::{Roots, extra_roots};
use kept::{Folder, Kept};
pub(super) use policy::{Mode, Policy};

/// Fetching a policy: connecting, and all of it.
const LIMITS: Limits = Limits { connect: Duration::from_secs(10), whole: Duration::from_secs(30), drain: Duration::from_secs(1) };
/// A fetch that failed is tried again after so many ms (RFC 8461 §3.3: five minutes or longer).
const PAUSE: i64 = 5 * 60_000;
/// Most domains that are remembered in memory; the folder has the others.
const DOMAINS: usize = 1_000;

/// The policies of all domains.
pub(super) struct Policies {
    dns: MessageAuthenticator,
    guard: Guard,
    ca: Option<PathBuf>,
    port: u16,
    folder: Option<Arc<Folder>>,
    client: OnceCell<Client>,
    roots: OnceCell<Roots>,
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

/// What is known of one domain.
#[derive(Default)]
struct Known {
    /// Whether the folder was asked.
    read: bool,
    kept: Option<Kept>,
    /// The policy with this id could not be had; until then, in ms, it is not asked for again.
    failed: Option<(Option<String>, i64)>,
}

impl Known {
    /// Whether the policy has to be fetched: there is none, the domain has another one, or it is old enough to be looked at again.
    fn wants(&self, id: Option<&str>, now: i64) -> bool {
        if self.failed.as_ref().is_some_and(|(failed, until)| failed.as_deref() == id && now < *until) {
            return false;
        }
        match (&self.kept, id) {
            (None, id) => id.is_some(),
            (Some(kept), Some(id)) if kept.id != id => true,
            (Some(kept), _) => kept.is_old(now),
        }
    }
}

impl Policies {
    /// `port` is that of HTTPS. Without a folder they are forgotten with the process.
    pub(super) fn new(dns: MessageAuthenticator, guard: Guard, ca: Option<PathBuf>, port: u16, folder: Option<PathBuf>) -> Self {
        let folder = folder.map(|path| Arc::new(Folder(path)));
        Self { dns, guard, ca, port, folder, client: OnceCell::new(), roots: OnceCell::new(), known: Mutex::default() }
    }

    /// The policy that counts for mail to a domain (A-labels), at `now` (ms); none where it has none, or one that asks for nothing.
    pub(super) async fn of(&self, domain: &str, now: i64) -> Option<Policy> {
        let id = self.id(domain).await;
        let place = self.place(domain);
        let mut known = place.lock().await;
        if !known.read {
            match self.read(domain).await {
                Ok(kept) => (known.read, known.kept) = (true, kept.map(|kept| kept.by_this_clock(now))),
                Err(error) => tracing::warn!(domain, %error, "a kept MTA-STS policy can't be read; the next mail looks again"),
            }
        }
        known.kept.take_if(|kept| kept.is_over(now));
        if known.wants(id.as_deref(), now) {
            match self.fetch(domain).await {
                Ok(policy) => {
                    let id = id.or_else(|| known.kept.as_ref().map(|kept| kept.id.clone())).unwrap_or_default();
                    tracing::info!(domain, mode = ?policy.mode, "the domain's MTA-STS policy was read");
                    let kept = Kept { domain: domain.to_owned(), id, fetched: now, policy };
                    // Before anything that a cancelled try would not come back from.
                    (known.read, known.kept, known.failed) = (true, Some(kept.clone()), None);
                    self.write(kept).await;
                }
                Err(why) => {
                    let instead = if known.kept.is_some() { "the last one counts" } else { "mail leaves as if there were none" };
                    tracing::warn!(domain, why, "the domain's MTA-STS policy can't be read; {instead}");
                    known.failed = Some((id, now + PAUSE));
                }
            }
        }
        known.kept.as_ref().map(|kept| kept.policy.clone()).filter(|policy| policy.mode != Mode::None)
    }

    /// Whose certificates a policy means.
    pub(super) async fn roots(&self) -> Result<&Roots, String> {
        let read = async {
            let ca = self.ca.clone();
            let roots = spawn_blocking(move || Roots::read(ca.as_deref())).await.map_err(|error| error.to_string())?;
            roots.map_err(|error| error.to_string())
        };
        self.roots.get_or_try_init(|| read).await
    }

    fn place(&self, domain: &str) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DOMAINS && !known.contains_key(domain) {
            known.retain(|_, place| Arc::strong_count(place) > 1);
        }
        known.entry(domain.to_owned()).or_default().clone()
    }

    /// The id of the policy by the DNS: exactly one valid record, or none (RFC 8461 §3.1).
    async fn id(&self, domain: &str) -> Option<String> {
        let asked = async {
            let lookup = self.dns.resolver().txt_lookup(Name::from_str_relaxed(format!("_mta-sts.{domain}."))?).await?;
            let records = lookup.answers().iter().filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            });
            Ok::<_, Error>(records.filter(|record| record.starts_with(b"v=STSv1")).collect::<Vec<_>>())
        };
        let [record] = <[_; 1]>::try_from(asked.await.ok()?).ok()?;
        let id = MtaSts::parse(&record).ok()?.id;
        ((1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric())).then_some(id)
    }

    async fn fetch(&self, domain: &str) -> Result<Policy, String> {
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        let url = format!("https://mta-sts.{domain}{port}/.well-known/mta-sts.txt");
        let page = self.client().await?.get(&url).await.map_err(|reason| reason.to_string())?;
        if page.status != 200 {
            return Err(format!("status {}", page.status));
        }
        if !page.kind.trim_start().get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("text/plain")) {
            return Err("it is not text/plain".to_owned());
        }
        Policy::parse(&page.body).map_err(str::to_owned)
    }

    async fn client(&self) -> Result<&Client, String> {
        let made = async {
            let (guard, names, ca) = (self.guard.clone(), Arc::new(Names(self.dns.clone())), self.ca.clone());
            let made = spawn_blocking(move || {
                let roots = extra_roots(ca.as_deref()).map_err(|error| error.to_string())?;
                Client::new(guard, LIMITS, names, roots).map_err(|error| error.to_string())
            });
            made.await.map_err(|error| error.to_string())?
        };
        self.client.get_or_try_init(|| made).await
    }

    async fn read(&self, domain: &str) -> io::Result<Option<Kept>> {
        let Some(folder) = self.folder.clone() else { return Ok(None) };
        let domain = domain.to_owned();
        spawn_blocking(move || folder.read(&domain)).await.map_err(io::Error::other).flatten()
    }

    async fn write(&self, kept: Kept) {
        let Some(folder) = self.folder.clone() else { return };
        let (domain, now) = (kept.domain.clone(), kept.fetched);
        let written = spawn_blocking(move || folder.write(&kept, now)).await.map_err(io::Error::other).flatten();
        if let Err(error) = written {
            tracing::warn!(domain, %error, "an MTA-STS policy can't be kept in the data folder, and a restart will forget it");
        }
    }
}

/// The resolver of the desk, as the client asks it.
struct Names(MessageAuthenticator);

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            match route::addresses(&self.0, name).await {
                Ok(none) if none.is_empty() => Err(io::ErrorKind::NotFound.into()),
                Ok(found) => Ok(found),
                Err(NoRoute::Never(why)) => Err(io::Error::new(io::ErrorKind::NotFound, why)),
                Err(NoRoute::Now(why)) => Err(io::Error::other(why)),
            }
        })
    }
}

/// What is said when a server may not be given mail.
pub(super) fn not_named(domain: &str, server: &str) -> String {
    format!("451 4.7.5 {server} is none of the servers that the MTA-STS policy of {domain} names")
}

/// What is said when a server has no TLS as the policy asks for it.
pub(super) fn not_covered(domain: &str, server: &str, address: SocketAddr, why: &str) -> String {
    format!("451 4.7.5 the MTA-STS policy of {domain} asks for TLS with a valid certificate, and {server} ({address}) has none: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str, fetched: i64) -> Known {
        let policy = Policy { mode: Mode::Enforce, mx: vec!["mx.x.test".into()], max_age: 86_400 };
        Known { kept: Some(Kept { domain: "x.test".into(), id: id.into(), fetched, policy }), ..Known::default() }
    }

    #[test]
    fn a_policy_is_fetched_when_it_is_new_or_old_and_not_again_and_again() {
        assert!(Known::default().wants(Some("1"), 0) && !Known::default().wants(None, 0));
        let mut known = known("1", 0);
        assert!(!known.wants(Some("1"), 1) && !known.wants(None, 1), "it is known");
        assert!(known.wants(Some("2"), 1), "the domain has another");
        let half_a_day = 43_200_000;
        assert!(known.wants(Some("1"), half_a_day) && known.wants(None, half_a_day), "half its time is over");
        known.failed = Some((Some("2".into()), PAUSE));
        assert!(!known.wants(Some("2"), PAUSE - 1) && known.wants(Some("2"), PAUSE) && known.wants(Some("3"), 1));
    }
}
