//! An IMAP server in clear text that is honest until it is told to lie.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::listening::Listening;

/// What it does at a command.
#[derive(Clone, Debug)]
pub enum Act {
    /// What it should.
    Honest,
    /// Says this; `TAG` becomes the command's tag.
    Say(String),
    /// Says this and hangs up.
    Close(String),
    /// Says this again and again, as long as somebody reads.
    Flood(String),
    /// Asks this (`+`), reads an answer, and ends the command with that; `TAG` becomes its tag.
    Ask(String, String),
    /// Nothing, and keeps the connection.
    Hang,
}

/// What it does at the n-th connection, from 0 on, at this command (upper case, without its tag; empty: the greeting).
type Rule = Box<dyn Fn(usize, &str) -> Act + Send + Sync>;

struct Shared {
    rule: Rule,
    capabilities: String,
    mails: Mutex<Vec<(u32, Vec<u8>)>>,
    commands: Mutex<Vec<String>>,
    lines: Mutex<Vec<String>>,
    connections: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

/// The server, until it is dropped.
pub struct Liar {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _listening: Listening,
}

impl Liar {
    /// Starts with these capabilities beside IMAP4rev1.
    pub fn start(capabilities: &str, rule: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            rule: Box::new(rule),
            capabilities: format!("IMAP4rev1 {capabilities}").trim().to_owned(),
            mails: Mutex::default(),
            commands: Mutex::default(),
            lines: Mutex::default(),
            connections: AtomicUsize::new(0),
            streams: Mutex::default(),
        });
        let inside = Arc::clone(&shared);
        let listening = Listening::on(0, move |stream| session(&inside, stream));
        Self { address: listening.address, shared, _listening: listening }
    }

    /// For `[mailboxes.imap]`.
    pub fn section(&self) -> String {
        format!("[mailboxes.imap]\nserver = \"imap://{}\"\nuser = \"support\"\npassword = \"geheim-1234\"\npause = \"1s\"\n", self.address)
    }

    /// Puts a mail into INBOX.
    pub fn deliver(&self, raw: &[u8]) {
        let mut mails = self.shared.mails.lock().unwrap();
        let uid = mails.last().map_or(1, |(uid, _)| uid + 1);
        mails.push((uid, raw.to_vec()));
    }

    /// Puts a mail into INBOX with this UID, which may be lower than others that were shown before.
    pub fn deliver_late(&self, uid: u32, raw: &[u8]) {
        let mut mails = self.shared.mails.lock().unwrap();
        mails.push((uid, raw.to_vec()));
        mails.sort_by_key(|(uid, _)| *uid);
    }

    /// Loses its newest mails, as a server that is restored from a copy does.
    pub fn restore(&self, mails: usize) {
        self.shared.mails.lock().unwrap().truncate(mails);
    }

    /// Every command so far, upper case, without tags.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    /// The same as they came, and what continued them in lines of their own.
    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    /// Ends all connections without a word.
    pub fn hang_up(&self) {
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

fn session(shared: &Shared, stream: TcpStream) -> Option<()> {
    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
    let mut out = stream.try_clone().ok()?;
    shared.streams.lock().unwrap().push(stream.try_clone().ok()?);
    let mut lines = BufReader::new(stream);
    act(&mut out, (shared.rule)(number, ""), "*", b"* OK Hello\r\n")?;
    // How many mails this client has been told of: whatever comes in after that, also between two commands, is news.
    let mut told = 0;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        shared.lines.lock().unwrap().push(command.to_owned());
        let mut command = command.to_uppercase();
        if command.starts_with("AUTHENTICATE ") && command.matches(' ').count() == 1 {
            command = format!("{command} {}", asked(shared, &mut out, &mut lines, "")?.to_uppercase());
        }
        shared.commands.lock().unwrap().push(command.clone());
        let honest = honest(shared, tag, &command, &mut told);
        let said = (shared.rule)(number, &command);
        if let Act::Ask(question, end) = &said {
            asked(shared, &mut out, &mut lines, question)?;
            out.write_all(format!("{}\r\n", end.replace("TAG", tag)).as_bytes()).ok()?;
            continue;
        }
        let idles = command == "IDLE" && honest.starts_with(b"+") && matches!(said, Act::Honest);
        act(&mut out, said, tag, &honest)?;
        if idles {
            idle(shared, &mut out, &mut lines, tag, &mut told)?;
        }
        if command == "LOGOUT" {
            return None;
        }
    }
}

/// What a client says to a question in the middle of a command.
fn asked(shared: &Shared, out: &mut TcpStream, lines: &mut BufReader<TcpStream>, question: &str) -> Option<String> {
    out.write_all(format!("+ {question}\r\n").as_bytes()).ok()?;
    let mut line = String::new();
    lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let line = line.trim_end().to_owned();
    shared.lines.lock().unwrap().push(line.clone());
    Some(line)
}

fn act(out: &mut TcpStream, act: Act, tag: &str, honest: &[u8]) -> Option<()> {
    match act {
        Act::Honest => out.write_all(honest).ok(),
        Act::Say(text) => out.write_all(text.replace("TAG", tag).as_bytes()).ok(),
        Act::Close(text) => {
            let _ = out.write_all(text.replace("TAG", tag).as_bytes());
            let _ = out.shutdown(std::net::Shutdown::Both);
            None
        }
        Act::Flood(text) => {
            let block = text.repeat(1 + 65_536 / text.len().max(1));
            while out.write_all(block.as_bytes()).is_ok() {}
            None
        }
        Act::Hang | Act::Ask(..) => Some(()),
    }
}

/// Tells of new mail until the client has enough.
fn idle(shared: &Shared, out: &mut TcpStream, lines: &mut BufReader<TcpStream>, tag: &str, told: &mut usize) -> Option<()> {
    lines.get_ref().set_read_timeout(Some(Duration::from_millis(20))).ok()?;
    let mut line = String::new();
    loop {
        let count = shared.mails.lock().unwrap().len();
        if count > *told {
            out.write_all(format!("* {count} EXISTS\r\n").as_bytes()).ok()?;
            *told = count;
        }
        match lines.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => break,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return None,
        }
    }
    lines.get_ref().set_read_timeout(None).ok()?;
    // A desk that is killed ends in the middle of one.
    if !line.ends_with('\n') {
        return None;
    }
    assert_eq!(line, "DONE\r\n");
    out.write_all(format!("{tag} OK idled\r\n").as_bytes()).ok()
}

fn honest(shared: &Shared, tag: &str, command: &str, told: &mut usize) -> Vec<u8> {
    let mails = shared.mails.lock().unwrap();
    let mut out = Vec::new();
    let mut say = |line: String| out.extend_from_slice(format!("{line}\r\n").as_bytes());
    let words: Vec<&str> = command.split(' ').collect();
    match words.as_slice() {
        ["CAPABILITY"] => say(format!("* CAPABILITY {}", shared.capabilities)),
        ["SELECT" | "EXAMINE", ..] => {
            *told = mails.len();
            say(format!("* {told} EXISTS"));
            say("* OK [UIDVALIDITY 7] valid".to_owned());
            say(format!("* OK [UIDNEXT {}] next", mails.last().map_or(1, |(uid, _)| uid + 1)));
        }
        ["UID", "SEARCH", "UID", range] => {
            let found = mails.iter().filter(|(uid, _)| holds(range, *uid)).map(|(uid, _)| format!(" {uid}"));
            say(format!("* SEARCH{}", found.collect::<String>()));
        }
        ["UID", "FETCH", "*", ..] => {
            if let Some((uid, _)) = mails.last() {
                say(format!("* {} FETCH (UID {uid} INTERNALDATE \"21-Nov-2026 10:00:{:02} +0000\")", mails.len(), uid % 60));
            }
        }
        ["UID", "FETCH", set, "(UID", "INTERNALDATE)"] => {
            for (number, (uid, _)) in mails.iter().enumerate().filter(|(_, (uid, _))| holds(set, *uid)) {
                say(format!("* {} FETCH (UID {uid} INTERNALDATE \"21-Nov-2026 10:00:{:02} +0000\")", number + 1, uid % 60));
            }
        }
        ["UID", "FETCH", set, "(UID", what] => {
            for (number, (uid, raw)) in mails.iter().enumerate().filter(|(_, (uid, _))| holds(set, *uid)) {
                match *what {
                    "RFC822.SIZE)" => say(format!("* {} FETCH (UID {uid} RFC822.SIZE {})", number + 1, raw.len())),
                    _ => {
                        let text = String::from_utf8_lossy(raw);
                        say(format!("* {} FETCH (UID {uid} BODY[] {{{}}}\r\n{text})", number + 1, raw.len()));
                    }
                }
            }
        }
        ["IDLE"] if shared.capabilities.contains("IDLE") => {
            say("+ idling".to_owned());
            return out;
        }
        ["IDLE"] => {
            say(format!("{tag} BAD what?"));
            return out;
        }
        _ => {}
    }
    say(format!("{tag} OK done"));
    out
}

/// Whether a set such as `3:*` or `1:2,5` holds a UID.
fn holds(set: &str, uid: u32) -> bool {
    set.split(',').any(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        (number(first)..=number(last)).contains(&uid)
    })
}
