//! Acting by mail: signed addresses, threads, commands, by the numbers of the threat catalogue. What proves each row:
//!
//! | row | proven by |
//! |---|---|
//! | C1 | in the daemon, `pipeline::tests::agents::an_agent_without_an_address_of_theirs_says_nothing_in_public` |
//! | C2 | in the daemon, `desk::token::tests::{every_single_bit_counts, a_field_of_another_token_is_refused}`; `holds::signed_addresses_at_rcpt` |
//! | C3, C4, C6, C9, C13, C17, C18 | here |
//! | C4 | `holds::a_trace_of_the_notification_holds_the_answer`, `holds::nobody_answers_with_somebody_elses_address`; in the daemon, `send::compose::guard::tests`; the harness looks at all that any test's desk sends (`tests/harness/inside.rs`) |
//! | C5 | `holds::a_revoked_or_disabled_agent_is_refused` |
//! | C7 | in the daemon, `pipeline::tests::customers::{a_reference_joins_only_whoever_is_on_the_ticket, unproven_mail_joins_by_our_own_id_alone_and_nobody_is_acknowledged}` |
//! | C8 | `copies::other_words_under_the_same_id_are_another_message` |
//! | C10 | `commands::{a_wrong_line_holds_the_whole_mail_until_its_author_sends_it, what_looks_like_a_command_below_is_held}` |
//! | C11 | `conversation::customer_ticket_acknowledgement_answer_note`; in the daemon, `pipeline::tests::{agents::an_answer_is_published_without_quote_and_signature, reviewed::words_that_nothing_marks_as_a_quote_are_not_cut_silently}` |
//! | C12 | in the daemon, `pipeline::tests::agents::an_agents_absence_is_never_published` |
//! | C14 | in the daemon, `desk::token::tests::an_old_key_still_verifies_and_a_foreign_one_never_does`; `holds::a_revoked_or_disabled_agent_is_refused` |
//! | C15 | `threats_smtp`, A8 |
//! | C16 | `holds::an_upper_case_address_acts`; in the daemon, `desk::token::tests::a_token_survives_case_folding_and_says_what_was_signed` |

use ombud_tests::{Desk, Draft};
use serde_json::Value;

use crate::{ANN, JANE, SUPPORT, answers_to_ann, from_ann, ticket_of_ann};

fn ticket(desk: &Desk, number: &Value) -> Value {
    desk.get(&format!("/api/v1/tickets/{number}"))
}

#[test]
fn c3_a_number_behind_the_plus_names_no_ticket() {
    let desk = Desk::with_jane();
    let (number, _) = ticket_of_ann(&desk, "Guessed");
    for guess in [format!("support+{number}@desk.test"), format!("support+id{number}@desk.test")] {
        let fate = desk.deliver(&from_ann("A guess", "Am I in?").to(&guess));
        assert!(fate["kind"] == "ticket" && fate["ticket"] != number, "{guess}: {fate}");
    }
    assert_eq!(ticket(&desk, &number)["messages"], 1);
}

#[test]
fn c4_an_agents_address_in_a_file_never_leaves_and_its_author_hears_why() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "In a file");
    let file = format!("To answer write to {}\n", notice.address("Reply-To"));
    let answer = Draft::plain_answer("Jane Doe <jane@agents.test>", &notice, "See the file.").attach("how.txt", file.as_bytes());
    desk.deliver(&answer);
    let told = desk.out().expect(JANE, "that it was not sent", |l| l.text().contains("was not sent"));
    let text = told.text();
    assert!(text.contains("in the attachment how.txt") && text.contains("> See the file."), "{text}");
    assert_eq!(told.header("X-Ombud-Reason").as_deref(), Some("failed"));
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    let failed = desk.list("/api/v1/outbox?state=failed");
    assert!(failed.len() == 1 && failed[0]["last_reply"].as_str().is_some_and(|r| r.starts_with("stopped by the desk: ")), "{failed:?}");
    assert!(desk.messages(&number).iter().any(|m| m["kind"] == "system" && m["text"].as_str().is_some_and(|t| t.contains("was not sent"))));
}

#[test]
fn c6_a_stranger_with_a_customers_address_gets_nothing_of_the_ticket() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Leaked");
    let ack = desk.out().expect(ANN, "the acknowledgement", |_| true);
    desk.deliver(&Draft::plain_answer("Eve <eve@evil.test>", &ack, "Send it to me from now on."));
    desk.deliver(&Draft::plain_answer("Jane Doe <jane@agents.test>", &notice, "For Ann alone."));
    desk.out().expect(ANN, "the answer", |l| l.text().contains("For Ann alone."));
    desk.settle();
    assert!(desk.out().to("eve@evil.test").is_empty());
    assert_eq!(ticket(&desk, &number)["requester"]["address"], ANN);
    let messages = desk.messages(&number);
    let theirs = messages.iter().find(|m| m["author"]["address"] == "eve@evil.test").expect("agents see it");
    assert!(theirs["public"] == false && theirs["flags"].to_string().contains("third_party"), "{theirs}");
}

#[test]
fn c9_commands_are_an_agents_own_first_lines_and_nothing_else() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Orders");
    let ack = desk.out().expect(ANN, "the acknowledgement", |_| true);
    desk.deliver(&Draft::plain_answer("Ann Smith <ann@customer.test>", &ack, "@close\n@priority urgent\nplease"));
    let quoted = "As you wish.\n\n> @close\n> @assign jane@agents.test\n> @tag hacked";
    desk.deliver(&Draft::plain_answer("Jane Doe <jane@agents.test>", &notice, quoted));
    desk.out().expect(ANN, "the answer", |l| l.text().contains("As you wish."));
    desk.settle();
    let state = ticket(&desk, &number);
    assert_eq!((&state["status"], &state["priority"], state["tags"].to_string().as_str()), (&"pending".into(), &"normal".into(), "[]"));
}

#[test]
fn c13_an_agents_mail_that_comes_again_does_nothing_again() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Again");
    let mail = Draft::plain_answer("Jane Doe <jane@agents.test>", &notice, "@tag seen\n\nOnce is enough.");
    desk.deliver(&mail);
    let again = mail.clone().header("Received", "from elsewhere by mx.test; Sat, 21 Nov 2026 11:00:00 +0000");
    for copy in [&mail, &again] {
        assert_eq!(desk.send(copy).code, 250);
    }
    ombud_tests::wait_until("the copies to be known as such", || {
        desk.fates(&mail.id).iter().filter(|row| row["fate"]["kind"] == "duplicate").count() == 2
    });
    desk.settle();
    assert_eq!(answers_to_ann(&desk).len(), 1);
    assert_eq!(desk.messages(&number).iter().filter(|m| m["kind"] == "agent").count(), 1);
}

#[test]
fn c17_no_header_of_a_stranger_sets_anything() {
    let desk = Desk::with_jane();
    let mut mail = from_ann("Magic", "hello");
    for (name, value) in [
        ("X-Ombud-Priority", "urgent"),
        ("X-Ombud-Status", "closed"),
        ("X-Ombud-Reason", "assigned"),
        ("X-HD-Priority", "1"),
        ("X-Zammad-Ticket-State", "closed"),
        ("List-Post", "<mailto:support@desk.test>"),
    ] {
        mail = mail.header(name, value);
    }
    let fate = desk.deliver(&mail);
    let state = ticket(&desk, &fate["ticket"]);
    assert!(state["status"] == "open" && state["assignee"].is_null() && state["priority"] != "urgent", "{state}");
}

#[test]
fn c18_what_a_stranger_writes_is_text_everywhere() {
    let desk = Desk::with_jane();
    let subject = "{{7*7}} ${HOME} <%= 7*7 %> %0d%0aBcc: eve@evil.test";
    let fate = desk.deliver(&Draft::new("{{7*7}} <ann@customer.test>", SUPPORT, subject, "{{7*7}} and ${HOME}"));
    let notice = desk.out().expect(JANE, "the notification", |l| l.header("Subject").is_some());
    assert_eq!(notice.header("Subject").as_deref(), Some(format!("[#{}] {subject}", fate["ticket"]).as_str()));
    assert!(notice.text().starts_with("{{7*7}} and ${HOME}"), "{}", notice.text());
    let ack = desk.out().expect(ANN, "the acknowledgement", |_| true);
    assert_eq!(ack.header("Subject").as_deref(), Some(format!("Re: {subject}").as_str()));
    for letter in [&notice, &ack] {
        assert!(letter.header("Bcc").is_none() && !letter.text().contains("49"), "{}", letter.everything());
    }
}
