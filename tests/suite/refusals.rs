//! Addresses that refuse mail, from the relay's word to the next mail that goes there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ombud_tests::{Desk, Draft, Letter, Options, Say, Sink, wait_until};

use crate::{ANN, BOB, JANE, from_ann};

const UNKNOWN: &str = "550 5.1.1 No such user (zq-19)";

/// A relay that knows one address no more as soon as it is told.
fn relay(gone: &'static str) -> (Sink, Arc<AtomicBool>) {
    let is_gone = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_gone);
    let sink = Sink::start(move |to, _| if to == gone && seen.load(Ordering::Relaxed) { Say::Recipient(UNKNOWN) } else { Say::Yes });
    (sink, is_gone)
}

fn desk(sink: &Sink) -> Desk {
    let desk = Desk::prepare(Options { relay: Some(sink.url()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.agent(BOB, "Bob Roe", "agent");
    desk.running()
}

fn about(subject: &'static str) -> impl Fn(&Letter) -> bool {
    move |letter| letter.header("Subject").is_some_and(|s| s.ends_with(subject))
}

#[test]
fn an_address_that_is_gone_is_left_alone_until_its_owner_writes() {
    let (sink, gone) = relay(ANN);
    let desk = desk(&sink);
    desk.deliver(&from_ann("Printer", "Hello?"));
    sink.expect(ANN, "the acknowledgement", about("Printer"));
    let notice = sink.expect(JANE, "a notification", about("Printer"));
    gone.store(true, Ordering::Relaxed);
    let answer = |text: &str| desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, text));
    answer("The first answer.");
    sink.expect(JANE, "the failure", |l| l.text().contains("zq-19") && l.text().contains("did not reach"));
    wait_until("the address to be suppressed", || desk.list("/api/v1/suppressed").len() == 1);
    let tries = sink.tries(ANN);
    answer("The second answer.");
    let told = sink.expect(JANE, "what the address had said", |l| l.text().contains("The second answer."));
    for words in [ANN, "was not sent: this address refused mail on", "zq-19", "ombud queue suppressed --lift"] {
        assert!(told.text().contains(words), "{words} is missing in:\n{}", told.text());
    }
    assert_eq!(sink.tries(ANN), tries, "nobody has asked the server again");
    let listed = desk.cli(&["queue", "suppressed"]);
    assert!(listed.code == 0 && listed.out.contains(ANN) && listed.out.contains("zq-19"), "{}{}", listed.out, listed.err);
    let shown = desk.cli(&["ticket", "show", "1"]);
    assert!(shown.out.contains("Refuses mail"), "{}", shown.out);

    gone.store(false, Ordering::Relaxed);
    desk.deliver(&from_ann("Here I am", "I can read mail again."));
    wait_until("her word to count", || desk.list("/api/v1/suppressed").is_empty());
    answer("The third answer.");
    sink.expect(ANN, "the third answer", |l| l.text().contains("The third answer."));
}

#[test]
fn a_colleague_s_dead_mailbox_is_told_to_the_admins_once() {
    let (sink, gone) = relay(BOB);
    let desk = desk(&sink);
    gone.store(true, Ordering::Relaxed);
    desk.deliver(&from_ann("One", "Hello?"));
    let is_told = |l: &Letter| l.header("Subject").as_deref() == Some("bob@agents.test gets no mail");
    let told = sink.expect(JANE, "that Bob gets no mail", is_told);
    assert!(told.text().contains("zq-19") && told.text().contains("--lift bob@agents.test"), "{}", told.text());
    desk.deliver(&from_ann("Two", "Hello?"));
    sink.expect(JANE, "the second ticket", about("Two"));
    wait_until("the second notification to wait", || {
        desk.list("/api/v1/outbox?state=waiting").iter().any(|row| row["to"] == BOB && row["kind"] == "notify")
    });
    assert_eq!((sink.tries(BOB), sink.to(JANE).iter().filter(|l| is_told(l)).count()), (1, 1));
    let shown = desk.cli(&["agent", "show", BOB]);
    assert!(shown.out.contains("undeliverable: refused"), "{}", shown.out);
    wait_until("the status page to say so", || {
        String::from_utf8_lossy(&desk.public("/").body).contains("agent gets no mail, for their mailbox refuses it")
    });
    gone.store(false, Ordering::Relaxed);
    let lifted = desk.cli(&["queue", "suppressed", "--lift", BOB]);
    assert_eq!(lifted.code, 0, "{}", lifted.err);
    sink.expect(BOB, "what has waited for him", about("Two"));
    assert_eq!(desk.cli(&["queue", "suppressed", "--lift", BOB]).code, 66);
}
