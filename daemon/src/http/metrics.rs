//! `GET /metrics`: Prometheus text format 0.0.4. Labels hold fixed words and our own mailboxes, never other addresses.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;

use super::problem::Answer;
use super::{App, health, numbers};
use crate::model::ticket::Status;
use crate::receive::Counters;
use crate::store::read::{Counts, Oldest};

/// Everything that is counted.
pub(super) async fn page(Shared(app): Shared<App>) -> Answer {
    let (counts, free) = tokio::join!(numbers::counts(&app), health::free_space(&app));
    let counts = counts?;
    let mut text = Text::default();
    process(&mut text, app.state.started_at);
    mail(&mut text, &counts, app.now());
    tickets(&mut text, &counts);
    listeners(&mut text, &app.state.counters);
    if let Some(free) = free {
        text.gauge("ombud_disk_free_bytes", "Free space on the disk of the data folder.", free);
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.0).into_response())
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String never fails.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, label: Option<(&str, &str)>, value: impl Display) {
        let _ = match label {
            Some((key, word)) => writeln!(self.0, "{name}{{{key}=\"{}\"}} {value}", escaped(word)),
            None => writeln!(self.0, "{name} {value}"),
        };
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, None, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, None, value);
    }

    fn by<V: Display>(&mut self, name: &str, help: &str, key: &str, values: impl IntoIterator<Item = (impl AsRef<str>, V)>) {
        self.family(name, "gauge", help);
        for (word, value) in values {
            self.sample(name, Some((key, word.as_ref())), value);
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Seconds with their milliseconds.
fn seconds(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

fn age(oldest: &Oldest, now: i64) -> String {
    seconds(oldest.since.map_or(0, |since| (now - since).max(0)))
}

fn process(text: &mut Text, started_at: i64) {
    text.by("ombud_build_info", "The version that runs.", "version", [(env!("CARGO_PKG_VERSION"), 1)]);
    text.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", seconds(started_at));
}

fn mail(text: &mut Text, c: &Counts, now: i64) {
    let inbox = [("accepted", c.accepted), ("waiting", c.inbox_waiting), ("held", c.held)];
    text.by(
        "ombud_inbox_messages",
        "Accepted mails: all, not yet understood, waiting for a person.",
        "state",
        inbox.map(|(w, o)| (w, o.count)),
    );
    let waits = [("waiting", c.inbox_waiting), ("held", c.held)];
    text.by(
        "ombud_inbox_oldest_age_seconds",
        "How long the oldest of them waits; 0 when none does.",
        "state",
        waits.map(|(w, o)| (w, age(&o, now))),
    );
    text.gauge("ombud_inbox_last_accepted_timestamp_seconds", "When a mail was accepted last.", seconds(c.accepted.since.unwrap_or(0)));
    let outbox = [("waiting", c.outbox_waiting), ("sent", c.sent), ("failed", c.failed), ("unknown", c.unknown)];
    text.by("ombud_outbox_messages", "Outgoing mails.", "state", outbox.map(|(w, o)| (w, o.count)));
    let waits = [("waiting", c.outbox_waiting), ("failed", c.failed), ("unknown", c.unknown)];
    text.by(
        "ombud_outbox_oldest_age_seconds",
        "How old the oldest of them is; 0 when there is none.",
        "state",
        waits.map(|(w, o)| (w, age(&o, now))),
    );
    text.gauge("ombud_outbox_last_sent_timestamp_seconds", "When a mail left last.", seconds(c.sent.since.unwrap_or(0)));
    text.gauge("ombud_outbox_trouble", "1 while a waiting mail was refused before.", i32::from(c.last_trouble.is_some()));
}

fn tickets(text: &mut Text, c: &Counts) {
    let count = |status: Status| c.tickets.iter().find(|(s, _)| *s == status).map_or(0, |(_, n)| *n);
    text.by("ombud_tickets", "Tickets by status, merged ones left out.", "status", Status::ALL.iter().map(|s| (s.word(), count(*s))));
    let mailboxes = || c.mailboxes.iter();
    text.by("ombud_mailbox_tickets", "Tickets of a mailbox.", "mailbox", mailboxes().map(|(address, n, _)| (address, n)));
    let last = mailboxes().map(|(address, _, at)| (address, seconds(at.unwrap_or(0))));
    text.by("ombud_mailbox_last_change_timestamp_seconds", "When a ticket of a mailbox changed last.", "mailbox", last);
}

fn listeners(text: &mut Text, c: &Counters) {
    text.counter("ombud_receive_sessions_total", "SMTP and LMTP sessions begun.", c.sessions.load(Relaxed));
    text.gauge("ombud_receive_sessions_open", "SMTP and LMTP sessions open now.", c.open.load(Relaxed));
    text.counter("ombud_receive_refused_total", "Connections turned away by a cap.", c.refused.load(Relaxed));
    text.counter("ombud_receive_accept_errors_total", "Failed calls of accept(2).", c.accept_errors.load(Relaxed));
    text.counter("ombud_receive_tls_total", "Sessions that switched to TLS.", c.tls.load(Relaxed));
    text.counter("ombud_receive_accepted_total", "Mails accepted over SMTP and LMTP.", c.accepted.load(Relaxed));
    text.family("ombud_receive_replies_total", "counter", "Replies by their first digit.");
    for (class, replies) in ["2", "3", "4", "5"].into_iter().zip(&c.replies) {
        text.sample("ombud_receive_replies_total", Some(("class", class)), replies.load(Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_can_not_leave_its_quotes() {
        let mut text = Text::default();
        text.by("x", "y", "mailbox", [("a\"b\\c\nd@x.test", 1)]);
        assert_eq!(text.0, "# HELP x y\n# TYPE x gauge\nx{mailbox=\"a\\\"b\\\\c\\nd@x.test\"} 1\n");
        assert_eq!((seconds(1_007), seconds(-7)), ("1.007".to_owned(), "-0.007".to_owned()));
    }
}
