//! A name server (RFC 1035) on UDP whose zones a test writes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

const A: u16 = 1;
const MX: u16 = 15;
const TXT: u16 = 16;
const NXDOMAIN: u8 = 3;
const SERVFAIL: u8 = 2;

#[derive(Debug, Default)]
struct Zones {
    text: HashMap<String, String>,
    addresses: HashMap<String, Ipv4Addr>,
    /// Preference and host.
    exchangers: HashMap<String, Vec<(u16, String)>>,
    /// Names below which nothing can be asked.
    broken: Vec<String>,
    /// Names below which nobody answers.
    silent: Vec<String>,
    asked: Vec<String>,
}

/// A running name server. What it does not know does not exist.
#[derive(Clone, Debug)]
pub struct Dns {
    address: SocketAddr,
    zones: Arc<Mutex<Zones>>,
}

impl Dns {
    /// Starts one on a free port of loopback; it ends with the test's process.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let dns = Self { address: socket.local_addr().expect("its address"), zones: Arc::default() };
        let zones = dns.zones.clone();
        thread::spawn(move || {
            let mut question = [0; 4096];
            while let Ok((length, client)) = socket.recv_from(&mut question) {
                if let Some(answer) = zones.lock().expect("zones").answer(&question[..length]) {
                    let _ = socket.send_to(&answer, client);
                }
            }
        });
        dns
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives a name a TXT record.
    pub fn text(&self, name: &str, text: &str) -> &Self {
        self.zones.lock().expect("zones").text.insert(name.to_lowercase(), text.to_owned());
        self
    }

    /// Gives a name an address.
    pub fn host(&self, name: &str, address: Ipv4Addr) -> &Self {
        self.zones.lock().expect("zones").addresses.insert(name.to_lowercase(), address);
        self
    }

    /// Gives a name one more MX record; `.` as the host is the null MX.
    pub fn mx(&self, name: &str, preference: u16, host: &str) -> &Self {
        self.zones.lock().expect("zones").exchangers.entry(name.to_lowercase()).or_default().push((preference, host.to_owned()));
        self
    }

    /// Answers everything below a name with SERVFAIL.
    pub fn broken(&self, name: &str) -> &Self {
        self.zones.lock().expect("zones").broken.push(name.to_lowercase());
        self
    }

    /// Never answers what is asked below a name.
    pub fn silent(&self, name: &str) -> &Self {
        self.zones.lock().expect("zones").silent.push(name.to_lowercase());
        self
    }

    /// The names below a name that were asked for, each once.
    pub fn asked_below(&self, name: &str) -> Vec<String> {
        let mut asked = self.zones.lock().expect("zones").asked.clone();
        asked.retain(|other| is_below(other, name));
        asked.sort();
        asked.dedup();
        asked
    }
}

impl Zones {
    fn answer(&mut self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = name(question)?;
        let kind = u16::from_be_bytes([*question.get(end)?, *question.get(end + 1)?]);
        self.asked.push(name.clone());
        if self.silent.iter().any(|zone| is_below(&name, zone)) {
            return None;
        }
        let mut code = 0;
        let mut records = Vec::new();
        if self.broken.iter().any(|zone| is_below(&name, zone)) {
            code = SERVFAIL;
        } else if let Some(text) = self.text.get(&name).filter(|_| kind == TXT) {
            let mut data = Vec::new();
            for part in text.as_bytes().chunks(255) {
                data.push(u8::try_from(part.len()).expect("a short part"));
                data.extend_from_slice(part);
            }
            records.push(data);
        } else if let Some(address) = self.addresses.get(&name).filter(|_| kind == A) {
            records.push(address.octets().to_vec());
        } else if let Some(exchangers) = self.exchangers.get(&name).filter(|_| kind == MX) {
            records.extend(exchangers.iter().map(|(preference, host)| [&preference.to_be_bytes()[..], &encoded(host)].concat()));
        } else if !self.exists(&name) {
            code = NXDOMAIN;
        }
        let mut out = question.get(..2)?.to_vec();
        out.extend_from_slice(&[0x84, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).expect("few records"), 0, 0, 0, 0]);
        out.extend_from_slice(question.get(12..end + 4)?);
        for data in records {
            out.extend_from_slice(&[0xc0, 12]);
            out.extend_from_slice(&kind.to_be_bytes());
            // Class IN, gone within a second: a test changes its mind.
            out.extend_from_slice(&[0, 1, 0, 0, 0, 0]);
            out.extend_from_slice(&u16::try_from(data.len()).expect("a short record").to_be_bytes());
            out.extend_from_slice(&data);
        }
        Some(out)
    }

    fn exists(&self, name: &str) -> bool {
        self.text.keys().chain(self.addresses.keys()).chain(self.exchangers.keys()).any(|known| is_below(known, name))
    }
}

fn is_below(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A name as it stands in a record.
fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut out: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).expect("a short label")], label.as_bytes()].concat()).collect();
    out.push(0);
    out
}

/// The name of a question, and where it ends.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
}
