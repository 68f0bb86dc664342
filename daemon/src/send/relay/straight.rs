//! Straight to the servers of the recipient's domain: each in its turn until one takes the mail or refuses it for good.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use ipnet::IpNet;
use mail_auth::MessageAuthenticator;
use ombud_webhooks::Guard;
use tokio::time::timeout;

use crate::config::types::Straight;
use crate::model::address;
use crate::net::{Tls, resolver};

use super::client::{At, Plan};
use super::route::{self, NoRoute};
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
    pub(super) fn new(straight: &Straight, server: Option<SocketAddr>) -> Result<Self, RelayError> {
        let dns = resolver(server).map_err(RelayError::Resolver)?;
        let nets = straight.allow_networks.iter().filter_map(|net| IpNet::new(net.address, net.prefix).ok());
        Ok(Self { dns, guard: Guard { allow_http: false, allow_networks: nets.collect() }, port: straight.port })
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
        let mut last: Option<Outcome> = None;
        let (mut dials, mut refusals) = (0, 0);
        for server in servers {
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
                let outcome = match self.at(&server, SocketAddr::new(ip, mx.port), parcel).await {
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

    /// One server at one of its addresses. A handshake that fails ends nothing: without TLS anybody on the way could read the
    /// mail, but with an unknown certificate they could as well (RFC 7435).
    async fn at(&self, server: &str, address: SocketAddr, parcel: Parcel<'_>) -> Result<Outcome, Fault> {
        parcel.fence.begin();
        let tls = match Tls::new(server, false, None) {
            Ok(tls) => tls,
            Err(error) => return Ok(Outcome::Destination { reply: error.to_string() }),
        };
        let plan = |clear| Plan {
            host: server,
            port: address.port(),
            at: Some(At { address, clear }),
            implicit_tls: false,
            login: None,
            tls: &tls,
            hostname: &self.hostname,
            timeouts: self.timeouts,
        };
        let place = format!("{server} {address}");
        match self.over(&place, &plan(false), parcel).await {
            Err(fault) if fault.is_handshake() && !parcel.fence.is_stopped() => {
                tracing::info!(server, %address, "a TLS handshake failed, so mail goes in clear: {fault}");
                self.over(&place, &plan(true), parcel).await
            }
            outcome => outcome,
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
