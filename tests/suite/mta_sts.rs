//! MTA-STS (RFC 8461): a domain says who takes its mail, and nobody on the way can have it otherwise.

use ombud_tests::{Authority, Desk, Draft, Internet, Options, Peer, Say, Sink, Talk, wait_until};
use serde_json::Value;

use crate::{ANN, JANE};

const CUSTOMER: &str = "customer.test";

/// What the web server of a policy says.
fn page(mode: &str, mx: &str, max_age: u32) -> String {
    text(&format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n"))
}

fn text(body: &str) -> String {
    let length = body.len() + 2;
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// A desk that believes an authority, and the server of the agents' domain.
fn desk(net: &Internet, authority: &Authority) -> (Desk, Sink) {
    let agents = net.sink("agents.test", 200, |_, _| Say::Yes);
    let desk = Desk::prepare(Options { outbound: format!("ca = \"{}\"", authority.root().display()), ..net.options() });
    desk.agent(JANE, "Jane Doe", "admin");
    (desk.running(), agents)
}

fn answer_to(desk: &Desk, agents: &Sink, customer: &str) {
    let subject = format!("About {customer}");
    desk.deliver(&Draft::new(customer, "support@desk.test", &subject, "Hello?"));
    let notice = agents.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with(&subject)));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "It is fixed."));
}

fn rows(desk: &Desk, state: &str, to: &str) -> Vec<Value> {
    desk.list(&format!("/api/v1/outbox?state={state}")).into_iter().filter(|row| row["to"] == to).collect()
}

/// Waits until the mail has left; what the server has said last.
fn sent(desk: &Desk, to: &str) -> String {
    wait_until("the answer to leave", || !rows(desk, "sent", to).is_empty());
    rows(desk, "sent", to)[0]["last_reply"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the mail was tried and waits; why.
fn waits(desk: &Desk, to: &str) -> String {
    let why = || rows(desk, "waiting", to).first().and_then(|row| row["last_reply"].as_str().map(str::to_owned));
    wait_until("the answer to wait", || why().is_some());
    why().unwrap_or_default()
}

/// A server with TLS that takes everything.
fn covered(net: &Internet, n: u8, authority: &Authority) -> Peer {
    let config = authority.server.clone();
    net.peer(CUSTOMER, n, move |talk, _| {
        talk.start_tls(&config)?;
        talk.take("250 2.0.0 Taken (over TLS)")?;
        talk.stay()
    })
}

fn authority() -> Authority {
    Authority::of(&["mta-sts.customer.test", "mx1.customer.test"])
}

#[test]
fn a_server_that_the_policy_names_gets_the_mail_over_tls_and_no_other_one_is_asked() {
    let (net, authority) = (Internet::start(), authority());
    let good = covered(&net, 1, &authority);
    net.dns.mx(CUSTOMER, 5, "mx9.evil.test").host("mx9.evil.test", *net.address(9).ip());
    let evil = Sink::at(net.address(9).into(), |_, _| Say::Yes);
    let web = net.policy(CUSTOMER, "1", 50, &authority.server, |_| page("enforce", "mx1.customer.test", 86_400));
    let (desk, agents) = desk(&net, &authority);
    answer_to(&desk, &agents, ANN);
    assert!(sent(&desk, ANN).contains("over TLS"));
    answer_to(&desk, &agents, "bob@customer.test");
    assert!(sent(&desk, "bob@customer.test").contains("over TLS"));
    assert_eq!((evil.connections().all, web.connections()), (0, 1), "a policy is fetched once");
    assert!(good.connections() >= 1);
}

#[test]
fn where_no_server_is_named_mail_waits_and_says_why() {
    let (net, authority) = (Internet::start(), authority());
    let _web = net.policy(CUSTOMER, "1", 50, &authority.server, |_| page("enforce", "*.mail.customer.test", 86_400));
    let unnamed = net.sink(CUSTOMER, 1, |_, _| Say::Yes);
    let (desk, agents) = desk(&net, &authority);
    answer_to(&desk, &agents, ANN);
    let why = waits(&desk, ANN);
    assert!(why.contains("none of the servers that the MTA-STS policy of customer.test names"), "{why}");
    assert_eq!(unnamed.connections().all, 0);
}

/// Tries a server that has not what an enforced policy asks for.
fn refused(script: impl Fn(&mut Talk, usize) -> Option<()> + Send + Sync + 'static) -> String {
    let (net, authority) = (Internet::start(), authority());
    let _web = net.policy(CUSTOMER, "1", 50, &authority.server, |_| page("enforce", "*.customer.test", 86_400));
    let bad = net.peer(CUSTOMER, 1, script);
    let (desk, agents) = desk(&net, &authority);
    answer_to(&desk, &agents, ANN);
    let why = waits(&desk, ANN);
    assert!(why.contains("asks for TLS with a valid certificate"), "{why}");
    assert_eq!(bad.connections(), 1, "nothing is tried in clear");
    why
}

#[test]
fn a_server_without_tls_gets_nothing() {
    let why = refused(|talk, _| {
        talk.up_to("EHLO")?;
        talk.say("250 evil.test")?;
        talk.stay()
    });
    assert!(why.contains("no STARTTLS offered"), "{why}");
}

#[test]
fn a_server_with_a_foreign_certificate_gets_nothing() {
    let stranger = Authority::of(&["mx1.customer.test"]);
    refused(move |talk, _| talk.start_tls(&stranger.server));
}

#[test]
fn a_handshake_that_fails_under_a_policy_is_not_repeated_in_clear() {
    refused(|talk, _| {
        talk.up_to("EHLO")?;
        talk.say("250-evil.test\r\n250 STARTTLS")?;
        talk.hear("STARTTLS")?;
        talk.say("220 go")?;
        talk.swallow()?;
        talk.say("this is no TLS")
    });
    refused(|talk, _| {
        talk.up_to("EHLO")?;
        talk.say("250-evil.test\r\n250 STARTTLS")?;
        talk.hear("STARTTLS")?;
        talk.say("454 4.7.0 No TLS now")?;
        talk.stay()
    });
}

#[test]
fn a_certificate_for_another_name_is_none() {
    let (net, authority) = (Internet::start(), authority());
    let _web = net.policy(CUSTOMER, "1", 50, &authority.server, |_| page("enforce", "*.customer.test", 86_400));
    // The authority knows mx1 and not mx2.
    let _other = covered(&net, 2, &authority);
    let (desk, agents) = desk(&net, &authority);
    answer_to(&desk, &agents, ANN);
    assert!(waits(&desk, ANN).contains("asks for TLS with a valid certificate"));
}

#[test]
fn a_connection_with_any_certificate_carries_no_mail_under_a_policy() {
    let (net, authority) = (Internet::start(), authority());
    let stranger = Authority::of(&["mx1.customer.test"]);
    let _shared = net.peer(CUSTOMER, 1, move |talk, _| {
        talk.start_tls(&stranger.server)?;
        talk.take("250 2.0.0 Taken")?;
        talk.stay()
    });
    // Another domain without a policy has the same server, and a connection to it waits for more.
    net.dns.mx("open.test", 10, "mx1.customer.test");
    let _web = net.policy(CUSTOMER, "1", 50, &authority.server, |_| page("enforce", "*.customer.test", 86_400));
    let (desk, agents) = desk(&net, &authority);
    answer_to(&desk, &agents, "ann@open.test");
    sent(&desk, "ann@open.test");
    answer_to(&desk, &agents, ANN);
    assert!(waits(&desk, ANN).contains("asks for TLS with a valid certificate"));
}

#[test]
fn a_policy_that_is_tested_or_means_nothing_stops_no_mail() {
    let (net, authority) = (Internet::start(), Authority::of(&["mta-sts.testing.test", "mta-sts.none.test"]));
    let _webs = [("testing", 50), ("none", 51)].map(|(mode, n)| {
        let domain = format!("{mode}.test");
        net.policy(&domain, "1", n, &authority.server, move |_| page(mode, "mail.elsewhere.test", 86_400))
    });
    let servers = [("testing.test", 1), ("none.test", 2)].map(|(domain, n)| net.sink(domain, n, |_, _| Say::Yes));
    let (desk, agents) = desk(&net, &authority);
    for (domain, server) in ["testing.test", "none.test"].iter().zip(&servers) {
        let customer = format!("ann@{domain}");
        answer_to(&desk, &agents, &customer);
        server.expect(&customer, "the answer", |l| l.text().contains("It is fixed."));
    }
}

#[test]
fn what_is_no_policy_stops_no_mail() {
    let hosts: Vec<String> = (0..6).map(|n| format!("mta-sts.d{n}.test")).collect();
    let (net, authority) = (Internet::start(), Authority::of(&hosts.iter().map(String::as_str).collect::<Vec<_>>()));
    let enforced = || page("enforce", "mail.elsewhere.test", 86_400);
    let answers = [
        enforced().replace("200 OK", "302 Found\r\nlocation: https://mta-sts.d1.test/"),
        enforced().replace("200 OK", "404 Not Found"),
        enforced().replace("text/plain", "text/html"),
        text(&format!("version: STSv1\nmode: enforce\nmx: mail.elsewhere.test\nmax_age: 86400\n{}", "x: y\n".repeat(20_000))),
        text("<html>"),
        String::from("this is no HTTP"),
    ];
    let mut webs = Vec::new();
    let mut servers = Vec::new();
    for (n, answer) in (0..).zip(answers) {
        let domain = format!("d{n}.test");
        webs.push(net.policy(&domain, "1", 50 + n, &authority.server, move |_| answer.clone()));
        servers.push(net.sink(&domain, 1 + n, |_, _| Say::Yes));
    }
    // A web server that is somebody else's.
    let stranger = Authority::of(&["mta-sts.d6.test"]);
    webs.push(net.policy("d6.test", "1", 56, &stranger.server, move |_| enforced()));
    servers.push(net.sink("d6.test", 7, |_, _| Say::Yes));
    let (desk, agents) = desk(&net, &authority);
    for (n, server) in servers.iter().enumerate() {
        let customer = format!("ann@d{n}.test");
        answer_to(&desk, &agents, &customer);
        server.expect(&customer, "the answer", |l| l.text().contains("It is fixed."));
    }
    assert!(webs.iter().all(|web| web.connections() == 1), "each was asked, once");
}

#[test]
fn a_policy_is_remembered_over_a_restart_until_its_time_is_over() {
    let (net, authority) = (Internet::start(), authority());
    let good = covered(&net, 1, &authority);
    let web = net.policy(CUSTOMER, "1", 50, &authority.server, |_| page("enforce", "mx1.customer.test", 86_400));
    let (mut desk, agents) = desk(&net, &authority);
    answer_to(&desk, &agents, ANN);
    sent(&desk, ANN);
    // Somebody on the way: the web server is out of reach, the record says something else, and the server has no TLS.
    desk.kill();
    drop((web, good));
    net.dns.text("_mta-sts.customer.test", "v=STSv1; id=2;");
    let plain = Sink::at(net.address(1).into(), |_, _| Say::Yes);
    desk.serve(&[]);
    answer_to(&desk, &agents, "bob@customer.test");
    assert!(waits(&desk, "bob@customer.test").contains("asks for TLS with a valid certificate"));
    assert!(plain.letters().is_empty());
    desk.kill();
    desk.serve(&["--clock", "2d"]);
    plain.expect("bob@customer.test", "the answer", |_| true);
}

#[test]
fn a_new_policy_counts_as_soon_as_the_record_says_so() {
    let (net, authority) = (Internet::start(), authority());
    let plain = net.sink(CUSTOMER, 1, |_, _| Say::Yes);
    let web = net.policy(CUSTOMER, "1", 50, &authority.server, |n| match n {
        1 => page("enforce", "mx1.customer.test", 86_400),
        _ => page("none", "mx1.customer.test", 86_400),
    });
    let (mut desk, agents) = desk(&net, &authority);
    answer_to(&desk, &agents, ANN);
    waits(&desk, ANN);
    assert!(plain.letters().is_empty());
    net.dns.text("_mta-sts.customer.test", "v=STSv1; id=2;");
    desk.kill();
    desk.serve(&["--clock", "10m"]);
    plain.expect(ANN, "the answer", |_| true);
    assert_eq!(web.connections(), 2);
}
