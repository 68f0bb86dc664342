//! A web server that answers as it is told: a receiver of webhooks, or who gives tokens.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ombud_webhooks::{Secret, SignedHeaders, TOLERANCE, verify};
use serde_json::Value;

use crate::listening::Listening;
use crate::wait::wait_for;

/// How a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This status.
    Status(u16),
    /// This status with this body.
    Json(u16, String),
    /// This status, after a while.
    Late(u16, Duration),
    /// A redirect to somewhere else.
    Redirect(String),
    /// Nothing, for as long as the other side waits.
    Hang,
    /// A head of a gigabyte.
    FloodHead,
    /// 200, and a body of a gigabyte.
    FloodBody,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Fields of the head, lower case names.
    pub fields: HashMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Hit {
    /// `webhook-id`.
    pub fn id(&self) -> &str {
        self.fields.get("webhook-id").map_or("", String::as_str)
    }

    /// The body, whose signature must be right.
    ///
    /// # Panics
    /// When it is not, or the body is no JSON.
    #[track_caller]
    pub fn verified(&self, secret: &str) -> Value {
        let headers = SignedHeaders::read(|name| self.fields.get(name).map(String::as_str)).expect("the three headers");
        let secret = Secret::parse(secret).expect("a secret");
        // The request's own time: what came late was signed when it was sent.
        let now = headers.timestamp.parse().expect("a time");
        verify(&[secret], &headers, &self.body, now, TOLERANCE).expect("a valid signature");
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// The answer to the n-th request, from 1 on.
type Rule = Box<dyn FnMut(usize, &Hit) -> Answer + Send>;

struct Shared {
    rule: Mutex<Rule>,
    hits: Mutex<Vec<Hit>>,
}

/// A web server on loopback, until it is dropped.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _listening: Listening,
}

impl Receiver {
    /// Starts on a free port.
    pub fn start(rule: impl FnMut(usize, &Hit) -> Answer + Send + 'static) -> Self {
        let shared = Arc::new(Shared { rule: Mutex::new(Box::new(rule)), hits: Mutex::default() });
        let inside = Arc::clone(&shared);
        let listening = Listening::on(0, move |stream| request(&inside, stream));
        Self { address: listening.address, shared, _listening: listening }
    }

    /// One that takes everything.
    pub fn willing() -> Self {
        Self::start(|_, _| Answer::Status(204))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hook/T0K3N", self.address)
    }

    /// Everything that came, in order.
    pub fn hits(&self) -> Vec<Hit> {
        self.shared.hits.lock().unwrap().clone()
    }

    /// Waits until so many have come.
    #[track_caller]
    pub fn expect(&self, count: usize) -> Vec<Hit> {
        wait_for(&format!("{count} requests"), || Some(self.hits()).filter(|hits| hits.len() >= count))
    }
}

fn request(shared: &Shared, stream: TcpStream) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream);
    let mut fields = HashMap::new();
    lines.read_line(&mut String::new()).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => fields.insert(name.to_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let mut body = vec![0; fields.get("content-length")?.parse().ok()?];
    lines.read_exact(&mut body).ok()?;
    let hit = Hit { fields, body };
    let count = {
        let mut hits = shared.hits.lock().unwrap();
        hits.push(hit.clone());
        hits.len()
    };
    let answer = (shared.rule.lock().unwrap())(count, &hit);
    match answer {
        Answer::Status(status) => out.write_all(head(status, "content-length: 0\r\n").as_bytes()).ok(),
        Answer::Json(status, body) => {
            let fields = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
            out.write_all(format!("{}{body}", head(status, &fields)).as_bytes()).ok()
        }
        Answer::Late(status, pause) => {
            thread::sleep(pause);
            out.write_all(head(status, "content-length: 0\r\n").as_bytes()).ok()
        }
        Answer::Redirect(to) => out.write_all(head(302, &format!("location: {to}\r\ncontent-length: 0\r\n")).as_bytes()).ok(),
        Answer::Hang => lines.read_to_end(&mut Vec::new()).ok().map(drop),
        Answer::FloodHead => flood(&mut out, "HTTP/1.1 200 OK\r\n", &format!("x: {}\r\n", "y".repeat(1000))),
        Answer::FloodBody => flood(&mut out, &head(200, "content-length: 1073741824\r\n"), &"z".repeat(1024)),
    }
}

fn head(status: u16, fields: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n{fields}\r\n")
}

/// A gigabyte, or as much of it as is taken.
fn flood(out: &mut TcpStream, first: &str, again: &str) -> Option<()> {
    out.write_all(first.as_bytes()).ok()?;
    for _ in 0..1 << 20 {
        out.write_all(again.as_bytes()).ok()?;
    }
    Some(())
}
