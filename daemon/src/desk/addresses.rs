//! Our own addresses: which mailbox, which token, or none of ours.

use crate::config::{Config, Mailbox};
use crate::model::address::{fold, split, with_a_labels};
use crate::model::{MailboxId, changes::MailboxRow};

use super::token::{Grant, KeyRing, LETTERS, Token, looks_like_token};

/// What a recipient's address is.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipient {
    /// A mailbox, with the suffix that somebody added (RFC 5233 §4): `support+shop@`.
    Mailbox(MailboxId, Option<String>),
    /// `postmaster@` or `abuse@` of one of our domains (RFC 2142): a ticket for the admins.
    Role(MailboxId),
    /// A signed address.
    Token(MailboxId, Token),
    /// Looks like a signed address and is none.
    BadToken,
    /// Not ours.
    Foreign,
}

/// All addresses of one configuration.
#[derive(Clone, Debug)]
pub struct Book {
    entries: Vec<Entry>,
    keys: KeyRing,
}

#[derive(Clone, Debug)]
struct Entry {
    id: MailboxId,
    mailbox: Mailbox,
    before: String,
    after: String,
    /// Of signed addresses, as configured and as it is compared.
    domain: String,
    domain_key: String,
    /// The mailbox's addresses as they are compared: its own first, then the aliases.
    keys: Vec<String>,
}

impl Entry {
    fn is_called(&self, key: &str) -> bool {
        self.keys.iter().any(|own| own == key)
    }

    /// Whether the mailbox's own address is in a domain.
    fn is_in(&self, domain: &str) -> bool {
        self.keys.first().and_then(|own| split(own)).is_some_and(|(_, own)| own == domain)
    }
}

/// An address as it is compared: in one case, and its domain as A-labels, for whoever has a mail of ours writes either form.
fn key(address: &str) -> String {
    with_a_labels(&fold(address)).into_owned()
}

impl Book {
    /// Joins the configured mailboxes with their rows.
    pub fn new(config: &Config, rows: &[MailboxRow], keys: KeyRing) -> Self {
        let entry = |mailbox: &Mailbox| {
            let id = rows.iter().find(|r| r.address == mailbox.address)?.id;
            let (local, domain) = split(&mailbox.reply)?;
            let (before, after) = local.split_once("{token}")?;
            let domain_key = split(&key(&mailbox.reply)).map(|(_, domain)| domain.to_owned())?;
            let keys = std::iter::once(&mailbox.address).chain(&mailbox.aliases).map(|address| key(address)).collect();
            let (before, after, domain) = (fold(before), fold(after), fold(domain));
            Some(Entry { id, mailbox: mailbox.clone(), before, after, domain, domain_key, keys })
        };
        Self { entries: config.mailboxes.iter().filter_map(entry).collect(), keys }
    }

    /// What this recipient is.
    pub fn classify(&self, recipient: &str) -> Recipient {
        let address = key(recipient);
        if let ("postmaster", Some(entry)) = (address.as_str(), self.entries.first()) {
            // RFC 5321 §4.5.1: without a domain, too.
            return Recipient::Role(entry.id);
        }
        let Some((local, domain)) = split(&address) else { return Recipient::Foreign };
        if let Some(found) = self.signed(local, domain) {
            return found;
        }
        for entry in &self.entries {
            if entry.is_called(&address) {
                return Recipient::Mailbox(entry.id, None);
            }
        }
        if let Some((base, suffix)) = local.split_once('+') {
            let base = format!("{base}@{domain}");
            let found = self.entries.iter().find(|e| e.is_called(&base));
            if let Some(entry) = found {
                return match looks_like_token(suffix) {
                    true => Recipient::BadToken,
                    false => Recipient::Mailbox(entry.id, Some(suffix.to_owned())),
                };
            }
        }
        let ours = self.entries.iter().find(|e| e.is_in(domain));
        match (local, ours) {
            ("postmaster" | "abuse", Some(entry)) => Recipient::Role(entry.id),
            _ => Recipient::Foreign,
        }
    }

    fn signed(&self, local: &str, domain: &str) -> Option<Recipient> {
        let mut looks = false;
        for entry in self.entries.iter().filter(|e| e.domain_key == domain) {
            let Some(text) = local.strip_prefix(entry.before.as_str()).and_then(|l| l.strip_suffix(entry.after.as_str())) else { continue };
            if let Some(token) = self.keys.verify(text) {
                return Some(Recipient::Token(entry.id, token));
            }
            looks |= looks_like_token(text);
        }
        looks.then_some(Recipient::BadToken)
    }

    /// A signed address of a mailbox; the first one stands in for a mailbox that is gone.
    pub fn sign(&self, mailbox: MailboxId, grant: Grant) -> String {
        let token = self.keys.sign(grant);
        let entry = self.entries.iter().find(|e| e.id == mailbox).or(self.entries.first());
        entry.map_or(String::new(), |e| format!("{}{token}{}@{}", e.before, e.after, e.domain))
    }

    /// The configuration of a mailbox.
    pub fn mailbox(&self, id: MailboxId) -> Option<&Mailbox> {
        self.entries.iter().find(|e| e.id == id).map(|e| &e.mailbox)
    }

    /// All mailboxes.
    pub fn mailboxes(&self) -> impl Iterator<Item = (MailboxId, &Mailbox)> {
        self.entries.iter().map(|e| (e.id, &e.mailbox))
    }

    /// The mailbox that stands in where none is named.
    pub fn first(&self) -> Option<MailboxId> {
        self.entries.first().map(|e| e.id)
    }

    /// Whether an address is ours: a mailbox, an alias, a role or a signed address.
    pub fn is_own(&self, address: &str) -> bool {
        self.classify(address) != Recipient::Foreign
    }

    /// Whether an address is in a domain of ours.
    pub fn is_own_domain(&self, address: &str) -> bool {
        let key = key(address);
        split(&key).is_some_and(|(_, domain)| self.entries.iter().any(|e| e.domain_key == domain || e.is_in(domain)))
    }

    /// The keys.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Whether a text holds one of our signed addresses, or something that looks like one, however it is escaped:
    /// `%2B` and `=2B` leave letters before the token, never behind it. Addresses that `may` stand there do not count.
    pub fn has_trace(&self, text: &str, may: impl Fn(&Token) -> bool) -> bool {
        let folded = text.to_lowercase();
        let tail =
            |word: &str| word.len().checked_sub(LETTERS).and_then(|at| word.get(at..)).filter(|t| looks_like_token(t)).map(str::to_owned);
        let signed =
            folded.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(tail).any(|t| self.keys.verify(&t).is_some_and(|t| !may(&t)));
        signed
            || self.entries.iter().flat_map(|e| [&e.domain, &e.domain_key]).any(|domain| {
                let ours = format!("@{domain}");
                folded.match_indices(&ours).any(|(at, _)| {
                    let before = folded.get(..at).unwrap_or("");
                    let word = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
                    tail(word).is_some_and(|t| !self.keys.verify(&t).is_some_and(|t| may(&t)))
                })
            })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use super::*;
    use crate::desk::token::Purpose;
    use crate::model::PersonId;

    pub(in crate::desk) fn book() -> Book {
        let config = Config::local(std::path::Path::new("/nowhere")).unwrap();
        let rows = [MailboxRow { id: MailboxId(1), address: "support@desk.localhost".into() }];
        Book::new(&config, &rows, KeyRing::new(&[(1, [7; 32])]).unwrap())
    }

    #[test]
    fn every_kind_of_recipient() {
        let book = book();
        let grant = Grant { purpose: Purpose::Note, subject: 1, person: PersonId(2), epoch: 0, expires_at: i64::MAX / 2, turn: 1 };
        let signed = book.sign(MailboxId(1), grant);
        assert!(matches!(book.classify(&signed.to_uppercase()), Recipient::Token(MailboxId(1), t) if t.purpose() == Purpose::Note));
        let mut forged = signed.clone();
        forged.replace_range(20..21, if signed.get(20..21) == Some("a") { "b" } else { "a" });
        assert_eq!(book.classify(&forged), Recipient::BadToken);
        assert_eq!(book.classify("Support@Desk.Localhost"), Recipient::Mailbox(MailboxId(1), None));
        assert_eq!(book.classify("support+shop@desk.localhost"), Recipient::Mailbox(MailboxId(1), Some("shop".into())));
        assert_eq!(book.classify("postmaster@desk.localhost"), Recipient::Role(MailboxId(1)));
        for foreign in ["nobody@desk.localhost", "support@elsewhere.example", "postmaster@elsewhere.example", "", "@", "x"] {
            assert_eq!(book.classify(foreign), Recipient::Foreign, "{foreign}");
        }
    }

    #[test]
    fn a_domain_beyond_ascii_is_ours_in_either_form() {
        let mut config = Config::local(std::path::Path::new("/nowhere")).unwrap();
        let mailbox = config.mailboxes.first_mut().unwrap();
        mailbox.address = "support@bücher.test".into();
        mailbox.aliases = vec!["hilfe@bücher.test".into()];
        mailbox.reply = "support+{token}@bücher.test".into();
        let rows = [MailboxRow { id: MailboxId(1), address: "support@bücher.test".into() }];
        let book = Book::new(&config, &rows, KeyRing::new(&[(1, [7; 32])]).unwrap());
        let grant = Grant { purpose: Purpose::Bounce, subject: 1, person: PersonId(2), epoch: 0, expires_at: i64::MAX / 2, turn: 0 };
        let signed = book.sign(MailboxId(1), grant);
        let ascii = |address: &str| address.replace("bücher", "xn--bcher-kva");
        for signed in [signed.clone(), ascii(&signed), ascii(&signed).to_uppercase()] {
            assert!(matches!(book.classify(&signed), Recipient::Token(MailboxId(1), t) if t.purpose() == Purpose::Bounce), "{signed}");
            assert!(book.is_own_domain(&signed));
        }
        for (address, recipient) in [
            ("support@bücher.test", Recipient::Mailbox(MailboxId(1), None)),
            ("Support@BÜCHER.test", Recipient::Mailbox(MailboxId(1), None)),
            ("hilfe@bücher.test", Recipient::Mailbox(MailboxId(1), None)),
            ("support+shop@bücher.test", Recipient::Mailbox(MailboxId(1), Some("shop".into()))),
            ("abuse@bücher.test", Recipient::Role(MailboxId(1))),
            ("nobody@bücher.test", Recipient::Foreign),
        ] {
            assert_eq!((book.classify(address), book.classify(&ascii(address))), (recipient.clone(), recipient), "{address}");
        }
        let forged = format!("support+{}@xn--bcher-kva.test", "a".repeat(LETTERS));
        assert!(book.has_trace(&forged, |_| false));
    }

    #[test]
    fn a_trace_is_seen_in_any_clothes() {
        let book = book();
        let grant = Grant { purpose: Purpose::Answer, subject: 1, person: PersonId(2), epoch: 0, expires_at: i64::MAX / 2, turn: 1 };
        let signed = book.sign(MailboxId(1), grant);
        for text in [format!("mail <{signed}> me"), format!("mailto:{}?x", signed.replace('+', "%2B")), signed.to_uppercase()] {
            assert!(book.has_trace(&text, |_| false), "{text}");
        }
        assert!(!book.has_trace("write to support@desk.localhost or support+shop@desk.localhost", |_| false));
    }
}
