//! Who may act: proofs, tokens, leaks.

use ombud_tests::mail::tokens;
use ombud_tests::{Desk, Dns, Draft, Letter, Options, Smtp};

use crate::{ANN, JANE, SUPPORT, answers_to_ann, release_address, ticket_of_ann};

fn by_jane(notice: &Letter, body: &str) -> Draft {
    Draft::answer("Jane Doe <jane@agents.test>", notice, body)
}

#[test]
fn without_a_proof_an_agents_answer_waits_for_their_word() {
    let dns = Dns::start();
    let desk = Desk::prepare(Options { require: "aligned", resolver: Some(dns.address()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    let (number, notice) = ticket_of_ann(&desk, "Proof");
    let mail = by_jane(&notice, "It is fixed, Ann.");
    let fate = desk.deliver(&mail);
    assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &"confirm".into()), "{fate}");
    let held = desk.out().expect(JANE, "that it was held", |l| l.text().contains("It is fixed, Ann."));
    desk.settle();
    assert!(desk.out().to(ANN).is_empty(), "nobody who is not proven is acknowledged, and nothing is published");
    assert_eq!(desk.messages(&number).len(), 1);
    desk.deliver(&Draft::new("Jane Doe <jane@agents.test>", &release_address(&held), "Re: held", "yes"));
    desk.out().expect(ANN, "the answer", |l| l.text().contains("It is fixed, Ann."));
    let shown = desk.cli(&["inbox", "list", "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
}

#[test]
fn nobody_answers_with_somebody_elses_address() {
    let desk = Desk::with_jane_and_bob();
    let (number, notice) = ticket_of_ann(&desk, "Stolen");
    // A stranger, the customer, and another agent have got hold of Jane's answer address.
    for from in ["Eve <eve@elsewhere.test>", "Ann Smith <ann@customer.test>", "Bob Roe <bob@agents.test>"] {
        desk.deliver(&Draft::plain_answer(from, &notice, "I am Jane, believe me."));
    }
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    let messages = desk.messages(&number);
    assert!(messages.iter().all(|m| m["kind"] != "agent"), "{messages:?}");
}

#[test]
fn a_revoked_or_disabled_agent_is_refused() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Revoke");
    assert_eq!(desk.cli(&["agent", "revoke-addresses", JANE]).code, 0);
    // Seen by the running daemon within 2 s.
    ombud_tests::wait_until("the revoked address to be refused", || {
        let mut smtp = Smtp::greeted(desk.ports().smtp);
        smtp.ask("MAIL FROM:<jane@agents.test>");
        smtp.ask(&format!("RCPT TO:<{}>", notice.address("Reply-To"))).line.starts_with("550 5.1.1")
    });
}

#[test]
fn signed_addresses_at_rcpt() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Addresses");
    let answer = notice.address("Reply-To");
    let token = tokens(&answer).remove(0);
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    let mut rcpt = |address: &str| {
        assert_eq!(smtp.ask("MAIL FROM:<jane@agents.test>").code, 250);
        let reply = smtp.ask(&format!("RCPT TO:<{address}>"));
        smtp.ask("RSET");
        reply.line
    };
    let unknown = rcpt("nobody@desk.test");
    assert!(unknown.starts_with("550 5.1.1"), "{unknown}");
    for place in [0, 20, 43] {
        let letter = if token.as_bytes()[place] == b'a' { "b" } else { "a" };
        let mut forged = token.clone();
        forged.replace_range(place..=place, letter);
        assert_eq!(rcpt(&answer.replace(&token, &forged)), unknown, "the {place}th letter of a signed address is wrong");
    }
    assert!(rcpt("support@elsewhere.test").starts_with("550"));
    assert!(rcpt(&answer.to_uppercase()).starts_with("250"));
    assert!(rcpt("support+shop@desk.test").starts_with("250"), "any other suffix is the mailbox itself (RFC 5233)");
    assert!(rcpt("postmaster@desk.test").starts_with("250"));
    assert!(rcpt("Postmaster").starts_with("250"), "RFC 5321 §4.5.1");
    assert!(rcpt("abuse@desk.test").starts_with("250"));
}

#[test]
fn an_upper_case_address_acts() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Upper case");
    let mail = by_jane(&notice, "SHOUTED").to(&notice.address("Reply-To").to_uppercase());
    assert_eq!(desk.deliver(&mail)["kind"], "message");
    desk.out().expect(ANN, "the answer", |l| l.text().contains("SHOUTED"));
}

#[test]
fn an_expired_address_asks_its_owner() {
    let mut desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Old");
    desk.settle();
    desk.kill();
    desk.serve(&["--clock", "40d"]);
    let fate = desk.deliver(&by_jane(&notice, "Sorry for the delay."));
    assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &"confirm".into()), "{fate}");
    let held = desk.out().expect(JANE, "that it was held", |l| l.text().contains("Sorry for the delay."));
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    desk.deliver(&Draft::new("Jane Doe <jane@agents.test>", &release_address(&held), "Re: held", "yes"));
    desk.out().expect(ANN, "the answer", |l| l.text().contains("Sorry for the delay."));
}

#[test]
fn a_trace_of_the_notification_holds_the_answer() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Leak");
    let note = notice.text().lines().find(|line| line.starts_with("Note (stays inside):")).unwrap().to_owned();
    let token = notice.address("Reply-To");
    for body in [format!("See below, Ann:\n{note}\nfine?"), format!("Write me at {token} please"), format!("<{}>", token.to_uppercase())] {
        let fate = desk.deliver(&Draft::plain_answer("Jane Doe <jane@agents.test>", &notice, &body));
        assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &"leak".into()), "{body}: {fate}");
    }
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn a_group_in_from_is_nobody_in_particular() {
    let desk = Desk::with_jane_and_bob();
    let (number, notice) = ticket_of_ann(&desk, "Group");
    // To a plain address: a ticket of the envelope sender, unverified. To an agent's: held.
    let group = "Team: Jane Doe <jane@agents.test>, b@customer.test;";
    let mut plain = Draft::new(group, SUPPORT, "A group", "who are we?");
    plain.sender = "a@customer.test".into();
    let fate = desk.deliver(&plain);
    assert_eq!(fate["kind"], "ticket", "{fate}");
    let ticket = desk.get(&format!("/api/v1/tickets/{}", fate["ticket"]));
    assert_eq!(ticket["requester"]["address"], "a@customer.test");
    assert!(desk.messages(&fate["ticket"])[0]["flags"].to_string().contains("unverified"));
    let mut answer = Draft::plain_answer(group, &notice, "We are Jane.");
    answer.sender = JANE.into();
    desk.deliver(&answer);
    desk.settle();
    assert!(desk.messages(&number).iter().all(|m| m["kind"] != "agent"), "never an agent");
    assert!(answers_to_ann(&desk).is_empty());
    assert!(desk.out().to("a@customer.test").is_empty(), "nobody who is not proven is acknowledged");
}

#[test]
fn held_mail_of_others_is_told_to_the_admins() {
    let mut desk = Desk::with_jane();
    let own = Draft::new("Acme Support <support@desk.test>", SUPPORT, "From ourselves", "a mail in our own name");
    let fate = desk.deliver(&own);
    assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &"own".into()), "{fate}");
    desk.settle();
    assert!(desk.out().to(JANE).is_empty(), "one digest in 15 minutes");
    desk.kill();
    desk.serve(&["--clock", "20m"]);
    let digest = desk.out().expect(JANE, "a digest", |l| l.text().contains("From ourselves"));
    assert!(tokens(&digest.text()).len() >= 2, "a release and a drop address:\n{}", digest.text());
}
