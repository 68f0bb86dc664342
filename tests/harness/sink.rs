//! The next mail server, which answers as it is told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::inside;
use crate::listening::Listening;
use crate::mail::{Letter, bare};
use crate::wait::{PATIENCE, wait_for};

/// How a recipient is answered.
#[derive(Clone, Debug)]
pub enum Say {
    /// 250.
    Yes,
    /// This reply to RCPT.
    Recipient(&'static str),
    /// This reply after the dot; the mail is not kept.
    Dot(&'static str),
    /// The mail is kept, and the connection dropped without a reply.
    Vanish,
    /// 250, as soon as the gate is open.
    Behind(Gate),
    /// The mail is kept, and 250 comes after a while.
    Late(Duration),
}

/// Keeps replies back until it is opened.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets everything through from now on.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open, and not for ever.
    fn pass(&self) {
        drop(self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, |open| !*open).unwrap());
    }
}

/// The answer to a recipient at its n-th try, from 1 on.
type Rule = Box<dyn FnMut(&str, usize) -> Say + Send>;

struct Shared {
    rule: Mutex<Rule>,
    tries: Mutex<HashMap<String, usize>>,
    letters: Mutex<Vec<Letter>>,
    connections: Mutex<Connections>,
}

/// Connections so far, now, and at most at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connections {
    /// So far.
    pub all: usize,
    /// Open now.
    pub open: usize,
    /// At most at once.
    pub most: usize,
}

/// A mail server on loopback, until it is dropped.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _listening: Listening,
}

impl Sink {
    /// Starts on a free port.
    pub fn start(rule: impl FnMut(&str, usize) -> Say + Send + 'static) -> Self {
        Self::on(0, rule)
    }

    /// Starts on this port.
    pub fn on(port: u16, rule: impl FnMut(&str, usize) -> Say + Send + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], port)), rule)
    }

    /// Starts at this address.
    pub fn at(address: SocketAddr, rule: impl FnMut(&str, usize) -> Say + Send + 'static) -> Self {
        let shared =
            Shared { rule: Mutex::new(Box::new(rule)), tries: Mutex::default(), letters: Mutex::default(), connections: Mutex::default() };
        let shared = Arc::new(shared);
        let inside = Arc::clone(&shared);
        let listening = Listening::at(address, move |stream| {
            {
                let mut connections = inside.connections.lock().unwrap();
                connections.all += 1;
                connections.open += 1;
                connections.most = connections.most.max(connections.open);
            }
            let ended = session(&inside, stream);
            inside.connections.lock().unwrap().open -= 1;
            ended
        });
        Self { address: listening.address, shared, _listening: listening }
    }

    /// For `[outbound] relay`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Everything that was taken, in order.
    pub fn letters(&self) -> Vec<Letter> {
        self.shared.letters.lock().unwrap().clone()
    }

    /// Everything that was taken for one address.
    pub fn to(&self, address: &str) -> Vec<Letter> {
        self.letters().into_iter().filter(|letter| letter.recipient == address).collect()
    }

    /// How many connections there were.
    pub fn connections(&self) -> Connections {
        *self.shared.connections.lock().unwrap()
    }

    /// How often a recipient was tried.
    pub fn tries(&self, address: &str) -> usize {
        self.shared.tries.lock().unwrap().get(address).copied().unwrap_or(0)
    }

    /// Waits for a mail to this address that is such.
    #[track_caller]
    pub fn expect(&self, address: &str, what: &str, is_such: impl Fn(&Letter) -> bool) -> Letter {
        wait_for(&format!("a mail to {address}: {what}"), || self.to(address).into_iter().find(&is_such))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !thread::panicking() {
            inside::check(&self.letters());
        }
    }
}

fn session(shared: &Shared, stream: TcpStream) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut say = move |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).ok();
    let mut lines = BufReader::new(stream);
    let (mut sender, mut recipients) = (String::new(), Vec::new());
    say("220 sink.test ESMTP")?;
    loop {
        let line = String::from_utf8_lossy(&line(&mut lines)?).into_owned();
        let verb = line.get(..4).unwrap_or("").to_uppercase();
        match verb.as_str() {
            "EHLO" => say("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")?,
            "MAIL" => {
                sender = argument(&line);
                recipients.clear();
                say("250 2.1.0 OK")?;
            }
            "RCPT" => match answer(shared, &argument(&line)) {
                Say::Recipient(reply) => say(reply)?,
                other => {
                    recipients.push((argument(&line), other));
                    say("250 2.1.5 OK")?;
                }
            },
            "DATA" if recipients.is_empty() => say("554 5.5.1 No valid recipients")?,
            "DATA" => {
                say("354 Go on")?;
                let raw = content(&mut lines)?;
                say(&after_dot(shared, &sender, &recipients, &raw)?)?;
            }
            "QUIT" => return say("221 2.0.0 Bye"),
            _ => say("250 2.0.0 OK")?,
        }
    }
}

fn answer(shared: &Shared, recipient: &str) -> Say {
    let count = {
        let mut tries = shared.tries.lock().unwrap();
        let count = tries.entry(recipient.to_owned()).or_insert(0);
        *count += 1;
        *count
    };
    (shared.rule.lock().unwrap())(recipient, count)
}

/// Keeps the mail or not; the reply, or none when the connection is to be dropped.
fn after_dot(shared: &Shared, sender: &str, recipients: &[(String, Say)], raw: &[u8]) -> Option<String> {
    for (recipient, said) in recipients {
        match said {
            Say::Dot(reply) => return Some((*reply).to_owned()),
            Say::Behind(gate) => gate.pass(),
            _ => {}
        }
        let letter = Letter { sender: sender.to_owned(), recipient: recipient.clone(), raw: raw.to_vec() };
        shared.letters.lock().unwrap().push(letter);
        match said {
            Say::Vanish => return None,
            Say::Late(pause) => thread::sleep(*pause),
            _ => {}
        }
    }
    Some("250 2.0.0 Taken".to_owned())
}

fn argument(line: &str) -> String {
    bare(line.split_once(':').map_or("", |(_, rest)| rest))
}

fn line(lines: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).ok()?;
    // A desk that is killed ends in the middle of one.
    if !line.ends_with(b"\n") {
        return None;
    }
    assert!(line.ends_with(b"\r\n"), "the desk ends its lines with CRLF");
    line.truncate(line.len() - 2);
    Some(line)
}

/// Lines until the dot, dots undoubled (RFC 5321 §4.5.2).
fn content(lines: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let line = line(lines)?;
        if line == b"." {
            return Some(raw);
        }
        raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        raw.extend_from_slice(b"\r\n");
    }
}
