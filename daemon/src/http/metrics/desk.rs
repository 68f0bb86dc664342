//! What belongs to a part of the desk: mailboxes, folders, processes, readers of the log.

use super::super::numbers::Numbers;
use super::{Text, age, seconds};
use crate::model::ticket::Status;
use crate::store::read::{ImapFolder, Totals};

/// Tickets, and the mailboxes they came in by.
pub(super) fn tickets(text: &mut Text, t: &Totals) {
    let help = "Tickets by status, merged ones left out.";
    text.by("ombud_tickets", help, "status", t.tickets.iter().map(|(status, n)| (status.word(), n)));
    text.family("ombud_mailbox_tickets", "gauge", "Tickets of a mailbox by status.");
    for mailbox in &t.mailboxes {
        for status in Status::ALL {
            let n = mailbox.tickets.iter().find(|(s, _)| s == status).map_or(0, |(_, n)| *n);
            text.sample("ombud_mailbox_tickets", &[("mailbox", &mailbox.address), ("status", status.word())], n);
        }
    }
    let help = "Customers' mails of the last 24 hours.";
    text.by("ombud_mailbox_received_day", help, "mailbox", t.mailboxes.iter().map(|m| (&m.address, m.day)));
    let help = "When a customer's mail came in last; 0 when none did for a week.";
    let last = t.mailboxes.iter().map(|m| (&m.address, seconds(m.newest.unwrap_or(0))));
    text.by("ombud_mailbox_last_received_timestamp_seconds", help, "mailbox", last);
}

/// Folders that are fetched over IMAP.
pub(super) fn folders(text: &mut Text, folders: &[ImapFolder], now: i64) {
    let mut each = |name: &str, help: &str, value: &dyn Fn(&ImapFolder) -> String| {
        text.family(name, "gauge", help);
        for f in folders {
            text.sample(name, &[("mailbox", &f.mailbox), ("folder", &f.folder)], value(f));
        }
    };
    each("ombud_imap_up", "1 while mail of the folder can be fetched.", &|f| i32::from(f.state == "ok").to_string());
    let since = |f: &ImapFolder| seconds(if f.state == "failing" { (now - f.since).max(0) } else { 0 });
    each("ombud_imap_failing_seconds", "How long it can't be; 0 while it can.", &since);
    let looked = |f: &ImapFolder| seconds(f.polled_at.unwrap_or(0));
    each("ombud_imap_last_look_timestamp_seconds", "When the folder was looked through last.", &looked);
    let compared = |f: &ImapFolder| seconds(f.compared_at.unwrap_or(0));
    each("ombud_imap_last_comparison_timestamp_seconds", "When it was compared with what is kept.", &compared);
    each("ombud_imap_missed_mails", "Mails that this has found and that were fetched late.", &|f| f.missed.to_string());
}

/// Processes, the log and its readers.
pub(super) fn readers(text: &mut Text, numbers: &Numbers, now: i64) {
    let (c, d) = (&numbers.counts, &numbers.totals.deliveries);
    text.gauge("ombud_nodes", "Processes on this database.", c.nodes.iter().filter(|n| !n.dead).count());
    let silent = c.nodes.iter().filter(|n| !n.dead).map(|n| (now - n.beat_at).max(0)).max().unwrap_or(0);
    text.gauge("ombud_nodes_silence_seconds", "How long the most silent of them gave no sign of life.", seconds(silent));
    text.counter("ombud_log_events_total", "Events in the log.", c.log.last);
    text.gauge("ombud_log_unnumbered_events", "Events that have no place in it yet.", c.log.unnumbered.count);
    let (index, behind) = &numbers.index;
    text.gauge("ombud_index_documents", "Documents in the search index.", index.docs);
    text.gauge("ombud_index_lag_events", "Events that are not in it yet.", (index.head - index.seq).max(0));
    let lag = behind.map_or(0, |since| (now - since).max(0));
    text.gauge("ombud_index_lag_seconds", "How long the first of them waits.", seconds(lag));
    text.gauge("ombud_index_building", "1 while it is built anew.", i32::from(index.building.is_some()));
    text.gauge("ombud_index_up", "0 while it can't go on.", i32::from(index.failing_since_ms.is_none()));
    text.by("ombud_webhooks", "Receivers of webhooks.", "state", [("enabled", d.enabled), ("disabled", d.disabled)]);
    let states = [("waiting", d.waiting.count), ("retried", d.failing), ("failed", d.failed)];
    let help = "Deliveries to webhooks: not through, those of them that were tried before, given up.";
    text.by("ombud_webhook_deliveries", help, "state", states);
    text.gauge("ombud_webhook_oldest_age_seconds", "How long the first of them is due; 0 when none is.", age(&d.waiting, now));
}
