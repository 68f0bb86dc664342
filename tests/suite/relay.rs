//! The next mail server is down, slow, or says no.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ombud_tests::mail::tokens;
use ombud_tests::{Desk, Draft, Gate, Internet, Letter, Options, Say, Sink, wait_until};
use serde_json::Value;

use crate::{ANN, JANE, from_ann};

const ANSWER: &str = "It is fixed, Ann.";

fn desk(sink: &Sink) -> Desk {
    desk_with(sink, String::new())
}

/// The same with these further lines for `[outbound]`.
fn desk_with(sink: &Sink, outbound: String) -> Desk {
    let desk = Desk::prepare(Options { relay: Some(sink.url()), outbound, mailbox: "auto_ack = \"never\"", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

/// Ann's ticket, answered by Jane.
fn answered(desk: &Desk, sink: &Sink) -> Value {
    let fate = desk.deliver(&from_ann("Relay", "Hello?"));
    let notice = sink.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Relay")));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, ANSWER));
    fate["ticket"].clone()
}

fn is_answer(letter: &Letter) -> bool {
    letter.text().contains(ANSWER)
}

/// Rows of the outbox for Ann, in any state.
fn rows(desk: &Desk, state: &str) -> Vec<Value> {
    let rows = desk.list(&format!("/api/v1/outbox?state={state}")).into_iter();
    rows.filter(|row| row["to"] == ANN).collect()
}

#[test]
fn mail_leaves_over_smtp() {
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk(&sink);
    answered(&desk, &sink);
    let letter = sink.expect(ANN, "the answer", is_answer);
    assert!(letter.sender.ends_with("@desk.test") && tokens(&letter.sender).len() == 1, "{}", letter.sender);
    desk.settle();
    assert_eq!((sink.to(ANN).len(), sink.tries(ANN)), (1, 1));
}

#[test]
fn a_refusal_for_now_is_tried_again_and_survives_a_restart() {
    let sink = Sink::start(|to, n| if to == ANN && n == 1 { Say::Recipient("450 4.2.0 Greylisted, try again later") } else { Say::Yes });
    let mut desk = desk(&sink);
    answered(&desk, &sink);
    wait_until("the first try", || rows(&desk, "waiting").iter().any(|row| row["attempts"] == 1 && row["last_reply"] != Value::Null));
    let row = &rows(&desk, "waiting")[0];
    assert!(row["last_reply"].as_str().unwrap().contains("450 4.2.0 Greylisted, try again later"), "{row}");
    assert!(row["next_attempt_at"].is_string(), "{row}");
    desk.kill();
    desk.serve(&["--clock", "2h"]);
    sink.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!((sink.to(ANN).len(), sink.tries(ANN)), (1, 2), "delivered once");
}

#[test]
fn a_refusal_after_the_dot_is_tried_again() {
    let sink = Sink::start(|to, n| if to == ANN && n == 1 { Say::Dot("451 4.3.0 Not now") } else { Say::Yes });
    let mut desk = desk(&sink);
    answered(&desk, &sink);
    wait_until("the first try", || rows(&desk, "waiting").iter().any(|row| row["attempts"] == 1 && row["last_reply"] != Value::Null));
    desk.kill();
    desk.serve(&["--clock", "2h"]);
    sink.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!(sink.to(ANN).len(), 1);
}

#[test]
fn a_refusal_for_good_is_told_to_the_author() {
    let sink = Sink::start(|to, _| if to == ANN { Say::Recipient("550 5.1.1 <ann@customer.test> No such user (kq-77)") } else { Say::Yes });
    let desk = desk(&sink);
    let ticket = answered(&desk, &sink);
    let told = sink.expect(JANE, "the failure", |l| l.text().contains("kq-77"));
    assert!(told.text().contains("550 5.1.1 <ann@customer.test> No such user (kq-77)"), "word for word:\n{}", told.text());
    assert!(told.text().contains(ANN) && told.text().contains(ANSWER), "the address and her text:\n{}", told.text());
    desk.settle();
    let row = &rows(&desk, "failed")[0];
    assert_eq!(row["attempts"], 1, "{row}");
    wait_until("the ticket to say so", || desk.messages(&ticket).iter().any(|m| m["kind"] == "system"));
    assert_eq!(sink.tries(ANN), 1);
}

#[test]
fn a_connection_that_is_lost_after_the_dot_repeats_the_same_mail() {
    let sink = Sink::start(|to, n| if to == ANN && n == 1 { Say::Vanish } else { Say::Yes });
    let mut desk = desk(&sink);
    answered(&desk, &sink);
    sink.expect(ANN, "the first copy", is_answer);
    wait_until("the answer to wait again", || !rows(&desk, "waiting").is_empty());
    desk.kill();
    desk.serve(&["--clock", "2h"]);
    wait_until("the second copy", || sink.to(ANN).len() == 2);
    desk.settle();
    let copies = sink.to(ANN);
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].raw, copies[1].raw, "a retry is identical, so that the receiver can tell");
}

#[test]
fn an_acknowledgement_that_may_have_left_is_not_repeated() {
    let sink = Sink::start(|to, _| if to == ANN { Say::Vanish } else { Say::Yes });
    let mut desk = Desk::start(Options { relay: Some(sink.url()), ..Options::default() });
    desk.deliver(&from_ann("Ack", "Hello?"));
    wait_until("the acknowledgement to be unknown", || !rows(&desk, "unknown").is_empty());
    desk.kill();
    desk.serve(&["--clock", "2h"]);
    desk.settle();
    assert_eq!(sink.to(ANN).len(), 1);
}

#[test]
fn a_relay_that_is_down_holds_nothing_up_and_loses_nothing() {
    let sink = Sink::start(|_, _| Say::Yes);
    let port = sink.address.port();
    let desk = desk(&sink);
    drop(sink);
    let mails: Vec<_> = (0..5).map(|n| from_ann(&format!("Down {n}"), "anybody?")).collect();
    for mail in &mails {
        assert_eq!(desk.deliver(mail)["kind"], "ticket");
    }
    wait_until("mail to wait and say why", || {
        let rows = desk.list("/api/v1/outbox?state=waiting");
        rows.len() == mails.len() && rows.iter().any(|row| row["last_reply"].as_str().is_some_and(|reply| reply.contains("refused")))
    });
    let sink = Sink::on(port, |_, _| Say::Yes);
    wait_until("every notification", || sink.to(JANE).len() == mails.len());
    desk.settle();
    assert_eq!(sink.to(JANE).len(), mails.len());
}

#[test]
fn a_slow_recipient_does_not_hold_up_others() {
    let gate = Gate::default();
    let shut = gate.clone();
    let sink = Sink::start(move |to, _| if to == ANN { Say::Behind(shut.clone()) } else { Say::Yes });
    let desk = Desk::prepare(Options { relay: Some(sink.url()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    desk.deliver(&from_ann("Slow", "Hello?"));
    wait_until("Ann's mail to be in hand", || sink.tries(ANN) == 1);
    desk.deliver(&Draft::new("bob@customer.test", crate::SUPPORT, "Not slow", "Hello?"));
    sink.expect(JANE, "both notifications", |_| sink.to(JANE).len() == 2);
    assert!(sink.to(ANN).is_empty(), "Jane's mails did not wait for Ann's");
    gate.open();
    sink.expect(ANN, "the acknowledgement", |_| true);
}

#[test]
fn mails_to_one_person_about_one_ticket_keep_their_order() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let sink = Sink::start(move |to, n| {
        count.fetch_add(1, Ordering::Relaxed);
        if to == ANN && n == 1 { Say::Recipient("450 4.2.0 later") } else { Say::Yes }
    });
    let mut desk = desk(&sink);
    answered(&desk, &sink);
    wait_until("the first try", || sink.tries(ANN) == 1);
    let notice = sink.to(JANE).remove(0);
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "And another thing."));
    wait_until("both to wait", || rows(&desk, "waiting").len() == 2);
    assert_eq!(sink.tries(ANN), 1, "the second waits for the first");
    desk.kill();
    desk.serve(&["--clock", "2h"]);
    wait_until("both answers", || sink.to(ANN).len() == 2);
    let texts: Vec<String> = sink.to(ANN).iter().map(Letter::text).collect();
    assert!(texts[0].contains(ANSWER) && texts[1].contains("another thing"), "{texts:?}");
}

/// A desk with a second mailbox, whose mail leaves by a relay of its own.
fn two_relays(main: &Sink, own: &str) -> Desk {
    let mailbox = format!("auto_ack = \"never\"\n[[mailboxes]]\naddress = \"sales@desk.test\"\nauto_ack = \"never\"\nrelay = \"{own}\"");
    let desk = Desk::prepare(Options { relay: Some(main.url()), mailbox: Box::leak(mailbox.into_boxed_str()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

#[test]
fn mail_of_a_mailbox_leaves_by_its_own_relay() {
    let (main, own) = (Sink::start(|_, _| Say::Yes), Sink::start(|_, _| Say::Yes));
    let desk = two_relays(&main, &own.url());
    desk.deliver(&Draft::new(ANN, "sales@desk.test", "Offer", "How much?"));
    let notice = own.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Offer")));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, ANSWER));
    let answer = own.expect(ANN, "the answer", is_answer);
    assert!(answer.sender.starts_with("sales+"), "{}", answer.sender);
    answered(&desk, &main);
    main.expect(ANN, "the other answer", is_answer);
    desk.settle();
    assert_eq!((own.letters().len(), main.letters().len()), (2, 2), "a notification and an answer each");
    let checked = desk.cli(&["check"]);
    for line in [main.address.to_string(), format!("{} of sales@desk.test", own.address)] {
        assert!(checked.out.contains(&line), "{line}:\n{}", checked.out);
    }
}

#[test]
fn a_relay_of_one_mailbox_that_is_down_holds_no_other() {
    let (main, own) = (Sink::start(|_, _| Say::Yes), Sink::start(|_, _| Say::Yes));
    let port = own.address.port();
    let desk = two_relays(&main, &own.url());
    drop(own);
    for n in 0..30 {
        desk.deliver(&Draft::new(&format!("c{n}@customer.test"), "sales@desk.test", &format!("Offer {n}"), "How much?"));
    }
    wait_until("mail to wait and say why", || {
        desk.list("/api/v1/outbox?state=waiting")
            .iter()
            .any(|row| row["last_reply"].as_str().is_some_and(|reply| reply.contains("refused")))
    });
    answered(&desk, &main);
    main.expect(ANN, "the answer", is_answer);
    assert_eq!(main.letters().len(), 2, "nothing of the other mailbox");
    let said = |row: &Value| row["last_reply"].as_str().is_none_or(|reply| reply.contains("refused"));
    assert!(desk.list("/api/v1/outbox?state=waiting").iter().all(said), "nothing says less than the server");
    let own = Sink::on(port, |_, _| Say::Yes);
    wait_until("every notification", || own.to(JANE).len() == 30);
    desk.settle();
    assert_eq!((own.letters().len(), own.connections().most <= 5), (30, true));
}

#[test]
fn mail_of_a_mailbox_that_is_gone_waits_and_says_why() {
    let (main, own) = (Sink::start(|_, _| Say::Yes), Sink::start(|_, _| Say::Yes));
    let desk = two_relays(&main, &own.url());
    drop(own);
    desk.deliver(&Draft::new(ANN, "sales@desk.test", "Offer", "How much?"));
    let says = |word: &str| {
        let waiting = desk.list("/api/v1/outbox?state=waiting");
        waiting.iter().any(|row| row["last_reply"].as_str().is_some_and(|reply| reply.contains(word)))
    };
    wait_until("the first try", || says("refused"));
    let configuration = desk.configuration();
    let start = configuration.find("[[mailboxes]]\naddress = \"sales@desk.test\"").expect("its section");
    let end = configuration[start + 1..].find("\n[").map_or(configuration.len(), |at| start + at + 2);
    desk.configure(&format!("{}{}", &configuration[..start], &configuration[end..]));
    desk.signal("HUP");
    wait_until("the reason", || says("not in the configuration any more"));
    assert!(main.letters().is_empty(), "it leaves by no other relay");
}

#[test]
fn a_slow_relay_of_one_mailbox_takes_no_place_of_another() {
    let gate = Gate::default();
    let shut = gate.clone();
    let (main, own) = (Sink::start(|_, _| Say::Yes), Sink::start(move |_, _| Say::Behind(shut.clone())));
    let desk = two_relays(&main, &own.url());
    for n in 0..30 {
        desk.deliver(&Draft::new(&format!("c{n}@customer.test"), "sales@desk.test", &format!("Offer {n}"), "How much?"));
    }
    wait_until("five connections", || own.connections().open == 5);
    answered(&desk, &main);
    main.expect(ANN, "the answer", is_answer);
    assert!(own.letters().is_empty());
    let waiting = desk.list("/api/v1/outbox?state=waiting");
    assert!(waiting.iter().all(|row| row["last_reply"] == Value::Null), "what finds no place is left where it is");
    gate.open();
    wait_until("every notification", || own.to(JANE).len() == 30);
    desk.settle();
    assert!(own.connections().most <= 5, "{:?}", own.connections());
}

#[test]
fn a_relay_that_is_configured_later_takes_what_waited_for_a_dead_server() {
    let net = Internet::start();
    net.mx("customer.test", 10, 9);
    let agents = net.sink("agents.test", 200, |_, _| Say::Yes);
    let desk = Desk::prepare(net.options());
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    answered(&desk, &agents);
    wait_until("the first try", || rows(&desk, "waiting").iter().any(|row| row["last_reply"] != Value::Null));
    let sink = Sink::start(|_, _| Say::Yes);
    desk.configure(&desk.configuration().replace("[outbound]\n", &format!("[outbound]\nrelay = \"{}\"\n", sink.url())));
    desk.signal("HUP");
    sink.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!(sink.to(ANN).len(), 1);
}

#[test]
fn no_server_gets_more_mails_a_second_than_it_may() {
    const RATE: u32 = 5;
    const MAILS: u32 = 12;
    let sink = Sink::start(|_, _| Say::Yes);
    let desk = desk_with(&sink, format!("rate = {RATE}"));
    let start = Instant::now();
    for n in 0..MAILS {
        desk.deliver(&from_ann(&format!("Relay {n}"), "Hello?"));
    }
    wait_until("all notifications", || sink.to(JANE).len() == MAILS as usize);
    let took = start.elapsed();
    // Those of the first second leave at once.
    assert!(took >= Duration::from_secs(1) * (MAILS - RATE) / RATE, "{took:?}");
}
