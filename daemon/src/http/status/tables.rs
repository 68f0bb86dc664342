//! The tables of the status page: mailboxes, fetched folders, processes.

use super::html::{pill, section, time};
use super::view::{Standing, View};
use super::wording::{When, grouped};
use crate::model::text::escape_html;
use crate::model::ticket::Status;
use crate::store::read::{ImapFolder, MailboxItem, NodeItem};

/// Those that have rows.
pub(super) fn all(view: &View) -> String {
    let now = view.machine.now;
    [
        table("Mailboxes", ["Address", "Last mail", "24 h", "Open"], view.mailboxes.iter().map(|m| mailbox(m, now))),
        table("Fetched over IMAP", ["Folder", "State", "Last look"], view.folders.iter().map(|f| folder(f, now))),
        table("Processes", ["Name", "State", "Seen", "Up"], view.nodes.iter().map(|n| node(n, now))),
    ]
    .concat()
}

/// A table whose first column is a name and whose last ones are numbers; empty without rows.
fn table<const N: usize>(title: &str, head: [&str; N], rows: impl Iterator<Item = String>) -> String {
    let rows: String = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let head: String = head.iter().map(|h| format!("<th scope=\"col\">{h}</th>")).collect();
    section(title, &format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"))
}

fn mailbox(m: &MailboxItem, now: i64) -> String {
    let last = m.newest.map_or("<span class=\"when\">none for a week</span>".to_owned(), |at| time(Some(When::Ago(at)), now));
    let open = m.tickets.iter().find(|(s, _)| *s == Status::Open).map_or(0, |(_, n)| *n);
    format!("<tr>{}<td>{last}</td>{}{}</tr>\n", name(&m.address), number(m.day), number(open))
}

fn folder(f: &Standing<ImapFolder>, now: i64) -> String {
    let item = &f.item;
    let looked = time(Some(item.polled_at.map_or(When::Never, When::Ago)), now);
    let since = if f.word == "starting" { String::new() } else { time(Some(When::Since(item.since)), now) };
    let state = format!("{} {since}", pill(f.level, f.word));
    let place = format!("<th scope=\"row\">{}<small>{}</small></th>", escape_html(&item.mailbox), escape_html(&item.folder));
    format!("<tr>{place}<td>{state}</td><td>{looked}</td></tr>\n")
}

fn node(n: &Standing<NodeItem>, now: i64) -> String {
    let item = &n.item;
    let beat = time(Some(When::Ago(item.beat_at)), now);
    let up = if item.dead { String::new() } else { time(Some(When::Since(item.started_at)), now) };
    format!("<tr>{}<td>{}</td><td>{beat}</td><td>{up}</td></tr>\n", name(&item.name), pill(n.level, n.word))
}

fn name(text: &str) -> String {
    format!("<th scope=\"row\">{}</th>", escape_html(text))
}

fn number(n: i64) -> String {
    format!("<td class=\"number\">{}</td>", grouped(n))
}
