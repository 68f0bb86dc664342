//! Broken surroundings: a full disk, a locked database, a second daemon.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ombud_tests::places::{lacks, skip};
use ombud_tests::{Desk, Options, wait_until};

use crate::from_ann;

/// A small disk, as long as it is in scope.
pub(crate) struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    pub(crate) fn mount(folder: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir_all(folder).ok()?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Octets that do not compress, others for each seed.
pub(crate) fn noise(octets: usize, seed: u64) -> Vec<u8> {
    let mut seed = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33).to_le_bytes()[0]
    };
    (0..octets).map(|_| next()).collect()
}

#[test]
fn a_full_disk_refuses_for_now_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("small");
    let Some(_disk) = SmallDisk::mount(&place, "24m") else {
        return skip("a_full_disk_refuses_for_now_and_loses_nothing", "no right to mount a small disk here");
    };
    let options = Options {
        data: Some(place.join("data")),
        more: "[limits]\nfree_space = \"64 KiB\"\nmessage_size = \"4 MiB\"\n",
        ..Options::default()
    };
    let desk = Desk::start(options);
    fs::write(place.join("ballast"), vec![0; 10 << 20]).unwrap();
    let (mut taken, mut refused) = (Vec::new(), 0);
    for n in 0..80 {
        let mail = from_ann(&format!("Disk {n}"), "with a large file").attach("noise.bin", &noise(300_000, n));
        let reply = desk.send(&mail);
        if reply.is_yes() {
            taken.push(mail);
        } else {
            assert!((400..500).contains(&reply.code), "the sender must keep it: {}", reply.line);
            refused += 1;
        }
        if refused > 5 {
            break;
        }
    }
    assert!(refused > 5 && !taken.is_empty(), "{} taken, {refused} refused", taken.len());
    fs::remove_file(place.join("ballast")).unwrap();
    let after = from_ann("Room again", "there is room");
    wait_until("mail to be taken again", || desk.send(&after).is_yes());
    desk.settle();
    for mail in taken.iter().chain([&after]) {
        let rows = desk.fates(&mail.id);
        let filed: Vec<_> = rows.iter().filter(|row| row["fate"]["kind"] == "ticket").collect();
        assert_eq!(filed.len(), 1, "{rows:?}");
    }
}

#[test]
fn an_almost_full_disk_is_seen_before_the_mail_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("small");
    let Some(_disk) = SmallDisk::mount(&place, "24m") else {
        return skip("an_almost_full_disk_is_seen_before_the_mail_is_sent", "no right to mount a small disk here");
    };
    let desk = Desk::start(Options { data: Some(place.join("data")), ..Options::default() });
    let reply = desk.send(&from_ann("No room", "wait"));
    assert!(reply.line.starts_with("452 4.3.1"), "{}", reply.line);
    assert_eq!(desk.public("/readyz").status, 503);
}

/// Another program that keeps the database for itself until it is dropped.
struct Lock(Child);

impl Lock {
    fn take(database: &Path) -> Option<Self> {
        let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)\n\
                      c.execute('BEGIN EXCLUSIVE')\nprint('locked', flush=True)\nsys.stdin.read()\nc.execute('ROLLBACK')\n";
        let mut command = Command::new("python3");
        command.arg("-c").arg(script).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        (line == "locked\n").then_some(Self(child))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_locked_database_refuses_for_now() {
    let desk = Desk::with_jane();
    desk.deliver(&from_ann("Before", "all is well"));
    desk.settle();
    let Some(lock) = Lock::take(&desk.path("data/ombud.db")) else {
        return lacks("a_locked_database_refuses_for_now", "no python3 with sqlite3 here");
    };
    let mail = from_ann("Locked", "somebody else has the database");
    let start = Instant::now();
    let reply = desk.send(&mail);
    assert_eq!(reply.code, 451, "{}", reply.line);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    drop(lock);
    wait_until("mail to be taken again", || desk.send(&mail).is_yes());
    desk.settle();
    assert_eq!(desk.fates(&mail.id).iter().filter(|row| row["fate"]["kind"] == "ticket").count(), 1);
}

#[test]
fn one_daemon_a_data_folder() {
    let desk = Desk::with_jane();
    let second = desk.cli(&["serve"]);
    assert!([69, 75, 78].contains(&second.code), "{}: {}", second.code, second.err);
    assert!(second.out.is_empty() && second.err.trim().lines().count() >= 1, "{second:?}");
    assert_eq!(desk.deliver(&from_ann("Still here", "the first one works"))["kind"], "ticket");
}

#[test]
fn a_database_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("ombud.db"), "this is no database, but it is long enough to be looked at as one".repeat(100)).unwrap();
    let config = folder.path().join("ombud.toml");
    fs::write(
        &config,
        format!(
            "[desk]\nname = \"Acme\"\nhostname = \"desk.test\"\ndata = \"{}\"\n[http]\nlisten = [\"127.0.0.1:0\"]\n\
             [[mailboxes]]\naddress = \"support@desk.test\"\n",
            data.display()
        ),
    )
    .unwrap();
    let ran = ombud_tests::program::ombud(folder.path(), &["serve", "--config", config.to_str().unwrap()], b"");
    assert!(ran.code != 0 && ran.code < 128, "{ran:?}");
    assert!(!ran.err.contains("panicked") && !ran.err.trim().is_empty(), "{ran:?}");
}

#[test]
fn a_commit_that_fails_refuses_for_now_and_keeps_nothing() {
    let mut desk = Desk::prepare(Options::default());
    assert!(desk.serve_under(&[], &[("OMBUD_FAILPOINT", "accept.before_commit:1:err")]), "{}", desk.log());
    let mail = from_ann("Not kept", "The first try fails.");
    let reply = desk.send(&mail);
    assert_eq!(reply.code, 451, "{}", reply.line);
    assert!(desk.list("/api/v1/inbox").is_empty());
    assert_eq!(desk.deliver(&mail)["kind"], "ticket");
    assert_eq!(desk.fates(&mail.id).len(), 1);
}

#[test]
fn killed_while_its_tables_are_made_it_begins_anew() {
    let mut desk = Desk::prepare(Options::default());
    fs::remove_dir_all(desk.path("data")).unwrap();
    for step in ["migrate.step:1", "migrate.step:4"] {
        assert!(!desk.serve_under(&[], &[("OMBUD_FAILPOINT", step)]), "it was to die at {step}");
        assert_eq!(desk.wait_for_end(Duration::from_secs(20)).signal(), Some(9), "at {step}");
    }
    desk.serve(&[]);
    assert!(desk.send(&from_ann("After all", "Hello?")).is_yes());
}

#[test]
fn a_backup_that_is_killed_before_its_manifest_is_none() {
    let desk = Desk::with_jane();
    desk.deliver(&from_ann("Kept", "hello"));
    let (half, whole) = (desk.path("half").display().to_string(), desk.path("whole").display().to_string());
    let killed = desk.cli_under(&["backup", &half], &[("OMBUD_FAILPOINT", "backup.before_manifest:1")]);
    assert_eq!(killed.code, 128 + 9, "{}", killed.err);
    let again = desk.cli(&["backup", &half]);
    assert!(again.code != 0 && again.err.contains("interrupted"), "{}", again.err);
    let refused = Desk::prepare(Options::default()).cli(&["restore", &half]);
    assert!(refused.code != 0 && !refused.err.contains("panicked"), "{}", refused.err);
    assert_eq!(desk.cli(&["backup", &whole]).code, 0);
}
