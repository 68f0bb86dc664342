//! Real content filters: a private rspamd, and a private clamd with its milter and one signature of its own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::HEXLOWER;
use tempfile::TempDir;

use crate::places;
use crate::wait::{PATIENCE, found, wait_for};

/// What every virus scanner knows and nobody is harmed by, in two halves so that this file is not taken for it.
const EICAR: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

/// The test virus.
pub fn eicar() -> String {
    EICAR.concat()
}

/// The line that is spam to every filter of spam. `first` is `X` for what is refused, `Y` for what is tagged.
pub fn gtube(first: char) -> String {
    format!("{first}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X")
}

/// An rspamd that listens on loopback, until it is dropped. It asks no name server and writes nowhere else.
pub struct Rspamd {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Rspamd {
    /// Starts one; none, loudly, where there is no rspamd.
    pub fn start(test: &str) -> Option<Self> {
        let program = program(test, "rspamd")?;
        let folder = tempfile::tempdir().expect("a folder for rspamd");
        // Somebody may take a port between the moment when it was free and the one when rspamd binds it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
            fs::write(folder.path().join("tld"), "test\ncom\n").expect("its list of domains");
            fs::write(folder.path().join("rspamd.conf"), configuration(folder.path(), port)).expect("its configuration");
            let mut command = Command::new(&program);
            // It changes to a user of its own unless it is told not to.
            command.args(["-f", "-i", "-c"]).arg(folder.path().join("rspamd.conf"));
            let mut child = spawn(command, &folder.path().join("log"));
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if lives(&mut child, || TcpStream::connect_timeout(&address, PATIENCE).is_ok()) {
                return Some(Self { folder, port, child });
            }
        }
        panic!("rspamd does not start: {}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    /// For `[[filters]] address`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Rspamd {
    fn drop(&mut self) {
        end(&mut self.child);
        last_words(&self.folder.path().join("log"));
    }
}

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "options {{\n  tempdir = \"{folder}\";\n  hs_cache_dir = \"{folder}\";\n  url_tld = \"{folder}/tld\";\n  filters = \"\";\n  \
         disable_hyperscan = true;\n  enable_test_patterns = true;\n  dns {{ nameserver = [\"127.0.0.1:9\"]; timeout = 0.1s; retransmits = 1; }}\n}}\n\
         actions {{ reject = 15; add_header = 6; }}\n\
         logging {{ type = \"console\"; level = \"info\"; }}\n\
         worker \"rspamd_proxy\" {{\n  bind_socket = \"127.0.0.1:{port}\";\n  milter = yes;\n  timeout = 20s;\n  count = 1;\n  \
         spam_header = \"X-Spam\";\n  upstream \"local\" {{ default = yes; self_scan = yes; }}\n}}\n"
    )
}

/// A clamd that knows the test virus alone, and clamav-milter before it, until it is dropped.
pub struct Clamav {
    folder: PathBuf,
    clamd: Child,
    milter: Child,
}

impl Clamav {
    /// Where the one that `start` starts in a folder will listen, for `[[filters]] address`.
    pub fn address(folder: &Path) -> String {
        format!("unix:{}", folder.join("milter.sock").display())
    }

    /// Starts it; none, loudly, where there is no ClamAV. What is infected gets the word `on_infected`.
    pub fn start(test: &str, folder: &Path, on_infected: &str) -> Option<Self> {
        let (clamd, milter) = (program(test, "clamd")?, program(test, "clamav-milter")?);
        let path = |name: &str| folder.join(name);
        fs::create_dir_all(path("signatures")).expect("a folder for signatures");
        let signature = format!("Eicar.Local:0:*:{}\n", HEXLOWER.encode(eicar().as_bytes()));
        fs::write(path("signatures/local.ndb"), signature).expect("a signature");
        let at = folder.display();
        let text = format!(
            "Foreground yes\nLocalSocket {at}/clamd.sock\nDatabaseDirectory {at}/signatures\nTemporaryDirectory {at}\nConcurrentDatabaseReload no\n"
        );
        fs::write(path("clamd.conf"), text).expect("the configuration of clamd");
        let text = format!(
            "Foreground yes\nMilterSocket {at}/milter.sock\nClamdSocket unix:{at}/clamd.sock\nTemporaryDirectory {at}\n\
             OnInfected {on_infected}\nAddHeader Replace\n{}",
            // It takes the line amiss where nothing is refused.
            if on_infected == "Reject" { "RejectMsg Infected with %v\n" } else { "" }
        );
        fs::write(path("milter.conf"), text).expect("the configuration of clamav-milter");
        let started = |program: &Path, name: &str| {
            let mut command = Command::new(program);
            command.arg("-c").arg(path(&format!("{name}.conf")));
            let mut child = spawn(command, &path(&format!("{name}.log")));
            let up = lives(&mut child, || UnixStream::connect(path(&format!("{name}.sock"))).is_ok());
            assert!(up, "{name} does not start: {}", fs::read_to_string(path(&format!("{name}.log"))).unwrap_or_default());
            child
        };
        let clamd = started(&clamd, "clamd");
        Some(Self { folder: folder.to_owned(), clamd, milter: started(&milter, "milter") })
    }
}

impl Drop for Clamav {
    fn drop(&mut self) {
        end(&mut self.milter);
        end(&mut self.clamd);
        last_words(&self.folder.join("clamd.log"));
        last_words(&self.folder.join("milter.log"));
    }
}

/// Where a program is. Where it can't be had its tests are skipped, except where all are to be run.
fn program(test: &str, name: &str) -> Option<PathBuf> {
    // Debian puts servers where a user who is not root does not look.
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].iter().map(|folder| Path::new(folder).join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        places::lacks(test, &format!("no {name} here"));
    }
    found
}

fn spawn(mut command: Command, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).expect("a log");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("it starts")
}

fn lives(child: &mut Child, listens: impl Fn() -> bool) -> bool {
    wait_for("a filter to listen", || match child.try_wait() {
        Ok(None) => listens().then_some(true),
        _ => Some(false),
    })
}

fn end(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    if found(PATIENCE, || child.try_wait().ok().flatten()).is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn last_words(log: &Path) {
    if std::thread::panicking() {
        let log = fs::read_to_string(log).unwrap_or_default();
        eprintln!("a filter's last words:\n{}", log.lines().rev().take(15).collect::<Vec<_>>().join("\n"));
    }
}
