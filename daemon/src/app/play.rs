//! The play: a customer and an agent with nothing but mail, and what the desk makes of it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::config::{Relay, SmtpRelay};
use crate::desk::answer::{ANSWER_LABEL, NOTE_LABEL};
use crate::model::{TicketId, Understood};
use crate::send::relay::{Exit, Fence, Outcome};
use crate::store::Store;
use crate::store::read::TicketItem;
use crate::understand::{Limits, understand};

use super::AppError;

const CUSTOMER: &str = "ann@customer.example";
const AGENT: &str = "agent@desk.localhost";
const SUPPORT: &str = "support@desk.localhost";
/// The whole play takes at most 15 s; a step that takes longer than this has failed.
const STEP: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// People's hands: they send over SMTP and read what arrives.
pub(super) struct Actor {
    exit: Exit,
    maildir: PathBuf,
    store: Store,
    read: Mutex<BTreeSet<PathBuf>>,
    sent: AtomicU64,
}

/// A mail that arrived.
struct Arrived {
    to: String,
    mail: Understood,
}

impl Actor {
    pub(super) fn new(smtp: SocketAddr, maildir: PathBuf, store: Store) -> Result<Self, AppError> {
        let host = smtp.ip().to_string();
        let relay = SmtpRelay { host, port: smtp.port(), implicit_tls: false, user: None, password: None, ca: None };
        let exit = Exit::new(&Relay::Smtp(relay), "client.example").map_err(|e| AppError::Bug(e.to_string()))?;
        Ok(Self { exit, maildir, store, read: Mutex::default(), sent: AtomicU64::default() })
    }

    /// Sends a mail as a person's client would.
    async fn send(&self, from: (&str, &str), to: &str, subject: &str, extra: &str, text: &str) -> Result<(), AppError> {
        let (name, address) = from;
        let id = format!("{}.{}", self.sent.fetch_add(1, Ordering::Relaxed), address);
        let mail = format!(
            "From: {name} <{address}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{id}>\r\n{extra}\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n",
            text.replace('\n', "\r\n")
        );
        match self.exit.deliver("play", address, to, mail.as_bytes(), &Fence::default()).await {
            Outcome::Sent { .. } => Ok(()),
            other => Err(AppError::Bug(format!("the desk did not take a mail: {other:?}"))),
        }
    }

    /// Waits for a mail to `to` that `is` what is meant; each mail is read once.
    async fn receive(&self, to: &str, what: &str, is: impl Fn(&Understood) -> bool) -> Result<Arrived, AppError> {
        let deadline = Instant::now() + STEP;
        while Instant::now() < deadline {
            let mut read = self.read.lock().await;
            for path in self.files().await {
                let Ok(raw) = tokio::fs::read(&path).await else { continue };
                let mail = understand(&raw, &Limits::default());
                let mine = mail.to.iter().any(|a| a.address == to);
                if mine && is(&mail) && read.insert(path) {
                    return Ok(Arrived { to: to.to_owned(), mail });
                }
            }
            drop(read);
            sleep(LOOK).await;
        }
        Err(AppError::Bug(format!("{what} did not arrive within {} s", STEP.as_secs())))
    }

    async fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        if let Ok(mut folder) = tokio::fs::read_dir(self.maildir.join("new")).await {
            while let Ok(Some(entry)) = folder.next_entry().await {
                found.push(entry.path());
            }
        }
        found.sort();
        found
    }

    /// Waits until ticket 1 is as it should be.
    async fn ticket(&self, what: &str, is: impl Fn(&TicketItem) -> bool) -> Result<TicketItem, AppError> {
        let deadline = Instant::now() + STEP;
        while Instant::now() < deadline {
            if let Some(ticket) = self.store.ticket(TicketId(1)).await?.filter(&is) {
                return Ok(ticket);
            }
            sleep(LOOK).await;
        }
        Err(AppError::Bug(format!("{what} did not happen within {} s", STEP.as_secs())))
    }
}

/// Plays the conversation.
pub(super) async fn play(actor: &Actor) -> Result<(), AppError> {
    let (ann, jane) = (("Ann Archer", CUSTOMER), ("Jane", AGENT));

    say("1. Ann, a customer, writes to support@desk.localhost:\n     My invoice 2041 shows the wrong address. Can you mend it?")?;
    actor
        .send(ann, SUPPORT, "Wrong address on invoice", "", "Hello,\n\nMy invoice 2041 shows the wrong address. Can you mend it?\n\nAnn")
        .await?;
    let ticket = actor.ticket("the ticket", |_| true).await?;
    say(&format!("\n2. It is ticket #{} now: {:?}, {}.", ticket.number, ticket.subject, ticket.status))?;

    let ack = actor.receive(CUSTOMER, "the acknowledgement", |m| m.automatic.is_some()).await?;
    say(&format!("\n3. Ann gets an acknowledgement, with nothing of her mail in it:\n{}", excerpt(&ack, 3)))?;
    let told = actor.receive(AGENT, "the notification", |m| m.text.contains(ANSWER_LABEL)).await?;
    say(&format!("\n4. Jane, the agent, is told in her own mail client:\n{}", excerpt(&told, 40)))?;

    let answer_to = address(&told, ANSWER_LABEL)?;
    let quote: String = told.mail.text.lines().map(|l| format!("> {l}\n")).collect();
    let answer = format!(
        "Hello Ann,\n\nsure: the new invoice is on its way.\n\n-- \nJane, +49 30 1234567\n\nOn Sat, 21 Nov 2026 at 10:00, Ann Archer wrote:\n{quote}"
    );
    let reference = told.mail.message_id.as_ref().map_or(String::new(), |id| format!("In-Reply-To: <{id}>\r\nReferences: <{id}>\r\n"));
    actor.send(jane, &answer_to, &format!("Re: {}", told.mail.subject), &reference, &answer).await?;
    say("\n5. Jane presses Reply, types two lines above the quote, and sends.")?;
    let got = actor.receive(CUSTOMER, "the answer", |m| m.text.contains("new invoice")).await?;
    say(&format!("\n6. Ann gets it, without Jane's address, signature or quote:\n{}", excerpt(&got, 12)))?;

    let reply_to = got.mail.reply_to.first().map(|a| a.address.clone()).unwrap_or_default();
    let reference = got.mail.message_id.as_ref().map_or(String::new(), |id| format!("In-Reply-To: <{id}>\r\nReferences: <{id}>\r\n"));
    actor.send(ann, &reply_to, &format!("Re: {}", got.mail.subject), &reference, "Thank you! Please send it to my office, too.").await?;
    let ticket = actor.ticket("the same ticket", |t| t.messages == 3).await?;
    say(&format!(
        "\n7. Ann answers, and it lands on the same ticket: #{} is {} again, {} messages.",
        ticket.number, ticket.status, ticket.messages
    ))?;

    let told = actor.receive(AGENT, "the second notification", |m| m.text.contains("my office")).await?;
    let note_to = address(&told, NOTE_LABEL)?;
    actor
        .send(
            jane,
            &note_to,
            &format!("Re: {}", told.mail.subject),
            "",
            "She has two offices; ask sales which one before we send anything.",
        )
        .await?;
    let ticket = actor.ticket("the note", |t| t.messages == 4).await?;
    let leaked = actor.files().await.into_iter().filter_map(|p| std::fs::read(p).ok()).any(|raw| {
        let mail = understand(&raw, &Limits::default());
        mail.to.iter().any(|a| a.address == CUSTOMER) && mail.text.contains("two offices")
    });
    if leaked {
        return Err(AppError::Bug("the note has left the desk".into()));
    }
    say(&format!(
        "\n8. Jane writes a note to the note address. It stays inside: {} messages on the ticket, and Ann has got nothing.",
        ticket.messages
    ))
}

/// The address on a labelled line.
fn address(told: &Arrived, label: &str) -> Result<String, AppError> {
    let line = told.mail.text.lines().find_map(|l| l.strip_prefix(label));
    line.map(|l| l.trim().to_owned()).ok_or_else(|| AppError::Bug(format!("the notification has no line {label:?}")))
}

/// Headers and first lines of a mail, indented.
fn excerpt(arrived: &Arrived, lines: usize) -> String {
    let from = arrived.mail.from.as_ref().map_or(String::new(), |a| format!("{} <{}>", a.name.as_deref().unwrap_or(""), a.address));
    let head = format!("     From: {from}\n     To: {}\n     Subject: {}\n", arrived.to, arrived.mail.subject);
    let body: Vec<_> = arrived.mail.text.trim().lines().take(lines).map(|l| format!("     | {l}")).collect();
    format!("{head}{}", body.join("\n"))
}

/// The story goes to stdout.
pub(super) fn say(text: &str) -> Result<(), AppError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| AppError::Unavailable(format!("stdout: {e}")))
}
