//! `ombud check`: whether this desk can run here, item by item.

mod domains;
mod probe;
mod surroundings;

use serde::Serialize;

pub(super) use surroundings::room;

use super::failure::{CONFIG, Failure};
use super::out::{Answer, Done};
use super::table::Table;
use super::{Place, input, json, open};
use crate::config::Config;

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// The desk can't run, or can't do its work.
    Bad,
    /// Something to know.
    Note,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Item {
    item: &'static str,
    state: State,
    detail: String,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Report {
    items: Vec<Item>,
}

impl Report {
    fn add(&mut self, item: &'static str, state: State, detail: impl Into<String>) {
        self.items.push(Item { item, state, detail: detail.into() });
    }

    /// `Ok` with what is fine, `Bad` with what is not.
    fn judge(&mut self, item: &'static str, found: Result<String, String>) {
        match found {
            Ok(detail) => self.add(item, State::Ok, detail),
            Err(detail) => self.add(item, State::Bad, detail),
        }
    }

    fn bad(&self) -> usize {
        self.items.iter().filter(|item| item.state == State::Bad).count()
    }

    fn text(&self) -> String {
        let mut table = Table::default();
        for item in &self.items {
            let state = match item.state {
                State::Ok => "ok",
                State::Bad => "bad",
                State::Note => "note",
            };
            table.row([state, item.item, &item.detail]);
        }
        table.text()
    }

    fn answer(&self, json: bool, failure: Option<Failure>) -> Done {
        let text = if json { json::document(&self.items)? } else { self.text() };
        Ok(Answer { text, failure, ..Answer::default() })
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Send a mail the configured way: to a mailbox of the desk, and see how it comes back; or to an address elsewhere that you read
    #[arg(long, value_name = "ADDRESS")]
    probe: Option<String>,
    /// How long to wait for a probe to come back
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = input::span, requires = "probe")]
    wait: i64,
}

pub(super) async fn run(args: Args, place: &Place, json: bool) -> Done {
    let address = args.probe.as_deref().map(input::address).transpose()?;
    let mut report = Report::default();
    let config = match place.load() {
        Ok(config) => config,
        Err(problems) => {
            for line in problems.lines() {
                report.add("configuration", State::Bad, line);
            }
            let failure = Failure::from(problems);
            return if json { report.answer(json, Some(failure)) } else { Err(failure) };
        }
    };
    look(&config, &mut report).await;
    match &address {
        Some(address) if report.bad() == 0 => probe::run(&config, address, args.wait, &mut report).await?,
        Some(_) => report.add("probe", State::Note, "no mail was sent: mend what is bad first"),
        None => {}
    }
    let failure = match report.bad() {
        0 => None,
        1 => Some(Failure::new(CONFIG, "this desk cannot run as it is: see the item marked bad")),
        n => Some(Failure::new(CONFIG, format!("this desk cannot run as it is: see the {n} items marked bad"))),
    };
    report.answer(json, failure)
}

async fn look(config: &Config, report: &mut Report) {
    let boxes = match config.mailboxes.len() {
        1 => "1 mailbox".to_owned(),
        n => format!("{n} mailboxes"),
    };
    let desk = if config.local { "built-in local desk" } else { config.desk.name.as_str() };
    report.add("configuration", State::Ok, format!("{desk}, {boxes}"));
    for warning in &config.warnings {
        report.add("configuration", State::Note, warning);
    }
    match open(config.clone()).await {
        Ok(opened) => {
            report.add("database", State::Ok, "opened");
            surroundings::data_folder(config, report);
            surroundings::agents(&opened, report).await;
            opened.store.close().await;
        }
        Err(failure) => report.add("database", State::Bad, failure.lines.join("; ")),
    }
    surroundings::listeners(config, report).await;
    surroundings::certificates(config, report);
    surroundings::resolver(config, report).await;
    surroundings::relay(config, report).await;
    surroundings::filters(config, report).await;
    surroundings::imap(config, report).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_aligned_and_counts_what_is_bad() {
        let mut report = Report::default();
        report.judge("relay", Err("connection refused".into()));
        report.judge("database", Ok("opened".into()));
        report.add("agents", State::Note, "nobody\u{1b}[1m");
        assert_eq!(report.bad(), 1);
        assert_eq!(report.text(), "bad   relay     connection refused\nok    database  opened\nnote  agents    nobody [1m\n");
    }
}
