//! A client of the mail listeners that sends exactly what it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;

use data_encoding::BASE64;

use crate::tls::Line;
use crate::wait::PATIENCE;

/// A reply (RFC 5321 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its three digits.
    pub code: u16,
    /// Its last line, code and all.
    pub line: String,
}

impl Reply {
    /// Whether the server says yes.
    pub fn is_yes(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// A session.
#[derive(Debug)]
pub struct Smtp {
    io: BufReader<Line>,
}

impl Smtp {
    /// Connects and says nothing yet.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).expect("the listener accepts")
    }

    /// The same when nobody may be there.
    pub fn try_open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { io: BufReader::new(Line::Plain(stream)) })
    }

    /// Connects and greets.
    pub fn greeted(address: SocketAddr) -> Self {
        let mut smtp = Self::open(address);
        assert_eq!(smtp.reply().expect("a greeting").code, 220);
        assert_eq!(smtp.ask("EHLO client.test").code, 250);
        smtp
    }

    /// Connects through a load balancer that names this client; `more` comes in the same segment.
    pub fn named(address: SocketAddr, client: &str, more: &str) -> Self {
        let mut smtp = Self::open(address);
        smtp.send(format!("PROXY TCP4 {client} 127.0.0.1 40000 25\r\n{more}").as_bytes());
        smtp
    }

    /// The same, and greets.
    pub fn greeted_as(address: SocketAddr, client: &str) -> Self {
        let mut smtp = Self::named(address, client, "");
        assert_eq!(smtp.reply().expect("a greeting").code, 220);
        assert_eq!(smtp.ask("EHLO client.test").code, 250);
        smtp
    }

    /// Connects to a listener for LMTP and greets.
    pub fn lmtp(address: SocketAddr) -> Self {
        let mut lmtp = Self::open(address);
        assert_eq!(lmtp.reply().expect("a greeting").code, 220);
        assert_eq!(lmtp.ask("LHLO mta.test").code, 250);
        lmtp
    }

    /// Connects with TLS from the first octet, and greets.
    pub fn over_tls(address: SocketAddr, authority: &Path) -> Self {
        let mut smtp = Self::open(address).secured(authority);
        assert_eq!(smtp.reply().expect("a greeting").code, 220);
        assert_eq!(smtp.ask("EHLO client.test").code, 250);
        smtp
    }

    /// STARTTLS, without a word after it.
    #[must_use]
    pub fn secured_by_starttls(mut self, authority: &Path) -> Self {
        assert_eq!(self.ask("STARTTLS").code, 220);
        self.secured(authority)
    }

    /// STARTTLS, and greets anew.
    #[must_use]
    pub fn starttls(self, authority: &Path) -> Self {
        let mut smtp = self.secured_by_starttls(authority);
        assert_eq!(smtp.ask("EHLO client.test").code, 250);
        smtp
    }

    fn secured(self, authority: &Path) -> Self {
        let Line::Plain(stream) = self.io.into_inner() else { panic!("TLS is on already") };
        Self { io: BufReader::new(Line::over(stream, authority).expect("TLS")) }
    }

    /// The certificate that the server has shown.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        self.io.get_ref().certificate()
    }

    /// AUTH PLAIN (RFC 4616).
    #[track_caller]
    pub fn log_in(&mut self, user: &str, password: &str) -> Reply {
        self.ask(&format!("AUTH PLAIN {}", BASE64.encode(format!("\0{user}\0{password}").as_bytes())))
    }

    /// Sends octets. That the server has hung up shows when its reply is missed.
    pub fn send(&mut self, octets: &[u8]) {
        let _ = self.io.get_mut().write_all(octets);
    }

    /// One line without its CRLF; none when the server has closed.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.io.read_until(b'\n', &mut line) {
            Ok(read) if read > 0 => Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
            _ => None,
        }
    }

    /// One reply; none when the server has closed.
    pub fn reply(&mut self) -> Option<Reply> {
        loop {
            let line = self.line()?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(Reply { code: line.get(..3)?.parse().ok()?, line });
            }
        }
    }

    /// A command and its reply.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> Reply {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply().unwrap_or_else(|| panic!("no reply to {line}"))
    }

    /// One transaction, as far as it goes; none when the server hung up without a word.
    pub fn mail(&mut self, from: &str, to: &[&str], content: &[u8]) -> Option<Reply> {
        self.send(format!("MAIL FROM:<{from}>\r\n").as_bytes());
        let mut reply = self.reply()?;
        for recipient in to {
            if reply.is_yes() {
                self.send(format!("RCPT TO:<{recipient}>\r\n").as_bytes());
                reply = self.reply()?;
            }
        }
        if !reply.is_yes() {
            return Some(reply);
        }
        self.send(b"DATA\r\n");
        reply = self.reply()?;
        if reply.code != 354 {
            return Some(reply);
        }
        self.send(&stuffed(content));
        self.reply()
    }

    /// Says nothing more; everything that the server still says until it closes.
    pub fn rest(mut self) -> String {
        let _ = self.io.get_ref().stream().shutdown(Shutdown::Write);
        self.until_closed()
    }

    /// Everything that the server still says until it closes of its own accord.
    ///
    /// # Panics
    /// When it does not close.
    pub fn until_closed(&mut self) -> String {
        let mut rest = Vec::new();
        match self.io.read_to_end(&mut rest) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the server does not close"),
            _ => String::from_utf8_lossy(&rest).into_owned(),
        }
    }
}

/// The content with its dots doubled and its end (RFC 5321 §4.5.2). Only CRLF ends a line, so other octets stay as they are.
pub fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 8);
    for (at, octet) in content.iter().enumerate() {
        if *octet == b'.' && (at == 0 || content[..at].ends_with(b"\r\n")) {
            out.push(b'.');
        }
        out.push(*octet);
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// Any line ends made CRLF.
pub fn crlf(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 32);
    let mut octets = content.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' => {
                octets.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(other),
        }
    }
    out
}
