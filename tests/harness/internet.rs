//! A piece of internet for a desk without a relay: a name server, and mail servers that each have an address and share one port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::{ServerConfig, ServerConnection};

use crate::dns::Dns;
use crate::listening::Listening;
use crate::options::Options;
use crate::secure::served;
use crate::sink::{Say, Sink};
use crate::tls::Line;

/// The name server, and the port that everybody in it listens at.
pub struct Internet {
    /// Where domains are written down.
    pub dns: Dns,
    port: u16,
    /// Who holds the port on one address has it on all: the tests' processes agree on that.
    _port: Option<TcpListener>,
}

impl Internet {
    /// An empty one.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = held.local_addr().expect("its address").port();
        Self { dns: Dns::start(), port, _port: Some(held) }
    }

    /// One in which everybody listens at the port of a server that is there.
    pub fn around(server: SocketAddr) -> Self {
        Self { dns: Dns::start(), port: server.port(), _port: None }
    }

    /// A desk in it that sends straight to MX.
    pub fn options(&self) -> Options {
        let relay = Some(format!("mx:{}", self.port));
        Options { relay, resolver: Some(self.dns.address()), mailbox: "auto_ack = \"never\"", ..Options::default() }
    }

    /// The n-th address.
    pub fn address(&self, n: u8) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(127, 77, 0, n), self.port)
    }

    /// Gives a domain a server at the n-th address; it need not be there.
    pub fn mx(&self, domain: &str, preference: u16, n: u8) -> &Self {
        let host = format!("mx{n}.{domain}");
        self.dns.mx(domain, preference, &host).host(&host, *self.address(n).ip());
        self
    }

    /// A mail server at the n-th address, which is the MX of a domain.
    pub fn sink(&self, domain: &str, n: u8, rule: impl FnMut(&str, usize) -> Say + Send + 'static) -> Sink {
        self.mx(domain, 10 * u16::from(n), n);
        Sink::at(self.address(n).into(), rule)
    }

    /// The web server at the n-th address that has the MTA-STS policy of a domain, and the record that says so.
    pub fn policy(
        &self,
        domain: &str,
        id: &str,
        n: u8,
        config: &Arc<ServerConfig>,
        answer: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Peer {
        self.dns.text(&format!("_mta-sts.{domain}"), &format!("v=STSv1; id={id};"));
        self.dns.host(&format!("mta-sts.{domain}"), *self.address(n).ip());
        let config = Arc::clone(config);
        Peer::at(self.address(n).into(), move |talk, number| {
            talk.encrypt(&config)?;
            talk.hear("GET /.well-known/mta-sts.txt HTTP/1.1")?;
            while talk.hear("")? != "\r\n" {}
            talk.say(&answer(number))
        })
    }

    /// The same that follows a script of its own, which is told the number of the connection, from 1 on.
    pub fn peer(&self, domain: &str, n: u8, script: impl Fn(&mut Talk, usize) -> Option<()> + Send + Sync + 'static) -> Peer {
        self.mx(domain, 10 * u16::from(n), n);
        Peer::at(self.address(n).into(), script)
    }
}

/// A server that does as its script says, until it is dropped.
pub struct Peer {
    connections: Arc<AtomicUsize>,
    _listening: Listening,
}

impl Peer {
    fn at(address: SocketAddr, script: impl Fn(&mut Talk, usize) -> Option<()> + Send + Sync + 'static) -> Self {
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        let listening = Listening::at(address, move |stream| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            script(&mut Talk(BufReader::new(Line::Plain(stream))), number)
        });
        Self { connections, _listening: listening }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One connection. Every step ends the script when the client is gone.
pub struct Talk(BufReader<Line<ServerConnection>>);

impl Drop for Talk {
    /// An end without this word is cut off, not an end.
    fn drop(&mut self) {
        if let Line::Tls(tls) = self.0.get_mut() {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
    }
}

impl Talk {
    /// Sends one line.
    pub fn say(&mut self, line: &str) -> Option<()> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).ok()
    }

    /// Reads a line that begins so.
    ///
    /// # Panics
    /// When it begins otherwise.
    pub fn hear(&mut self, start: &str) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok().filter(|octets| *octets > 0)?;
        assert!(line.starts_with(start), "expected {start}, heard {line}");
        Some(line)
    }

    /// Greets, and says yes to everything up to this command, whose reply is the caller's.
    pub fn up_to(&mut self, command: &str) -> Option<()> {
        let steps =
            [("greeting", "220 evil.test"), ("EHLO", "250 evil.test"), ("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go on")];
        for (verb, reply) in steps {
            if verb != "greeting" {
                self.hear(verb)?;
            }
            if verb == command {
                return Some(());
            }
            self.say(reply)?;
        }
        None
    }

    /// Greets with STARTTLS among its offers, and starts it; the EHLO that follows is answered.
    pub fn start_tls(&mut self, config: &Arc<ServerConfig>) -> Option<()> {
        self.up_to("EHLO")?;
        self.say("250-tls.test\r\n250 STARTTLS")?;
        self.hear("STARTTLS")?;
        self.say("220 go")?;
        self.encrypt(config)?;
        self.hear("EHLO")?;
        self.say("250 tls.test")
    }

    /// The rest over TLS; none when the client does not go along.
    pub fn encrypt(&mut self, config: &Arc<ServerConfig>) -> Option<()> {
        let Line::Plain(stream) = self.0.get_ref() else { return None };
        let stream = stream.try_clone().ok()?;
        self.0 = BufReader::new(served(stream, config)?);
        Some(())
    }

    /// Takes one mail after its greeting.
    pub fn take(&mut self, reply: &str) -> Option<()> {
        for (verb, reply) in [("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go on")] {
            self.hear(verb)?;
            self.say(reply)?;
        }
        while self.hear("")? != ".\r\n" {}
        self.say(reply)
    }

    /// Ends the connection by a reset.
    pub fn reset(&mut self) -> Option<()> {
        // What was received and not read makes a close a reset.
        let Line::Plain(stream) = self.0.get_ref() else { return None };
        stream.peek(&mut [0]).ok().map(|_| ())
    }

    /// Reads octets that are no line.
    pub fn swallow(&mut self) -> Option<()> {
        let octets = self.0.fill_buf().ok().map(<[u8]>::len).filter(|octets| *octets > 0)?;
        self.0.consume(octets);
        Some(())
    }

    /// Reads until the client goes away.
    pub fn stay(&mut self) -> Option<()> {
        self.0.read_to_end(&mut Vec::new()).ok().map(|_| ())
    }
}
