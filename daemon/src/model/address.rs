//! Mail addresses as shown, compared and put into RCPT TO: the same bytes everywhere.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A display name and an addr-spec (RFC 5322 §3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The display name, decoded and cleaned; `None` when there is none.
    pub name: Option<String>,
    /// The addr-spec without angle brackets, as written by the sender.
    pub address: String,
}

impl Address {
    /// An address without a display name.
    pub fn bare(address: impl Into<String>) -> Self {
        Self { name: None, address: address.into() }
    }

    /// The key under which this address is compared and stored.
    pub fn key(&self) -> String {
        fold(&self.address)
    }
}

/// Folds an addr-spec for comparison. The local part is folded too: mail systems that tell `Ann@` from `ann@`
/// are extinct, and people who type either are not.
pub fn fold(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Splits an addr-spec at its last `@` into local part and domain.
pub fn split(address: &str) -> Option<(&str, &str)> {
    let (local, domain) = address.rsplit_once('@')?;
    (!local.is_empty() && !domain.is_empty()).then_some((local, domain))
}

/// An addr-spec with its domain as A-labels (RFC 5890 §2.3.2.1): two that are equal but for this are one address.
pub fn with_a_labels(address: &str) -> Cow<'_, str> {
    match split(address) {
        Some((local, domain)) if !domain.is_ascii() => {
            let labels = mail_auth::common::to_a_label(domain);
            // Characters that stand for brackets or commas become them.
            if is_domain(&labels) { Cow::Owned(format!("{local}@{labels}")) } else { Cow::Borrowed(address) }
        }
        _ => Cow::Borrowed(address),
    }
}

/// An addr-spec as it leaves: what ASCII can say is said in ASCII, which every server and every reader takes. A local part that is
/// not ASCII has no other form, so such an address stays as it is (RFC 6531 §3.2).
pub fn written(address: &str) -> Cow<'_, str> {
    match split(address) {
        Some((local, _)) if local.is_ascii() => with_a_labels(address),
        _ => Cow::Borrowed(address),
    }
}

/// Whether this is an addr-spec that we would put into RCPT TO: a dot-atom (ASCII or UTF-8) and a domain, at most
/// 254 octets with at most 64 before the `@` (RFC 5321 §4.5.3.1). Quoted local parts, comments, groups and address
/// literals are refused: they are how one parser is told one address and the next another.
pub fn is_plain(address: &str) -> bool {
    let Some((local, domain)) = split(address) else { return false };
    address.len() <= 254 && local.len() <= 64 && is_dot_atom(local) && is_domain(domain)
}

fn is_dot_atom(local: &str) -> bool {
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && c.is_alphanumeric());
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

fn is_domain(domain: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && c.is_alphanumeric()))
    };
    domain.len() <= 253 && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_written_in_ascii_where_the_whole_address_can_be() {
        for (address, as_written, as_compared) in [
            ("Ann@Bücher.test", "Ann@xn--bcher-kva.test", "Ann@xn--bcher-kva.test"),
            ("jörg@bücher.test", "jörg@bücher.test", "jörg@xn--bcher-kva.test"),
            ("Ann@X.test", "Ann@X.test", "Ann@X.test"),
            ("nobody", "nobody", "nobody"),
            ("ann@x⑴.test", "ann@x⑴.test", "ann@x⑴.test"),
        ] {
            assert_eq!((written(address), with_a_labels(address)), (as_written.into(), as_compared.into()));
        }
    }

    #[test]
    fn plain_addresses_are_dot_atoms() {
        for good in ["ann@example.com", "a.b+c@x-y.example", "jörg@bücher.example", "o'neil@localhost"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "a..b@example.com",
            "\"a@b\"@example.com",
            "ann@exa mple.com",
            "ann@-x.example",
            "ann@x..y",
            "ann@example.com(c)",
            "<ann@example.com>",
            "ann@[127.0.0.1]",
            "a\r\nb@example.com",
            "a b@example.com",
        ] {
            assert!(!is_plain(bad), "{bad}");
        }
        assert!(!is_plain(&format!("{}@example.com", "a".repeat(65))));
    }
}
