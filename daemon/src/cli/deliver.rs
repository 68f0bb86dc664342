//! `ombud deliver`: one message from a pipe (procmail, a Postfix alias). 0 only when it is on disk; 75 whenever the
//! sender should keep it, also when this desk's configuration or database is at fault: a mail system would bounce the
//! mail for any other code.

use std::io::Read;
use std::path::PathBuf;

use serde_json::json;

use super::check::room;
use super::failure::{DATA, Failure, TEMPORARY};
use super::input::{address, open, unreadable};
use super::out::{Answer, Done};
use super::{Place, open as open_desk};
use crate::app::Opened;
use crate::desk::addresses::Recipient;
use crate::inbox::{Draft, Inbox};
use crate::model::envelope::Transport;
use crate::model::{Envelope, Reply};
use crate::understand::{Limits, prescan};

/// Octets that are read at once.
const CHUNK: u64 = 64 * 1024;
/// Mailboxes that are named when none of ours was meant.
const NAMED: usize = 5;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One of our addresses; may be given several times
    #[arg(long, value_name = "ADDR", required = true)]
    to: Vec<String>,
    /// The envelope sender [default: that of an mbox "From " line, else none]
    #[arg(long, value_name = "ADDR")]
    from: Option<String>,
    /// The message [default: stdin]
    file: Option<PathBuf>,
}

pub(super) async fn run(args: Args, place: &Place, json: bool) -> Done {
    let config = place.load().map_err(|problems| Failure::from(problems).keep())?;
    let opened = open_desk(config).await.map_err(Failure::keep)?;
    let done = deliver(args, &opened, place, json).await;
    opened.store.close().await;
    done
}

async fn deliver(args: Args, opened: &Opened, place: &Place, json: bool) -> Done {
    let recipients = args.to.iter().map(|to| recipient(opened, to)).collect::<Result<Vec<_>, _>>()?;
    let from = args.from.as_deref().map(sender).transpose()?;
    room(opened.store.data(), opened.config.limits.free_space).map_err(|full| Failure::new(TEMPORARY, format!("{full}; try again")))?;
    let inbox = Inbox::new(opened.store.clone(), opened.clock);
    let mut input = open(args.file.as_deref(), &place.env.cwd)?;
    let mut message = Message { draft: inbox.draft(), mbox_sender: None, most: opened.config.limits.message_size };
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        input.by_ref().take(CHUNK).read_to_end(&mut chunk).map_err(|error| unreadable(args.file.as_deref(), &error).keep())?;
        if chunk.is_empty() {
            break;
        }
        message.push(&chunk).await?;
    }
    if message.draft.is_empty() {
        return Err(Failure::data("there is no message: it comes from stdin or the file that is named"));
    }
    let mail = inbox.admit(message.draft).await.map_err(refused)?;
    // Whoever pipes it here has answered for it already: what would be refused on the line is held for a person.
    let malformed = prescan(mail.bytes(), &Limits::from(&opened.config.limits)).err().map(|refusal| refusal.reply().text.into_owned());
    let sender = from.or(message.mbox_sender).unwrap_or_default();
    let envelope = Envelope { malformed, ..Envelope::without_client(Transport::Pipe, sender, recipients) };
    let receipt = inbox.accept(envelope, mail).await.map_err(refused)?;
    Answer::of(json, &json!({ "id": receipt.id() }), || format!("accepted as {}", receipt.id()))
}

/// A message while it is read.
struct Message {
    draft: Draft,
    /// Who an mbox "From " line says has sent it.
    mbox_sender: Option<String>,
    /// Largest message.
    most: u64,
}

impl Message {
    async fn push(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let (sender, chunk) = if self.draft.is_empty() { without_mbox_line(chunk) } else { (None, chunk) };
        self.mbox_sender = sender.or(self.mbox_sender.take());
        if self.draft.len() + chunk.len() as u64 > self.most {
            return Err(Failure::data(format!("the message is larger than {} octets ([limits] message_size)", self.most)));
        }
        let kept = self.draft.push(chunk).await;
        kept.map_err(|error| Failure::new(TEMPORARY, format!("the message could not be kept in the data folder: {error}; try again")))
    }
}

/// Takes the line off that mbox files and some pipes put above a message, and the sender in it (RFC 4155).
fn without_mbox_line(chunk: &[u8]) -> (Option<String>, &[u8]) {
    let Some(rest) = chunk.strip_prefix(b"From ") else { return (None, chunk) };
    let Some(end) = rest.iter().position(|b| *b == b'\n') else { return (None, chunk) };
    let (line, after) = rest.split_at(end);
    let word = line.split(|b| b.is_ascii_whitespace()).next().and_then(|word| std::str::from_utf8(word).ok());
    (word.and_then(|word| address(word).ok()), after.get(1..).unwrap_or_default())
}

fn recipient(opened: &Opened, text: &str) -> Result<String, Failure> {
    let address = address(text)?;
    match opened.desk.book.classify(&address) {
        Recipient::Mailbox(..) | Recipient::Role(_) | Recipient::Token(..) => Ok(address),
        Recipient::BadToken | Recipient::Foreign => {
            let ours: Vec<&str> = opened.config.mailboxes.iter().map(|m| m.address.as_str()).take(NAMED).collect();
            let more = if opened.config.mailboxes.len() > NAMED { ", …" } else { "" };
            Err(Failure::data(format!("{address} is no mailbox of this desk; known are {}{more}", ours.join(", "))))
        }
    }
}

/// An envelope sender; none is how a bounce has it (RFC 5321 §4.5.5).
fn sender(text: &str) -> Result<String, Failure> {
    match text.trim() {
        "" | "<>" => Ok(String::new()),
        text => address(text),
    }
}

fn refused(reply: Reply) -> Failure {
    Failure::new(if reply.is_temporary() { TEMPORARY } else { DATA }, reply.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_line_is_taken_off_with_its_sender() {
        let split = |text: &'static str| {
            let (sender, rest) = without_mbox_line(text.as_bytes());
            (sender, String::from_utf8_lossy(rest).into_owned())
        };
        let of = |sender: &str| Some(sender.to_owned());
        assert_eq!(split("From ann@x.test  Sat Nov 21\nA: 1\n"), (of("ann@x.test"), "A: 1\n".to_owned()));
        assert_eq!(split("From MAILER-DAEMON Sat\r\nA: 1\n"), (None, "A: 1\n".to_owned()));
        assert_eq!(split("From ann@x.test\n"), (of("ann@x.test"), String::new()));
        assert_eq!(split("From: ann@x.test\nA: 1\n"), (None, "From: ann@x.test\nA: 1\n".to_owned()));
        assert_eq!(split("From ann@x.test"), (None, "From ann@x.test".to_owned()));
    }

    #[test]
    fn a_bounce_has_no_sender() {
        assert_eq!(sender("<>"), Ok(String::new()));
        assert_eq!(sender("<ann@x.test>"), Ok("ann@x.test".to_owned()));
        assert_eq!(sender("ann").map_err(|f| f.code), Err(DATA));
    }

    #[test]
    fn only_what_may_pass_asks_to_be_kept() {
        assert_eq!(refused(Reply::new(451, "4.3.0", "later")).code, TEMPORARY);
        assert_eq!(refused(Reply::new(554, "5.6.0", "never")).code, DATA);
    }
}
