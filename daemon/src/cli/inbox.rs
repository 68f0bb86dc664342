//! `ombud inbox`: every mail that was ever accepted, and what became of it.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::input::{Paging, address, words};
use super::json::List;
use super::out::{Answer, Done};
use super::table::{Table, time};
use super::ticket::more;
use crate::app::Opened;
use crate::desk::who::Decision;
use crate::http::views::InboxView;
use crate::model::address::fold;
use crate::model::changes::Fate;
use crate::model::{InboxId, Understood};
use crate::store::read::{InboxFilter, InboxItem};
use crate::store::{Cmd, Outcome, Replay, Words};
use crate::understand::{Limits, understand};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List accepted mails, newest first
    List {
        /// Only of this fate
        #[arg(long, value_name = "KIND", value_parser = words(Fate::ALL, Fate::word))]
        state: Option<Fate>,
        /// Only with this Message-ID
        #[arg(long, value_name = "ID")]
        message_id: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one mail's envelope and fate
    Show {
        /// Its number in the list
        id: i64,
    },
    /// Let held mails through
    Release(Which),
    /// Drop held mails: nothing of them happens
    Drop(Which),
    /// Look at a mail once more: a held one is decided anew; of another the words of its message are read anew
    Replay {
        /// Its number in the list
        id: i64,
    },
}

/// Held mails.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Their numbers in the list
    #[arg(required_unless_present = "braked", value_name = "ID")]
    ids: Vec<i64>,
    /// All answers of this agent that are held because there are too many of them
    #[arg(long, value_name = "EMAIL", conflicts_with = "ids")]
    braked: Option<String>,
}

pub(super) async fn run(command: Command, opened: &Opened, json: bool) -> Done {
    match command {
        Command::List { state, message_id, paging } => {
            let message_id = message_id.map(|id| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned());
            let filter = InboxFilter { fate: state, message_id, cursor: paging.cursor(1)?.map(str::to_owned), limit: paging.limit() };
            list(opened, json, &filter).await
        }
        Command::Show { id } => {
            let mail = mail(opened, InboxId(id)).await?;
            Answer::of(json, &InboxView::from(&mail), || facts(&mail))
        }
        Command::Release(which) => end(opened, which, true, json).await,
        Command::Drop(which) => end(opened, which, false, json).await,
        Command::Replay { id } => replay(opened, InboxId(id), json).await,
    }
}

/// What becomes of held mails; the first that is not held ends it.
async fn end(opened: &Opened, which: Which, pass: bool, json: bool) -> Done {
    let (now, done) = (opened.clock.now(), if pass { "let through" } else { "dropped" });
    if let Some(agent) = which.braked {
        let address = fold(&address(&agent)?);
        let count = match opened.store.run(Cmd::EndBrake { address, pass, now }).await? {
            Outcome::Id(count) => count,
            _ => 0,
        };
        let lifted = if pass { "; nothing more of theirs is held for an hour" } else { "" };
        return Answer::of(json, &serde_json::json!({ "answers": count }), || format!("{count} answers of {agent} are {done}{lifted}"));
    }
    let mut ended = Vec::new();
    for id in which.ids.into_iter().map(InboxId) {
        opened
            .store
            .run(if pass {
                Cmd::ReleaseInbox { id, by: None, door: "cli", now }
            } else {
                Cmd::DropInbox { id, by: None, door: "cli", now }
            })
            .await?;
        ended.push(mail(opened, id).await?);
    }
    let line = |mail: &InboxItem| format!("mail {} is {done}", mail.id);
    match ended.as_slice() {
        [one] => Answer::of(json, &InboxView::from(one), || line(one)),
        many => Answer::of(json, &List::all(many.iter().map(InboxView::from).collect()), || {
            many.iter().map(line).collect::<Vec<_>>().join("\n")
        }),
    }
}

/// Nothing of a decided mail is carried out or sent again. A held one is read by the daemon, so that one that ends its reader
/// does not end us.
async fn replay(opened: &Opened, id: InboxId, json: bool) -> Done {
    let before = mail(opened, id).await?;
    let mut replay = Replay { id, words: None, now: opened.clock.now() };
    if !matches!(before.fate, Fate::Held | Fate::Waiting) {
        let (raw, limits) = (opened.store.blob(&before.blob).await?, Limits::from(&opened.config.limits));
        let read = tokio::task::spawn_blocking(move || understand(&raw, &limits)).await;
        let understood = read.map_err(|error| Failure::bug(format!("mail {id} could not be read: {error}")))?;
        let Understood { text, reply_text, html, attachments, .. } = understood;
        replay.words = Some(Words { text, reply_text, html, attachments: serde_json::to_string(&attachments)? });
    }
    let told = match opened.store.run(Cmd::Replay(Box::new(replay))).await? {
        Outcome::Done => format!("mail {id} is decided anew, as soon as the daemon runs"),
        Outcome::Id(0) => format!("mail {id} is as it was: it says the same as before, or is no customer's message"),
        _ => format!("mail {id} has its words of today; nothing of it was carried out or sent again"),
    };
    let after = mail(opened, id).await?;
    Answer::of(json, &InboxView::from(&after), || told)
}

async fn mail(opened: &Opened, id: InboxId) -> Result<InboxItem, Failure> {
    let found = opened.store.inbox_item(id).await?;
    found.ok_or_else(|| Failure::missing(format!("there is no mail {id} in the inbox: see `ombud inbox list`")))
}

async fn list(opened: &Opened, json: bool, filter: &InboxFilter) -> Done {
    let page = opened.store.inbox(filter).await?;
    Answer::of(json, &List::page(&page, InboxView::from), || {
        if page.items.is_empty() {
            return "No mail is like that.".to_owned();
        }
        let mut table = Table::headed(["ID", "RECEIVED", "BY", "FATE", "TICKET", "REASON", "FROM", "SUBJECT"]);
        for mail in &page.items {
            let (id, received) = (mail.id.to_string(), time(mail.received_at));
            let ticket = mail.ticket.map_or_else(String::new, |ticket| ticket.to_string());
            let (by, from) = (mail.envelope.transport.word(), mail.sender.as_deref().unwrap_or_default());
            table.row([&id, &received, by, mail.fate.word(), &ticket, &mail.reason, from, &mail.subject]);
        }
        table.text() + more(page.next.as_deref()).as_str()
    })
}

fn facts(mail: &InboxItem) -> String {
    let mut table = Table::default();
    let sender = match mail.envelope.mail_from.as_str() {
        "" if mail.envelope.sender_unknown => "unknown",
        "" => "<>",
        sender => sender,
    };
    table.row(["Mail", &mail.id.to_string()]);
    table.row(["Fate", mail.fate.word()]);
    if let Some(ticket) = mail.ticket {
        table.row(["Ticket", &format!("#{ticket}")]);
    }
    table.row(["Reason", &mail.reason]);
    table.row(["In words", &mail.detail]);
    table.row(["Received", &format!("{} by {}", time(mail.received_at), mail.envelope.transport.word())]);
    if let Some(peer) = mail.envelope.peer {
        table.row(["Client", &format!("{peer} ({})", mail.envelope.helo.as_deref().unwrap_or("no name"))]);
    }
    table.row(["Envelope", &format!("{sender} to {}", mail.envelope.recipients.join(", "))]);
    table.row(["From", mail.sender.as_deref().unwrap_or_default()]);
    if let Some(verdict) = mail.verdict() {
        table.row(["Author", &verdict.in_words()]);
    }
    if let Some(decision) = mail.decision::<Decision>() {
        table.row(["Decided", &decision.in_words()]);
    }
    for finding in mail.findings() {
        table.row(["Filter", &finding.in_words()]);
    }
    table.row(["Subject", &mail.subject]);
    table.row(["Message-ID", mail.message_id.as_deref().unwrap_or_default()]);
    table.row(["Tries", &mail.attempts.to_string()]);
    table.text()
}
