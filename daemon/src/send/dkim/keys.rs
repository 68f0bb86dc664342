//! DKIM keys in `data/keys`: made on demand, readable by the desk alone, one file for each domain and selector.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::dkim::generate::DkimKeyPair;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::record;

const BITS: usize = 2_048;
const BEGIN: &str = "dkim_";
const END: &str = ".key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The folder or a file.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What stands in a file.
    #[error("{} is no private key of DKIM (RSA or Ed25519, PEM): put the right one back or remove it", .0.display())]
    Malformed(PathBuf),
    /// The system gives no randomness, or the like.
    #[error("no DKIM key could be made: {0}")]
    Make(String),
}

impl KeyError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// The private half.
pub(super) enum Private {
    Rsa(RsaKey<Sha256>),
    Ed25519(Ed25519Key),
}

/// One key of one domain.
pub struct Key {
    /// The domain it signs for (`d=`).
    pub domain: String,
    /// Where its record stands (`s=`). It begins with the day it was made, so that later ones sort behind.
    pub selector: String,
    /// The public half, as it stands in `p=`.
    pub public: String,
    pub(super) private: Private,
}

impl Key {
    /// `rsa` or `ed25519` (`k=`).
    pub fn algorithm(&self) -> &'static str {
        match self.private {
            Private::Rsa(_) => "rsa",
            Private::Ed25519(_) => "ed25519",
        }
    }

    /// The name of its file in the data folder.
    pub fn file(&self) -> String {
        format!("keys/{BEGIN}{}_{}{END}", self.domain, self.selector)
    }

    /// The name of its TXT record, without a dot at its end.
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The content of its TXT record (RFC 6376 §3.6.1).
    pub fn record(&self) -> String {
        format!("v=DKIM1; k={}; p={}", self.algorithm(), self.public)
    }
}

/// What the data folder has of keys.
#[derive(Default)]
pub struct Found {
    /// Those that can sign, by domain and selector.
    pub keys: Vec<Key>,
    /// Why others can't: the folder or a file can't be read, or a file is no key.
    pub unusable: Vec<KeyError>,
}

/// The keys of a domain, or of all.
pub fn find(data: &Path, domain: Option<&str>) -> Found {
    let folder = data.join("keys");
    let mut found = Found::default();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return found,
        Err(error) => {
            found.unusable.push(KeyError::io(&folder)(error));
            return found;
        }
        Ok(entries) => entries,
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                found.unusable.push(KeyError::io(&folder)(error));
                break;
            }
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((of, selector)) = name.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)?.rsplit_once('_')) else { continue };
        if domain.is_none_or(|domain| domain == of) {
            match read(&path, of.to_owned(), selector.to_owned()) {
                Ok(key) => found.keys.push(key),
                Err(error) => found.unusable.push(error),
            }
        }
    }
    found.keys.sort_by(|a, b| (&a.domain, &a.selector).cmp(&(&b.domain, &b.selector)));
    found
}

/// All keys of a domain, or of all, by domain and selector.
///
/// # Errors
/// The folder can't be read, or a file in it is no key.
pub fn load(data: &Path, domain: Option<&str>) -> Result<Vec<Key>, KeyError> {
    let found = find(data, domain);
    found.unusable.into_iter().next().map_or(Ok(found.keys), Err)
}

/// Makes an RSA and an Ed25519 key for a domain; `day` is like `20261122`.
///
/// # Errors
/// They can't be made or written.
pub fn make(data: &Path, domain: &str, day: &str) -> Result<(), KeyError> {
    let folder = data.join("keys");
    let is_new = !folder.exists();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(KeyError::io(&folder))?;
    let owner = Owner::of(data).map_err(KeyError::io(data))?;
    let opened = File::open(&folder).map_err(KeyError::io(&folder))?;
    if is_new {
        owner.take(&opened).map_err(KeyError::io(&folder))?;
    }
    let path = |selector: &str| folder.join(format!("{BEGIN}{domain}_{selector}{END}"));
    let names = |n: u32| (format!("{day}-{n:02}-rsa"), format!("{day}-{n:02}-ed"));
    let free = (1..100).map(names).find(|(rsa, ed)| !path(rsa).exists() && !path(ed).exists());
    let (rsa, ed) = free.ok_or_else(|| KeyError::Make("too many of one day".to_owned()))?;
    let made = |pair: Result<DkimKeyPair, mail_auth::Error>| pair.map_err(|error| KeyError::Make(error.to_string()));
    write(&path(&rsa), owner, "RSA PRIVATE KEY", made(DkimKeyPair::generate_rsa(BITS))?.private_key())?;
    write(&path(&ed), owner, "PRIVATE KEY", made(DkimKeyPair::generate_ed25519())?.private_key())?;
    opened.sync_all().map_err(KeyError::io(&folder))
}

/// Whose the data folder is. Root may make keys for a desk that runs as somebody else, who has to read them.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    fn of(data: &Path) -> io::Result<Self> {
        fs::metadata(data).map(|data| Self { user: data.uid(), group: data.gid() })
    }

    /// Gives a file to the owner, where we are root and the owner is not.
    fn take(self, file: &File) -> io::Result<()> {
        let is_ours = self.user == rustix::process::geteuid().as_raw();
        if is_ours || !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        match fchown(file, Some(self.user), Some(self.group)) {
            // A root that may not: nobody else can have been meant.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            done => done,
        }
    }
}

/// Writes beside, syncs and links: of two programs that start at once one comes first.
fn write(path: &Path, owner: Owner, label: &str, der: &[u8]) -> Result<(), KeyError> {
    let lines = BASE64.encode(der).into_bytes();
    let lines: Vec<_> = lines.chunks(64).map(String::from_utf8_lossy).collect();
    let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
    let random = getrandom::u64().map_err(|error| KeyError::Make(error.to_string()))?;
    let part = path.with_extension(format!("{random:016x}.part"));
    let written = |mut file: File| {
        file.write_all(text.as_bytes())?;
        owner.take(&file)?;
        file.sync_all()?;
        match fs::hard_link(&part, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    };
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part).map_err(KeyError::io(path))?;
    let done = written(file);
    // Half a key is of no use to anybody.
    done.and(fs::remove_file(&part)).map_err(KeyError::io(path))
}

fn read(path: &Path, domain: String, selector: String) -> Result<Key, KeyError> {
    let text = fs::read(path).map_err(KeyError::io(path))?;
    key(&text, domain, selector).ok_or_else(|| KeyError::Malformed(path.to_owned()))
}

/// The key that this text (PEM) is.
pub(super) fn key(text: &[u8], domain: String, selector: String) -> Option<Key> {
    let private = private(PrivateKeyDer::from_pem_slice(text).ok()?)?;
    let public = match &private {
        Private::Rsa(key) => record::subject_public_key_info(&key.public_key()),
        Private::Ed25519(key) => key.public_key(),
    };
    Some(Key { domain, selector, public: BASE64.encode(&public), private })
}

/// Whoever brings a key of their own has made it with another program: PKCS #8 holds either kind.
fn private(der: PrivateKeyDer<'_>) -> Option<Private> {
    if let PrivateKeyDer::Pkcs8(der) = &der {
        let der: &PrivatePkcs8KeyDer<'_> = der;
        if let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der()) {
            return Some(Private::Ed25519(key));
        }
    }
    RsaKey::from_key_der(der).ok().map(Private::Rsa)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path(), None).unwrap().is_empty());
        make(folder.path(), "x.test", "20261122").unwrap();
        make(folder.path(), "x.test", "20261122").unwrap();
        make(folder.path(), "xn--bcher-kva.test", "20261122").unwrap();
        let names =
            |domain| load(folder.path(), domain).unwrap().iter().map(|key| (key.selector.clone(), key.algorithm())).collect::<Vec<_>>();
        let expected =
            [("20261122-01-ed", "ed25519"), ("20261122-01-rsa", "rsa"), ("20261122-02-ed", "ed25519"), ("20261122-02-rsa", "rsa")];
        assert_eq!(names(Some("x.test")), expected.map(|(selector, algorithm)| (selector.to_owned(), algorithm)));
        assert_eq!(names(None).len(), 6);
        for entry in fs::read_dir(folder.path().join("keys")).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let key = &load(folder.path(), Some("x.test")).unwrap()[1];
        assert_eq!(key.name(), "20261122-01-rsa._domainkey.x.test");
        assert!(key.record().starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"), "{}", key.record());
    }

    #[test]
    fn what_is_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "x.test", "20261122").unwrap();
        fs::write(folder.path().join("keys/dkim_x.test_old.key"), "no key").unwrap();
        assert!(matches!(load(folder.path(), None), Err(KeyError::Malformed(path)) if path.ends_with("dkim_x.test_old.key")));
        assert!(load(folder.path(), Some("y.test")).unwrap().is_empty());
        let found = find(folder.path(), Some("x.test"));
        assert_eq!((found.keys.len(), found.unusable.len()), (2, 1), "the others can sign");
    }

    #[test]
    fn keys_belong_to_whom_the_data_folder_belongs() {
        let folder = tempfile::tempdir().unwrap();
        let somebody = if rustix::process::geteuid().is_root() { 4_321 } else { rustix::process::geteuid().as_raw() };
        std::os::unix::fs::chown(folder.path(), Some(somebody), None).unwrap();
        make(folder.path(), "x.test", "20261122").unwrap();
        let keys = folder.path().join("keys");
        let paths = fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path()).chain([keys.clone()]);
        let owners: Vec<u32> = paths.map(|path| fs::metadata(path).unwrap().uid()).collect();
        assert_eq!(owners, [somebody; 3]);
        let named = find(folder.path(), None).keys.iter().all(|key| folder.path().join(key.file()).exists());
        assert!(named, "a key knows its file");
    }
}
