//! A running daemon with a configuration and a folder of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::inside;
use crate::mail::Draft;
use crate::maildir::Maildir;
use crate::options::{Listener, Options};
use crate::postgres;
use crate::program::{Ran, bare_command, run};
use crate::smtp::{Reply, Smtp};
use crate::wait::found;

/// Where the daemon listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// SMTP.
    pub smtp: SocketAddr,
    /// LMTP.
    pub lmtp: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
    /// Where agents send: with TLS from the first octet, with STARTTLS, in the order of the configuration.
    pub submission: [Option<SocketAddr>; 2],
}

/// A daemon. Dropping it kills it, and fails the test when it had died or panicked before.
pub struct Desk {
    folder: TempDir,
    options: Options,
    child: Option<Child>,
    ports: Option<Ports>,
    pub(crate) token: String,
}

impl Desk {
    /// Writes the configuration and the API token; nothing runs yet.
    pub fn prepare(mut options: Options) -> Self {
        if options.database.is_none() && postgres::is_meant() {
            options.database = Some(postgres::fresh());
        }
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut desk = Self { folder, options, child: None, ports: None, token: String::new() };
        desk.configure(&desk.configuration());
        let made = desk.cli(&["token", "create", "--scope", "admin", "--name", "tests"]);
        assert_eq!(made.code, 0, "{}", made.err);
        desk.token = made.out.lines().last().and_then(|l| l.split_whitespace().last()).expect("the token is the last word").to_owned();
        desk
    }

    /// A second daemon on the database of this one, with a folder of its own and the same keys; it sends to the same place.
    ///
    /// # Panics
    /// When the database is a file: that has one daemon.
    pub fn beside(&self, options: Options) -> Self {
        let database = self.options.database.clone().expect("a database that can be shared");
        let relay = self.options.relay.clone().unwrap_or_else(|| format!("maildir:{}", self.path("out").display()));
        let folder = tempfile::tempdir().expect("a folder for the test");
        let options = Options { database: Some(database), relay: Some(relay), ..options };
        let desk = Self { folder, options, child: None, ports: None, token: self.token.clone() };
        fs::create_dir_all(desk.path("data/keys")).expect("a folder for keys");
        for key in fs::read_dir(self.path("data/keys")).expect("keys").flatten() {
            fs::copy(key.path(), desk.path("data/keys").join(key.file_name())).expect("a key is copied");
        }
        desk.configure(&desk.configuration());
        desk
    }

    /// A running desk.
    pub fn start(options: Options) -> Self {
        let mut desk = Self::prepare(options);
        desk.serve(&[]);
        desk
    }

    /// A running desk that believes every From and sends into a Maildir, with the admin Jane Doe.
    pub fn with_jane() -> Self {
        let desk = Self::prepare(Options::default());
        desk.agent("jane@agents.test", "Jane Doe", "admin");
        desk.running()
    }

    /// The same with a second agent, Bob Roe.
    pub fn with_jane_and_bob() -> Self {
        let desk = Self::prepare(Options::default());
        desk.agent("jane@agents.test", "Jane Doe", "admin");
        desk.agent("bob@agents.test", "Bob Roe", "agent");
        desk.running()
    }

    /// Starts it.
    #[must_use]
    pub fn running(mut self) -> Self {
        self.serve(&[]);
        self
    }

    /// The text of the configuration as it was at first.
    pub fn configuration(&self) -> String {
        self.options.configuration(self.folder.path())
    }

    /// Writes the configuration file.
    pub fn configure(&self, text: &str) {
        fs::write(self.path("ombud.toml"), text).expect("the configuration is written");
    }

    /// A path in the folder of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where outgoing mail lands.
    pub fn out(&self) -> Maildir {
        let elsewhere = self.options.relay.as_deref().and_then(|relay| relay.strip_prefix("maildir:"));
        Maildir::new(elsewhere.map_or_else(|| self.path("out"), PathBuf::from))
    }

    /// Speaks to the API as to another desk, whose database this one has taken over.
    pub fn use_token_of(&mut self, other: &Self) {
        self.token.clone_from(&other.token);
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub fn serve(&mut self, arguments: &[&str]) {
        let mut command = self.command(&["serve"]);
        command.args(arguments);
        let ready = self.started(command);
        assert!(ready.starts_with("ready "), "not ready but {ready:?}\n{}", self.log());
    }

    /// The same with variables in its environment, and perhaps within another program (the words before its own); says
    /// whether it came to be ready, for it may have been told to die before.
    pub fn serve_under(&mut self, wrapper: &[&str], variables: &[(&str, &str)]) -> bool {
        let bare = self.command(&["serve"]);
        let mut command = match wrapper.split_first() {
            None => bare,
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(bare.get_program()).args(bare.get_args()).stdin(Stdio::null());
                for (name, _) in bare.get_envs().filter(|(_, value)| value.is_none()) {
                    command.env_remove(name);
                }
                command
            }
        };
        command.envs(variables.iter().copied());
        self.started(command).starts_with("ready ")
    }

    /// The same as a process that may open so many files.
    pub fn serve_within(&mut self, files: usize) {
        let limit = format!("--nofile={files}:{files}");
        assert!(self.serve_under(&["prlimit", &limit], &[]), "not ready\n{}", self.log());
    }

    /// Starts it; the line that it says first, and nothing when it has died before.
    fn started(&mut self, mut command: Command) -> String {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a log");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the daemon starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut ready = String::new();
        lines.read_line(&mut ready).expect("it says something");
        // Whatever it says later must find a reader.
        thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        self.child = Some(child);
        let port = |name: &str| ready.split_whitespace().find_map(|word| word.strip_prefix(name)).and_then(|text| text.parse().ok());
        let mut words = ready.split_whitespace().filter_map(|word| word.strip_prefix("submission=")?.parse().ok());
        let submission = [words.next(), words.next()];
        let ports = || Some(Ports { smtp: port("smtp=")?, lmtp: port("lmtp=")?, http: port("http=")?, submission });
        if ready.starts_with("ready ") {
            self.ports = Some(ports().unwrap_or_else(|| panic!("addresses are missing in {ready:?}")));
        }
        ready
    }

    /// Runs a subcommand to its end.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        self.cli_with(arguments, b"")
    }

    /// The same with something on its standard input.
    pub fn cli_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        run(self.command(arguments), input)
    }

    /// Starts a subcommand.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    /// The same with variables in its environment.
    pub fn cli_under(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        run(command, b"")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare_command();
        command.args(arguments).arg("--config").arg(self.path("ombud.toml"));
        command
    }

    /// Has it listen for LMTP on a unix socket as well.
    pub fn listens_at(&self, socket: &Path) {
        let line = Listener::Lmtp.line();
        let both = line.replace(']', &format!(", \"unix:{}\"]", socket.display()));
        self.configure(&self.configuration().replace(&line, &both));
    }

    /// Adds an agent.
    pub fn agent(&self, address: &str, name: &str, role: &str) {
        let added = self.cli(&["agent", "add", address, "--name", name, "--role", role]);
        assert_eq!(added.code, 0, "{}{}", added.out, added.err);
    }

    /// Its listeners.
    pub fn ports(&self) -> Ports {
        self.ports.expect("it has been started")
    }

    /// Hands a mail over in a session of its own; the last reply.
    #[track_caller]
    pub fn send(&self, draft: &Draft) -> Reply {
        let to: Vec<&str> = draft.recipients.iter().map(String::as_str).collect();
        let mut smtp = Smtp::greeted(self.ports().smtp);
        smtp.mail(&draft.sender, &to, &draft.bytes()).expect("a reply")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read(self.path("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The memory it has, in octets (proc(5)).
    pub fn memory(&self) -> usize {
        self.state_of_memory("VmRSS:")
    }

    /// The most it ever had since it started, in octets.
    pub fn memory_peak(&self) -> usize {
        self.state_of_memory("VmHWM:")
    }

    fn state_of_memory(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its state");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }

    /// `kill -9`, in the middle of whatever it does.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it is gone");
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        self.ended_within(limit).unwrap_or_else(|| {
            self.kill();
            panic!("it did not end within {limit:?}\n{}", self.log())
        })
    }

    /// The same, for one that may also go on.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let mut child = self.child.take().expect("it runs");
        let ended = found(limit, || child.try_wait().expect("its status"));
        self.child = ended.is_none().then_some(child);
        ended
    }

    /// The address of its database, when that is one on a server.
    ///
    /// # Panics
    /// When it is a file.
    pub fn database(&self) -> String {
        self.server().expect("a database on a server").to_owned()
    }

    /// The same; none when it is a file.
    pub fn server(&self) -> Option<&str> {
        self.options.database.as_deref()
    }

    /// Whether it was started, and nobody has noticed that it ended.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid())).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
    }

    /// SIGTERM; its exit status and how long it took.
    pub fn stop(&mut self) -> (ExitStatus, Duration) {
        self.signal("TERM");
        let start = Instant::now();
        let mut child = self.child.take().expect("it runs");
        let ended = found(Duration::from_secs(30), || child.try_wait().expect("its status"));
        let _ = child.kill();
        (ended.expect("it ends within 30 s"), start.elapsed())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let died = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = self.log();
        if thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the daemon's last words:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            return;
        }
        assert!(died.is_none(), "the daemon ended on its own: {died:?}\n{log}");
        assert!(!log.contains("panicked at"), "the daemon panicked:\n{log}");
        inside::check(&self.out().letters());
    }
}
