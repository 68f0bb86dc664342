//! One function per verb (RFC 5321 §4.1.1).

use std::time::Duration;

use tokio::time::Instant;

use super::Protocol;
use super::command::{Command, Mail};
use super::session::{End, Session, Transaction};
use crate::model::{Envelope, Reply, Transport};
use crate::receive::door::Door;
use crate::receive::gate::Gate;
use crate::receive::tally::Window;

const HOUR: Duration = Duration::from_secs(3_600);

const OK: Reply = Reply::new(250, "2.0.0", "OK");
const SENDER_OK: Reply = Reply::new(250, "2.1.0", "Sender OK");
const RECIPIENT_OK: Reply = Reply::new(250, "2.1.5", "Recipient OK");
const BYE: Reply = Reply::new(221, "2.0.0", "Bye");
const NO_VRFY: Reply = Reply::new(252, "2.0.0", "Cannot verify, but send a mail and see");
const HELP: Reply = Reply::new(214, "2.0.0", "See RFC 5321");
pub(super) const NOT_HERE: Reply = Reply::new(502, "5.5.1", "Command not implemented");
const WRONG_HELLO: Reply = Reply::new(500, "5.5.1", "Wrong greeting for this protocol: EHLO for SMTP, LHLO for LMTP");
const HELLO_FIRST: Reply = Reply::new(503, "5.5.1", "Greet first");
const LOGIN_FIRST: Reply = Reply::new(530, "5.7.0", "Log in first, over TLS; other servers deliver on port 25");
const MAIL_FIRST: Reply = Reply::new(503, "5.5.1", "Send MAIL first");
const NESTED: Reply = Reply::new(503, "5.5.1", "A mail is already begun, send RSET to drop it");
const TOO_LARGE: Reply = Reply::new(552, "5.3.4", "Message too large");
const TOO_MANY_MESSAGES: Reply = Reply::new(421, "4.7.0", "Enough messages on this connection, open another");
const TOO_MANY_OCTETS: Reply = Reply::new(421, "4.7.0", "Enough octets on this connection, open another");
const TOO_MANY_MISSES: Reply = Reply::new(421, "4.7.0", "Too many unknown recipients, closing");
const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, "4.5.3", "Too many recipients, send the rest in another mail");

impl<G: Gate, D: Door> Session<G, D> {
    /// What takes long to answer is on the heap: a session that waits for a command keeps no room for it.
    pub(super) async fn verb(&mut self, command: Command) -> Result<(), End> {
        match (self.protocol, command) {
            (Protocol::Lmtp, Command::Lhlo(name)) => self.lhlo(name).await,
            (Protocol::Lmtp, Command::Ehlo(_) | Command::Helo(_)) | (_, Command::Lhlo(_)) => self.say(&WRONG_HELLO).await,
            (_, Command::Ehlo(name)) => self.hello(name, true).await,
            (_, Command::Helo(name)) => self.hello(name, false).await,
            (_, Command::Mail(mail)) => self.mail(mail).await,
            (_, Command::Rcpt(recipient)) => Box::pin(self.rcpt(recipient)).await,
            (_, Command::Data) => Box::pin(self.data()).await,
            (_, Command::Rset) => self.rset().await,
            (_, Command::Noop) => self.idle(&OK).await,
            (_, Command::Vrfy) => self.idle(&NO_VRFY).await,
            (_, Command::Help) => self.idle(&HELP).await,
            (_, Command::StartTls) => Box::pin(self.starttls()).await,
            (Protocol::Submission | Protocol::Submissions, Command::Auth(mechanism, initial)) => {
                Box::pin(self.auth(&mechanism, initial)).await
            }
            (_, Command::Expn | Command::Auth(..) | Command::Bdat) => self.say(&NOT_HERE).await,
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
        let auth = if self.protocol.is_submission() && self.tls { "\nAUTH PLAIN LOGIN" } else { "" };
        Reply::with(250, "", format!("{host}\nPIPELINING\nSIZE {size}\n8BITMIME{starttls}{auth}\nSMTPUTF8\nENHANCEDSTATUSCODES"))
    }

    async fn mail(&mut self, mail: Mail) -> Result<(), End> {
        if self.name.is_none() {
            return self.say(&HELLO_FIRST).await;
        }
        if self.protocol.is_submission() && self.agent.is_none() {
            return self.say(&LOGIN_FIRST).await;
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
        if self.octets >= self.config.limits.session_size && !self.peer.exempt {
            return Err(self.part(&TOO_MANY_OCTETS));
        }
        if let Err(reply) = self.shared.gate.ready().await {
            return self.say(&reply).await;
        }
        self.messages += 1;
        self.transaction = Some(Transaction { utf8: mail.utf8, envelope: self.envelope(mail.from) });
        self.say(&SENDER_OK).await
    }

    fn envelope(&self, mail_from: String) -> Envelope {
        Envelope {
            transport: match self.protocol {
                Protocol::Smtp => Transport::Smtp,
                Protocol::Lmtp => Transport::Lmtp,
                Protocol::Submission | Protocol::Submissions => Transport::Submission,
            },
            peer: self.peer.ip,
            helo: self.name.clone(),
            mail_from,
            sender_unknown: false,
            recipients: Vec::new(),
            tls: self.tls,
            auth_user: self.agent.clone(),
            outside: self.protocol == Protocol::Smtp && !self.peer.trusted,
            malformed: None,
            account: None,
            verdict: None,
            findings: Vec::new(),
        }
    }

    async fn rcpt(&mut self, recipient: String) -> Result<(), End> {
        let Some(transaction) = &mut self.transaction else { return self.say(&MAIL_FIRST).await };
        if transaction.envelope.recipients.len() >= self.config.limits.recipients {
            return self.say(&TOO_MANY_RECIPIENTS).await;
        }
        if let Err(reply) = self.shared.gate.rcpt(&transaction.envelope, &recipient).await {
            self.say(&reply).await?;
            return if reply.code == 550 { self.missed() } else { Ok(()) };
        }
        transaction.envelope.recipients.push(recipient);
        self.say(&RECIPIENT_OK).await
    }

    /// Counts an unknown recipient. Whoever tries names is cut off, sooner when that address does it again and again; a
    /// mail to a known one goes through all the same.
    fn missed(&mut self) -> Result<(), End> {
        let Some(ip) = self.peer.ip.filter(|_| !self.peer.exempt) else { return Ok(()) };
        let windows = [Window { time: HOUR, most: self.config.limits.unknown_recipients_per_hour }];
        let now = Instant::now();
        let again = self.shared.misses.is_over(ip, windows, now);
        self.shared.misses.add(ip, windows, now);
        self.misses += 1;
        if again || self.misses >= self.config.limits.unknown_recipients { Err(self.part(&TOO_MANY_MISSES)) } else { Ok(()) }
    }

    async fn rset(&mut self) -> Result<(), End> {
        self.transaction = None;
        self.idle(&OK).await
    }

    async fn idle(&mut self, reply: &Reply) -> Result<(), End> {
        self.junk()?;
        self.say(reply).await
    }

    async fn data(&mut self) -> Result<(), End> {
        match self.transaction.take_if(|transaction| !transaction.envelope.recipients.is_empty()) {
            Some(transaction) => self.transfer(transaction.envelope).await,
            None if self.transaction.is_some() => self.say(&Reply::new(503, "5.5.1", "No valid recipients")).await,
            None => self.say(&MAIL_FIRST).await,
        }
    }
}
