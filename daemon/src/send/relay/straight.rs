//! Straight to the servers of the recipient's domain: each in its turn until one takes the mail or refuses it for good.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use ipnet::IpNet;
use mail_auth::MessageAuthenticator;
use ombud_webhooks::Guard;
use tokio::time::timeout;

use crate::config::types::Straight;
use crate::model::address;
use crate::net::{Tls, extra_roots, resolver};

use super::client::{At, Cover, Plan};
use super::route::{self, NoRoute};
use super::sts::{self, Mode, Policies, Policy};
use super::wire::Fault;
use super::{Exit, Fence, Outcome, RelayError};

/// Most connections for one try of one mail.
const DIALS: usize = 10;
/// Most servers that hear of a mail in one try: after so many refusals for now a third one would say the same.
const REFUSALS: usize = 2;
/// The slowest that a mail may be taken, in octets per s.
const PACE: usize = 32 * 1024;

/// What is needed to find other servers.
pub(super) struct Mx {
    dns: MessageAuthenticator,
    guard: Guard,
    port: u16,
    policies: Policies,
}

/// A server at one of its addresses.
#[derive(Clone, Copy)]
struct Server<'a> {
    name: &'a str,
    address: SocketAddr,
}

/// A mail on its way.
#[derive(Clone, Copy)]
pub(super) struct Parcel<'a> {
    pub(super) sender: &'a str,
    pub(super) recipient: &'a str,
    pub(super) mail: &'a [u8],
    pub(super) fence: &'a Fence,
}

impl Mx {
    /// Policies of domains stand in `folder`.
    pub(super) fn new(straight: &Straight, server: Option<SocketAddr>, folder: Option<PathBuf>) -> Result<Self, RelayError> {
        extra_roots(straight.ca.as_deref())?;
        let dns = resolver(server).map_err(RelayError::Resolver)?;
        let nets = straight.allow_networks.iter().filter_map(|net| IpNet::new(net.address, net.prefix).ok());
        let guard = Guard { allow_http: false, allow_networks: nets.collect() };
        let policies = Policies::new(dns.clone(), guard.clone(), straight.ca.clone(), straight.policy_port, folder);
        Ok(Self { dns, guard, port: straight.port, policies })
    }

    /// Whether the DNS answers.
    pub(super) async fn probe(&self, hostname: &str) -> Result<(), String> {
        match route::addresses(&self.dns, hostname).await {
            Ok(_) | Err(NoRoute::Never(_)) => Ok(()),
            Err(NoRoute::Now(why)) => Err(why),
        }
    }
}

/// The domain that mail for an address goes to, as A-labels in lower case.
pub fn domain_of(recipient: &str) -> String {
    let domain = address::split(recipient).map_or("", |(_, domain)| domain);
    mail_auth::common::to_a_label(domain.trim_end_matches('.')).to_ascii_lowercase()
}

fn never(reply: String) -> Outcome {
    Outcome::Recipient { temporary: false, reply }
}

impl Exit {
    pub(super) async fn straight(&self, mx: &Mx, parcel: Parcel<'_>) -> Outcome {
        let limit = self.timeouts.handover + Duration::from_secs((parcel.mail.len() / PACE) as u64);
        within(limit, parcel.fence, self.one_by_one(mx, parcel)).await
    }

    async fn one_by_one(&self, mx: &Mx, parcel: Parcel<'_>) -> Outcome {
        let domain = domain_of(parcel.recipient);
        let servers = match route::servers(&mx.dns, &domain, &self.hostname).await {
            Ok(servers) => servers,
            Err(NoRoute::Never(reply)) => return never(reply),
            Err(NoRoute::Now(reply)) => return Outcome::Destination { reply },
        };
        let policy = mx.policies.of(&domain, self.clock.now()).await;
        let mut last: Option<Outcome> = None;
        let (mut dials, mut refusals) = (0, 0);
        for server in servers {
            match &policy {
                Some(policy) if !policy.names(&server) && policy.mode == Mode::Enforce => {
                    last = Some(weightier(last, Outcome::Destination { reply: sts::not_named(&domain, &server) }));
                    continue;
                }
                Some(policy) if !policy.names(&server) => {
                    tracing::warn!(domain, "mail leaves all the same: {}", sts::not_named(&domain, &server))
                }
                _ => {}
            }
            let (addresses, refused): (Vec<IpAddr>, Vec<IpAddr>) = match route::addresses(&mx.dns, &server).await {
                Ok(addresses) => addresses.into_iter().partition(|ip| mx.guard.allows(*ip)),
                Err(NoRoute::Never(reply)) => return never(reply),
                Err(NoRoute::Now(reply)) => {
                    last = Some(weightier(last, Outcome::Destination { reply }));
                    continue;
                }
            };
            if let (true, Some(ip)) = (addresses.is_empty(), refused.first()) {
                last = Some(weightier(last, never(refusal(&server, *ip))));
            }
            for ip in addresses {
                // While a server had the mail nobody watched; meanwhile it may have become another's.
                if parcel.fence.is_stopped() {
                    return last.unwrap_or_else(stopped);
                }
                if dials == DIALS {
                    break;
                }
                dials += 1;
                let outcome = match self
                    .at(mx, &domain, policy.as_ref(), Server { name: &server, address: SocketAddr::new(ip, mx.port) }, parcel)
                    .await
                {
                    // Whoever else could take it was asked before.
                    Err(fault) if fault.is_ourselves() => return weightier(last, never(route::looped(&domain))),
                    Err(fault) => Outcome::Destination { reply: format!("{server}: {fault}") },
                    Ok(outcome) => outcome,
                };
                let heard = matches!(outcome, Outcome::Recipient { .. });
                if matches!(outcome, Outcome::Sent { .. } | Outcome::Unknown { .. } | Outcome::Recipient { temporary: false, .. }) {
                    return outcome;
                }
                let said = weightier(last, outcome);
                refusals += usize::from(heard);
                if refusals == REFUSALS {
                    return said;
                }
                last = Some(said);
                if heard {
                    break;
                }
            }
        }
        last.unwrap_or_else(|| never(format!("550 5.4.4 no server for mail to {domain} has an address")))
    }

    /// One server at one of its addresses, with TLS as a policy asks for it; else as it comes.
    async fn at(&self, mx: &Mx, domain: &str, policy: Option<&Policy>, server: Server<'_>, parcel: Parcel<'_>) -> Result<Outcome, Fault> {
        let Some(policy) = policy else { return self.as_it_comes(server, parcel).await };
        let why = match self.verified(mx, server, parcel).await {
            Err(fault) if fault.is_uncovered() => fault.to_string(),
            Ok(Err(why)) => why,
            Ok(Ok(outcome)) => return Ok(outcome),
            Err(fault) => return Err(fault),
        };
        let reply = sts::not_covered(domain, server.name, server.address, &why);
        if policy.mode == Mode::Enforce || parcel.fence.is_stopped() {
            return Ok(Outcome::Destination { reply });
        }
        tracing::warn!(domain, "mail leaves all the same: {reply}");
        self.as_it_comes(server, parcel).await
    }

    /// With TLS and a valid certificate; the inner error says why none can be asked for.
    async fn verified(&self, mx: &Mx, server: Server<'_>, parcel: Parcel<'_>) -> Result<Result<Outcome, String>, Fault> {
        parcel.fence.begin();
        let roots = match mx.policies.roots().await {
            Ok(roots) => roots,
            Err(why) => return Ok(Err(why)),
        };
        let tls = match Tls::believing(server.name, Some(roots)) {
            Ok(tls) => tls,
            Err(error) => return Ok(Err(error.to_string())),
        };
        // A connection with any certificate must not carry it, so they have names of their own.
        let place = format!("{} {} verified", server.name, server.address);
        self.over(&place, &self.to(server, Cover::Verified, &tls), parcel).await.map(Ok)
    }

    /// A handshake that fails ends nothing: without TLS anybody on the way could read the mail, but with an unknown certificate they
    /// could as well (RFC 7435).
    async fn as_it_comes(&self, server: Server<'_>, parcel: Parcel<'_>) -> Result<Outcome, Fault> {
        parcel.fence.begin();
        let tls = match Tls::believing(server.name, None) {
            Ok(tls) => tls,
            Err(error) => return Ok(Outcome::Destination { reply: error.to_string() }),
        };
        let place = format!("{} {}", server.name, server.address);
        match self.over(&place, &self.to(server, Cover::Any, &tls), parcel).await {
            Err(fault) if fault.is_broken_tls() && !parcel.fence.is_stopped() => {
                tracing::info!(server = server.name, address = %server.address, "TLS came to nothing, so mail goes in clear: {fault}");
                self.over(&place, &self.to(server, Cover::Clear, &tls), parcel).await
            }
            outcome => outcome,
        }
    }

    fn to<'a>(&'a self, server: Server<'a>, cover: Cover, tls: &'a Tls) -> Plan<'a> {
        Plan {
            host: server.name,
            port: server.address.port(),
            at: Some(At { address: server.address, cover }),
            implicit_tls: false,
            login: None,
            tls,
            hostname: &self.hostname,
            timeouts: self.timeouts,
        }
    }
}

/// A try over many servers that each take their time ends all the same; unless the mail may have left: then it ends with the one that
/// has it.
async fn within(limit: Duration, fence: &Fence, tried: impl Future<Output = Outcome>) -> Outcome {
    let mut tried = pin!(tried);
    if let Ok(outcome) = timeout(limit, &mut tried).await {
        return outcome;
    }
    if fence.is_passed() {
        fence.stop();
        return tried.await;
    }
    Outcome::Destination { reply: format!("its servers did not take the mail within {} s", limit.as_secs()) }
}

/// Of what two servers have said the word that counts: a refusal for now of who has heard of the mail, then that one could not be
/// asked, and last that one can never be.
fn weightier(last: Option<Outcome>, next: Outcome) -> Outcome {
    let weight = |outcome: &Outcome| match outcome {
        Outcome::Recipient { temporary: true, .. } => 2,
        Outcome::Destination { .. } => 1,
        _ => 0,
    };
    match last {
        Some(last) if weight(&last) > weight(&next) => last,
        _ => next,
    }
}

fn stopped() -> Outcome {
    Outcome::Destination { reply: "the desk stopped before it could be sent".to_owned() }
}

fn refusal(server: &str, ip: IpAddr) -> String {
    format!("550 5.4.4 {server} is at {ip}, which is not of the public internet ([outbound] allow_networks)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_counts_for_more_than_what_stays() {
        let (later, away) = (Outcome::Recipient { temporary: true, reply: "451".into() }, Outcome::Destination { reply: "421".into() });
        let no = never("550".into());
        for (first, second, counts) in [(&later, &away, &later), (&away, &later, &later), (&no, &away, &away), (&away, &no, &away)] {
            assert_eq!(weightier(Some(first.clone()), second.clone()), *counts);
        }
        assert_eq!(weightier(None, no.clone()), no);
    }

    #[tokio::test]
    async fn a_try_ends_unless_the_mail_may_have_left() {
        let (fence, short) = (Fence::default(), Duration::from_millis(1));
        let outcome = within(short, &fence, std::future::pending()).await;
        assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("did not take the mail")), "{outcome:?}");
        fence.pass();
        let answered = async {
            while !fence.is_stopped() {
                tokio::task::yield_now().await;
            }
            never("550".into())
        };
        assert_eq!(within(short, &fence, answered).await, never("550".into()));
    }

    #[test]
    fn a_domain_is_looked_up_as_a_labels() {
        assert_eq!(domain_of("jörg@Bücher.Example"), "xn--bcher-kva.example");
        assert_eq!(domain_of("nobody"), "");
    }
}
