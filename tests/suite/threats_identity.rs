//! Who a mail is from, by the numbers of the threat catalogue. What proves each row:
//!
//! | row | proven by |
//! |---|---|
//! | B1 | `verify::two_readers_never_see_two_authors`, `bad_input::two_authors_are_refused`, `holds::a_group_in_from_is_nobody_in_particular` |
//! | B2, B3, B10, B11 | here |
//! | B4 | `verify::a_trusted_relay_is_believed_and_only_its_topmost_word`, `verify::nobodys_word_is_believed_unasked` |
//! | B5 | `verify::a_forged_agent_does_nothing`, `verify::an_expiry_that_has_not_come_proves` |
//! | B6 | `verify::a_flood_of_signatures_costs_few_questions`, `verify::one_slow_domain_keeps_nobody_else_waiting` |
//! | B7 | `verify::too_many_spf_terms_are_an_error` |
//! | B8 | `verify::spf_alone_proves_an_agent_who_may` |
//! | B9 | nothing reads ARC: `verify::nobodys_word_is_believed_unasked` |
//! | B12 | in the daemon, `pipeline::tests::customers::a_copy_joins_from_the_requester_alone` |
//! | B13 | `conversation::customer_ticket_acknowledgement_answer_note`; in the daemon, `pipeline::tests::customers::{unproven_mail_joins_by_our_own_id_alone_and_nobody_is_acknowledged, acknowledgements_are_capped_and_tickets_are_not}` |
//!
//! Who may act on what is known of a mail is `tests/golden/who_acts.txt`.

use ombud_tests::{Desk, Draft};

use crate::{ANN, JANE, SUPPORT, ticket_of_ann};

const EVE: &str = "eve@evil.test";

#[test]
fn b2_reply_to_is_nobodys_identity() {
    let desk = Desk::with_jane();
    let mail = Draft::new("Eve <eve@evil.test>", SUPPORT, "Reply-To", "Who am I?").header("Reply-To", "Jane Doe <jane@agents.test>");
    let fate = desk.deliver(&mail);
    let ticket = desk.get(&format!("/api/v1/tickets/{}", fate["ticket"]));
    assert_eq!(ticket["requester"]["address"], EVE, "{ticket}");
    let notice = desk.out().expect(JANE, "the notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Reply-To")));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "Eve, I think."));
    desk.out().expect(EVE, "the answer", |l| l.text().contains("Eve, I think."));
}

#[test]
fn b3_what_is_shown_and_authorized_is_what_is_mailed() {
    let desk = Desk::with_jane();
    let froms = [
        "\"a@evil.test x\"@corp.test",
        "user@corp.test(x)evil.test",
        "=?utf-8?q?a=40evil.test=3e=00?=@corp.test",
        "grp:\";\"<eve@evil.test>;",
        "<user@corp.test>evil.test",
        "user@corp.test\\@evil.test",
    ];
    for (n, from) in froms.iter().enumerate() {
        let mut mail = Draft::new(from, SUPPORT, &format!("Address {n}"), "hello");
        mail.sender = "sender@corp.test".into();
        if desk.send(&mail).code != 250 {
            continue;
        }
        let fate = desk.fate(&mail.id);
        if fate["kind"] != "ticket" {
            continue;
        }
        let ticket = desk.get(&format!("/api/v1/tickets/{}", fate["ticket"]));
        let shown = ticket["requester"]["address"].as_str().expect("an address").to_owned();
        let notice =
            desk.out().expect(JANE, "the notification", |l| l.header("Subject").is_some_and(|s| s.ends_with(&format!("Address {n}"))));
        let text = format!("To {shown} alone, number {n}.");
        desk.deliver(&Draft::plain_answer("Jane Doe <jane@agents.test>", &notice, &text));
        desk.out().expect(&shown, "the answer", |l| l.text().contains(&format!("number {n}.")));
    }
    desk.settle();
    assert!(desk.out().letters().iter().all(|letter| !letter.recipient.ends_with("evil.test")));
}

#[test]
fn b10_a_name_hides_no_address_and_carries_no_invisible_letters() {
    let desk = Desk::with_jane();
    let name = "=?utf-8?q?Jane_Doe_=3Cjane=40agents=2Etest=3E_=E2=80=AEtset=E2=80=8B?=";
    let mail = Draft::new(&format!("{name} <eve@evil.test>"), SUPPORT, "=?utf-8?q?A_=E2=80=AEname=E2=80=8B?=", "It is me, Jane.");
    desk.deliver(&mail);
    let notice = desk.out().expect(JANE, "the notification", |l| l.text().contains("It is me, Jane."));
    let from = notice.text().lines().find(|line| line.starts_with("From: ")).expect("who wrote it").to_owned();
    assert!(from.ends_with("<eve@evil.test>"), "the address stands beside the name: {from}");
    for hidden in ['\u{202e}', '\u{200b}'] {
        assert!(!notice.text().contains(hidden) && !notice.html().contains(hidden), "{hidden:?} is in {:?}", notice.text());
    }
    assert_eq!(notice.address("From"), SUPPORT);
}

#[test]
fn b11_a_verification_mail_to_a_ticket_reaches_no_customer() {
    let desk = Desk::with_jane();
    let (number, _) = ticket_of_ann(&desk, "Trick");
    let ack = desk.out().expect(ANN, "the acknowledgement", |_| true);
    let code = "Your code is 739182";
    let to_ticket = Draft::new("Slack <no-reply@slack.test>", &ack.address("Reply-To"), "Confirm your email", code);
    desk.deliver(&to_ticket);
    desk.deliver(&Draft::new("Slack <no-reply@slack.test>", SUPPORT, "Confirm your email", code).header("Cc", ANN));
    desk.settle();
    assert!(desk.out().to(ANN).iter().all(|letter| !letter.everything().contains("739182")));
    let messages = desk.messages(&number);
    let code = messages.iter().find(|m| m["text"].as_str().is_some_and(|t| t.contains("739182"))).expect("agents see it");
    assert_eq!(code["public"], false, "{code}");
}
