//! A policy as its domain writes it (RFC 8461 §3.2). Pure.

use serde::{Deserialize, Serialize};

/// Longest time that a policy may count, in s: about a year.
const LONGEST: u64 = 31_557_600;

/// What a policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Mode {
    /// Servers that it names, with TLS and a valid certificate, or no mail.
    Enforce,
    /// The same, but mail leaves all the same.
    Testing,
    /// Nothing.
    None,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Policy {
    pub(in super::super) mode: Mode,
    /// Names of servers in lower case; a first label `*` stands for any one.
    pub(in super::super) mx: Vec<String>,
    /// How long it counts, in s.
    pub(in super::super) max_age: u64,
}

impl Policy {
    /// Reads a policy. Of a field that stands twice the first one counts, and unknown fields mean nothing; nor does an `mx` that
    /// can name no server.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in super::super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.trim().is_empty()) {
            let (key, value) = line.split_once(':').ok_or("a line without a colon")?;
            let value = value.trim_matches([' ', '\t']);
            match key.trim_end_matches([' ', '\t']) {
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = max_age.get_or_insert(value),
                "mx" => mx.extend(pattern(value)),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("its version is not STSv1");
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err("its mode is none of enforce, testing and none"),
        };
        let digits = max_age.filter(|age| !age.is_empty() && age.len() <= 10 && age.bytes().all(|octet| octet.is_ascii_digit()));
        let max_age = digits.and_then(|age| age.parse::<u64>().ok()).ok_or("it has no max_age")?.min(LONGEST);
        if mx.is_empty() && mode != Mode::None {
            return Err("it names no mx");
        }
        Ok(Self { mode, mx, max_age })
    }

    /// Whether it names this server (A-labels, lower case).
    pub(in super::super) fn names(&self, server: &str) -> bool {
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            // RFC 8461 §4.1: the leftmost label alone, and one of them.
            Some(parent) => server.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
            None => pattern == server,
        })
    }
}

/// A name, or one with `*` as its first label, in lower case and without a dot at its end (RFC 8461 §3.2, `sts-policy-mx`).
fn pattern(value: &str) -> Option<String> {
    let value = value.strip_suffix('.').unwrap_or(value).to_ascii_lowercase();
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    value.strip_prefix("*.").unwrap_or(&value).split('.').all(is_label).then_some(value)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_policy_is_read_with_either_line_end() {
        let text = "version: STSv1\r\nmode: enforce\nmx: Mail.x.test\r\nmx: *.X.test\nmx: b.x.test.\nfuture: 1\nmode: none\nmax_age: 604800\r\n\r\n";
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age, policy.mx.len()), (Mode::Enforce, 604_800, 3));
        assert!(["mail.x.test", "any.x.test", "b.x.test"].iter().all(|server| policy.names(server)));
        assert!(["x.test", "a.b.x.test", "mail.y.test", ".x.test", "", "mailx.test"].iter().all(|server| !policy.names(server)));
        assert_eq!(Policy::parse(b"version:STSv1\nmode:none\nmax_age:9999999999").unwrap().max_age, LONGEST);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for bad in [
            "",
            "version: STSv2\nmode: enforce\nmx: a\nmax_age: 1",
            "mode: enforce\nmx: a\nmax_age: 1",
            "version: STSv1\nmode: force\nmx: a\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a",
            "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1",
            "version: STSv1\nmode: enforce\nmx: \nmx: .\nmx: *\nmx: *.\nmx: a b\nmx: a..b\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a\nmax_age: 1\n<html>",
        ] {
            assert!(Policy::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Policy::parse(b"version: STSv1\nmode: none\nmax_age: 1\nx: \xff").is_err());
    }

    proptest! {
        #[test]
        fn any_octets_are_a_policy_or_none(octets in prop::collection::vec(any::<u8>(), 0..200), text in "(version: STSv1\n)?(mode: (enforce|none)\n)?([a-z_:*. \r\n]{0,40})(max_age: [0-9]{0,12}\n)?") {
            let _ = Policy::parse(&octets);
            if let Ok(policy) = Policy::parse(text.as_bytes()) {
                prop_assert!(policy.max_age <= LONGEST);
                prop_assert!(policy.mode == Mode::None || !policy.mx.is_empty());
            }
        }

        #[test]
        fn a_star_stands_for_one_label(label in "[a-z]{0,5}", rest in "[a-z.]{0,9}") {
            let policy = Policy { mode: Mode::Enforce, mx: vec!["*.x.test".into()], max_age: 1 };
            let server = format!("{label}{rest}.x.test");
            prop_assert_eq!(policy.names(&server), !server.starts_with('.') && server.matches('.').count() == 2);
        }
    }
}
