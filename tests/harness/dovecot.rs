//! A real IMAP server: a private Dovecot on loopback, with TLS, a Maildir and one user.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::certificates;
use crate::wait::{PATIENCE, found, wait_for, wait_until};

/// The user of every private Dovecot.
pub const USER: &str = "support";
/// Their password.
pub const PASSWORD: &str = "correct horse battery";

/// A Dovecot, until it is dropped.
pub struct Dovecot {
    folder: TempDir,
    imap: u16,
    imaps: u16,
    child: Option<Child>,
}

impl Dovecot {
    /// Starts one whose INBOX is empty.
    ///
    /// # Panics
    /// When Dovecot or openssl is missing: `tests/run` installs both.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for Dovecot");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut dovecot = Self { folder, imap: free_port(), imaps: free_port(), child: None };
        certificates::make(dovecot.folder.path());
        for name in ["home", "home/Maildir", "home/Maildir/cur", "home/Maildir/new", "home/Maildir/tmp", "run"] {
            fs::create_dir_all(dovecot.path(name)).expect("a folder");
        }
        dovecot.own("home");
        fs::write(dovecot.path("users"), format!("{USER}:{{PLAIN}}{PASSWORD}\n")).expect("the user");
        // Somebody may take a port between the moment when it was free and the one when Dovecot binds it.
        for _ in 0..5 {
            fs::write(dovecot.path("dovecot.conf"), dovecot.configuration()).expect("its configuration");
            if dovecot.tried() {
                return dovecot;
            }
            (dovecot.imap, dovecot.imaps) = (free_port(), free_port());
        }
        panic!("Dovecot does not start: {}", fs::read_to_string(dovecot.path("log")).unwrap_or_default());
    }

    /// For `[mailboxes.imap]`: where it is, who we are, whose certificate to believe.
    pub fn section(&self) -> String {
        format!(
            "[mailboxes.imap]\nserver = \"{}\"\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\nca = \"{}\"\npause = \"1s\"\n",
            self.url(),
            self.ca().display()
        )
    }

    /// Its address for TLS from the first octet.
    pub fn url(&self) -> String {
        format!("imaps://127.0.0.1:{}", self.imaps)
    }

    /// Its address for STARTTLS.
    pub fn plain_url(&self) -> String {
        format!("imap://127.0.0.1:{}", self.imap)
    }

    /// Where other programs ask it whether a password is right.
    pub fn auth_socket(&self) -> PathBuf {
        self.path("run/auth")
    }

    /// The certificate of its authority.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Puts a mail into INBOX as delivery does: new, or with flags (`S` is \Seen).
    pub fn deliver(&self, raw: &[u8], flags: Option<&str>) -> String {
        self.deliver_to("", raw, flags)
    }

    /// The same for another folder (`.Archive`; empty: INBOX).
    pub fn deliver_to(&self, folder: &str, raw: &[u8], flags: Option<&str>) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{}.P{}.test", COUNT.fetch_add(1, Ordering::Relaxed) + 1_700_000_000, std::process::id());
        let place = flags.map_or_else(|| format!("new/{name}"), |flags| format!("cur/{name}:2,{flags}"));
        let tmp = self.path(&format!("home/Maildir/tmp/{name}"));
        fs::write(&tmp, raw).expect("a mail");
        self.own(&format!("home/Maildir/tmp/{name}"));
        fs::rename(&tmp, self.path(&format!("home/Maildir/{folder}/{place}"))).expect("it is delivered");
        name
    }

    /// Makes a mail of INBOX so many seconds older, before anybody has looked at it.
    pub fn age(&self, name: &str, seconds: u64) {
        let file = fs::File::open(self.path(&format!("home/Maildir/new/{name}"))).expect("the mail");
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).expect("its time");
    }

    /// The flags of a mail in INBOX (empty: none), or none when it is not there.
    pub fn flags(&self, name: &str) -> Option<String> {
        let entries = ["new", "cur"].into_iter().flat_map(|part| self.names(&format!("home/Maildir/{part}")));
        let mut found = entries.filter_map(|entry| entry.strip_prefix(name).map(str::to_owned));
        found.next().map(|rest| rest.split(',').nth(1).unwrap_or("").to_owned())
    }

    /// How many mails a folder has (`.Archive`; empty: INBOX).
    pub fn count(&self, folder: &str) -> usize {
        ["new", "cur"].into_iter().map(|part| self.names(&format!("home/Maildir/{folder}/{part}")).len()).sum()
    }

    /// Makes a folder.
    pub fn make_folder(&self, name: &str) {
        for part in ["", "/cur", "/new", "/tmp"] {
            fs::create_dir_all(self.path(&format!("home/Maildir/.{name}{part}"))).expect("a folder");
        }
        self.own("home");
    }

    /// Counts mails anew: another UIDVALIDITY. It must be stopped.
    pub fn change_uidvalidity(&self) {
        assert!(self.child.is_none(), "it must be stopped");
        let path = self.path("home/Maildir/dovecot-uidlist");
        let list = fs::read_to_string(&path).expect("its list of UIDs");
        let (head, rest) = list.split_once('\n').expect("a first line");
        let changed = head.split(' ').map(|word| match word.strip_prefix('V').and_then(|v| v.parse::<u64>().ok()) {
            Some(uidvalidity) => format!("V{}", uidvalidity + 1),
            None => word.to_owned(),
        });
        fs::write(&path, format!("{}\n{rest}", changed.collect::<Vec<_>>().join(" "))).expect("it is written");
        for name in self.names("home/Maildir").iter().filter(|name| name.starts_with("dovecot.index")) {
            fs::remove_file(self.path(&format!("home/Maildir/{name}"))).expect("it is removed");
        }
    }

    /// Starts it again.
    pub fn run(&mut self) {
        wait_until("Dovecot to have its ports again", || self.tried());
    }

    /// Starts it; says whether it lives and listens.
    fn tried(&mut self) -> bool {
        let log = fs::File::options().create(true).append(true).open(self.path("out")).expect("a log");
        // Debian puts it where a user who is not root does not look.
        let program = ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"].into_iter().find(|path| Path::new(path).is_file());
        let mut command = Command::new(program.unwrap_or("dovecot"));
        command.arg("-F").arg("-c").arg(self.path("dovecot.conf"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log).spawn();
        let mut child = child.expect("Dovecot starts (tests/run installs it)");
        let address = SocketAddr::from(([127, 0, 0, 1], self.imaps));
        let lives = wait_for("Dovecot to listen", || match child.try_wait() {
            Ok(None) => TcpStream::connect_timeout(&address, PATIENCE).is_ok().then_some(true),
            _ => Some(false),
        });
        self.child = lives.then_some(child);
        lives
    }

    /// Ends it, with all sessions.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let ended = found(PATIENCE, || child.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Mail belongs to a user who is not root, or Dovecot does not touch it.
    fn own(&self, name: &str) {
        if let Some((user, group)) = mail_user() {
            own_all(&self.path(name), user, group);
        }
    }

    fn configuration(&self) -> String {
        let base = self.folder.path().display();
        let own = fs::metadata("/proc/self").expect("who we are");
        let (user, group) = mail_user().unwrap_or((own.uid(), own.gid()));
        // Without root's rights everything runs as we do, and nothing can be locked away.
        let rootless = match own.uid() {
            0 => String::new(),
            _ => {
                let name = |what| Command::new("id").arg(what).output().expect("who we are").stdout;
                let name = |what| String::from_utf8_lossy(&name(what)).trim().to_owned();
                let (user, group) = (name("-un"), name("-gn"));
                let services = ["anvil", "imap-login"].map(|service| format!("service {service} {{\n  chroot =\n}}\n"));
                let users = format!("default_internal_user = {user}\ndefault_login_user = {user}\ndefault_internal_group = {group}\n");
                users + &services.concat()
            }
        };
        format!(
            "base_dir = {base}/run\nstate_dir = {base}/run\nlog_path = {base}/log\nprotocols = imap\nlisten = 127.0.0.1\n\
             ssl = yes\nssl_cert = <{base}/cert.pem\nssl_key = <{base}/key.pem\nmail_location = maildir:{base}/home/Maildir\n\
             first_valid_uid = 1\nauth_mechanisms = plain login\nauth_failure_delay = 0\nmaildir_very_dirty_syncs = no\n{rootless}\
             passdb {{\n  driver = passwd-file\n  args = {base}/users\n}}\n\
             userdb {{\n  driver = static\n  args = uid={user} gid={group} home={base}/home\n}}\n\
             service imap-login {{\n  inet_listener imap {{\n    port = {}\n  }}\n  inet_listener imaps {{\n    port = {}\n    ssl = yes\n  }}\n}}\n\
             service auth {{\n  unix_listener {base}/run/auth {{\n    mode = 0666\n  }}\n}}\n\
             namespace inbox {{\n  inbox = yes\n}}\n",
            self.imap, self.imaps,
        )
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            eprintln!("Dovecot's last words:\n{}", log.lines().rev().take(15).collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Whose the mail is when we are root: `nobody`.
fn mail_user() -> Option<(u32, u32)> {
    (fs::metadata("/proc/self").ok()?.uid() == 0).then_some((65_534, 65_534))
}

fn own_all(path: &Path, user: u32, group: u32) {
    chown(path, Some(user), Some(group)).expect("its owner");
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        own_all(&entry.path(), user, group);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
