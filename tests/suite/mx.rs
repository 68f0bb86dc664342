//! Straight to the recipients' servers: whom the DNS names, in which order, and what strange ones do to us.

use std::net::{IpAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use ombud_tests::postfix::Postfix;
use ombud_tests::{Desk, Draft, Gate, Internet, Letter, Options, Say, Sink, wait_until};
use serde_json::Value;

use crate::{ANN, JANE, from_ann};

pub(crate) const CUSTOMER: &str = "customer.test";
pub(crate) const ANSWER: &str = "It is fixed.";

/// A desk in this internet, and the server of Jane's domain.
pub(crate) fn desk(net: &Internet) -> (Desk, Sink) {
    desk_with(net, net.options())
}

fn desk_with(net: &Internet, options: Options) -> (Desk, Sink) {
    let agents = net.sink("agents.test", 200, |_, _| Say::Yes);
    let desk = Desk::prepare(options);
    desk.agent(JANE, "Jane Doe", "admin");
    (desk.running(), agents)
}

/// A customer's ticket, answered by Jane.
pub(crate) fn answer_to(desk: &Desk, agents: &Sink, customer: &str) {
    let subject = format!("About {customer}");
    desk.deliver(&Draft::new(customer, "support@desk.test", &subject, "Hello?"));
    let notice = agents.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with(&subject)));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, ANSWER));
}

pub(crate) fn is_answer(letter: &Letter) -> bool {
    letter.text().contains(ANSWER)
}

pub(crate) fn rows(desk: &Desk, state: &str, to: &str) -> Vec<Value> {
    desk.list(&format!("/api/v1/outbox?state={state}")).into_iter().filter(|row| row["to"] == to).collect()
}

/// What the server of the customer said of the mail that failed; Jane has been told so.
fn failure(desk: &Desk, agents: &Sink, customer: &str) -> String {
    wait_until("the mail to fail", || !rows(desk, "failed", customer).is_empty());
    let reply = rows(desk, "failed", customer)[0]["last_reply"].as_str().expect("a reply").to_owned();
    agents.expect(JANE, "the failure", |l| l.text().contains(&reply) && l.text().contains(customer));
    reply
}

#[test]
fn the_preferred_server_is_asked_first_and_its_refusal_for_now_moves_on() {
    let net = Internet::start();
    let first = net.sink(CUSTOMER, 1, |_, _| Say::Recipient("451 4.3.0 Not now"));
    let second = net.sink(CUSTOMER, 2, |_, _| Say::Yes);
    let third = net.sink(CUSTOMER, 3, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    second.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!((first.tries(ANN), second.to(ANN).len(), third.tries(ANN)), (1, 1, 0));
}

#[test]
fn no_third_server_is_asked_after_two_refusals_for_now() {
    let net = Internet::start();
    let refusing = [1, 2].map(|n| net.sink(CUSTOMER, n, |_, _| Say::Recipient("450 4.2.0 Greylisted")));
    let third = net.sink(CUSTOMER, 3, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    wait_until("the first try", || rows(&desk, "waiting", ANN).iter().any(|row| row["last_reply"] != Value::Null));
    assert_eq!((refusing.map(|server| server.tries(ANN)), third.tries(ANN)), ([1, 1], 0));
}

#[test]
fn after_a_stop_no_other_server_is_asked() {
    let net = Internet::start();
    let (tell, told) = channel();
    let (go_on, word) = channel::<()>();
    let word = Mutex::new(word);
    let _first = net.peer(CUSTOMER, 1, move |talk, _| {
        talk.up_to("DATA")?;
        talk.say("354 go on")?;
        while talk.hear("")? != ".\r\n" {}
        tell.send(()).ok()?;
        word.lock().ok()?.recv().ok()?;
        talk.say("451 4.3.0 Not now")?;
        talk.stay()
    });
    let second = net.peer(CUSTOMER, 2, |talk, _| talk.stay());
    let (mut desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    told.recv_timeout(Duration::from_secs(20)).expect("the mail");
    let http = desk.ports().http;
    desk.signal("TERM");
    wait_until("the stop", || TcpStream::connect(http).is_err());
    go_on.send(()).expect("a server that waits");
    assert!(desk.wait_for_end(Duration::from_secs(20)).success());
    assert_eq!(second.connections(), 0);
}

#[test]
fn a_server_that_is_down_is_passed_by() {
    let net = Internet::start();
    net.mx(CUSTOMER, 10, 1);
    let second = net.sink(CUSTOMER, 2, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    second.expect(ANN, "the answer", is_answer);
}

#[test]
fn a_refusal_for_good_is_the_last_word() {
    let net = Internet::start();
    let first = net.sink(CUSTOMER, 1, |_, _| Say::Recipient("550 5.1.1 No such user (zk-41)"));
    let second = net.sink(CUSTOMER, 2, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    assert!(failure(&desk, &agents, ANN).contains("550 5.1.1 No such user (zk-41)"));
    assert_eq!((first.tries(ANN), second.tries(ANN)), (1, 0));
}

#[test]
fn a_domain_without_mx_is_its_own_server() {
    let net = Internet::start();
    net.dns.host(CUSTOMER, *net.address(1).ip());
    let server = Sink::at(net.address(1).into(), |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    server.expect(ANN, "the answer", is_answer);
}

#[test]
fn who_takes_no_mail_is_not_tried_for_days() {
    let net = Internet::start();
    net.dns.mx("null.test", 0, ".").host("null.test", *net.address(1).ip());
    net.dns.mx("lost.test", 10, "gone.lost.test");
    net.dns.mx("own.test", 10, "desk.test").mx("own.test", 20, "mx9.own.test");
    net.dns.mx("private.test", 10, "mx.private.test").host("mx.private.test", [192, 168, 7, 7].into());
    let (desk, agents) = desk(&net);
    for (domain, status) in
        [("null.test", "5.1.10"), ("nowhere.test", "5.1.2"), ("lost.test", "5.4.4"), ("own.test", "5.4.6"), ("private.test", "5.4.4")]
    {
        let customer = format!("ann@{domain}");
        answer_to(&desk, &agents, &customer);
        let reply = failure(&desk, &agents, &customer);
        assert!(reply.contains(status), "{domain}: {reply}");
    }
}

#[test]
fn a_server_that_is_this_desk_under_another_name_is_a_loop() {
    let net = Internet::start();
    let _mirror = net.peer(CUSTOMER, 1, |talk, _| {
        talk.up_to("EHLO")?;
        talk.say("250 desk.test")?;
        talk.stay()
    });
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    assert!(failure(&desk, &agents, ANN).contains("5.4.6"));
}

#[test]
fn a_name_server_that_fails_is_not_the_recipients_fault() {
    let net = Internet::start();
    net.dns.broken(CUSTOMER);
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    wait_until("the answer to wait", || rows(&desk, "waiting", ANN).iter().any(|row| row["last_reply"] != Value::Null));
    let row = &rows(&desk, "waiting", ANN)[0];
    assert!(row["last_reply"].as_str().is_some_and(|reply| reply.contains("4.4.3")) && row["attempts"] == 1, "{row}");
}

#[test]
fn a_domain_that_is_dead_holds_no_other() {
    let net = Internet::start();
    net.mx("dead.test", 10, 9);
    let server = net.sink(CUSTOMER, 1, |_, _| Say::Yes);
    let (mut desk, agents) = desk(&net);
    let dead: Vec<String> = (0..8).map(|n| format!("c{n}@dead.test")).collect();
    for customer in &dead {
        answer_to(&desk, &agents, customer);
    }
    answer_to(&desk, &agents, ANN);
    server.expect(ANN, "the answer", is_answer);
    wait_until("the dead to be known", || {
        dead.iter().any(|to| rows(&desk, "waiting", to).iter().any(|row| row["last_reply"] != Value::Null))
    });
    // It comes back; what waited leaves, each once.
    let back = Sink::at(net.address(9).into(), |_, _| Say::Yes);
    desk.kill();
    desk.serve(&["--clock", "1h"]);
    for customer in &dead {
        back.expect(customer, "the answer", is_answer);
    }
    desk.settle();
    assert!(dead.iter().all(|to| back.to(to).len() == 1));
}

#[test]
fn domains_that_are_silent_hold_no_other() {
    let net = Internet::start();
    let server = net.sink(CUSTOMER, 1, |_, _| Say::Yes);
    let silent: Vec<_> = (2..5).map(|n| net.peer(&format!("silent{n}.test"), n, |talk, _| talk.stay())).collect();
    let (desk, agents) = desk(&net);
    for n in 2..5 {
        for customer in 0..7 {
            answer_to(&desk, &agents, &format!("c{customer}@silent{n}.test"));
        }
    }
    wait_until("all to be connected", || silent.iter().all(|peer| peer.connections() == 5));
    answer_to(&desk, &agents, ANN);
    server.expect(ANN, "the answer", is_answer);
    assert!(silent.iter().all(|peer| peer.connections() == 5));
}

#[test]
fn one_connection_carries_many_and_never_more_than_five_are_open() {
    let gate = Gate::default();
    let shut = gate.clone();
    let net = Internet::start();
    let server = net.sink(CUSTOMER, 1, move |_, _| Say::Behind(shut.clone()));
    let (desk, agents) = desk(&net);
    let customers: Vec<String> = (0..30).map(|n| format!("c{n}@{CUSTOMER}")).collect();
    for customer in &customers {
        answer_to(&desk, &agents, customer);
    }
    wait_until("five connections", || server.connections().open == 5);
    gate.open();
    for customer in &customers {
        server.expect(customer, "the answer", is_answer);
    }
    desk.settle();
    let connections = server.connections();
    assert!(connections.most <= 5 && connections.all < 15, "{connections:?}");
    assert_eq!(server.letters().len(), customers.len());
    wait_until("all to be ended", || server.connections().open == 0);
}

#[test]
fn greylisting_is_waited_for() {
    let net = Internet::start();
    let server = net.sink(CUSTOMER, 1, |_, n| if n == 1 { Say::Recipient("450 4.2.0 Greylisted") } else { Say::Yes });
    let (mut desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    wait_until("the first try", || rows(&desk, "waiting", ANN).iter().any(|row| row["attempts"] == 1 && row["last_reply"] != Value::Null));
    assert!(server.to(ANN).is_empty());
    desk.kill();
    desk.serve(&["--clock", "10m"]);
    server.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!((server.to(ANN).len(), server.tries(ANN)), (1, 2));
}

#[test]
fn goodbye_at_any_stage_is_no_refusal() {
    let net = Internet::start();
    let stages = ["greeting", "EHLO", "MAIL", "RCPT", "DATA"];
    let leaving = net.peer(CUSTOMER, 1, move |talk, number| {
        talk.up_to(stages[(number - 1) % stages.len()])?;
        talk.say("421 4.3.2 Shutting down")
    });
    let good = net.sink(CUSTOMER, 2, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    for n in 0..stages.len() {
        let customer = format!("c{n}@{CUSTOMER}");
        answer_to(&desk, &agents, &customer);
        good.expect(&customer, "the answer", is_answer);
    }
    assert_eq!(leaving.connections(), stages.len());
}

#[test]
fn strange_servers_are_passed_by() {
    let net = Internet::start();
    let evil = net.peer(CUSTOMER, 1, |talk, number| match number {
        1 => loop {
            talk.say("220-and so on and so on")?;
        },
        2 => {
            talk.say("HTTP/1.1 400 Bad Request")?;
            talk.stay()
        }
        3 => {
            talk.up_to("EHLO")?;
            // What comes in clear with the reply would be read as if it came over TLS.
            talk.say("250-evil.test\r\n250 STARTTLS")?;
            talk.hear("STARTTLS")?;
            talk.say("220 go\r\n250 injected")?;
            talk.stay()
        }
        4 => {
            talk.up_to("RCPT")?;
            talk.say("250 ok\r\n354 go on\r\n250 taken")?;
            talk.stay()
        }
        _ => {
            talk.up_to("DATA")?;
            talk.say("250 what?")
        }
    });
    let good = net.sink(CUSTOMER, 2, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    for n in 0..5 {
        let customer = format!("c{n}@{CUSTOMER}");
        answer_to(&desk, &agents, &customer);
        good.expect(&customer, "the answer", is_answer);
    }
    assert_eq!(evil.connections(), 5);
    assert!(desk.memory_peak() < 400 << 20);
}

#[test]
fn a_sender_that_is_refused_for_good_is_not_offered_to_the_next_server() {
    let net = Internet::start();
    let first = net.peer(CUSTOMER, 1, |talk, _| {
        talk.up_to("MAIL")?;
        talk.say("550 5.7.1 Not from you (zk-42)")?;
        talk.stay()
    });
    let second = net.sink(CUSTOMER, 2, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    assert!(failure(&desk, &agents, ANN).contains("550 5.7.1 Not from you (zk-42)"));
    assert_eq!((first.connections(), second.connections().all), (1, 0));
}

#[test]
fn a_server_that_hangs_up_after_354_loses_nothing() {
    let net = Internet::start();
    let evil = net.peer(CUSTOMER, 1, |talk, _| {
        talk.up_to("DATA")?;
        talk.say("354 go on")
    });
    let (mut desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    wait_until("the first try", || rows(&desk, "waiting", ANN).iter().any(|row| row["last_reply"] != Value::Null));
    desk.kill();
    drop(evil);
    let server = Sink::at(net.address(1).into(), |_, _| Say::Yes);
    desk.serve(&["--clock", "2h"]);
    server.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!(server.to(ANN).len(), 1);
}

#[test]
fn a_mail_over_which_a_server_stumbles_stops_no_other() {
    let net = Internet::start();
    let ann_is_first = Mutex::new(true);
    let server = net.peer(CUSTOMER, 1, move |talk, _| {
        talk.up_to("RCPT")?;
        talk.say("250 ok")?;
        talk.hear("DATA")?;
        talk.say("354 go on")?;
        if std::mem::take(&mut *ann_is_first.lock().ok()?) {
            return None;
        }
        while talk.hear("")? != ".\r\n" {}
        talk.say("250 2.0.0 Taken")?;
        talk.stay()
    });
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    wait_until("the first try", || rows(&desk, "waiting", ANN).iter().any(|row| row["last_reply"] != Value::Null));
    let other = format!("bob@{CUSTOMER}");
    answer_to(&desk, &agents, &other);
    wait_until("the other to leave", || !rows(&desk, "sent", &other).is_empty());
    assert_eq!(server.connections(), 2);
    assert_eq!(rows(&desk, "waiting", ANN)[0]["attempts"], 1);
}

#[test]
fn a_real_server_takes_it_over_tls_whose_certificate_nobody_knows() {
    let postfix = match Postfix::prepare() {
        Ok(postfix) => postfix,
        Err(why) => return eprintln!("not run: {why}"),
    };
    postfix.start_as_mx("");
    let net = Internet::around(postfix.address());
    for domain in [CUSTOMER, "agents.test"] {
        net.dns.mx(domain, 10, "mx.real.test");
    }
    let IpAddr::V4(host) = postfix.address().ip() else { panic!("an IPv4 address") };
    net.dns.host("mx.real.test", host);
    let desk = Desk::prepare(net.options());
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    for n in 0..10 {
        desk.deliver(&from_ann(&format!("Case {n}"), "Hello?"));
    }
    wait_until("every notification to leave", || rows(&desk, "sent", JANE).len() == 10);
    let log = postfix.log();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines("to=<jane@agents.test>, relay=none"), 10, "{log}");
    assert!((1..=5).contains(&lines("TLS connection established from")), "connections are used again:\n{log}");
}

#[test]
fn who_wrote_what_still_waits_hears_of_it_once_and_of_its_end() {
    let net = Internet::start();
    net.mx(CUSTOMER, 10, 1);
    let (mut desk, agents) = desk(&net);
    for n in 0..3 {
        answer_to(&desk, &agents, &format!("c{n}@{CUSTOMER}"));
    }
    let told = |words: &str| agents.to(JANE).iter().filter(|l| l.text().contains(words)).count();
    let tried = |desk: &Desk, state: &str| {
        let rows = desk.list(&format!("/api/v1/outbox?state={state}"));
        rows.iter().filter(|row| row["to"].as_str().is_some_and(|to| to.ends_with(CUSTOMER)) && row["last_reply"] != Value::Null).count()
    };
    wait_until("all to be put off", || tried(&desk, "waiting") == 3);
    assert_eq!(told("has not arrived yet"), 0);
    for clock in ["5h", "11h"] {
        desk.kill();
        desk.serve(&["--clock", clock]);
        wait_until("Jane to be told of each", || told("has not arrived yet") == 3);
    }
    desk.kill();
    desk.serve(&["--clock", "6d"]);
    wait_until("all to be given up", || tried(&desk, "failed") == 3);
    wait_until("Jane to be told of the end", || told("did not reach") == 3);
    assert_eq!(told("has not arrived yet"), 3, "once each");
    let notice = agents.expect(JANE, "the notice", |l| l.text().contains("has not arrived yet"));
    assert!(notice.text().contains("cannot connect") && notice.text().contains(ANSWER), "{}", notice.text());
}
