//! One conversation with a filter: it is told a mail as a mail server would tell it, and says what it thinks of it.

use tokio::io::{AsyncRead, AsyncWrite};

use super::codec::{Fault, Time, Wire};
use super::reply::Reply;
use super::subject::Subject;
use crate::model::Envelope;
use crate::model::finding::Action;

/// The version that we speak, and the oldest that has what we need.
const VERSION: u32 = 6;
const OLDEST: u32 = 2;
/// Every change may be asked for: few filters are content with less, and none of it is done.
const CHANGES: u32 = 0x1ff;
/// Header values with their leading space.
const LEADING_SPACE: u32 = 0x10_0000;
/// Steps that a filter may do without, replies that it need not give, and [`LEADING_SPACE`].
const STEPS: u32 = 0x1f_f7ff;
/// Largest piece of the body, in octets.
const PIECE: usize = 65_535;
/// Header fields of a filter that are kept.
const TAGS: usize = 20;

/// What a filter said of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// What it wants; never `Untested` or `Failed`.
    pub(super) action: Action,
    /// Why.
    pub(super) why: Option<String>,
    /// Header fields that it adds or changes.
    pub(super) tags: Vec<String>,
}

impl Said {
    fn plain(action: Action, why: Option<String>) -> Self {
        Self { action, why, tags: Vec::new() }
    }
}

/// A step of the conversation: its command, the bit of who does without it, the bit of who does not answer it.
#[derive(Clone, Copy)]
struct Step(u8, u32, u32);

const CONNECT: Step = Step(b'C', 0x1, 0x1000);
const HELO: Step = Step(b'H', 0x2, 0x2000);
const MAIL: Step = Step(b'M', 0x4, 0x4000);
const RCPT: Step = Step(b'R', 0x8, 0x8000);
const DATA: Step = Step(b'T', 0x200, 0x1_0000);
const HEADER: Step = Step(b'L', 0x20, 0x80);
const END_OF_HEADER: Step = Step(b'N', 0x40, 0x4_0000);
const BODY: Step = Step(b'B', 0x10, 0x8_0000);

/// What the filter wants of one step.
enum Next {
    GoOn,
    /// No more of the body.
    Skip,
    /// Refused: the mail, or one recipient.
    Refused(Said),
    /// All is said.
    Ended(Said),
}

/// A conversation that was negotiated.
pub(super) struct Session<S> {
    wire: Wire<S>,
    version: u32,
    wants: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Negotiates.
    pub(super) async fn begin(io: S, time: Time) -> Result<Self, Fault> {
        let mut wire = Wire::new(io, time);
        wire.put(b'O', &[&VERSION.to_be_bytes(), &CHANGES.to_be_bytes(), &STEPS.to_be_bytes()]).await?;
        let frame = wire.read().await?;
        let mut numbers = frame.data.chunks_exact(4).filter_map(|four| Some(u32::from_be_bytes(four.try_into().ok()?)));
        let (version, _changes, wants) = match (frame.code, numbers.next(), numbers.next(), numbers.next()) {
            (b'O', Some(version), Some(changes), Some(wants)) => (version, changes, wants),
            _ => return Err(Fault::Garbage("no answer to the negotiation")),
        };
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(Fault::Garbage("another version of it"));
        }
        if wants & !STEPS != 0 {
            return Err(Fault::Garbage("it asks for what was not offered"));
        }
        Ok(Self { wire, version, wants })
    }

    /// The version that was agreed upon.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Says good-bye. The filter owes no answer.
    pub(super) async fn quit(mut self) -> Result<(), Fault> {
        self.wire.put(b'Q', &[]).await?;
        self.wire.flush().await
    }

    /// Tells a mail and hears what the filter says of it.
    pub(super) async fn judge(&mut self, mail: &Subject<'_>) -> Result<Said, Fault> {
        if let Some(said) = self.envelope(mail).await? {
            return Ok(said);
        }
        match self.content(mail).await? {
            Some(said) => Ok(said),
            None => self.end().await,
        }
    }

    async fn envelope(&mut self, mail: &Subject<'_>) -> Result<Option<Said>, Fault> {
        let envelope = mail.envelope;
        let version = concat!("Ombud ", env!("CARGO_PKG_VERSION"));
        self.macros(b'C', &[("j", mail.hostname), ("{daemon_name}", "ombud"), ("v", version)]).await?;
        if let Some(said) = self.decisive(CONNECT, &[&client(envelope)]).await? {
            return Ok(Some(said));
        }
        if let Some(helo) = &envelope.helo
            && let Some(said) = self.decisive(HELO, &[&ended(helo)]).await?
        {
            return Ok(Some(said));
        }
        let user = envelope.auth_user.as_deref().unwrap_or_default();
        let login = [("{mail_addr}", envelope.mail_from.as_str()), ("{auth_authen}", user)];
        self.macros(b'M', if user.is_empty() { &login[..1] } else { &login }).await?;
        if let Some(said) = self.decisive(MAIL, &[&bracketed(&envelope.mail_from)]).await? {
            return Ok(Some(said));
        }
        self.recipients(envelope).await
    }

    /// A recipient that is refused does not refuse the mail to the others.
    async fn recipients(&mut self, envelope: &Envelope) -> Result<Option<Said>, Fault> {
        let (mut taken, mut refused) = (envelope.recipients.is_empty(), None);
        for recipient in &envelope.recipients {
            self.macros(b'R', &[("{rcpt_addr}", recipient)]).await?;
            match self.step(RCPT, &[&bracketed(recipient)]).await? {
                Next::GoOn | Next::Skip => taken = true,
                Next::Refused(said) => refused = Some(said),
                Next::Ended(said) => return Ok(Some(said)),
            }
        }
        Ok(refused.filter(|_| !taken))
    }

    async fn content(&mut self, mail: &Subject<'_>) -> Result<Option<Said>, Fault> {
        if self.version >= 4
            && let Some(said) = self.decisive(DATA, &[]).await?
        {
            return Ok(Some(said));
        }
        let mut fields = mail.fields();
        for (name, value) in fields.by_ref() {
            let value = value.as_slice();
            let bare = if self.wants & LEADING_SPACE == 0 { value.strip_prefix(b" ").unwrap_or(value) } else { value };
            if let Some(said) = self.decisive(HEADER, &[&name, b"\0", bare, b"\0"]).await? {
                return Ok(Some(said));
            }
        }
        if let Some(said) = self.decisive(END_OF_HEADER, &[]).await? {
            return Ok(Some(said));
        }
        for piece in fields.body().chunks(PIECE) {
            match self.step(BODY, &[piece]).await? {
                Next::GoOn => {}
                Next::Skip => break,
                Next::Refused(said) | Next::Ended(said) => return Ok(Some(said)),
            }
        }
        Ok(None)
    }

    /// The end of the mail: changes, then the last word.
    async fn end(&mut self) -> Result<Said, Fault> {
        self.wire.put(b'E', &[]).await?;
        let (mut tags, mut held) = (Vec::new(), None);
        let said = loop {
            match self.heard().await? {
                Reply::Header(field) if tags.len() < TAGS => tags.push(field),
                Reply::Quarantine(why) => held = Some(why),
                Reply::Header(_) | Reply::Progress | Reply::Change => {}
                Reply::Continue | Reply::Accept => break Said::plain(Action::Accept, None),
                Reply::Reject(why) => break Said::plain(Action::Reject, why),
                Reply::Tempfail(why) => break Said::plain(Action::Tempfail, why),
                Reply::Discard => break Said::plain(Action::Discard, None),
                Reply::Skip => return Err(Fault::Garbage("a skip at the end")),
            }
        };
        Ok(match (said.action, held) {
            (Action::Accept, Some(why)) => Said { action: Action::Quarantine, why, tags },
            _ => Said { tags, ..said },
        })
    }

    /// A step whose refusal refuses the mail.
    async fn decisive(&mut self, step: Step, parts: &[&[u8]]) -> Result<Option<Said>, Fault> {
        Ok(match self.step(step, parts).await? {
            Next::GoOn | Next::Skip => None,
            Next::Refused(said) | Next::Ended(said) => Some(said),
        })
    }

    async fn step(&mut self, Step(code, without, silent): Step, parts: &[&[u8]]) -> Result<Next, Fault> {
        if self.wants & without != 0 {
            return Ok(Next::GoOn);
        }
        self.wire.put(code, parts).await?;
        if self.wants & silent != 0 {
            return Ok(Next::GoOn);
        }
        loop {
            return Ok(match self.heard().await? {
                Reply::Progress => continue,
                Reply::Continue => Next::GoOn,
                Reply::Skip => Next::Skip,
                Reply::Accept => Next::Ended(Said::plain(Action::Accept, None)),
                Reply::Discard => Next::Ended(Said::plain(Action::Discard, None)),
                Reply::Reject(why) => Next::Refused(Said::plain(Action::Reject, why)),
                Reply::Tempfail(why) => Next::Refused(Said::plain(Action::Tempfail, why)),
                Reply::Header(_) | Reply::Quarantine(_) | Reply::Change => return Err(Fault::Garbage("a change before the end")),
            });
        }
    }

    async fn heard(&mut self) -> Result<Reply, Fault> {
        Reply::read(&self.wire.read().await?)
    }

    /// What filters may want to know beside a command.
    async fn macros(&mut self, of: u8, values: &[(&str, &str)]) -> Result<(), Fault> {
        let mut data = vec![of];
        for (name, value) in values {
            data.extend(ended(name));
            data.extend(ended(value));
        }
        self.wire.put(b'D', &[&data]).await
    }
}

/// The client: its name, family, port and address. Nobody has looked its name up, so its address stands for it. Of a mail
/// that no client has brought, nothing is known.
fn client(envelope: &Envelope) -> Vec<u8> {
    let Some(ip) = envelope.peer.map(|ip| ip.to_canonical()) else { return b"localhost\0U".to_vec() };
    let family = if ip.is_ipv4() { b'4' } else { b'6' };
    [ended(&format!("[{ip}]")).as_slice(), &[family, 0, 0], &ended(&ip.to_string())].concat()
}

/// Text and the NUL that ends it.
fn ended(text: &str) -> Vec<u8> {
    text.bytes().filter(|b| *b != 0).chain([0]).collect()
}

fn bracketed(address: &str) -> Vec<u8> {
    ended(&format!("<{address}>"))
}
