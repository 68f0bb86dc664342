//! A real mail server beside us: a private Postfix on loopback that hands over everything by LMTP, takes what leaves as the
//! last one, or passes it on as our relay.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::certificates;
use crate::smtp::Smtp;
use crate::wait::wait_until;

/// Every service that a mail needs on its way through; none runs in a cage.
const SERVICES: &str = "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
    rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
    trace unix - - n - 0 bounce\nverify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\n\
    lmtp unix - - n - - lmtp\nsmtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\ndiscard unix - - n - - discard\n\
    anvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\ntlsmgr unix - - n 1000? 1 tlsmgr\npostlog unix-dgram n - n - 1 postlogd\n";

/// A Postfix, until it is dropped.
pub struct Postfix {
    folder: TempDir,
    address: SocketAddr,
    tls_address: SocketAddr,
}

impl Postfix {
    /// Prepares one; why not, where that can't be done.
    ///
    /// # Errors
    /// When there is no Postfix here, or no right to start it.
    pub fn prepare() -> Result<Self, &'static str> {
        if !Path::new("/usr/sbin/postfix").is_file() {
            return Err("no Postfix here");
        }
        if fs::metadata("/proc/self").map_or(1, |own| own.uid()) != 0 {
            return Err("only root may start a Postfix");
        }
        let (user, group) = postfix_user().ok_or("no user postfix")?;
        let folder = tempfile::tempdir().expect("a folder for Postfix");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        for part in ["etc", "queue", "data", "out"] {
            fs::create_dir(folder.path().join(part)).expect("a folder");
        }
        chown(folder.path().join("data"), Some(user), None).expect("its owner");
        // A socket in a folder with this bit belongs to the folder's group, and that is how Postfix may use it.
        chown(folder.path().join("out"), None, Some(group)).expect("its group");
        fs::set_permissions(folder.path().join("out"), Permissions::from_mode(0o2750)).expect("its mode");
        // An address that no other test's Postfix has: a port that is free now may be taken by another when this one starts.
        let [middle, low] = [8, 0].map(|bits| u8::try_from(std::process::id() >> bits & 0xff).expect("a byte"));
        let host = Ipv4Addr::new(127, 32, middle, low);
        certificates::make_for(folder.path(), &format!("IP:{host}"));
        let free = || TcpListener::bind((host, 0)).and_then(|port| port.local_addr()).expect("a free port");
        let (address, tls_address) = (free(), free());
        Ok(Self { folder, address, tls_address })
    }

    /// A path for a unix socket that Postfix may use.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("out/lmtp")
    }

    /// Starts it; whatever comes in leaves for this place (`inet:HOST:PORT` or `unix:PATH`), bounces to nowhere.
    pub fn start(&self, next: &str) {
        self.start_with(next, "");
    }

    /// Starts it as the last one: it takes mail for customer.test and agents.test and throws it away. With TLS, by a certificate that
    /// nobody knows; `more` are further lines of its configuration.
    pub fn start_as_mx(&self, more: &str) {
        self.start_with("inet:127.0.0.1:1", &format!("{}{more}", self.tls()));
    }

    /// Starts it as our relay: whatever it takes from this machine goes on to `next` by SMTP, for good or not at all. Its
    /// certificate is of [`Postfix::ca`]; `more` are further lines of its configuration, of which the last of a name counts.
    pub fn start_as_relay(&self, next: SocketAddr, more: &str) {
        let further =
            format!("default_transport = smtp:[{}]:{}\ntransport_maps =\nsmtp_tls_security_level = none\n", next.ip(), next.port());
        self.start_with("inet:127.0.0.1:1", &format!("{}{further}{more}", self.tls()));
    }

    fn tls(&self) -> String {
        let base = self.folder.path().display();
        format!(
            "smtpd_tls_cert_file = {base}/cert.pem\nsmtpd_tls_key_file = {base}/key.pem\nsmtpd_tls_security_level = may\n\
             smtpd_tls_loglevel = 1\n"
        )
    }

    /// Ends it; what it has taken stays in its queue.
    pub fn stop(&self) {
        self.run("postfix", &["stop"]);
        wait_until("Postfix to end", || std::net::TcpStream::connect(self.address()).is_err());
    }

    fn start_with(&self, next: &str, more: &str) {
        let base = self.folder.path().display();
        let smtpd =
            format!("{} inet n - n - - smtpd\n{} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n", self.address, self.tls_address);
        fs::write(self.path("etc/master.cf"), smtpd + SERVICES).expect("its services");
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = mx.front.test\nmydestination =\nmynetworks = 127.0.0.0/8\ninet_protocols = ipv4\n\
             inet_interfaces = loopback-only\nqueue_directory = {base}/queue\ndata_directory = {base}/data\nmail_owner = postfix\n\
             setgid_group = postdrop\nalias_maps =\nalias_database =\nlocal_recipient_maps =\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
             default_transport = lmtp:{next}\ntransport_maps = inline:{{ {{ customer.test = discard: }}, {{ agents.test = discard: }}, {{ mx.front.test = discard: }} }}\n\
             maillog_file = {base}/log\nmaillog_file_prefixes = {base}\nmessage_size_limit = 52428800\nin_flow_delay = 0\n\
             minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\ndebugger_command =\n{more}"
        );
        fs::write(self.path("etc/main.cf"), each_once(&main)).expect("its configuration");
        for extra in ["dynamicmaps.cf", "dynamicmaps.cf.d"] {
            // Where Debian keeps the paths of its map types; a build without them needs none.
            let _ = std::os::unix::fs::symlink(Path::new("/etc/postfix").join(extra), self.path("etc").join(extra));
        }
        self.run("postfix", &["set-permissions", "create-missing"]);
        let started = self.run("postfix", &["start"]);
        assert!(started.status.success(), "Postfix does not start: {}\n{}", String::from_utf8_lossy(&started.stderr), self.log());
        wait_until("Postfix to greet", || Smtp::try_open(self.address()).and_then(|mut smtp| smtp.reply()).is_some_and(|r| r.code == 220));
        assert!(!self.log().contains("overriding earlier entry"), "a name stands twice in main.cf: see each_once\n{}", self.log());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it speaks TLS from the first octet, when it runs with a certificate.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// The authority of its certificate.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Tries at once what it has put off.
    pub fn flush(&self) {
        self.run("postqueue", &["-f"]);
    }

    /// How many mails it still has.
    pub fn queued(&self) -> usize {
        let listed = self.run("postqueue", &["-j"]);
        String::from_utf8_lossy(&listed.stdout).lines().count()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(Path::new("/usr/sbin").join(program));
        command.arg("-c").arg(self.path("etc")).args(arguments).output().expect("a program of Postfix")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.run("postfix", &["abort"]);
        if std::thread::panicking() {
            eprintln!("what Postfix says:\n{}", self.log());
        }
    }
}

/// Of lines with the same name the last. Of any other Postfix would warn in each of its processes: its log is a socket that holds few
/// lines, and when they fill it before `postlogd` reads, that one waits for itself, and all others for it, for ever.
fn each_once(lines: &str) -> String {
    let name = |line: &str| line.split('=').next().map(|name| name.trim().to_owned());
    let lines: Vec<&str> = lines.lines().collect();
    let is_last = |at: &usize| !lines[at + 1..].iter().any(|later| name(later) == name(lines[*at]));
    (0..lines.len()).filter(is_last).map(|at| format!("{}\n", lines[at])).collect()
}

/// The user and the group that Postfix runs as.
fn postfix_user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find_map(|line| line.strip_prefix("postfix:"))?;
    let mut fields = line.split(':').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
