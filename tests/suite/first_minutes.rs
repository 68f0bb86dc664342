//! What somebody sees who has just built it: `demo`, and `serve` without a configuration.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::program::bare_command;
use ombud_tests::{Draft, Maildir, Smtp, http, wait_for, wait_until};

/// A program that goes on until it is told to end, and the lines that it says.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(folder: &Path, command: &str) -> Self {
        let mut program = bare_command();
        let mut child = program.current_dir(folder).arg(command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            while out.read_line(&mut line).is_ok_and(|read| read > 0) && sender.send(std::mem::take(&mut line)).is_ok() {}
            out.read_to_end(&mut Vec::new())
        });
        Self { child, lines }
    }

    /// Lines up to the first with this in it.
    fn until(&self, limit: Duration, what: &str) -> String {
        let (start, mut said) = (Instant::now(), String::new());
        while !said.contains(what) {
            let left = limit.saturating_sub(start.elapsed());
            said += &self.lines.recv_timeout(left).unwrap_or_else(|error| panic!("{what}: {error} within {limit:?} after:\n{said}"));
        }
        said
    }

    fn ends_well(&mut self) {
        Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status().expect("the signal is sent");
        let status = wait_for("its end", || self.child.try_wait().expect("its status"));
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first address behind these words.
fn address(text: &str, before: &str) -> SocketAddr {
    let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("{before} in\n{text}"));
    let address: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    address.trim_end_matches(['.', ':']).parse().unwrap_or_else(|error| panic!("{error}: {address}"))
}

#[test]
fn the_demo_plays_a_whole_conversation_and_stays_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(folder.path(), "demo");
    let said = demo.until(Duration::from_secs(20), "status page       http");
    for word in ["Ann", "Jane", "#1", "Note (stays inside)", "stays inside"] {
        assert!(said.contains(word), "{word} in the play:\n{said}");
    }
    let status = http::request(address(&said, "http://"), "GET", "/healthz", None, None).expect("an HTTP response");
    assert_eq!(status.status, 200);
    demo.ends_well();
}

#[test]
fn without_a_configuration_it_is_a_working_local_desk() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Running::start(folder.path(), "serve");
    let ready = desk.until(Duration::from_secs(20), "ready ");
    assert!(
        ready.starts_with("ready smtp=127.0.0.1:") && ready.contains(" lmtp=127.0.0.1:") && ready.contains(" http=127.0.0.1:"),
        "{ready}"
    );
    let mail = Draft::new("Ann <ann@customer.test>", "support@desk.localhost", "Out of the box", "works?");
    let mut smtp = Smtp::greeted(address(&ready, "smtp="));
    assert_eq!(smtp.mail(&mail.sender, &["support@desk.localhost"], &mail.bytes()).map(|reply| reply.code), Some(250));
    let data = folder.path().join("ombud-data");
    let maildir = || fs::read_dir(&data).into_iter().flatten().flatten().map(|entry| entry.path()).find(|path| path.join("new").is_dir());
    let out = Maildir::new(wait_for("a Maildir", maildir));
    out.expect("agent@desk.localhost", "a notification", |letter| letter.text().contains("works?"));
    wait_until("an acknowledgement", || !out.to("ann@customer.test").is_empty());
    desk.ends_well();
}
