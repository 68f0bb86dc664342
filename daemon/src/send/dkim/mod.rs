//! Signing what leaves (RFC 6376, RFC 8463).
//!
//! A mail is signed once, before its bytes are kept, by the newest RSA and the newest Ed25519 key whose record the DNS has. So
//! a new key may be made at any time: it signs from when its record is there, and the old one until then. While the DNS can't
//! be asked its last answers hold, and a key of which nothing was ever known signs.

mod keys;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mail_auth::common::crypto::SigningKey;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner, NeedDomain};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{DnsError, Error, MessageAuthenticator};
use memchr::memmem;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::{Config, Dkim, Relay};
use crate::net::resolver;

pub use super::relay::domain_of;
use keys::Private;
pub use keys::{Found, Key, KeyError, find, load, make};

/// What is believed of the DNS is asked again after this.
const BELIEVED: Duration = Duration::from_secs(300);
/// And after this when the DNS could not be asked of a key, or a key could not be read.
const BRIEFLY: Duration = Duration::from_secs(30);

/// Signed as often as they stand here: once more than a mail has them, so that nobody can add another one (RFC 6376 §5.4.2).
const FIELDS: [&str; 23] = [
    "From",
    "From",
    "To",
    "To",
    "Subject",
    "Subject",
    "Date",
    "Date",
    "Message-ID",
    "Message-ID",
    "Reply-To",
    "Reply-To",
    "In-Reply-To",
    "In-Reply-To",
    "References",
    "References",
    "Content-Type",
    "Content-Type",
    "MIME-Version",
    "MIME-Version",
    "Auto-Submitted",
    "Auto-Submitted",
    "Content-Transfer-Encoding",
];
/// Signed where they are there: a mailing list may add its own.
const OF_LISTS: [&str; 2] = ["List-Post", "List-Unsubscribe"];

/// Why a mail that must be signed is not.
#[derive(Debug, thiserror::Error)]
pub enum DkimError {
    /// No key, or none that can be read.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// It could not be computed.
    #[error("a DKIM signature failed: {0}")]
    Sign(String),
}

/// Whether the DNS has the record of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It has.
    Yes,
    /// It has none, or another one.
    No,
    /// It can't be asked.
    Unknown,
}

/// Signs for all domains of a desk; remembers which keys the DNS has.
pub struct Signer {
    data: PathBuf,
    known: Mutex<HashMap<String, Place>>,
}

/// What is known of a domain. It is locked while that is found out, so that many mails at once make one look, and one key.
type Place = Arc<tokio::sync::Mutex<Option<Known>>>;

/// The keys that sign for a domain, and until when that is believed.
struct Known {
    until: Instant,
    keys: Arc<Vec<Key>>,
    answers: Answers,
}

/// The last answer of the DNS on each key, by selector: never that it is unknown.
#[derive(Default)]
struct Answers(HashMap<String, Published>);

impl Answers {
    /// Takes up what was found out just now, and says what is known of each key.
    fn with(&mut self, keys: &[Key], found: Vec<Published>) -> Vec<Published> {
        let known = keys.iter().zip(found).map(|(key, state)| match state {
            Published::Unknown => self.0.get(&key.selector).copied().unwrap_or(state),
            answer => {
                self.0.insert(key.selector.clone(), answer);
                answer
            }
        });
        known.collect()
    }
}

impl Signer {
    /// One for the keys in this data folder.
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), known: Mutex::default() }
    }

    /// The mail of an address of ours with its signatures above. As it is when nothing is to be signed.
    ///
    /// # Errors
    /// It should be signed and can't be.
    pub async fn signed(&self, config: &Config, address: &str, mail: Vec<u8>, day: &str) -> Result<Vec<u8>, DkimError> {
        let outside = !matches!(config.relay_of(address), Relay::Maildir(_));
        if config.outbound.dkim == Dkim::Never || (config.outbound.dkim == Dkim::Published && !outside) {
            return Ok(mail);
        }
        let keys = self.keys(config, &domain_of(address), day).await?;
        if keys.is_empty() {
            return Ok(mail);
        }
        let signed = tokio::task::spawn_blocking(move || {
            let mut out = Vec::with_capacity(mail.len() + 2_048);
            for key in keys.iter() {
                out.extend_from_slice(signature(key, &mail)?.as_bytes());
            }
            out.extend_from_slice(&mail);
            Ok(out)
        });
        signed.await.map_err(|error| DkimError::Sign(error.to_string()))?
    }

    async fn keys(&self, config: &Config, domain: &str, day: &str) -> Result<Arc<Vec<Key>>, DkimError> {
        let place = self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(domain.to_owned()).or_default().clone();
        let mut known = place.lock().await;
        if let Some(known) = known.as_ref().filter(|known| Instant::now() < known.until) {
            return Ok(known.keys.clone());
        }
        let always = config.outbound.dkim == Dkim::Always;
        let (data, name, day) = (self.data.clone(), domain.to_owned(), day.to_owned());
        // Making an RSA key takes a while.
        let found = tokio::task::spawn_blocking(move || match find(&data, Some(&name)) {
            found if found.keys.is_empty() && found.unusable.is_empty() && always => {
                make(&data, &name, &day).map(|()| find(&data, Some(&name)))
            }
            found => Ok(found),
        });
        let Found { keys: loaded, mut unusable } = found.await.map_err(|error| DkimError::Sign(error.to_string()))??;
        if always && loaded.is_empty() && !unusable.is_empty() {
            return Err(unusable.swap_remove(0).into());
        }
        for error in &unusable {
            tracing::error!(domain, %error, "a DKIM key cannot be used: mail leaves without its signature");
        }
        let mut found = Vec::new();
        if !loaded.is_empty() {
            found = published(config.authentication.resolver, &loaded).await;
        }
        let is_whole = unusable.is_empty() && !found.contains(&Published::Unknown);
        let mut answers = known.take().map(|known| known.answers).unwrap_or_default();
        let states = answers.with(&loaded, found);
        let keys = Arc::new(choose(loaded, &states, always));
        let until = Instant::now() + if is_whole { BELIEVED } else { BRIEFLY };
        *known = Some(Known { until, keys: keys.clone(), answers });
        Ok(keys)
    }
}

/// The domains that mail of this desk comes from: those of its mailboxes.
pub fn domains(config: &Config) -> BTreeSet<String> {
    config.mailboxes.iter().map(|mailbox| domain_of(&mailbox.address)).collect()
}

/// Whether the DNS has the record of each key. All are asked for at once.
pub async fn published(server: Option<SocketAddr>, keys: &[Key]) -> Vec<Published> {
    let Ok(dns) = resolver(server) else { return vec![Published::Unknown; keys.len()] };
    let mut asked = JoinSet::new();
    for (at, key) in keys.iter().enumerate() {
        let (dns, name, public) = (dns.clone(), key.name(), key.public.clone());
        asked.spawn(async move { (at, is_published(&dns, &name, &public).await) });
    }
    let mut states = vec![Published::Unknown; keys.len()];
    while let Some(done) = asked.join_next().await {
        if let Ok((at, found)) = done
            && let Some(state) = states.get_mut(at)
        {
            *state = found;
        }
    }
    states
}

async fn is_published(dns: &MessageAuthenticator, name: &str, public: &str) -> Published {
    match dns.txt_raw_lookup(format!("{name}.")).await {
        Ok(text) if record::publishes(&text, public) => Published::Yes,
        Ok(_) | Err(Error::Dns(DnsError::RecordNotFound(ResponseCode::NoError | ResponseCode::NXDomain))) => Published::No,
        Err(_) => Published::Unknown,
    }
}

/// Of each algorithm the newest key that is published; where none is known to be, the newest of which nothing is known: a
/// signature that nobody can check is no worse than none (RFC 6376 §6.1). `always`: where there is neither, the newest ones.
fn choose(keys: Vec<Key>, states: &[Published], always: bool) -> Vec<Key> {
    let none = states.iter().all(|state| *state == Published::No);
    let mut chosen: Vec<(Key, u8)> = Vec::new();
    // Oldest first, so the last one stays.
    for (key, state) in keys.into_iter().zip(states) {
        let rank = match state {
            Published::Yes => 2,
            Published::Unknown => 1,
            Published::No if none && always => 0,
            Published::No => continue,
        };
        let other = chosen.iter().position(|(other, _)| other.algorithm() == key.algorithm());
        match other.and_then(|at| chosen.get_mut(at)) {
            Some((_, better)) if *better > rank => {}
            Some(worse) => *worse = (key, rank),
            None => chosen.push((key, rank)),
        }
    }
    chosen.into_iter().map(|(key, _)| key).collect()
}

fn signature(key: &Key, mail: &[u8]) -> Result<String, DkimError> {
    match &key.private {
        Private::Rsa(private) => by(DkimSigner::from_key(Borrowed(private)), key, mail),
        Private::Ed25519(private) => by(DkimSigner::from_key(Borrowed(private)), key, mail),
    }
}

fn by<T: SigningKey>(signer: DkimSigner<T, NeedDomain>, key: &Key, mail: &[u8]) -> Result<String, DkimError> {
    let header = mail.get(..memmem::find(mail, b"\r\n\r\n").unwrap_or(mail.len())).unwrap_or_default();
    let has = |name: &&str| memmem::find(header, format!("\r\n{name}:").as_bytes()).is_some();
    let fields = FIELDS.into_iter().chain(OF_LISTS.into_iter().filter(has));
    let signer = signer.domain(&key.domain).selector(&key.selector).headers(fields);
    let signer = signer.header_canonicalization(Canonicalization::Relaxed).body_canonicalization(Canonicalization::Relaxed);
    signer.sign(mail).map(|signature| signature.to_header()).map_err(|error| DkimError::Sign(error.to_string()))
}

/// A key that signs more than once.
struct Borrowed<'a, T>(&'a T);

impl<T: SigningKey> SigningKey for Borrowed<'_, T> {
    type Hasher = T::Hasher;

    fn sign(&self, input: impl mail_auth::common::headers::Writable) -> mail_auth::Result<Vec<u8>> {
        self.0.sign(input)
    }

    fn algorithm(&self) -> mail_auth::common::crypto::Algorithm {
        self.0.algorithm()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::SmtpRelay;

    const MAIL: &[u8] = b"From: a@x.test\r\nTo: b@y.test\r\nSubject: s\r\n\r\nHello\r\n";

    /// A desk with a relay, and a name server that is away.
    fn configured(folder: &Path, dkim: Dkim) -> Config {
        let mut config = Config::local(folder).unwrap();
        let relay = SmtpRelay { host: "127.0.0.1".into(), port: 9, implicit_tls: false, user: None, password: None, ca: None };
        config.outbound.relay = Relay::Smtp(relay);
        config.outbound.dkim = dkim;
        config.authentication.resolver = Some(std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        config
    }

    async fn signed(signer: &Signer, config: &Config) -> Result<String, DkimError> {
        signer.signed(config, "a@x.test", MAIL.to_vec(), "20261122").await.map(|mail| String::from_utf8(mail).unwrap())
    }

    #[tokio::test]
    async fn without_a_usable_key_mail_leaves_unsigned_unless_always() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        std::fs::write(folder.path().join("keys/dkim_x.test_old.key"), "no key").unwrap();
        let signer = Signer::new(folder.path());
        let published = configured(folder.path(), Dkim::Published);
        assert_eq!(signed(&signer, &published).await.unwrap().as_bytes(), MAIL);
        let always = configured(folder.path(), Dkim::Always);
        let why = signed(&Signer::new(folder.path()), &always).await.unwrap_err().to_string();
        assert!(why.contains("dkim_x.test_old.key"), "{why}");
        assert_eq!(find(folder.path(), None).keys.len(), 0, "a key is not replaced because it cannot be read");
    }

    fn key(folder: &Path, selector: &str) -> Key {
        load(folder, Some("x.test")).unwrap().into_iter().find(|key| key.selector == selector).unwrap()
    }

    #[test]
    fn the_newest_published_key_of_each_kind_signs() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "x.test", "20261101").unwrap();
        make(folder.path(), "x.test", "20261122").unwrap();
        let all = || {
            ["20261101-01-ed", "20261101-01-rsa", "20261122-01-ed", "20261122-01-rsa"].map(|s| key(folder.path(), s)).into_iter().collect()
        };
        let chosen = |states: [Published; 4], always| {
            let chosen: Vec<Key> = choose(all(), &states, always);
            chosen.iter().map(|key| key.selector.clone()).collect::<Vec<_>>()
        };
        use Published::{No, Unknown, Yes};
        assert_eq!(chosen([Yes, Yes, No, Yes], false), ["20261101-01-ed", "20261122-01-rsa"]);
        assert_eq!(chosen([No, Yes, No, No], true), ["20261101-01-rsa"]);
        assert_eq!(chosen([No, No, No, No], false), Vec::<String>::new());
        assert_eq!(chosen([No, No, No, No], true), ["20261122-01-ed", "20261122-01-rsa"]);
        assert_eq!(chosen([No, No, Unknown, No], false), ["20261122-01-ed"]);
        assert_eq!(chosen([Unknown; 4], false), ["20261122-01-ed", "20261122-01-rsa"]);
        assert_eq!(chosen([Yes, Yes, Unknown, No], false), ["20261101-01-ed", "20261101-01-rsa"]);
    }

    #[test]
    fn an_answer_holds_until_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "x.test", "20261122").unwrap();
        let keys = load(folder.path(), None).unwrap();
        let mut answers = Answers::default();
        use Published::{No, Unknown, Yes};
        assert_eq!(answers.with(&keys, vec![Unknown, Yes]), [Unknown, Yes]);
        assert_eq!(answers.with(&keys, vec![No, Unknown]), [No, Yes]);
        assert_eq!(answers.with(&keys, vec![Unknown, Unknown]), [No, Yes]);
        assert_eq!(answers.with(&keys, vec![Yes, No]), [Yes, No]);
    }

    #[tokio::test]
    async fn many_mails_at_once_make_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let (signer, config) = (Signer::new(folder.path()), configured(folder.path(), Dkim::Always));
        let one = || signer.keys(&config, "x.test", "20261122");
        let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
        let first = a.unwrap();
        assert!([b, c, d].into_iter().all(|keys| Arc::ptr_eq(&keys.unwrap(), &first)), "one look for all");
        let names = std::fs::read_dir(folder.path().join("keys")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["dkim_x.test_20261122-01-ed.key", "dkim_x.test_20261122-01-rsa.key"]);
    }

    #[tokio::test]
    async fn mail_is_signed_while_the_dns_is_away() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "x.test", "20261122").unwrap();
        let signer = Signer::new(folder.path());
        let mail = signed(&signer, &configured(folder.path(), Dkim::Published)).await.unwrap();
        assert_eq!(mail.matches("DKIM-Signature:").count(), 2, "{mail}");
        let place = signer.known.lock().unwrap().get("x.test").unwrap().clone();
        let until = place.lock().await.as_ref().unwrap().until;
        assert!(until <= Instant::now() + BRIEFLY, "the DNS is asked again soon");
    }

    #[test]
    fn a_second_from_would_break_the_signature() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "x.test", "20261101").unwrap();
        for selector in ["20261101-01-ed", "20261101-01-rsa"] {
            let field = signature(&key(folder.path(), selector), MAIL).unwrap();
            let flat: String = field.chars().filter(|c| !c.is_whitespace()).collect();
            assert!(flat.contains("d=x.test;") && flat.contains(&format!("s={selector};")) && !flat.contains("l="), "{field}");
            let names = flat.split_once("h=").unwrap().1.split(';').next().unwrap();
            for name in ["From", "To", "Subject", "Reply-To", "Date"] {
                assert_eq!(names.split(':').filter(|other| *other == name).count(), 2, "{name} in {names}");
            }
            assert!(field.ends_with("\r\n") && field.lines().all(|line| line.len() < 900), "{field}");
        }
    }
}
