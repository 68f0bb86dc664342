//! The dialogue with an SMTP server as a client (RFC 5321 §3, RFC 3207): one connection, one mail after the other, each to one
//! recipient.

use std::net::SocketAddr;
use std::time::Duration;

use super::auth::{self, Login};
use super::offers::Offers;
use super::reply::Answer;
use super::wire::{Fault, Wire};
use super::{Fence, Outcome, Timeouts, dot};
use crate::failpoint;
use crate::model::address;
use crate::net::{Security, Stream, Tls, dial, dial_at};

/// What a connection needs to know.
pub(super) struct Plan<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// An MX; else the host is a relay, and looked up.
    pub(super) at: Option<At>,
    pub(super) implicit_tls: bool,
    pub(super) login: Option<Login<'a>>,
    pub(super) tls: &'a Tls,
    pub(super) hostname: &'a str,
    pub(super) timeouts: Timeouts,
}

/// Mails that one connection carries: more are refused by servers that count.
const MAILS: u32 = 50;

/// Octets of a mail that leaves in one write with its final dot: as much as any system takes at once.
const WITH_DOT: usize = 16 * 1024;

/// The last write of a mail.
const DOT: &str = "final dot";

/// Where exactly an MX is.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) address: SocketAddr,
    pub(super) cover: Cover,
}

/// How much TLS a connection to an MX must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// TLS and a valid certificate, or nothing: a policy of the domain asks for it.
    Verified,
    /// TLS where it is offered, with any certificate.
    Any,
    /// None even where it is offered: what is left when TLS has failed.
    Clear,
}

/// A session that is ready for a mail.
pub(super) struct Session {
    wire: Wire,
    offers: Offers,
    /// Whether the server is a recipient's, not a relay.
    straight: bool,
    /// Mails so far.
    mails: u32,
    /// Whether every command has its reply, so that another mail can follow.
    clean: bool,
    /// Whether the server waits for the rest of a mail: whatever is written now, also what waits in a buffer, would be part of it.
    in_data: bool,
}

impl Session {
    /// Connects, greets, starts TLS and logs in, as the plan asks.
    pub(super) async fn open(plan: &Plan<'_>) -> Result<Self, Fault> {
        let Some(at) = plan.at else {
            let (stream, loopback) = dial(plan.host, plan.port, plan.timeouts.connect).await?;
            return Self::begin(plan, Box::new(stream), loopback).await;
        };
        let stream = dial_at(plan.host, at.address, plan.timeouts.connect).await?;
        let security = if at.cover == Cover::Verified { Security::Required } else { Security::Opportunistic };
        let session = Self::greeted(plan, Box::new(stream), security).await?;
        // Whatever the DNS calls it, it is this desk.
        if session.offers.name.trim_end_matches('.') == plan.hostname.to_ascii_lowercase() { Err(Fault::Ourselves) } else { Ok(session) }
    }

    /// The same on a stream that is already there.
    pub(super) async fn begin(plan: &Plan<'_>, stream: Box<dyn Stream>, loopback: bool) -> Result<Self, Fault> {
        Self::greeted(plan, stream, Security::of(plan.implicit_tls, plan.login.is_some(), loopback)).await
    }

    async fn greeted(plan: &Plan<'_>, stream: Box<dyn Stream>, security: Security) -> Result<Self, Fault> {
        let stream = if security == Security::Implicit { plan.tls.handshake(security, stream, plan.timeouts.reply).await? } else { stream };
        let mut wire = Wire::new(stream, plan.timeouts);
        let greeting = wire.answer("greeting", plan.timeouts.reply).await?;
        if greeting.code != 220 {
            return Err(Fault::refused("greeting", &greeting));
        }
        let offers = hello(&mut wire, plan.hostname).await?;
        let mut session = Self { wire, offers, straight: plan.at.is_some(), mails: 0, clean: true, in_data: false };
        if security != Security::Implicit && plan.at.is_none_or(|at| at.cover != Cover::Clear) {
            session = session.start_tls(plan, security).await?;
        }
        if let Some(login) = plan.login {
            auth::log_in(&mut session.wire, &session.offers, login).await?;
        }
        Ok(session)
    }

    async fn start_tls(mut self, plan: &Plan<'_>, security: Security) -> Result<Self, Fault> {
        let required = security == Security::Required;
        if !self.offers.starttls {
            return match (required, plan.at) {
                (false, _) => Ok(self),
                (true, None) => Err(Fault::NoTls),
                (true, Some(_)) => Err(Fault::NotOffered),
            };
        }
        let answer = self.wire.command("STARTTLS", "STARTTLS").await.map_err(Fault::beside_tls)?;
        if answer.code != 220 {
            return if required { Err(Fault::refused("STARTTLS", &answer)) } else { Ok(self) };
        }
        let stream = plan.tls.handshake(security, self.wire.into_stream("STARTTLS")?, plan.timeouts.reply).await?;
        let mut wire = Wire::new(stream, plan.timeouts);
        // RFC 3207 §4.2: what was offered in clear is forgotten.
        let offers = hello(&mut wire, plan.hostname).await.map_err(Fault::beside_tls)?;
        Ok(Self { wire, offers, ..self })
    }

    /// Hands over one mail. Addresses have been checked; the sender may be empty. One that is not the first begins with RSET
    /// (RFC 5321 §4.1.1.5), whose reply says whether the server is still there.
    pub(super) async fn deliver(&mut self, sender: &str, recipient: &str, mail: &[u8], fence: &Fence) -> Outcome {
        self.mails += 1;
        self.clean = false;
        match self.transact(sender, recipient, mail, fence).await {
            Ok(reply) => Outcome::Sent { reply },
            Err(outcome) => outcome,
        }
    }

    async fn transact(&mut self, sender: &str, recipient: &str, mail: &[u8], fence: &Fence) -> Result<String, Outcome> {
        let mail = dot::normalise(mail);
        let line = self.offers.mail_from(sender, recipient, &mail).inspect_err(|_| self.clean = true)?;
        let to = format!("RCPT TO:<{}>", address::written(recipient));
        let waited = self.mails > 1;
        if self.offers.pipelining {
            let all @ [_, mail @ ..] = &["RSET", line.as_str(), to.as_str(), "DATA"];
            self.wire.send("MAIL", if waited { all } else { mail }).await?;
        }
        let Timeouts { reply, data, quit, .. } = *self.wire.timeouts();
        if waited {
            // A server that has heard all may say nothing before it has thought about the last of it.
            let limit = if self.offers.pipelining { reply } else { quit };
            let answer = self.ask("RSET", "RSET", limit).await?;
            if !answer.is_ok() {
                return Err(Fault::refused("RSET", &answer).into());
            }
        }
        let answer = self.ask("MAIL", &line, reply).await?;
        if !answer.is_ok() {
            let refusal = self.answered(&answer, mail_refused(&answer, self.straight));
            return Err(self.hear_rest(&["RCPT", "DATA"], refusal).await);
        }
        let answer = self.ask("RCPT", &to, reply).await.map_err(Fault::in_mail)?;
        if !answer.is_ok() {
            let refusal = self.answered(&answer, recipient_refused("RCPT", &answer));
            return Err(self.hear_rest(&["DATA"], refusal).await);
        }
        let answer = self.ask("DATA", "DATA", data).await.map_err(Fault::in_mail)?;
        if answer.code != 354 {
            return Err(self.answered(&answer, recipient_refused("DATA", &answer)));
        }
        self.in_data = true;
        // What else it has said would be read as its answer to the final dot.
        if let Err(fault) = self.wire.in_turn("DATA") {
            return Err(self.said_early(fault).await);
        }
        if let Err(fault) = self.write_mail(dot::stuff(&mail), fence).await {
            return Err(self.said_early(fault).await);
        }
        self.in_data = false;
        self.after_dot().await
    }

    /// The reply to a command, which has left before where the server takes several at once.
    async fn ask(&mut self, when: &'static str, line: &str, limit: Duration) -> Result<Answer, Fault> {
        if self.offers.pipelining { self.wire.answer(when, limit).await } else { self.wire.command_within(when, line, limit).await }
    }

    /// What has left together with a command that was refused has replies, too (RFC 2920 §3.1). They change nothing about the
    /// refusal, only whether the session can go on.
    async fn hear_rest(&mut self, rest: &[&'static str], refusal: Outcome) -> Outcome {
        if self.offers.pipelining && std::mem::take(&mut self.clean) {
            self.clean = self.nothing_left(rest).await.unwrap_or(false);
        }
        refusal
    }

    /// Whether the server is back where no mail is begun. A 354 although nobody is to get the mail is answered by a lone dot; though
    /// not where a recipient was taken, who would get an empty mail: then the connection ends without a dot, and so without a mail.
    async fn nothing_left(&mut self, rest: &[&'static str]) -> Result<bool, Fault> {
        let limit = self.wire.timeouts().quit;
        let mut taken = false;
        for &when in rest {
            let mut answer = self.wire.answer(when, limit).await?;
            if when != "DATA" {
                taken = answer.is_ok();
                continue;
            }
            if answer.code == 354 {
                if taken {
                    self.in_data = true;
                    return Ok(false);
                }
                answer = self.wire.command_within(when, ".", limit).await?;
            }
            return Ok(answer.is_temporary() || answer.is_permanent());
        }
        Ok(true)
    }

    /// When the write of the dot fails, it has not left whole, and the server cannot have taken the mail. When it takes too long
    /// nobody knows: so a mail that somebody may be slow to take has left before, and the dot is a write of its own.
    async fn write_mail(&mut self, mut stuffed: Vec<u8>, fence: &Fence) -> Result<(), Fault> {
        if stuffed.len() > WITH_DOT {
            self.wire.write("mail", &stuffed).await?;
            stuffed.clear();
        }
        stuffed.extend_from_slice(dot::FINAL_DOT);
        failpoint::reached("send.before_dot");
        fence.pass();
        self.wire.write(DOT, &stuffed).await?;
        failpoint::reached("send.after_dot");
        Ok(())
    }

    /// From here on silence means "it may have left": RFC 5321 §4.5.3.2.6 and RFC 1047.
    async fn after_dot(&mut self) -> Result<String, Outcome> {
        let limit = self.wire.timeouts().dot;
        match self.wire.answer("after the final dot", limit).await {
            Ok(answer) if answer.is_ok() => {
                self.clean = true;
                Ok(answer.to_string())
            }
            Ok(answer) if answer.is_temporary() || answer.is_permanent() => Err(self.answered(&answer, refused(&answer))),
            Ok(answer) => Err(Outcome::Unknown { reply: format!("after the final dot: {answer}") }),
            Err(fault @ Fault::Refused { .. }) => Err(fault.into()),
            Err(fault) => Err(Outcome::Unknown { reply: fault.to_string() }),
        }
    }

    /// A server that refuses in the middle of DATA and hangs up has often said why: without that word a mail that is too large
    /// would look like a relay that is down, for ever.
    async fn said_early(&mut self, fault: Fault) -> Outcome {
        let limit = self.wire.timeouts().quit;
        let unsure = matches!(fault, Fault::Timeout { when: DOT, .. });
        match self.wire.answer("mail", limit).await {
            Ok(answer) if unsure && answer.is_ok() => Outcome::Sent { reply: answer.to_string() },
            Ok(answer) if answer.is_temporary() || answer.is_permanent() => refused(&answer),
            Err(told @ Fault::Refused { .. }) => told.into(),
            _ if unsure => Outcome::Unknown { reply: fault.to_string() },
            _ => fault.in_mail(),
        }
    }

    /// A refusal after which the server waits for the next command.
    fn answered(&mut self, answer: &Answer, refusal: Outcome) -> Outcome {
        self.clean = matches!(refusal, Outcome::Recipient { .. }) && (answer.is_temporary() || answer.is_permanent());
        refusal
    }

    /// Whether it may carry another mail.
    pub(super) fn can_go_on(&self) -> bool {
        self.clean && self.mails < MAILS
    }

    /// Ends the session; in the middle of a mail without a word, so that none of it leaves any more.
    pub(super) async fn quit(self) {
        if !self.in_data {
            self.wire.quit().await;
        }
    }
}

impl Fault {
    /// What it means once MAIL was accepted: a server that came so far is there, and may have stumbled over this mail alone. Only
    /// 421 is never about a mail.
    fn in_mail(self) -> Outcome {
        match self {
            Self::Refused { .. } => self.into(),
            fault => Outcome::Recipient { temporary: true, reply: fault.to_string() },
        }
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::Destination { reply: fault.to_string() }
    }
}

/// EHLO, or HELO for a server that knows no extensions (RFC 5321 §3.2).
async fn hello(wire: &mut Wire, hostname: &str) -> Result<Offers, Fault> {
    let answer = wire.command("EHLO", &format!("EHLO {hostname}")).await?;
    if answer.code == 250 {
        return Ok(Offers::read(&answer));
    }
    if !answer.is_permanent() {
        return Err(Fault::refused("EHLO", &answer));
    }
    let answer = wire.command("HELO", &format!("HELO {hostname}")).await?;
    if answer.code == 250 { Ok(Offers::default()) } else { Err(Fault::refused("HELO", &answer)) }
}

/// MAIL: a refused size is about this mail for good. Any other lasting refusal of a relay may be about our sender or its
/// configuration, which somebody can mend: this mail waits, and others with another sender go on. That of a stranger is for good.
/// The reply says where it was given: whatever its code, it is not about the recipient.
fn mail_refused(answer: &Answer, straight: bool) -> Outcome {
    let refused = |temporary| Outcome::Recipient { temporary, reply: format!("MAIL: {answer}") };
    match answer {
        a if straight && a.is_permanent() && a.code != 530 => refused(false),
        a if a.is_temporary() || a.code == 552 || a.has_status("5.3.4") => refused(a.is_temporary()),
        a if a.is_permanent() && a.code != 530 => refused(true),
        a => Fault::refused("MAIL", a).into(),
    }
}

/// RCPT and DATA: about this recipient and this mail, unless the server asks for AUTH or TLS first (RFC 4954 §6, RFC 3207 §4).
fn recipient_refused(when: &'static str, answer: &Answer) -> Outcome {
    match answer {
        a if a.code == 530 => Fault::refused(when, a).into(),
        a if a.is_temporary() || a.is_permanent() => refused(a),
        a => Outcome::Recipient { temporary: true, reply: format!("{when}: {a}") },
    }
}

fn refused(answer: &Answer) -> Outcome {
    Outcome::Recipient { temporary: answer.is_temporary(), reply: answer.to_string() }
}
