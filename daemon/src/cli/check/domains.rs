//! What the DNS says of a domain that our mail comes from.

use std::net::SocketAddr;
use std::time::Duration;

use mail_auth::hickory_resolver::proto::rr::{Name, RData};
use mail_auth::{DnsError, Error, MessageAuthenticator};
use tokio::time::timeout;

use super::{Report, State};
use crate::net::resolver;

/// A question takes no longer.
const PATIENCE: Duration = Duration::from_secs(6);
/// Characters of a record that are shown.
const SHOWN: usize = 200;

/// Looks at MX, SPF and DMARC of a domain.
pub(super) async fn look(server: Option<SocketAddr>, domain: &str, report: &mut Report) {
    let dns = match resolver(server) {
        Ok(dns) => dns,
        Err(error) => return report.add("dns", State::Note, error),
    };
    let policy = format!("_dmarc.{domain}");
    let (mx, spf, dmarc) = tokio::join!(mx(&dns, domain), txt(&dns, domain), txt(&dns, &policy));
    match mx {
        Ok(names) if names.is_empty() => {
            report.add("mx", State::Note, format!("{domain} has no MX: mail for it goes to the host of that name, or nowhere"));
        }
        Ok(names) => report.add("mx", State::Ok, format!("{domain}: {}", names.join(", "))),
        Err(error) => report.add("mx", State::Note, error),
    }
    match spf.map(|text| cut(&text, "v=spf1")) {
        Ok(Some(record)) => report.add("spf", State::Ok, format!("{domain}: {record}")),
        Ok(None) => {
            let mend = "publish a TXT record like \"v=spf1 mx -all\" that names the hosts your mail leaves from";
            report.add("spf", State::Note, format!("{domain} has no SPF record: {mend}"));
        }
        Err(error) => report.add("spf", State::Note, error),
    }
    match dmarc.map(|text| cut(&text, "v=DMARC1")) {
        Ok(Some(record)) => report.add("dmarc", State::Ok, format!("{domain}: {record}")),
        Ok(None) => {
            let mend = format!("publish a TXT record at _dmarc.{domain} like \"v=DMARC1; p=none; rua=mailto:…\"");
            report.add("dmarc", State::Note, format!("{domain} has no DMARC record: {mend}"));
        }
        Err(error) => report.add("dmarc", State::Note, error),
    }
}

/// A record in the texts of a name, from its first word on.
fn cut(text: &str, head: &str) -> Option<String> {
    let at = text.to_ascii_lowercase().find(&head.to_ascii_lowercase())?;
    Some(text.get(at..)?.chars().take(SHOWN).collect())
}

async fn txt(dns: &MessageAuthenticator, name: &str) -> Result<String, String> {
    match timeout(PATIENCE, dns.txt_raw_lookup(format!("{name}.").as_str())).await {
        Ok(Ok(octets)) => Ok(String::from_utf8_lossy(&octets).into_owned()),
        Ok(Err(Error::Dns(DnsError::RecordNotFound(_)))) => Ok(String::new()),
        Ok(Err(error)) => Err(format!("the DNS cannot be asked about {name}: {error}")),
        Err(_) => Err(format!("the DNS does not answer about {name}")),
    }
}

async fn mx(dns: &MessageAuthenticator, domain: &str) -> Result<Vec<String>, String> {
    let name = Name::from_str_relaxed(format!("{domain}.")).map_err(|error| format!("{domain}: {error}"))?;
    match timeout(PATIENCE, dns.resolver().mx_lookup(name)).await {
        Ok(Ok(found)) => {
            let names = found.answers().iter().filter_map(|record| match &record.data {
                RData::MX(mx) => Some(mx.exchange.to_lowercase().to_ascii().trim_end_matches('.').to_owned()),
                _ => None,
            });
            Ok(names.collect())
        }
        Ok(Err(error)) => match Error::from(error) {
            Error::Dns(DnsError::RecordNotFound(_)) => Ok(Vec::new()),
            error => Err(format!("the DNS cannot be asked about {domain}: {error}")),
        },
        Err(_) => Err(format!("the DNS does not answer about {domain}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_among_others() {
        assert_eq!(cut("google-verification=1v=SPF1 mx -all", "v=spf1").as_deref(), Some("v=SPF1 mx -all"));
        assert_eq!(cut("v=DKIM1; p=x", "v=DMARC1"), None);
        assert_eq!(cut("", "v=spf1"), None);
    }
}
