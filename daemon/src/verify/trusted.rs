//! Whose word is believed: the relay or the mail provider that the configuration names, and only what stands topmost.

use crate::config::Config;
use crate::model::{Envelope, Origin};

use super::align::domain_of;
use super::results::{self, Results, Statement, without_comments};

const GOOGLE: &str = "mx.google.com";

/// Whose word counts for one mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trust<'c> {
    /// `trust` of the mailbox it was fetched from, or of the relay that brought it.
    pub(super) whom: Option<&'c str>,
    /// Whether that relay's authenticated senders have sent through us.
    submission: bool,
}

impl<'c> Trust<'c> {
    pub(super) fn of(config: &'c Config, envelope: &Envelope) -> Self {
        if let Some(account) = &envelope.account {
            let imap = config.mailboxes.iter().find(|m| m.address == *account).and_then(|m| m.imap.as_ref());
            return Self { whom: imap.and_then(|imap| imap.trust.as_deref()), submission: false };
        }
        let relays = &config.authentication.trusted_relays;
        let relay = envelope.peer.filter(|_| !envelope.outside).and_then(|ip| relays.iter().find(|relay| relay.net.contains(ip)));
        relay.map_or_else(Self::default, |relay| Self { whom: relay.trust.as_deref(), submission: relay.submission })
    }

    /// The topmost Authentication-Results, when it is theirs.
    pub(super) fn results(&self, origin: &Origin) -> Option<Results> {
        let found = results::parse(origin.results.as_deref()?)?;
        let theirs = match self.whom? {
            "google" => found.by.as_deref() == Some(GOOGLE),
            "microsoft" => found.by.is_none(),
            name => found.by.as_deref().is_some_and(|by| by.eq_ignore_ascii_case(name)),
        };
        theirs.then_some(found)
    }

    /// Whether Microsoft says that the author is of its own organization.
    pub(super) fn is_internal(&self, origin: &Origin) -> bool {
        self.whom == Some("microsoft") && origin.auth_as.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("internal"))
    }

    /// The user who has logged in to the relay, when it is the author (RFC 3848: the final A of the protocol).
    pub(super) fn submitted(&self, origin: &Origin) -> Option<String> {
        let received = origin.received.as_deref().filter(|_| self.submission)?;
        let plain = without_comments(received)?;
        let mut words = plain.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("with"));
        let protocol = words.nth(1)?;
        let with_log_in = ["ESMTPSA", "ESMTPA", "UTF8SMTPSA", "UTF8SMTPA"].iter().any(|word| protocol.eq_ignore_ascii_case(word));
        let (_, rest) = received.split_once("(Authenticated sender: ").filter(|_| with_log_in)?;
        let user = rest.split([')', ' ']).next().unwrap_or_default();
        let author = origin.from.as_ref()?.key();
        (crate::model::address::fold(user) == author).then_some(author)
    }
}

/// The domain that a DKIM statement names (RFC 8601 §2.7.1).
pub(super) fn signer(statement: &Statement) -> Option<String> {
    let named = statement.get("header.d").map(|d| format!("@{d}"));
    named.or_else(|| statement.get("header.i").map(str::to_owned)).and_then(|address| domain_of(&address))
}

/// The domain that an SPF statement names (RFC 8601 §2.7.2).
pub(super) fn sender(statement: &Statement) -> Option<String> {
    let named = statement.get("smtp.mailfrom").or_else(|| statement.get("smtp.helo"))?;
    if named.contains('@') { domain_of(named) } else { domain_of(&format!("@{named}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;

    const RECEIVED: &str = "from [192.0.2.7] (unknown [192.0.2.7]) (Authenticated sender: Jane@agents.test) by mx.test (Postfix) \
                            with ESMTPSA id 4X for <support@desk.test>";

    fn origin(results: &str, received: &str) -> Origin {
        let from = Some(Address::bare("jane@agents.test"));
        Origin { from, results: Some(results.into()), received: Some(received.into()), auth_as: Some("Internal".into()), body: 0 }
    }

    #[test]
    fn only_the_named_relay_is_believed() {
        let believes = |whom, results| Trust { whom, submission: false }.results(&origin(results, "")).is_some();
        assert!(believes(Some("mx.example.com"), "MX.example.com; dmarc=pass"));
        assert!(!believes(Some("mx.example.com"), "mx.example.com.evil.test; dmarc=pass"));
        assert!(!believes(Some("mx.example.com"), "dmarc=pass header.from=mx.example.com"));
        assert!(believes(Some("google"), "mx.google.com; dmarc=pass"));
        assert!(!believes(Some("google"), "google; dmarc=pass"));
        assert!(believes(Some("microsoft"), "spf=pass smtp.mailfrom=a.test; dmarc=pass"));
        assert!(!believes(Some("microsoft"), "microsoft; dmarc=pass"));
        assert!(!believes(None, "mx.example.com; dmarc=pass"));
    }

    #[test]
    fn whoever_logged_in_to_the_relay_is_the_author() {
        let trust = Trust { whom: None, submission: true };
        assert_eq!(trust.submitted(&origin("", RECEIVED)).as_deref(), Some("jane@agents.test"));
        assert_eq!(Trust::default().submitted(&origin("", RECEIVED)), None);
        for other in ["with ESMTPS ", "(with ESMTPSA) with ESMTP ", "with SMTP ESMTPSA "] {
            assert_eq!(trust.submitted(&origin("", &RECEIVED.replace("with ESMTPSA ", other))), None, "{other}");
        }
        assert_eq!(trust.submitted(&origin("", &RECEIVED.replace("Jane@", "bob@"))), None);
    }

    #[test]
    fn microsofts_own_people_are_internal() {
        assert!(Trust { whom: Some("microsoft"), submission: false }.is_internal(&origin("", "")));
        assert!(!Trust { whom: Some("google"), submission: false }.is_internal(&origin("", "")));
    }

    #[test]
    fn statements_name_domains() {
        let of = |text: &str| results::parse(text).and_then(|r| r.statements.into_iter().next()).unwrap_or_default();
        assert_eq!(signer(&of("x; dkim=pass header.i=a@B.test")).as_deref(), Some("b.test"));
        assert_eq!(signer(&of("x; dkim=pass header.d=b.test header.i=@c.b.test")).as_deref(), Some("b.test"));
        assert_eq!(sender(&of("x; spf=pass smtp.mailfrom=b.test")).as_deref(), Some("b.test"));
        assert_eq!(sender(&of("x; spf=pass smtp.mailfrom=a@b.test")).as_deref(), Some("b.test"));
    }
}
