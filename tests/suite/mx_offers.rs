//! What a recipient's server offers and cannot do: TLS that breaks, addresses beyond ASCII.

use ombud_tests::{Authority, Draft, Internet, Say, wait_until};

use crate::mx::{ANSWER, CUSTOMER, answer_to, desk, is_answer, rows};
use crate::{ANN, JANE};

#[test]
fn a_handshake_that_fails_leaves_the_mail_in_clear() {
    let net = Internet::start();
    let server = net.peer(CUSTOMER, 1, |talk, number| {
        talk.up_to("EHLO")?;
        talk.say("250-broken.test\r\n250 STARTTLS")?;
        if number == 1 {
            talk.hear("STARTTLS")?;
            talk.say("220 go")?;
            talk.swallow()?;
            return talk.say("this is no TLS");
        }
        talk.hear("MAIL")?;
        talk.say("250 ok")?;
        talk.hear("RCPT")?;
        talk.say("250 ok")?;
        talk.hear("DATA")?;
        talk.say("354 go on")?;
        while talk.hear("")? != ".\r\n" {}
        talk.say("250 2.0.0 Taken (in clear)")?;
        talk.stay()
    });
    let (desk, agents) = desk(&net);
    answer_to(&desk, &agents, ANN);
    wait_until("the answer to leave", || !rows(&desk, "sent", ANN).is_empty());
    assert!(rows(&desk, "sent", ANN)[0]["last_reply"].as_str().is_some_and(|reply| reply.contains("in clear")));
    assert_eq!(server.connections(), 2);
}

#[test]
fn tls_that_breaks_beside_the_handshake_leaves_the_mail_in_clear_too() {
    let net = Internet::start();
    let authority = Authority::of(&["tls.test"]);
    let server = net.peer(CUSTOMER, 1, move |talk, number| {
        talk.up_to("EHLO")?;
        talk.say("250-broken.test\r\n250 STARTTLS")?;
        match number {
            1 => return talk.reset(),
            3 => return talk.hear("STARTTLS").map(|_| ()),
            5 => {
                talk.hear("STARTTLS")?;
                return talk.say("what?");
            }
            7 => {
                talk.hear("STARTTLS")?;
                talk.say("220 go")?;
                talk.encrypt(&authority.server)?;
                return talk.hear("EHLO").map(|_| ());
            }
            _ => {}
        }
        talk.take("250 2.0.0 Taken (in clear)")
    });
    let (desk, agents) = desk(&net);
    for n in 1..5 {
        let customer = format!("c{n}@{CUSTOMER}");
        answer_to(&desk, &agents, &customer);
        wait_until("the answer to leave", || !rows(&desk, "sent", &customer).is_empty());
        assert_eq!(server.connections(), 2 * n, "once with TLS, once without");
    }
}

#[test]
fn an_address_beyond_ascii_needs_a_server_that_says_so() {
    let net = Internet::start();
    let old = net.peer(CUSTOMER, 1, |talk, _| {
        talk.up_to("MAIL")?;
        None
    });
    let modern = net.sink("modern.test", 2, |_, _| Say::Yes);
    let (desk, agents) = desk(&net);
    for customer in ["jörg@customer.test", "jörg@modern.test"] {
        let mut draft = Draft::new(customer, "support@desk.test", customer, "Hallo?");
        draft.sender = ANN.into();
        desk.deliver(&draft);
        let notice = agents.expect(JANE, "a notification", |l| l.text().contains(customer));
        desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, ANSWER));
    }
    modern.expect("jörg@modern.test", "the answer", is_answer);
    wait_until("the other to fail", || !rows(&desk, "failed", "jörg@customer.test").is_empty());
    assert!(rows(&desk, "failed", "jörg@customer.test")[0]["last_reply"].as_str().is_some_and(|reply| reply.contains("5.6.7")));
    drop(old);
}

#[test]
fn a_domain_beyond_ascii_is_written_in_ascii() {
    let net = Internet::start();
    let _old = net.peer("xn--bcher-kva.test", 1, |talk, _| {
        talk.up_to("MAIL")?;
        talk.say("250 ok")?;
        talk.hear("RCPT TO:<ann@xn--bcher-kva.test>\r\n")?;
        talk.say("250 ok")?;
        talk.hear("DATA")?;
        talk.say("354 go on")?;
        while talk.hear("")? != ".\r\n" {}
        talk.say("250 2.0.0 Taken")
    });
    let (desk, agents) = desk(&net);
    let customer = "ann@bücher.test";
    let mut draft = Draft::new(customer, "support@desk.test", "About books", "Hallo?");
    draft.sender = ANN.into();
    desk.deliver(&draft);
    let notice = agents.expect(JANE, "a notification", |l| l.text().contains(customer));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, ANSWER));
    wait_until("the answer to leave", || !rows(&desk, "sent", customer).is_empty());
}
