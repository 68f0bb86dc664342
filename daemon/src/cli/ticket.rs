//! `ombud ticket`: tickets and what was said on them.

use std::fmt::Write as _;

use clap::Subcommand;

use super::failure::Failure;
use super::input::{Paging, words};
use super::json::List;
use super::out::{Answer, Done};
use super::table::{Table, person, time};
use crate::app::Opened;
use crate::http::views::{Conversation, MessageView, TicketView};
use crate::model::TicketId;
use crate::model::text::{clean, one_line};
use crate::model::ticket::Status;
use crate::model::understood::Attachment;
use crate::store::StoreError;
use crate::store::read::{MessageItem, TicketFilter, TicketItem};

/// Messages that are read at once.
const PAGE: usize = 200;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List tickets, newest change first
    List {
        /// Only with this status
        #[arg(long, value_parser = words(Status::ALL, Status::word))]
        status: Option<Status>,
        /// Only with this text in the subject or the requester's address
        #[arg(long, value_name = "TEXT")]
        query: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a ticket with all its messages, oldest first
    Show {
        /// Its number
        number: i64,
    },
}

pub(super) async fn run(command: Command, opened: &Opened, json: bool) -> Done {
    match command {
        Command::List { status, query, paging } => {
            let filter = TicketFilter { status, text: query, cursor: paging.cursor(2)?.map(str::to_owned), limit: paging.limit() };
            list(opened, json, &filter).await
        }
        Command::Show { number } => show(opened, json, TicketId(number)).await,
    }
}

async fn list(opened: &Opened, json: bool, filter: &TicketFilter) -> Done {
    let page = opened.store.tickets(filter).await?;
    Answer::of(json, &List::page(&page, TicketView::from), || {
        if page.items.is_empty() {
            return "No ticket is like that.".to_owned();
        }
        let mut table = Table::headed(["NUMBER", "STATUS", "PRIORITY", "CHANGED", "REQUESTER", "ASSIGNEE", "SUBJECT"]);
        for ticket in &page.items {
            let assignee = ticket.assignee.as_ref().map_or("", |a| a.address.as_str());
            let (number, changed) = (ticket.number.to_string(), time(ticket.updated_at));
            let (status, priority) = (ticket.status.word(), ticket.priority.word());
            table.row([&number, status, priority, &changed, &ticket.requester.address, assignee, &ticket.subject]);
        }
        table.text() + more(page.next.as_deref()).as_str()
    })
}

/// The last line of a list that goes on.
pub(super) fn more(next: Option<&str>) -> String {
    next.map_or_else(String::new, |cursor| format!("There are more: --cursor {cursor}\n"))
}

async fn show(opened: &Opened, json: bool, number: TicketId) -> Done {
    let ticket = opened.store.ticket(number).await?;
    let ticket = ticket.ok_or_else(|| Failure::missing(format!("there is no ticket {number}: see `ombud ticket list`")))?;
    let messages = messages(opened, number).await?;
    let view = Conversation { ticket: TicketView::from(&ticket), conversation: messages.iter().map(MessageView::from).collect() };
    Answer::of(json, &view, || {
        let mut text = facts(&ticket, opened.clock.now());
        for message in &messages {
            text.push('\n');
            text.push_str(&said(message));
        }
        text
    })
}

async fn messages(opened: &Opened, number: TicketId) -> Result<Vec<MessageItem>, StoreError> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = opened.store.messages(number, cursor.as_deref(), PAGE).await?;
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn facts(ticket: &TicketItem, now: i64) -> String {
    let mut table = Table::default();
    let people = |all: &[crate::model::Address]| all.iter().map(person).collect::<Vec<_>>().join(", ");
    table.row(["Ticket", &format!("#{} {}", ticket.number, ticket.subject)]);
    table.row(["Status", &format!("{}, priority {}", ticket.status, ticket.priority)]);
    table.row(["Mailbox", &ticket.mailbox]);
    table.row(["Requester", &person(&ticket.requester)]);
    table.row(["Assignee", &ticket.assignee.as_ref().map_or_else(|| "nobody".to_owned(), person)]);
    if let Some(team) = &ticket.team {
        table.row(["Team", team]);
    }
    if !ticket.tags.is_empty() {
        table.row(["Tags", &ticket.tags.join(", ")]);
    }
    if ticket.participants.len() > 1 {
        table.row(["People", &people(&ticket.participants)]);
    }
    for (address, until) in ticket.refused.iter().filter(|(_, until)| *until > now) {
        table.row(["Refuses mail", &format!("{address}: nothing is sent there before {}", time(*until))]);
    }
    if let Some(into) = ticket.merged_into {
        table.row(["Merged into", &format!("#{into}")]);
    }
    table.row(["Created", &time(ticket.created_at)]);
    table.row(["Changed", &time(ticket.updated_at)]);
    table.text()
}

/// One message: who, when, what, and their words of this time.
fn said(message: &MessageItem) -> String {
    let author = message.author.as_ref().map_or_else(|| "the desk".to_owned(), person);
    let kind = if message.public { message.kind.word().to_owned() } else { format!("{}, inside", message.kind) };
    let marks: Vec<&str> = message.automatic.iter().chain(&message.flags).map(String::as_str).collect();
    let marks = if marks.is_empty() { String::new() } else { format!(" [{}]", marks.join(", ")) };
    let mut text = one_line(&format!("--- {}  {author}  ({kind}){marks}", time(message.created_at)), 400);
    text.push('\n');
    for line in clean(message.words().trim_matches(['\r', '\n']), true).lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for Attachment { name, content_type, size, .. } in &message.attachments {
        let line = format!("[{} ({content_type}, {size} octets)]", name.as_deref().unwrap_or("no name"));
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", one_line(&line, 200));
    }
    text
}
