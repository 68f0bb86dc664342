//! Black-box suites: each starts the real program and speaks to it from outside. `tests/README.md` says which shows what.

mod backup;
mod bad_input;
mod brake;
mod browser;
mod campaign;
mod cli;
mod clients;
mod clock;
mod commands;
mod conversation;
mod copies;
mod corpora;
mod crash;
mod database_away;
mod dkim;
mod durable;
mod events;
mod faults;
mod filters;
mod first_minutes;
mod holds;
mod imap;
mod imap_gaps;
mod imap_lies;
mod imap_oauth;
mod import;
mod kb;
mod layers;
mod limits;
mod load;
mod mta_sts;
mod mx;
mod mx_offers;
mod nodes;
mod notifications;
mod orders;
mod peers;
mod probe;
mod proxy;
mod refusals;
mod relay;
mod relay_postfix;
mod search;
mod signals;
mod stops;
mod story;
mod submission;
mod threats_acting;
mod threats_identity;
mod threats_lmtp;
mod threats_pressure;
mod threats_smtp;
mod transcripts;
mod verify;
mod webhooks;
mod xss;

use ombud_tests::mail::tokens;
use ombud_tests::{Desk, Draft, Letter};

const SUPPORT: &str = "support@desk.test";
const ANN: &str = "ann@customer.test";
const JANE: &str = "jane@agents.test";
const BOB: &str = "bob@agents.test";

/// Ann Smith's mail to the desk.
fn from_ann(subject: &str, body: &str) -> Draft {
    Draft::new("Ann Smith <ann@customer.test>", SUPPORT, subject, body)
}

/// A ticket of Ann's, and Jane's notification of it.
fn ticket_of_ann(desk: &Desk, subject: &str) -> (serde_json::Value, Letter) {
    let fate = desk.deliver(&from_ann(subject, "Hello, it does not work.\nAnn"));
    assert_eq!(fate["kind"], "ticket", "{fate}");
    let notice = desk.out().expect(JANE, subject, |l| l.header("Subject").is_some_and(|s| s.ends_with(subject)));
    (fate["ticket"].clone(), notice)
}

/// What the desk has sent to Ann in a person's name.
fn answers_to_ann(desk: &Desk) -> Vec<Letter> {
    let answers = desk.out().to(ANN).into_iter();
    answers.filter(|letter| letter.header("Auto-Submitted").is_none_or(|value| value == "no")).collect()
}

/// The address in a held mail that sends it as it stands.
fn release_address(held: &Letter) -> String {
    let text = held.text();
    let line = text.lines().find(|line| !tokens(line).is_empty());
    let line = line.unwrap_or_else(|| panic!("no release address in:\n{text}"));
    let word = line.split([' ', '<', '>', ':', '?']).find(|word| word.contains('@'));
    word.expect("an address").to_owned()
}
