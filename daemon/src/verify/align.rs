//! How two domains stand to each other. All are ASCII (A-labels) and lower case.
//!
//! The organizational domain is found by DMARC records alone (RFC 9989 §4.10.2), so there is no list of public suffixes
//! here. Where no record exists, a domain vouches for itself and for what is below it, never for its siblings.

/// The domain of an address as it is compared; `None` when it is none.
pub(super) fn domain_of(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    Some(ascii(domain)).filter(|domain| domain.contains('.'))
}

/// A domain as it is compared.
pub(super) fn ascii(domain: &str) -> String {
    mail_auth::common::to_a_label(domain.trim_end_matches('.')).to_ascii_lowercase()
}

/// Whether the two can have one organizational domain at all: asking the DNS about others is in vain.
pub(super) fn may_be_aligned(one: &str, other: &str) -> bool {
    let top = |domain: &str| domain.rsplit('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    one.contains('.') && top(one) == top(other)
}

/// Whether `signer` may speak for `author` although no DMARC record says which domains belong together.
pub(super) fn vouches(signer: &str, author: &str) -> bool {
    signer == author || (signer.contains('.') && author.strip_suffix(signer).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_vouches_for_itself_and_what_is_below() {
        assert!(vouches("example.com", "example.com"));
        assert!(vouches("example.com", "mail.example.com"));
        assert!(!vouches("mail.example.com", "example.com"));
        assert!(!vouches("a.example.com", "b.example.com"));
        assert!(!vouches("ample.com", "example.com"));
        assert!(!vouches("com", "example.com"));
        assert!(!vouches("", "example.com"));
    }

    #[test]
    fn only_relatives_are_asked_about() {
        assert!(may_be_aligned("a.example.com", "b.example.com"));
        assert!(!may_be_aligned("example.org", "example.com"));
        assert!(!may_be_aligned("com", "com"));
        assert!(!may_be_aligned("example.com", "com"));
    }

    #[test]
    fn domains_are_compared_as_a_labels() {
        assert_eq!(domain_of("a@BÜCHER.example.").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(domain_of("a@b@Example.COM").as_deref(), Some("example.com"));
        assert_eq!(domain_of("a@localhost"), None);
        assert_eq!(domain_of("nobody"), None);
    }
}
