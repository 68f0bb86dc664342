//! Which servers take mail for a domain, by the DNS (RFC 5321 §5.1, RFC 7505).

use std::net::IpAddr;

use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::hickory_resolver::proto::rr::{Name, RData};
use mail_auth::{DnsError, Error, MessageAuthenticator};

/// Most servers of one domain that are tried.
const SERVERS: usize = 10;
/// Most addresses of one server that are tried.
const ADDRESSES: usize = 5;

/// Why there is no way to a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// There will be none: in one line, with an enhanced status code (RFC 3463).
    Never(String),
    /// Nobody could say.
    Now(String),
}

/// What the DNS has said about a name.
#[derive(Debug, PartialEq, Eq)]
enum Found<T> {
    Records(Vec<T>),
    /// The name exists and has none of these.
    Nothing,
    NoSuchName,
}

/// Names of the servers for a domain (A-labels), the first one first. Its own name where it has no MX.
pub(super) async fn servers(dns: &MessageAuthenticator, domain: &str, own: &str) -> Result<Vec<String>, NoRoute> {
    let mut dice = random;
    match mx(dns, domain).await? {
        Found::Records(records) => ordered(domain, records, own, &mut dice),
        Found::Nothing => ordered(domain, vec![(0, domain.to_owned())], own, &mut dice),
        Found::NoSuchName => Err(NoRoute::Never(format!("550 5.1.2 the domain {domain} does not exist"))),
    }
}

/// Addresses of a server; none when it has none. IPv4 comes first: many who send by IPv6 have no name there, and are refused.
pub(super) async fn addresses(dns: &MessageAuthenticator, server: &str) -> Result<Vec<IpAddr>, NoRoute> {
    let name = format!("{server}.");
    let (four, six) = tokio::join!(dns.ipv4_lookup_raw(&name), dns.ipv6_lookup_raw(&name));
    let four = found(server, four.map(|found| found.entry.iter().copied().map(IpAddr::from).collect()));
    let six = found(server, six.map(|found| found.entry.iter().copied().map(IpAddr::from).collect()));
    let all: Vec<IpAddr> = [&four, &six].into_iter().flatten().flat_map(records).take(ADDRESSES).collect();
    match (all.is_empty(), four, six) {
        (false, ..) => Ok(all),
        (true, Err(no), _) | (true, _, Err(no)) => Err(no),
        (true, Ok(_), Ok(_)) => Ok(Vec::new()),
    }
}

fn records(found: &Found<IpAddr>) -> impl Iterator<Item = IpAddr> + '_ {
    let records = match found {
        Found::Records(records) => records.as_slice(),
        Found::Nothing | Found::NoSuchName => &[],
    };
    records.iter().copied()
}

async fn mx(dns: &MessageAuthenticator, domain: &str) -> Result<Found<(u16, String)>, NoRoute> {
    let asked = async {
        let lookup = dns.resolver().mx_lookup(Name::from_str_relaxed(format!("{domain}."))?).await?;
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::MX(mx) => Some((mx.preference, mx.exchange.to_lowercase().to_ascii())),
            _ => None,
        });
        Ok(records.collect())
    };
    found(domain, asked.await)
}

fn found<T>(name: &str, asked: Result<Vec<T>, Error>) -> Result<Found<T>, NoRoute> {
    match asked {
        Ok(records) if records.is_empty() => Ok(Found::Nothing),
        Ok(records) => Ok(Found::Records(records)),
        Err(Error::Dns(DnsError::RecordNotFound(ResponseCode::NoError))) => Ok(Found::Nothing),
        Err(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain))) => Ok(Found::NoSuchName),
        Err(Error::Dns(DnsError::RecordNotFound(code))) => Err(NoRoute::Now(format!("451 4.4.3 the DNS says of {name}: {code}"))),
        Err(error) => Err(NoRoute::Now(format!("451 4.4.3 the DNS cannot be asked about {name}: {error}"))),
    }
}

/// Servers by preference, those of one preference in any order (RFC 5321 §5.1). When we are one of them, only those that are
/// preferred to us count: whatever is behind us would hand the mail back.
fn ordered(domain: &str, records: Vec<(u16, String)>, own: &str, dice: &mut impl FnMut() -> u64) -> Result<Vec<String>, NoRoute> {
    let mut servers: Vec<_> = records.into_iter().map(|(preference, name)| (preference, dice(), plain(&name))).collect();
    servers.sort();
    // RFC 7505 §3: "." alone; among others it is a mistake and counts for nothing.
    if servers.iter().all(|(_, _, name)| name.is_empty()) {
        return Err(NoRoute::Never(format!("556 5.1.10 the domain {domain} takes no mail (null MX)")));
    }
    let own = plain(own);
    let best = servers.iter().find(|(_, _, name)| *name == own).map(|(preference, ..)| *preference);
    servers.retain(|(preference, _, name)| !name.is_empty() && best.is_none_or(|best| *preference < best));
    if servers.is_empty() {
        return Err(NoRoute::Never(looped(domain)));
    }
    Ok(servers.into_iter().map(|(_, _, name)| name).take(SERVERS).collect())
}

/// What is said when mail would come back to us.
pub(super) fn looped(domain: &str) -> String {
    format!("550 5.4.6 mail for {domain} would come back to this desk: its MX in the DNS is this desk, which has no such address")
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(records: &[(u16, &str)]) -> Result<Vec<String>, NoRoute> {
        let mut next = 0;
        let mut dice = || {
            next += 1;
            next
        };
        ordered("x.test", records.iter().map(|(preference, name)| (*preference, (*name).to_owned())).collect(), "desk.test", &mut dice)
    }

    #[test]
    fn the_lowest_preference_comes_first() {
        assert_eq!(order(&[(20, "b.x.test."), (10, "A.x.test."), (30, "c.x.test.")]).unwrap(), ["a.x.test", "b.x.test", "c.x.test"]);
    }

    #[test]
    fn those_of_one_preference_share_the_load() {
        let mut countdown = 9;
        let mut dice = || {
            countdown -= 1;
            countdown
        };
        let records = vec![(10, "a.test.".to_owned()), (10, "b.test.".to_owned())];
        assert_eq!(ordered("x.test", records, "desk.test", &mut dice).unwrap(), ["b.test", "a.test"]);
    }

    #[test]
    fn a_null_mx_takes_no_mail() {
        assert!(matches!(order(&[(0, ".")]), Err(NoRoute::Never(why)) if why.starts_with("556 5.1.10")));
        assert_eq!(order(&[(0, "."), (10, "a.test.")]).unwrap(), ["a.test"], "not alone it means nothing");
    }

    #[test]
    fn nothing_behind_ourselves_is_tried() {
        assert_eq!(order(&[(10, "a.test."), (20, "Desk.test."), (20, "b.test."), (30, "c.test.")]).unwrap(), ["a.test"]);
        assert!(matches!(order(&[(10, "desk.test."), (20, "a.test.")]), Err(NoRoute::Never(why)) if why.starts_with("550 5.4.6")));
    }

    proptest! {
        #[test]
        fn never_ourselves_never_too_many(records in prop::collection::vec((0u16..4, "(desk\\.test|[a-c]\\.test)?\\."), 0..30)) {
            let records: Vec<(u16, &str)> = records.iter().map(|(preference, name)| (*preference, name.as_str())).collect();
            if let Ok(servers) = order(&records) {
                prop_assert!(!servers.is_empty() && servers.len() <= SERVERS);
                prop_assert!(servers.iter().all(|name| name != "desk.test" && !name.is_empty()));
            }
        }
    }
}
