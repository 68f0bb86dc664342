//! What an agent has asked for by a command: the commands, a search, all that was said, a ticket back when it is time.

use std::collections::VecDeque;

use ombud_indexer::{Key, Page, Query, SearchError};

use crate::desk::token::Purpose;
use crate::feed::search::{self, AskError, Found};
use crate::model::outgoing::OutboxRow;
use crate::model::text::one_line;
use crate::model::ticket::MessageKind;
use crate::store::StoreError;
use crate::store::read::{MessageItem, Ref};

use super::super::letter::Letter;
use super::super::wording::{self, asked};
use super::agent::shown;
use super::{Composer, Matter, minute};

/// Octets of a history; the oldest messages that do not fit are left out.
const HISTORY: usize = 256 << 10;
/// Characters of one message in it.
const MESSAGE: usize = 16 << 10;
/// Messages read at once.
const PAGE: usize = 100;
/// Hits of a search that are told of.
const HITS: usize = 20;
/// Characters of a query in a subject.
const QUERY: usize = 80;

impl Composer<'_> {
    /// What a mail of the agent's did.
    pub(super) fn receipt(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) {
        self.notice(letter, matter);
        letter.text = wording::receipt(&row.params.lines);
        if let Some(message) = matter.message.as_ref().filter(|m| m.flags.iter().any(|f| f == "taken_back")) {
            letter.text.push_str(&asked::taken_back(&message.text));
        }
    }

    /// What the commands are.
    pub(super) fn help(&self, letter: &mut Letter, matter: &Matter) {
        self.at_desk(letter, matter);
        letter.subject = format!("Commands of {}", self.desk.config.desk.name);
        letter.text = asked::help();
    }

    /// What is found. A query that can't be read or answered now is told of, too: somebody waits for this mail.
    pub(super) async fn found(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        self.at_desk(letter, matter);
        let text = row.params.lines.first().map_or("", String::as_str);
        letter.subject = format!("Search: {}", one_line(text, QUERY));
        let query = match Query::parse(text) {
            Ok(query) => query.for_person(&matter.recipient.address),
            Err(error) => {
                letter.text = asked::unreadable(text, &error.to_string());
                return Ok(());
            }
        };
        let page = Page { limit: HITS, ..Page::default() };
        letter.text = match search::ask(self.searcher, self.store, &query, page).await {
            Ok(answer) => asked::found(text, answer.total, &answer.items.iter().map(hit).collect::<Vec<_>>()),
            Err(AskError::Store(error)) => return Err(error),
            Err(AskError::Index(SearchError::Timeout(_))) => {
                asked::not_found_now(text, "it took too long; ask for something more particular")
            }
            Err(error) => {
                tracing::warn!(%error, "a search that an agent has asked for by mail could not be answered");
                asked::not_found_now(text, "the search index can't be used now; ask again in some minutes")
            }
        };
        Ok(())
    }

    /// All that was said, oldest first. An answer to it is a note: it holds notes itself.
    pub(super) async fn history(&self, letter: &mut Letter, matter: &Matter) -> Result<(), StoreError> {
        let Some(ticket) = &matter.ticket else { return Err(StoreError::Corrupt("a history without a ticket".into())) };
        self.frame(letter, matter);
        letter.auto_submitted = Some("auto-replied");
        let answer = letter.reply_to.clone().unwrap_or_default();
        let note = self.grant(matter, Purpose::Note, ticket.number.0, self.desk.config.limits.agent_token_life);
        letter.reply_to = Some(note.clone());
        let (mut said, mut octets, mut left_out, mut next) = (VecDeque::new(), 0, 0, None);
        loop {
            let page = self.store.messages(ticket.number, next.as_deref(), PAGE).await?;
            for message in &page.items {
                let entry = entry(message);
                octets += entry.len();
                said.push_back(entry);
                while octets > HISTORY && said.len() > 1 {
                    octets -= said.pop_front().map_or(0, |old| old.len());
                    left_out += 1;
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        letter.text = asked::history(&ticket.subject, said.make_contiguous(), left_out, &answer, &note);
        Ok(())
    }

    /// A ticket that was put off is open again: the notification of what its customer has said last, once more.
    pub(super) async fn woken(&self, letter: &mut Letter, matter: &Matter) -> Result<(), StoreError> {
        let last = match &matter.ticket {
            Some(ticket) => self.store.message(Ref::LastCustomer(ticket.number, matter.turn)).await?,
            None => None,
        };
        let is_known = last.is_some();
        let (ticket, recipient) = (matter.ticket.clone(), matter.recipient.clone());
        let own = Matter { ticket, message: last, recipient, earlier: Vec::new(), ..*matter };
        match is_known {
            true => self.notify(letter, &own).await?,
            false => self.frame(letter, &own),
        }
        letter.text = format!("{}\n\n{}", asked::WOKEN, letter.text);
        letter.html = letter.html.take().map(|html| format!("<p>{}</p>\n{html}", asked::WOKEN));
        Ok(())
    }

    /// What an agent answers to with commands for any ticket.
    fn at_desk(&self, letter: &mut Letter, matter: &Matter) {
        let address = self.desk_address(matter);
        letter.auto_submitted = Some("auto-replied");
        letter.reply_to = Some(address.clone());
        letter.desk_address = Some(address);
    }
}

fn hit(found: &Found) -> asked::Hit {
    let what = match &found.key {
        Key::Ticket(number) => format!("#{number}"),
        Key::Article(slug) => format!("Article {slug}"),
    };
    asked::Hit { what, title: one_line(&found.title, 200), snippet: one_line(&found.snippet.text, 300) }
}

fn entry(message: &MessageItem) -> String {
    let author = message.author.as_ref().map_or("the desk", shown);
    let kind = match (message.kind, message.public) {
        (MessageKind::Customer, true) => "customer",
        (MessageKind::Agent, true) => "answer",
        (MessageKind::System, _) => "report",
        (MessageKind::Customer, false) => "not on the ticket",
        _ => "note, stays inside",
    };
    asked::said(&minute(message.created_at), author, kind, &message.words().chars().take(MESSAGE).collect::<String>())
}
