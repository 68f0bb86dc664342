//! A real Postfix as our relay: it puts off, refuses, wants TLS or has none, asks for a password, ends and comes back, and
//! sends its own bounces.

use ombud_tests::places::lacks;
use ombud_tests::postfix::Postfix;
use ombud_tests::{Desk, Dns, Draft, Letter, Options, Say, Sink, wait_for};
use serde_json::Value;

use crate::dkim::{publish, records, verified};
use crate::{ANN, JANE, from_ann};

mod deferred;
mod secure;
mod stops;

const ANSWER: &str = "It is fixed, Ann.";
/// Copied by Ann.
const BEN: &str = "ben@customer.test";

/// Who gets what the relay passes on.
fn world() -> Sink {
    Sink::start(|_, _| Say::Yes)
}

fn postfix(test: &str) -> Option<Postfix> {
    Postfix::prepare().map_err(|why| lacks(test, why)).ok()
}

/// Jane's desk with this relay and these further lines for `[outbound]`.
fn desk(relay: String, outbound: String) -> Desk {
    let desk = Desk::prepare(Options { relay: Some(relay), outbound, mailbox: "auto_ack = \"never\"", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

fn clear(postfix: &Postfix) -> String {
    format!("smtp://{}", postfix.address())
}

/// Ann's ticket, answered by Jane in these words.
fn answered(desk: &Desk, world: &Sink, answer: &str) {
    let subject = format!("Case {}", world.to(JANE).len());
    desk.deliver(&from_ann(&subject, "Hello?"));
    let notice = world.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with(&subject)));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, answer));
}

fn is_answer(letter: &Letter) -> bool {
    letter.text().contains(ANSWER)
}

fn rows(desk: &Desk, state: &str, to: &str) -> Vec<Value> {
    let rows = desk.list(&format!("/api/v1/outbox?state={state}")).into_iter();
    rows.filter(|row| row["to"] == to).collect()
}

/// What the relay said of the mail to this address that waits, or why it was not reached.
fn waits(desk: &Desk, to: &str) -> String {
    wait_for("a try that failed", || rows(desk, "waiting", to).iter().find_map(|row| row["last_reply"].as_str().map(str::to_owned)))
}

/// So many hours later, with another configuration where one is given.
fn later(desk: &mut Desk, hours: usize, configuration: Option<&str>) {
    desk.kill();
    if let Some(text) = configuration {
        desk.configure(text);
    }
    desk.serve(&["--clock", &format!("{hours}h")]);
}

/// What Postfix logs when a client of its own has begun TLS.
const TLS: &str = "TLS connection established from";

fn tls_sessions(postfix: &Postfix) -> usize {
    postfix.log().lines().filter(|line| line.contains(TLS)).count()
}

/// Refusals of one recipient.
fn refuses(to: &str, with: &str) -> String {
    format!("smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ {to} = {with} }} }}, permit_mynetworks, reject\n")
}

#[test]
fn what_postfix_takes_arrives_as_it_left_and_its_word_is_kept() {
    let Some(postfix) = postfix("what_postfix_takes_arrives_as_it_left_and_its_word_is_kept") else { return };
    let (world, dns) = (world(), Dns::start());
    postfix.start_as_relay(world.address, "");
    let options =
        Options { relay: Some(clear(&postfix)), resolver: Some(dns.address()), mailbox: "auto_ack = \"never\"", ..Options::default() };
    let desk = Desk::prepare(options);
    desk.agent(JANE, "Jane Doe", "admin");
    let keys = records(&desk, &["keys", "show"]);
    publish(&dns, &keys);
    let desk = desk.running();
    answered(&desk, &world, ANSWER);
    let letter = world.expect(ANN, "the answer", is_answer);
    desk.settle();
    let row = &rows(&desk, "sent", ANN)[0];
    assert!(row["last_reply"].as_str().is_some_and(|reply| reply.contains("250 2.0.0 Ok: queued as")), "{row}");
    let raw = String::from_utf8_lossy(&letter.raw);
    assert!(raw.starts_with("Received: from desk.test"), "Postfix writes its line above all others:\n{raw}");
    assert!(letter.header("Received").is_some_and(|one| one.contains("by mx.front.test (Postfix)")), "{raw}");
    let id = letter.header("Message-ID").unwrap_or_default();
    assert!(id.ends_with("@desk.test>") && postfix.log().contains(&format!("message-id={id}")), "{id}\n{}", postfix.log());
    assert_eq!(verified(&letter.raw, &keys), ["True", "True"], "what was signed is as it left:\n{raw}");
    assert!(tls_sessions(&postfix) > 0, "TLS is taken where it is offered, also of somebody unknown:\n{}", postfix.log());
    assert_eq!((world.to(ANN).len(), world.to(JANE).len()), (1, 1));
}

#[test]
fn what_postfix_refuses_for_one_is_told_to_who_wrote_it_and_the_other_gets_it() {
    let Some(postfix) = postfix("what_postfix_refuses_for_one_is_told_to_who_wrote_it_and_the_other_gets_it") else { return };
    let world = world();
    postfix.start_as_relay(world.address, &refuses(ANN, "550 5.1.1 Nobody here (kq-2)"));
    let desk = desk(clear(&postfix), String::new());
    desk.deliver(&from_ann("Both", "Hello?").header("Cc", BEN));
    let notice = world.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Both")));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, ANSWER));
    let told = world.expect(JANE, "the failure", |l| l.text().contains("kq-2"));
    assert!(told.text().contains("550 5.1.1") && told.text().contains(ANN) && told.text().contains(ANSWER), "{}", told.text());
    assert!(!told.text().contains(BEN), "it was not refused for him:\n{}", told.text());
    world.expect(BEN, "the answer", is_answer);
    desk.settle();
    let (refused, taken) = (rows(&desk, "failed", ANN), rows(&desk, "sent", BEN));
    assert_eq!((refused.len(), &refused[0]["attempts"]), (1, &1.into()), "{refused:?}");
    assert_eq!((taken.len(), &taken[0]["attempts"]), (1, &1.into()), "{taken:?}");
    assert_eq!((world.tries(ANN), world.to(BEN).len(), world.to(JANE).len()), (0, 1, 2));
}

#[test]
fn what_postfix_refuses_for_its_words_or_its_size_is_told_to_who_wrote_it() {
    let Some(postfix) = postfix("what_postfix_refuses_for_its_words_or_its_size_is_told_to_who_wrote_it") else { return };
    let world = world();
    let checks = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(checks.path(), "/kq-3/ REJECT 5.7.1 Such words we do not carry\n").expect("what is looked for");
    let more = format!("body_checks = regexp:{}\nmessage_size_limit = 60000\n", checks.path().display());
    postfix.start_as_relay(world.address, &more);
    let desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, "The code is kq-3, Ann.");
    let told = world.expect(JANE, "the first failure", |l| l.text().contains("Such words we do not carry"));
    assert!(told.text().contains("550 5.7.1") && !told.text().contains("kq-3"), "what quotes it would be refused, too:\n{}", told.text());
    desk.settle();
    desk.deliver(&from_ann("Large", "Hello?"));
    let notice = world.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Large")));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "See the file, Ann.").attach("big.bin", &[7; 100_000]));
    let told = world.expect(JANE, "the second failure", |l| l.text().contains("See the file"));
    assert!(told.text().contains("552 5.3.4") && told.text().contains("60000"), "how large it may be:\n{}", told.text());
    desk.settle();
    let refused = rows(&desk, "failed", ANN);
    assert!(refused.len() == 2 && refused.iter().all(|row| row["attempts"] == 1), "{refused:?}");
    assert!(world.to(ANN).is_empty());
}
