//! `ombud queue`: mail that leaves.

use std::convert::Infallible;

use clap::Subcommand;

use super::failure::Failure;
use super::input::{Paging, address, words};
use super::json::List;
use super::out::{Answer, Done};
use super::table::{Table, time};
use super::ticket::more;
use crate::app::Opened;
use crate::desk::delivery;
use crate::http::views::{OutboxView, SuppressedView, shown};
use crate::model::OutboxId;
use crate::model::address::fold;
use crate::model::facts::Facts;
use crate::model::outgoing::{OutboxRow, OutboxState};
use crate::store::Cmd;
use crate::store::read::SuppressedItem;

/// The states that people see.
const STATES: &[OutboxState] = &[OutboxState::Waiting, OutboxState::Sent, OutboxState::Failed, OutboxState::Unknown];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List mails that leave or left, newest first
    List {
        /// Only in this state
        #[arg(long, value_parser = words(STATES, OutboxState::word))]
        state: Option<OutboxState>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one mail
    Show {
        /// Its number in the list
        id: i64,
    },
    /// Try a mail that waits or failed now
    Retry {
        /// Its number in the list
        id: i64,
    },
    /// Give a mail that waits up
    Drop {
        /// Its number in the list
        id: i64,
    },
    /// List addresses that nothing is sent to, for they refuse mail, or nothing automatic, for mail was unwanted there
    Suppressed {
        /// Send mail to this address again; may be given several times
        #[arg(long, value_name = "ADDRESS")]
        lift: Vec<String>,
        #[command(flatten)]
        paging: Paging,
    },
}

pub(super) async fn run(command: Command, opened: &Opened, json: bool) -> Done {
    let now = opened.clock.now();
    match command {
        Command::List { state, paging } => list(opened, json, state, &paging).await,
        Command::Show { id } => {
            let mail = mail(opened, OutboxId(id)).await?;
            Answer::of(json, &OutboxView::from(&mail), || facts(&mail))
        }
        Command::Retry { id } => {
            mail(opened, OutboxId(id)).await?;
            opened.store.run(Cmd::RetryOutbox { id: OutboxId(id), now }).await?;
            let mail = mail(opened, OutboxId(id)).await?;
            Answer::of(json, &OutboxView::from(&mail), || format!("mail {id} is tried again now"))
        }
        Command::Drop { id } => {
            let row = mail(opened, OutboxId(id)).await?;
            give_up(opened, &row, now).await?;
            let mail = mail(opened, OutboxId(id)).await?;
            Answer::of(json, &OutboxView::from(&mail), || format!("mail {id} is given up"))
        }
        Command::Suppressed { lift, paging } if lift.is_empty() => suppressed(opened, json, &paging, now).await,
        Command::Suppressed { lift, .. } => lifted(opened, json, &lift).await,
    }
}

/// Gives a mail up; the ticket shows it and its author hears of it, as if the relay had refused it.
async fn give_up(opened: &Opened, row: &OutboxRow, now: i64) -> Result<(), Failure> {
    let decide = |facts: &Facts| Ok::<_, Infallible>(delivery::failed(&opened.desk, row, "dropped by an admin", facts, now));
    let changes = match opened.store.decided(&decide).await? {
        Ok(changes) => changes,
        Err(never) => match never {},
    };
    opened.store.run(Cmd::DropOutbox { id: row.id, now, changes }).await?;
    Ok(())
}

async fn mail(opened: &Opened, id: OutboxId) -> Result<OutboxRow, Failure> {
    let found = opened.store.outbox_row(id).await?;
    found.ok_or_else(|| Failure::missing(format!("there is no mail {id} in the queue: see `ombud queue list`")))
}

async fn list(opened: &Opened, json: bool, state: Option<OutboxState>, paging: &Paging) -> Done {
    let (cursor, limit) = (paging.cursor(1)?, paging.limit());
    let page = match state {
        Some(OutboxState::Waiting) => opened.store.outbox_open(cursor, limit).await?,
        state => opened.store.outbox(state, cursor, limit).await?,
    };
    Answer::of(json, &List::page(&page, OutboxView::from), || {
        if page.items.is_empty() {
            return "No mail is like that.".to_owned();
        }
        let mut table = Table::headed(["ID", "STATE", "KIND", "TICKET", "TRIES", "NEXT", "TO", "LAST REPLY"]);
        for mail in &page.items {
            let (id, tries) = (mail.id.to_string(), mail.attempts.to_string());
            let ticket = mail.ticket.map_or_else(String::new, |ticket| ticket.to_string());
            let reply = mail.last_reply.as_deref().unwrap_or_default();
            table.row([&id, shown(mail.state).word(), mail.kind.word(), &ticket, &tries, &next(mail), &mail.address, reply]);
        }
        table.text() + more(page.next.as_deref()).as_str()
    })
}

async fn suppressed(opened: &Opened, json: bool, paging: &Paging, now: i64) -> Done {
    let page = opened.store.suppressed(now, paging.cursor(1)?, paging.limit()).await?;
    Answer::of(json, &List::page(&page, SuppressedView::from), || {
        if page.items.is_empty() {
            return "Mail goes to every address.".to_owned();
        }
        let mut table = Table::headed(["ADDRESS", "ROLE", "REFUSED", "UNTIL", "UNWANTED", "REPLY"]);
        for SuppressedItem { address, role, refusal } in &page.items {
            let refused = |at: i64| if refusal.has_refused() { time(at) } else { String::new() };
            let unwanted = refusal.complained_at.map_or_else(String::new, time);
            let (refused, until) = (refused(refusal.refused_at), refused(refusal.until));
            table.row([address.as_str(), role.word(), &refused, &until, &unwanted, &refusal.reply]);
        }
        table.text() + more(page.next.as_deref()).as_str()
    })
}

/// Lets mail go again to each of them; the first that has refused nothing ends it.
async fn lifted(opened: &Opened, json: bool, addresses: &[String]) -> Done {
    let keys = addresses.iter().map(|text| address(text).map(|address| fold(&address))).collect::<Result<Vec<_>, _>>()?;
    for key in &keys {
        opened.store.run(Cmd::LiftRefusal { key: key.clone(), now: opened.clock.now() }).await?;
    }
    Answer::of(json, &List::all(keys.clone()), || keys.iter().map(|key| format!("mail goes to {key} again\n")).collect())
}

fn next(mail: &OutboxRow) -> String {
    if shown(mail.state) == OutboxState::Waiting { time(mail.due_at) } else { String::new() }
}

fn facts(mail: &OutboxRow) -> String {
    let mut table = Table::default();
    table.row(["Mail", &mail.id.to_string()]);
    table.row(["To", &mail.address]);
    table.row(["Kind", mail.kind.word()]);
    if let Some(ticket) = mail.ticket {
        table.row(["Ticket", &format!("#{ticket}")]);
    }
    table.row(["State", shown(mail.state).word()]);
    table.row(["Tries", &mail.attempts.to_string()]);
    table.row(["Next try", &next(mail)]);
    table.row(["Created", &time(mail.created_at)]);
    table.row(["Last reply", mail.last_reply.as_deref().unwrap_or_default()]);
    table.text()
}
