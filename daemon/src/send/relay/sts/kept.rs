//! Policies in a folder, one small file each, so that a restart forgets none: whoever could make us forget one could read the mail.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
/// What is being written has this ending.
const PART: &str = "part";
/// What was being written so long ago, in ms, never will be.
const STALE: i64 = 3_600_000;
/// Two writers of one process never share a file.
static PARTS: AtomicU64 = AtomicU64::new(0);

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

    /// Whether it should be looked at again; also when it says that it was fetched later than now.
    pub(super) fn is_old(&self, now: i64) -> bool {
        now < self.fetched || now >= self.fetched.saturating_add((self.age() / 2).min(DAY))
    }

    /// One from the future, whose time would last too long, becomes one that should be looked at now.
    pub(super) fn by_this_clock(self, now: i64) -> Self {
        match self.fetched > now {
            true => Self { fetched: now - (self.age() / 2).min(DAY), ..self },
            false => self,
        }
    }

    fn age(&self) -> i64 {
        i64::try_from(self.policy.max_age).unwrap_or(i64::MAX).saturating_mul(1_000)
    }
}

/// The folder; it need not be there. All of it blocks.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// The policy of a domain, as it was kept; none where there is none, or what is there is broken.
    ///
    /// # Errors
    /// Nobody knows whether there is one.
    pub(super) fn read(&self, domain: &str) -> io::Result<Option<Kept>> {
        Ok(content(&self.path(domain))?.filter(|kept| kept.domain == domain))
    }

    /// Keeps a policy. Written beside and renamed: a death leaves the old one or the new one.
    pub(super) fn write(&self, kept: &Kept, now: i64) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.path(&kept.domain);
        if !path.try_exists()? {
            self.make_room(FILES - 1, now)?;
        }
        let (part, mut file) = begun(&path)?;
        let text = serde_json::to_vec(kept)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written?;
        File::open(&self.0)?.sync_all()
    }

    fn path(&self, domain: &str) -> PathBuf {
        let name: String = hex(&sha256(domain.as_bytes())).chars().take(32).collect();
        self.0.join(format!("{name}.json"))
    }

    fn make_room(&self, most: usize, now: i64) -> io::Result<()> {
        let files = fs::read_dir(&self.0)?.collect::<io::Result<Vec<DirEntry>>>()?;
        let files = files.into_iter().map(|file| file.path());
        let (parts, files): (Vec<_>, Vec<_>) = files.partition(|path| path.extension().is_some_and(|extension| extension == PART));
        // Another writer may have been here.
        parts.iter().filter(|path| written(path) < now - STALE).for_each(|path| _ = fs::remove_file(path));
        if files.len() <= most {
            return Ok(());
        }
        // What can't be read now may count.
        let is_over = |path: &Path| content(path).is_ok_and(|kept| kept.is_none_or(|kept| kept.is_over(now)));
        let (over, rest): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_over(path));
        let mut rest: Vec<_> = rest.into_iter().map(|path| (written(&path), path)).collect();
        rest.sort();
        let surplus = rest.len().saturating_sub(most);
        over.iter().chain(rest.iter().take(surplus).map(|(_, path)| path)).try_for_each(fs::remove_file)
    }
}

/// What stands in a file; none where there is no such file, or no policy in it.
fn content(path: &Path) -> io::Result<Option<Kept>> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SIZE).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file of one's own beside `path`; a process that died may have left one of the same name.
fn begun(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let (process, n) = (std::process::id(), PARTS.fetch_add(1, Ordering::Relaxed));
        let part = path.with_extension(format!("{process}-{n}.{PART}"));
        match OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (part, file)),
        }
    }
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
        let read = |domain: &str| folder.read(domain).unwrap();
        assert!(read("x.test").is_none());
        folder.write(&kept("x.test", 5), 5).unwrap();
        folder.write(&kept("x.test", 6), 6).unwrap();
        assert_eq!(read("x.test"), Some(kept("x.test", 6)));
        fs::write(folder.path("x.test"), "{").unwrap();
        let read = |domain: &str| folder.read(domain).unwrap();
        assert!(read("x.test").is_none());
        fs::rename(folder.path("x.test"), folder.path("y.test")).unwrap();
        folder.write(&kept("z.test", 1), 1).unwrap();
        fs::copy(folder.path("z.test"), folder.path("y.test")).unwrap();
        assert!(read("y.test").is_none(), "another domain's");
    }

    #[test]
    fn a_full_folder_loses_what_is_over_first() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder(data.path().to_owned());
        for (n, domain) in ["a.test", "b.test", "c.test"].iter().enumerate() {
            folder.write(&kept(domain, n as i64 * 8_000), 0).unwrap();
        }
        folder.make_room(2, 12_000).unwrap();
        let is_there = |domain: &str| folder.read(domain).unwrap().is_some();
        assert_eq!(["a.test", "b.test", "c.test"].map(is_there), [false, true, true]);
        folder.make_room(1, 12_000).unwrap();
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_now_is_neither_absent_nor_removed() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder(data.path().to_owned());
        // A folder of that name can be opened and not read, whoever asks.
        fs::create_dir(folder.path("x.test")).unwrap();
        assert!(folder.read("x.test").is_err());
        folder.write(&kept("y.test", 0), 0).unwrap();
        folder.make_room(1, 20_000).unwrap();
        assert!(folder.path("x.test").exists() && !folder.path("y.test").exists());
    }

    #[test]
    fn what_was_never_finished_goes_after_a_while() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder(data.path().to_owned());
        let part = data.path().join("a.1-0.part");
        fs::write(&part, "{").unwrap();
        let now = written(&part);
        folder.make_room(FILES, now + STALE).unwrap();
        assert!(part.exists(), "somebody may be writing it");
        folder.make_room(FILES, now + STALE + 1).unwrap();
        assert!(!part.exists());
    }

    #[test]
    fn a_policy_grows_old_and_is_over() {
        let kept = kept("x.test", 1_000);
        assert!(!kept.is_old(5_999) && kept.is_old(6_000) && !kept.is_over(10_999) && kept.is_over(11_000));
        let now = kept.clone().by_this_clock(500);
        assert!(now.is_old(500) && !now.is_over(5_499) && now.is_over(5_500), "{now:?}");
        assert!(kept.is_old(999), "one from the future is looked at again");
        assert!(!kept.is_over(0), "a clock that was put back makes nothing older");
    }
}
