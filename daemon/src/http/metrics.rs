//! `GET /metrics`: Prometheus text format 0.0.4. Labels hold fixed words, our own mailboxes, their folders and content
//! filters, never other addresses. The README of this crate lists the names.

mod desk;

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::{App, health, numbers};
use crate::filter::Tally;
use crate::model::finding::Action;
use crate::model::outgoing::MailKind;
use crate::receive::Counters;
use crate::store::read::{Counts, Oldest, Stage, Totals};

/// Everything that is counted. While the database is away, what the process knows by itself: old numbers would pass for new.
pub(super) async fn page(Shared(app): Shared<App>) -> Response {
    let (numbers, health) = tokio::join!(numbers::numbers(&app), health::look(&app));
    let (mut text, now) = (Text::default(), app.now());
    process(&mut text, app.state.started_at);
    text.gauge("ombud_database_up", "1 while the database answers.", i32::from(health.away_since.is_none()));
    let silent = health.away_since.map_or(0, |since| now - since);
    text.gauge("ombud_database_silence_seconds", "How long it has not answered; 0 while it does.", seconds(silent));
    text.gauge("ombud_ready", "1 while mail can be accepted.", i32::from(health.away_since.is_none() && health.reasons.is_empty()));
    if let Some(free) = health.free {
        text.gauge("ombud_disk_free_bytes", "Free space on the disk of the data folder.", free);
    }
    listeners(&mut text, &app.state.counters);
    filters(&mut text, &app, now);
    if let Some(numbers) = numbers.filter(|_| health.away_since.is_none()) {
        text.gauge("ombud_counted_age_seconds", "How old the numbers below are.", seconds((now - numbers.at).max(0)));
        mail(&mut text, &numbers.counts, &numbers.totals, now);
        desk::tickets(&mut text, &numbers.totals);
        desk::folders(&mut text, &numbers.counts.folders, now);
        desk::readers(&mut text, &numbers, now);
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.0).into_response()
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String never fails.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(key, word)| format!("{key}=\"{}\"", escaped(word))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn by<V: Display>(&mut self, name: &str, help: &str, key: &str, values: impl IntoIterator<Item = (impl AsRef<str>, V)>) {
        self.family(name, "gauge", help);
        for (word, value) in values {
            self.sample(name, &[(key, word.as_ref())], value);
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

fn mail(text: &mut Text, c: &Counts, t: &Totals, now: i64) {
    text.counter("ombud_inbox_accepted_total", "Mails accepted by all doors, by the highest number given.", c.accepted.count);
    text.gauge("ombud_inbox_accepted_day", "Mails accepted in the last 24 hours.", t.accepted_day);
    let newest = seconds(c.accepted.since.unwrap_or(0));
    text.gauge("ombud_inbox_last_accepted_timestamp_seconds", "When a mail was accepted last.", newest);
    text.gauge("ombud_acks_hour", "Acknowledgements of the last hour.", t.acked.acks);
    text.gauge(
        "ombud_acks_alarm",
        "1 while these are more than one for every fifth mail accepted in it, and 50.",
        i32::from(t.acked.is_alarming()),
    );
    let waits = [("waiting", c.understanding), ("held", c.held())];
    let help = "Mails that are not yet understood, or wait for a person.";
    text.by("ombud_inbox_messages", help, "state", waits.map(|(w, o)| (w, o.count)));
    let help = "How long the oldest of them waits; 0 when none does.";
    text.by("ombud_inbox_oldest_age_seconds", help, "state", waits.map(|(w, o)| (w, age(&o, now))));
    text.by("ombud_inbox_held", "Mails that wait for a person.", "reason", c.held.iter().map(|(reason, of)| (reason, of.count)));
    text.counter("ombud_outbox_sent_total", "Mails that left, by the highest number given.", c.sent);
    text.gauge("ombud_outbox_sent_day", "Mails that left in the last 24 hours.", t.sent_day.count);
    let help = "When a mail left last; 0 when none did in 24 hours.";
    text.gauge("ombud_outbox_last_sent_timestamp_seconds", help, seconds(t.sent_day.since.unwrap_or(0)));
    text.family("ombud_outbox_messages", "gauge", "Mails that wait to leave, or did not; `failed` and `unknown` in all.");
    for stage in Stage::ALL {
        for kind in MailKind::ALL {
            let n: i64 = c.outgoing.iter().filter(|o| o.stage == *stage && o.kind == *kind).map(|o| o.total).sum();
            text.sample("ombud_outbox_messages", &[("state", stage.word()), ("kind", kind.word())], n);
        }
    }
    let help = "How old the oldest of them is, of the last 24 hours for `failed` and `unknown`; 0 when there is none.";
    text.by("ombud_outbox_oldest_age_seconds", help, "state", Stage::ALL.iter().map(|s| (s.word(), age(&c.at(*s), now))));
    let help = "Addresses that nothing is sent to, for they refuse mail.";
    text.gauge("ombud_suppressed_addresses", help, c.suppressed.count);
    text.gauge("ombud_undeliverable_agents", "Those of them whose owners work here.", c.undeliverable.count);
    text.gauge("ombud_outbox_trouble", "1 while a waiting mail was refused before.", i32::from(c.last_reply.is_some()));
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
        text.sample("ombud_receive_replies_total", &[("class", class)], replies.load(Relaxed));
    }
}

fn filters(text: &mut Text, app: &App, now: i64) {
    let desk = app.desk();
    let tallies: Vec<_> = desk.config.filters.iter().map(|f| (f.name.as_str(), app.state.filters.tally(&f.name))).collect();
    if tallies.is_empty() {
        return;
    }
    text.family("ombud_filter_findings_total", "counter", "What content filters have said of mails.");
    for (name, tally) in &tallies {
        for (action, n) in Action::ALL.iter().zip(tally.findings) {
            text.sample("ombud_filter_findings_total", &[("filter", name), ("finding", action.word())], n);
        }
    }
    let failing = |tally: &Tally| seconds(tally.failing_since.map_or(0, |since| (now - since).max(0)));
    let help = "How long a content filter could not be asked; 0 while it can.";
    text.by("ombud_filter_failing_seconds", help, "filter", tallies.iter().map(|(name, tally)| (name, failing(tally))));
    let away = desk.config.filters.iter().map(|f| (&f.name, i32::from(app.state.filters.is_away(f))));
    text.by("ombud_filter_away", "1 while it does not answer and is tried with one mail at a time.", "filter", away);
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
