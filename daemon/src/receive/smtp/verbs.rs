//! One function per verb (RFC 5321 §4.1.1).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::Protocol;
use super::command::{Command, Mail};
use super::line::Wire;
use super::session::{End, Session, Transaction};
use crate::model::{Envelope, Reply, Transport};
use crate::receive::door::Door;
use crate::receive::gate::Gate;

const OK: Reply = Reply::new(250, "2.0.0", "OK");
const SENDER_OK: Reply = Reply::new(250, "2.1.0", "Sender OK");
const RECIPIENT_OK: Reply = Reply::new(250, "2.1.5", "Recipient OK");
const BYE: Reply = Reply::new(221, "2.0.0", "Bye");
const NO_VRFY: Reply = Reply::new(252, "2.0.0", "Cannot verify, but send a mail and see");
const HELP: Reply = Reply::new(214, "2.0.0", "See RFC 5321");
const NOT_HERE: Reply = Reply::new(502, "5.5.1", "Command not implemented");
const WRONG_HELLO: Reply = Reply::new(500, "5.5.1", "Wrong greeting for this protocol: EHLO for SMTP, LHLO for LMTP");
const HELLO_FIRST: Reply = Reply::new(503, "5.5.1", "Greet first");
const MAIL_FIRST: Reply = Reply::new(503, "5.5.1", "Send MAIL first");
const NESTED: Reply = Reply::new(503, "5.5.1", "A mail is already begun, send RSET to drop it");
const TOO_LARGE: Reply = Reply::new(552, "5.3.4", "Message too large");
const TOO_MANY_MESSAGES: Reply = Reply::new(421, "4.7.0", "Enough messages on this connection, open another");
const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, "4.5.3", "Too many recipients, send the rest in another mail");
const TLS_READY: Reply = Reply::new(220, "2.0.0", "Ready for TLS");
const TLS_ALREADY: Reply = Reply::new(503, "5.5.1", "TLS is already on");
const TLS_PIPELINED: Reply = Reply::new(503, "5.5.1", "Nothing may follow STARTTLS before TLS, closing");

impl<G: Gate, D: Door> Session<G, D> {
    pub(super) async fn verb(&mut self, command: Command) -> Result<(), End> {
        match (self.protocol, command) {
            (Protocol::Smtp, Command::Ehlo(name)) => self.hello(name, true).await,
            (Protocol::Smtp, Command::Helo(name)) => self.hello(name, false).await,
            (Protocol::Lmtp, Command::Lhlo(name)) => self.lhlo(name).await,
            (_, Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_)) => self.say(&WRONG_HELLO).await,
            (_, Command::Mail(mail)) => self.mail(mail).await,
            (_, Command::Rcpt(recipient)) => self.rcpt(recipient).await,
            (_, Command::Data) => self.data().await,
            (_, Command::Rset) => self.rset().await,
            (_, Command::Noop) => self.idle(&OK).await,
            (_, Command::Vrfy) => self.idle(&NO_VRFY).await,
            (_, Command::Help) => self.idle(&HELP).await,
            (Protocol::Smtp, Command::StartTls) => self.starttls().await,
            (_, Command::Expn | Command::Auth | Command::Bdat | Command::StartTls) => self.say(&NOT_HERE).await,
            (_, Command::Quit) => Err(self.part(&BYE)),
            // `obey` has shown it the door.
            (_, Command::Foreign) => Err(End::Said),
        }
    }

    /// EHLO (with what we offer), HELO (without) and LHLO: all begin anew (RFC 5321 §4.1.4).
    pub(in crate::receive) async fn hello(&mut self, name: String, extended: bool) -> Result<(), End> {
        if self.name.is_some() {
            self.junk()?;
        }
        self.name = Some(name);
        self.transaction = None;
        self.pipelining |= extended;
        let reply = if extended { self.capabilities() } else { Reply::with(250, "", self.config.desk.hostname.clone()) };
        self.say(&reply).await
    }

    fn capabilities(&self) -> Reply {
        let (host, size) = (&self.config.desk.hostname, self.config.limits.message_size);
        let starttls = if self.offers_tls() { "\nSTARTTLS" } else { "" };
        Reply::with(250, "", format!("{host}\nPIPELINING\nSIZE {size}\n8BITMIME{starttls}\nSMTPUTF8\nENHANCEDSTATUSCODES"))
    }

    fn offers_tls(&self) -> bool {
        self.protocol == Protocol::Smtp && !self.tls && self.shared.tls.borrow().is_some()
    }

    async fn mail(&mut self, mail: Mail) -> Result<(), End> {
        if self.name.is_none() {
            return self.say(&HELLO_FIRST).await;
        }
        if self.transaction.is_some() {
            return self.say(&NESTED).await;
        }
        if mail.size.is_some_and(|size| size > self.config.limits.message_size) {
            return self.say(&TOO_LARGE).await;
        }
        if self.messages >= self.config.limits.messages_per_connection && !self.peer.exempt {
            return Err(self.part(&TOO_MANY_MESSAGES));
        }
        if let Err(reply) = self.shared.gate.ready().await {
            return self.say(&reply).await;
        }
        self.messages += 1;
        self.transaction = Some(Transaction { utf8: mail.utf8, envelope: self.envelope(mail.from) });
        self.say(&SENDER_OK).await
    }

    fn envelope(&self, mail_from: String) -> Envelope {
        let smtp = self.protocol == Protocol::Smtp;
        Envelope {
            transport: if smtp { Transport::Smtp } else { Transport::Lmtp },
            peer: self.peer.ip,
            helo: self.name.clone(),
            mail_from,
            recipients: Vec::new(),
            tls: self.tls,
            auth_user: None,
            outside: smtp && !self.peer.trusted,
            malformed: None,
            account: None,
            verdict: None,
        }
    }

    async fn rcpt(&mut self, recipient: String) -> Result<(), End> {
        let Some(transaction) = &mut self.transaction else { return self.say(&MAIL_FIRST).await };
        if transaction.envelope.recipients.len() >= self.config.limits.recipients {
            return self.say(&TOO_MANY_RECIPIENTS).await;
        }
        if let Err(reply) = self.shared.gate.rcpt(&transaction.envelope, &recipient).await {
            return self.say(&reply).await;
        }
        transaction.envelope.recipients.push(recipient);
        self.say(&RECIPIENT_OK).await
    }

    async fn rset(&mut self) -> Result<(), End> {
        self.transaction = None;
        self.idle(&OK).await
    }

    async fn idle(&mut self, reply: &Reply) -> Result<(), End> {
        self.junk()?;
        self.say(reply).await
    }

    /// STARTTLS (RFC 3207 §4). Octets that came with it were sent in the clear and might be taken for protected ones
    /// (CVE-2011-0411), so they end the session; and nothing said before TLS counts after it.
    async fn starttls(&mut self) -> Result<(), End> {
        let config = self.shared.tls.borrow().as_ref().map(Arc::clone);
        let Some(config) = config else { return self.say(&NOT_HERE).await };
        if self.tls {
            return self.say(&TLS_ALREADY).await;
        }
        if !self.wire.buffered().is_empty() {
            return Err(self.part(&TLS_PIPELINED));
        }
        let deadline = self.deadline();
        self.write(&TLS_READY);
        self.wire.flush(deadline).await?;
        let handshake = TlsAcceptor::from(config).accept(self.wire.take());
        match timeout_at(deadline, handshake).await {
            Ok(Ok(io)) => self.wire = Wire::new(Box::new(io)),
            Ok(Err(error)) => {
                debug!(peer = ?self.peer.ip, %error, "TLS handshake failed");
                return Err(End::Lost);
            }
            Err(_) => return Err(End::Lost),
        }
        self.shared.counters.tls.fetch_add(1, Relaxed);
        (self.tls, self.name, self.transaction, self.pipelining) = (true, None, None, false);
        Ok(())
    }

    async fn data(&mut self) -> Result<(), End> {
        match self.transaction.take_if(|transaction| !transaction.envelope.recipients.is_empty()) {
            Some(transaction) => self.transfer(transaction.envelope).await,
            None if self.transaction.is_some() => self.say(&Reply::new(503, "5.5.1", "No valid recipients")).await,
            None => self.say(&MAIL_FIRST).await,
        }
    }
}
