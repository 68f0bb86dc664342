//! Policies in a folder, one small file each, so that a restart forgets none: whoever could make us forget one could read the mail.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::policy::Policy;
use crate::clock::since_1970;
use crate::store::{hex, sha256};

/// Most files; for one more those go that are over, then the oldest.
const FILES: usize = 10_000;
/// Octets of a file: a policy has 64 KiB at most, and JSON may double it.
const SIZE: u64 = 256 << 10;
/// A policy is looked at again after a day, in ms, or when half its time is over.
const DAY: i64 = 86_400_000;

/// A policy with what is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) domain: String,
    /// Its id in the DNS when it was fetched.
    pub(super) id: String,
    /// When, in ms.
    pub(super) fetched: i64,
    pub(super) policy: Policy,
}

impl Kept {
    /// Whether it counts no more. One from the future counts: a clock was put back.
    pub(super) fn is_over(&self, now: i64) -> bool {
        now >= self.fetched.saturating_add(self.age())
    }

    /// Whether it should be looked at again.
    pub(super) fn is_old(&self, now: i64) -> bool {
        now >= self.fetched.saturating_add((self.age() / 2).min(DAY))
    }

    fn age(&self) -> i64 {
        i64::try_from(self.policy.max_age).unwrap_or(i64::MAX).saturating_mul(1_000)
    }
}

/// The folder; it need not be there. All of it blocks.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// The policy of a domain, as it was kept.
    pub(super) fn read(&self, domain: &str) -> Option<Kept> {
        content(&self.path(domain)).ok().filter(|kept| kept.domain == domain)
    }

    /// Keeps a policy. Written beside and renamed: a death leaves the old one or the new one.
    pub(super) fn write(&self, kept: &Kept, now: i64) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.path(&kept.domain);
        if !path.try_exists()? {
            self.make_room(FILES - 1, now)?;
        }
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(&self.0)?.sync_all()
    }

    fn path(&self, domain: &str) -> PathBuf {
        let name: String = hex(&sha256(domain.as_bytes())).chars().take(32).collect();
        self.0.join(format!("{name}.json"))
    }

    fn make_room(&self, most: usize, now: i64) -> io::Result<()> {
        let files = fs::read_dir(&self.0)?.collect::<io::Result<Vec<DirEntry>>>()?;
        if files.len() <= most {
            return Ok(());
        }
        let is_over = |path: &Path| content(path).map_or(true, |kept| kept.is_over(now));
        let (over, rest): (Vec<_>, Vec<_>) = files.into_iter().map(|file| file.path()).partition(|path| is_over(path));
        let mut rest: Vec<_> = rest.into_iter().map(|path| (written(&path), path)).collect();
        rest.sort();
        let surplus = rest.len().saturating_sub(most);
        over.iter().chain(rest.iter().take(surplus).map(|(_, path)| path)).try_for_each(fs::remove_file)
    }
}

fn content(path: &Path) -> io::Result<Kept> {
    let mut text = Vec::new();
    File::open(path)?.take(SIZE).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn written(path: &Path) -> i64 {
    fs::metadata(path).and_then(|metadata| metadata.modified()).map_or(0, since_1970)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::policy::Mode;
    use super::*;

    fn kept(domain: &str, fetched: i64) -> Kept {
        let policy = Policy { mode: Mode::Enforce, mx: vec![format!("mx.{domain}")], max_age: 10 };
        Kept { domain: domain.into(), id: "1".into(), fetched, policy }
    }

    #[test]
    fn what_is_kept_is_found_again_and_a_broken_file_is_none() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder(data.path().join("mta-sts"));
        assert!(folder.read("x.test").is_none());
        folder.write(&kept("x.test", 5), 5).unwrap();
        folder.write(&kept("x.test", 6), 6).unwrap();
        assert_eq!(folder.read("x.test"), Some(kept("x.test", 6)));
        fs::write(folder.path("x.test"), "{").unwrap();
        assert!(folder.read("x.test").is_none());
        fs::rename(folder.path("x.test"), folder.path("y.test")).unwrap();
        folder.write(&kept("z.test", 1), 1).unwrap();
        fs::copy(folder.path("z.test"), folder.path("y.test")).unwrap();
        assert!(folder.read("y.test").is_none(), "another domain's");
    }

    #[test]
    fn a_full_folder_loses_what_is_over_first() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder(data.path().to_owned());
        for (n, domain) in ["a.test", "b.test", "c.test"].iter().enumerate() {
            folder.write(&kept(domain, n as i64 * 8_000), 0).unwrap();
        }
        folder.make_room(2, 12_000).unwrap();
        assert!(folder.read("a.test").is_none() && folder.read("b.test").is_some() && folder.read("c.test").is_some());
        folder.make_room(1, 12_000).unwrap();
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_policy_grows_old_and_is_over() {
        let kept = kept("x.test", 1_000);
        assert!(!kept.is_old(5_999) && kept.is_old(6_000) && !kept.is_over(10_999) && kept.is_over(11_000));
        assert!(!kept.is_over(0), "a clock that was put back makes nothing older");
    }
}
