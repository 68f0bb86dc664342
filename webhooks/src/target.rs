//! The URL of an endpoint, taken apart for dialling.

use std::net::IpAddr;

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use url::{Host, Position, Url};

use crate::guard::Guard;

/// The longest URL, in octets.
const MAX: usize = 2048;

/// Why a URL can't be an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No URL at all.
    #[error("that is not a URL: write `https://host/path`")]
    Syntax,
    /// Over 2,048 octets, as written or in its normal form.
    #[error("the URL is too long: at most {MAX} octets")]
    Length,
    /// Neither https nor http.
    #[error("the URL must begin with https://")]
    Scheme,
    /// `http://` where it is not allowed.
    #[error("the URL must begin with https://; http must be allowed in the configuration (`allow_http`)")]
    Http,
    /// `user:password@`.
    #[error("the URL must not contain a user or a password")]
    Userinfo,
    /// `#…` is never sent.
    #[error("the URL must not contain a fragment (`#…`)")]
    Fragment,
    /// A host that no certificate can be for.
    #[error("the host of the URL is not a name that can be looked up")]
    Host,
    /// An address, or `localhost`, that may not be dialled.
    #[error("{0} is not an address of the public internet: its network must be allowed in the configuration (`allow_networks`)")]
    Refused(String),
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// What to look up, or an address that needs no look-up.
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    /// The name that the certificate must be for; `None` for http.
    pub(crate) name: Option<ServerName<'static>>,
    /// `Host` (RFC 9112 section 3.2).
    pub(crate) authority: HeaderValue,
    /// The request's target.
    pub(crate) path: PathAndQuery,
}

impl Target {
    /// Whatever passes here can be sent.
    pub(crate) fn checked(text: &str, guard: &Guard) -> Result<(Url, Self), UrlError> {
        if text.len() > MAX {
            return Err(UrlError::Length);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Syntax)?;
        match url.scheme() {
            "https" => {}
            "http" if guard.allow_http => {}
            "http" => return Err(UrlError::Http),
            _ => return Err(UrlError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Userinfo);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        if url.as_str().len() > MAX {
            return Err(UrlError::Length);
        }
        let host = url.host().ok_or(UrlError::Host)?.to_owned();
        let name = name(&host)?;
        local(&host, guard)?;
        let target = Self {
            port: url.port_or_known_default().ok_or(UrlError::Scheme)?,
            name: (url.scheme() == "https").then_some(name),
            authority: HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).map_err(|_| UrlError::Host)?,
            path: url[Position::BeforePath..Position::AfterQuery].parse().map_err(|_| UrlError::Syntax)?,
            host,
        };
        Ok((url, target))
    }
}

/// SNI and certificates have names without the dot at their end.
fn name(host: &Host<String>) -> Result<ServerName<'static>, UrlError> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned()).map_err(|_| UrlError::Host),
        Host::Ipv4(ip) => Ok(IpAddr::from(*ip).into()),
        Host::Ipv6(ip) => Ok(IpAddr::from(*ip).into()),
    }
}

/// Refuses at once what can't come to anything: addresses, and the names that are loopback everywhere (RFC 6761 section 6.3).
fn local(host: &Host<String>, guard: &Guard) -> Result<(), UrlError> {
    let allowed = match host {
        Host::Ipv4(ip) => guard.allows((*ip).into()),
        Host::Ipv6(ip) => guard.allows((*ip).into()),
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            let local = name == "localhost" || name.ends_with(".localhost");
            !local || ["127.0.0.1", "::1"].iter().any(|ip| ip.parse().is_ok_and(|ip| guard.allows(ip)))
        }
    };
    if allowed { Ok(()) } else { Err(UrlError::Refused(host.to_string())) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Result<String, UrlError> {
        Guard::default().url(text).map(String::from)
    }

    #[test]
    fn the_normal_form_is_answered() {
        for (text, normal) in [
            ("https://hooks.example.com/a?b=c", "https://hooks.example.com/a?b=c"),
            ("HTTPS://Hooks.Example.COM:443", "https://hooks.example.com/"),
            ("https://hooks.example.com:8443/ä b", "https://hooks.example.com:8443/%C3%A4%20b"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("https://hooks.example.com./", "https://hooks.example.com./"),
            ("https://1.1.1.1:22/", "https://1.1.1.1:22/"),
            ("https://[2606:4700:4700:0::1111]/", "https://[2606:4700:4700::1111]/"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(normal));
        }
    }

    #[test]
    fn what_can_be_no_endpoint_is_named() {
        let long = format!("https://a.example/{}", "a".repeat(MAX));
        let grows = format!("https://a.example/{}", "ä".repeat(MAX / 3));
        for (text, error) in [
            ("", UrlError::Syntax),
            ("hooks.example.com", UrlError::Syntax),
            ("https://", UrlError::Syntax),
            ("https://a b.example/", UrlError::Syntax),
            ("https://1.2.3.4.5/", UrlError::Syntax),
            ("https://[fe80::1%25eth0]/", UrlError::Syntax),
            ("ftp://a.example/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("gopher://a.example/", UrlError::Scheme),
            ("http://a.example/", UrlError::Http),
            ("https://user@a.example/", UrlError::Userinfo),
            ("https://:secret@a.example/", UrlError::Userinfo),
            ("https://a.example/#", UrlError::Fragment),
            ("https://-/", UrlError::Host),
            ("https://a..example/", UrlError::Host),
            (&long, UrlError::Length),
            (&grows, UrlError::Length),
        ] {
            assert_eq!(url(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_local_address_is_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "0",
            "0.0.0.0",
            "00",
            "0x0",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "[::1]",
            "[::]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::808:808]",
            "[2002:7f00:1::]",
            "[2001:0:1::1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "100.100.100.200",
            "192.168.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "255.255.255.255",
            "224.0.0.1",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "a.localhost.",
            "loc%61lhost",
            "ⓛocalhost",
        ] {
            let refused = url(&format!("https://{host}/"));
            assert!(matches!(refused, Err(UrlError::Refused(_))), "{host}: {refused:?}");
        }
    }

    #[test]
    fn what_is_allowed_by_name_passes() {
        let guard = Guard { allow_http: true, allow_networks: vec!["127.0.0.0/8".parse().unwrap()] };
        for text in ["http://localhost:8080/", "https://localhost/", "http://127.0.0.1:1/", "http://0x7f.1/"] {
            assert!(guard.url(text).is_ok(), "{text}");
        }
        assert!(guard.url("http://[::1]/").is_err());
    }

    #[test]
    fn a_name_and_its_port_stand_in_host_and_the_dot_is_not_in_the_certificate() {
        let (_, target) = Target::checked("https://hooks.example.com.:8443?a=b", &Guard::default()).unwrap();
        assert_eq!(target.authority, "hooks.example.com.:8443");
        assert_eq!(target.name.unwrap().to_str(), "hooks.example.com");
        assert_eq!((target.port, target.path.as_str()), (8443, "/?a=b"));
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC*") {
            let _ = url(&text);
        }

        #[test]
        fn what_passes_passes_again_and_is_the_same(rest in "[a-z.]{1,20}(:[0-9]{1,5})?/?[ -~\\PC]{0,60}") {
            if let Ok(normal) = url(&format!("https://{rest}")) {
                prop_assert_eq!(url(&normal), Ok(normal));
            }
        }

        #[test]
        fn no_spelling_of_a_number_gets_past(bits: u32, first in 0u8..3) {
            let [a, b, c, d] = bits.to_be_bytes();
            let spelling = match first {
                0 => format!("https://{bits}/"),
                1 => format!("https://{bits:#x}/"),
                _ => format!("https://0{a:o}.{b:#x}.{}/", u16::from(c) << 8 | u16::from(d)),
            };
            let allowed = Guard::default().allows(std::net::Ipv4Addr::from(bits).into());
            prop_assert_eq!(url(&spelling).is_ok(), allowed);
        }
    }
}
